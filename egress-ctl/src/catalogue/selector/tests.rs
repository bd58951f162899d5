//! What selectors select, and what they refuse.

use super::*;

fn select(text: &str) -> Result<Vec<String>, SelectorError> {
    let catalogue = Catalogue::builtin().unwrap();
    let sets = text.parse::<Selector>().unwrap().select(&catalogue)?;
    Ok(sets.iter().map(|set| set.key.clone()).collect())
}

#[test]
fn selectors_select_as_many_sets_as_the_documents_have() {
    let table = [
        ("intune", 52),
        ("Intune:Core", 6),
        ("intune:required", 20),
        ("intune:autopilot", 5),
        ("intune:remote-help", 3),
        ("intune:remote-help/gcc", 1),
        ("intune:wns", 1),
        ("intune:push-notification", 1),
        ("intune:delivery-optimization", 3),
        ("intune:delivery-optimization/peers", 1),
        ("intune:peers", 1),
        ("intune:apple", 1),
        ("intune:aosp", 1),
        ("intune:android", 1),
        ("intune:authentication", 3),
        ("intune:powershell", 3),
        ("intune:win32/eu", 1),
        ("intune:win32-apps/region=na", 1),
        ("intune:scale-unit=AMSUB0202", 2),
        ("intune:AMSUA0601", 2),
        ("intune:macos/scale-unit=amsuc0101", 1),
        ("intune:macos/ap", 1),
        ("intune:store", 4),
        ("intune:attestation", 16),
        ("intune:attestation/europe", 6),
        ("intune:attestation/north-america", 6),
        ("intune:attestation/asia-pacific", 4),
        ("intune:defender", 1),
        ("intune:epm", 2),
        ("intune:endpoint-privilege-management", 2),
        ("power-automate:mobile-app", 3),
        ("power-automate:mobile", 3),
        ("power-automate:desktop-flows/global", 2),
        ("power-automate:desktop-flows/us-gov", 11),
        ("power-automate:desktop-flows/gcc", 7),
        ("power-automate:desktop-flows/gcc-high", 7),
        ("power-automate:desktop-flows/dod", 7),
        ("power-automate:desktop-flows/china", 4),
        ("power-automate:cloud=china", 7),
        ("intune:core/allow", 1),
        ("intune:172", 2),
        ("power-automate:required", 25),
        ("power-automate:desktop-flows", 23),
        ("power-automate:desktop-flows/public", 6),
        ("power-automate:public/desktop-flows", 6),
        ("m365", 63),
        ("m365:Common", 45),
        ("m365:Common/required", 28),
        ("m365:common/OPTIONAL", 17),
        ("m365:optimize", 3),
    ];
    for (text, expected) in table {
        assert_eq!(select(text).unwrap().len(), expected, "{text}");
    }
}

#[test]
fn ids_and_keys_select_their_sets() {
    let table: [(&str, &[&str]); 6] = [
        ("intune:163", &["intune:163"]),
        ("intune:172", &["intune:172", "intune:172.2"]),
        ("intune:172.2", &["intune:172.2"]),
        ("m365:11", &["m365:11"]),
        ("m365:Skype/11", &["m365:11"]),
        (
            "power-automate:desktop-flows/public/3",
            &["power-automate:desktop-flows/public/3"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(select(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn every_key_selects_its_set_alone_or_with_its_id_s() {
    let catalogue = Catalogue::builtin().unwrap();
    for set in catalogue.sets() {
        let selected = set
            .key
            .parse::<Selector>()
            .unwrap()
            .select(&catalogue)
            .unwrap();
        assert!(selected.contains(&set), "{}", set.key);
        assert!(
            selected
                .iter()
                .all(|other| other.key == set.key || other.id.is_some() && other.id == set.id),
            "{}",
            set.key
        );
    }
}

type Reason = fn(String) -> SelectorSyntax;

#[test]
fn what_is_no_selector_is_refused() {
    let table: [(&str, Reason); 8] = [
        ("", SelectorSyntax::NoSource),
        (" ", SelectorSyntax::NoSource),
        (":core", SelectorSyntax::NoSource),
        ("intune:", SelectorSyntax::EmptySegment),
        ("intune:core/", SelectorSyntax::EmptySegment),
        ("intune:core//allow", SelectorSyntax::EmptySegment),
        ("intune/core", SelectorSyntax::Separators),
        ("intune:core:allow", SelectorSyntax::Separators),
    ];
    for (text, expected) in table {
        assert_eq!(
            text.parse::<Selector>(),
            Err(expected(text.to_owned())),
            "{text}"
        );
    }
}

#[test]
fn unknown_words_name_the_nearest() {
    let table = [
        (
            "intun:core",
            "selector `intun:core`: unknown source `intun`, the nearest is `intune`; \
             known: intune, power-automate, m365",
        ),
        (
            "m365:Comon/required",
            "selector `m365:Comon/required`: no set of the source knows `Comon`, the nearest is `Common`",
        ),
        (
            "intune:requird",
            "selector `intune:requird`: no set of the source knows `requird`, the nearest is `required`",
        ),
        (
            "power-automate:desktop-flow/public",
            "selector `power-automate:desktop-flow/public`: no set of the source knows `desktop-flow`, \
             the nearest is `desktop-flows`",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(select(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_valid_selection_can_be_empty() {
    for text in [
        "intune:optimize",
        "intune:core/apple",
        "power-automate:required/optional",
    ] {
        assert_eq!(select(text), Err(SelectorError::Empty(text.to_owned())));
    }
    let mut catalogue = Catalogue::default();
    catalogue.add("corp", Vec::new()).unwrap();
    let selector: Selector = "corp:anything".parse().unwrap();
    let expected = SelectorError::Empty("corp:anything".to_owned());
    assert_eq!(selector.select(&catalogue), Err(expected));
}
