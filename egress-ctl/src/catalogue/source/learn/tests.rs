//! A page of our own with every trap that such pages hold.

use proptest::prelude::*;

use super::*;
use crate::catalogue::{
    demand::What,
    finding::{Finding, Severity},
    set::EndpointSet,
};

const PAGE: &str = include_str!("tests/page.md");

fn sets_of(page: &str) -> Vec<EndpointSet> {
    import(page, "doc").sets
}

fn set(key: &str) -> EndpointSet {
    let sets = sets_of(PAGE);
    let keys: Vec<_> = sets.iter().map(|set| set.key.clone()).collect();
    let found = sets.into_iter().find(|set| set.key == format!("doc:{key}"));
    found.unwrap_or_else(|| panic!("no {key} in {keys:?}"))
}

fn names(set: &EndpointSet) -> Vec<String> {
    set.urls.iter().map(ToString::to_string).collect()
}

#[test]
fn every_row_and_item_is_read() {
    // Key, names, prefixes, TCP ports, UDP ports.
    let table: [(&str, &[&str], usize, &str, &str); 18] = [
        (
            "1",
            &["*.a.example", "a.example", "b.a.example"],
            3,
            "80,443",
            "",
        ),
        ("2", &["c.example"], 0, "443,5223", "123"),
        ("2.2", &["c.example", "d.example"], 0, "443", ""),
        ("3", &["*.e.example", "*.f.example"], 0, "443", ""),
        ("4", &["*mobile.g.example", "h.example"], 0, "443", ""),
        ("9", &["seven.example"], 0, "443", ""),
        (
            "delivery-optimization/1",
            &["*.peer.example"],
            0,
            "80,443",
            "",
        ),
        (
            "delivery-optimization/2",
            &["meta.peer.example"],
            0,
            "80,443",
            "",
        ),
        ("delivery-optimization/peers", &[], 4, "7680", "3544"),
        (
            "win32-apps/1",
            &["naprod.cdn.example", "na2.cdn.example"],
            0,
            "443",
            "",
        ),
        ("win32-apps/2", &["euprod.cdn.example"], 0, "443", ""),
        (
            "macos/1",
            &["mac.example", "macold.cdn.example"],
            0,
            "443",
            "",
        ),
        (
            "attestation/north-america/1",
            &["att1.example"],
            0,
            "443",
            "",
        ),
        ("attestation/europe/1", &["att2.example"], 0, "443", ""),
        ("defender/1", &["*.dm.example"], 0, "", ""),
        (
            "required/1",
            &["web.example", "www.web.example"],
            0,
            "443",
            "",
        ),
        ("required/2", &["ocsp.example"], 0, "80", ""),
        ("desktop-flows/us-gov/1", &["*.relay.example"], 0, "443", ""),
    ];
    for (key, expected, prefixes, tcp, udp) in table {
        let set = set(key);
        assert_eq!(names(&set), expected, "{key}");
        assert_eq!(set.ips.len(), prefixes, "{key}");
        let ports = (set.tcp_ports.to_string(), set.udp_ports.to_string());
        assert_eq!(ports, (tcp.to_owned(), udp.to_owned()), "{key}");
    }
    assert_eq!(sets_of(PAGE).len(), table.len());
}

#[test]
fn what_stands_in_comments_fences_and_italics_is_not_taken() {
    for set in sets_of(PAGE) {
        for name in names(&set) {
            assert!(
                !name.contains("hidden") && !name.contains("italic"),
                "{}: {name}",
                set.key
            );
        }
    }
}

#[test]
fn rows_know_their_attributes() {
    let first = set("1");
    assert_eq!(
        (first.category.name(), first.required, first.express_route),
        ("Allow", true, true)
    );
    assert_eq!(first.document.as_deref(), Some("Example endpoints"));
    assert_eq!(first.line, Some(21));
    let optional = set("2.2");
    assert_eq!(
        (optional.category.name(), optional.required),
        ("Default", false)
    );
    assert_eq!(optional.lost.as_deref(), Some("no pictures"));
    assert_eq!(set("9").notes.as_deref(), Some("for GCC only"));
    assert_eq!(set("9").clouds, ["gcc"]);
    assert_eq!(set("desktop-flows/us-gov/1").clouds, ["gcc", "gcc-high"]);
    assert!(set("required/1").required && !set("desktop-flows/us-gov/1").required);
}

#[test]
fn scale_units_and_tabs_tell_the_region() {
    let table = [
        ("win32-apps/1", "north-america", 2),
        ("win32-apps/2", "europe", 1),
        ("macos/1", "north-america", 1),
        ("attestation/europe/1", "europe", 0),
    ];
    for (key, region, units) in table {
        let set = set(key);
        assert_eq!(set.region.as_deref(), Some(region), "{key}");
        assert_eq!(set.scale_units.len(), units, "{key}");
    }
    assert_eq!(set("win32-apps/1").scale_units, ["AMSUA0101", "AMSUA0102"]);
}

#[test]
fn prose_demands_travel_with_the_sets() {
    let table: [(&str, &[What]); 6] = [
        ("1", &[What::NoTlsInspection, What::UnauthenticatedProxy]),
        ("2", &[]),
        ("delivery-optimization/1", &[What::PartialResponse]),
        ("macos/1", &[What::Ends]),
        ("attestation/europe/1", &[What::NoTlsInspection]),
        ("defender/1", &[What::NoTlsInspection]),
    ];
    for (key, expected) in table {
        let set = set(key);
        let mut found: Vec<_> = set.demands.iter().map(|demand| demand.what).collect();
        found.sort();
        assert_eq!(found, expected, "{key}");
    }
    let demands = set("macos/1").demands;
    assert_eq!(
        demands[0].to_string(),
        "ends after 2025-03-31: macold.cdn.example"
    );
}

#[test]
fn what_the_page_points_to_is_a_reference() {
    let about = import(PAGE, "doc").about;
    let pages: Vec<_> = about
        .references
        .iter()
        .map(|r| (r.about.as_str(), r.page.as_deref().unwrap_or_default()))
        .collect();
    let expected = [
        ("Other downloads", ""),
        ("Updates", "/updates/endpoints#required"),
    ];
    assert_eq!(pages, expected);
}

#[test]
fn order_and_pipes_of_columns_do_not_matter() {
    let table = [
        "ID | Desc | Category | ER | Addresses | Ports\n--|--|--|--|--|--\n7 | x | Allow<BR>Required | Yes | a.b.example<br>192.0.2.0/24 | TCP: 443",
        "| Ports | Addresses | ER | Category | Desc | ID |\n|:--|--:|--|--|--|--|\n| **TCP:** 443 | `a.b.example`</br>`192.0.2.0/24` | True | Allow, Required | x | 7 |",
        "|Anschlüsse|Adressen|ER|Kategorie|Beschreibung|ID\n|--|--|--|--|--|--\n|443|a.b.example, 192.0.2.0/24|Ja|Zulassen<br/>Erforderlich|x|7",
        "<table><tr><th>ID</th><th>Category</th><th>ER</th><th>Addresses</th><th>Ports</th></tr>\n<tr><td>7</td><td>Allow<br>Required</td><td>Yes</td><td>a.b.example<br>192.0.2.0/24</td><td>443</td></tr></table>",
    ];
    for page in table {
        let sets = sets_of(page);
        assert_eq!(sets.len(), 1, "{page}");
        let set = &sets[0];
        assert_eq!(
            (set.id, set.required, set.express_route),
            (Some(7), true, true),
            "{page}"
        );
        assert_eq!(
            (names(set).join(" "), set.ips.len()),
            ("a.b.example".to_owned(), 1),
            "{page}"
        );
        assert_eq!(
            (set.category.name(), set.tcp_ports.to_string()),
            ("Allow", "443".to_owned())
        );
    }
}

#[test]
fn an_item_names_its_own_ports_or_has_those_of_its_section() {
    let page = "## Hosts\n\nOpen port 443 for these:\n\n- `a.example` (TCP 8443)\n- **b.example** - UDP port 53\n1. c.example";
    let found: Vec<_> = sets_of(page)
        .iter()
        .map(|set| {
            format!(
                "{} {}/{}",
                names(set).join(","),
                set.tcp_ports,
                set.udp_ports
            )
        })
        .collect();
    assert_eq!(
        found,
        ["a.example 8443/", "b.example /53", "c.example 443/"]
    );
}

#[test]
fn stars_that_look_like_italics_are_stars() {
    let page = "|Domains|Protocols|\n|--|--|\n|*.a.example<br>*.b.example|https|\n|*.c.example *.d.example|https|\n|\\*.e.example|https|";
    let names: Vec<_> = sets_of(page).iter().flat_map(names).collect();
    let expected = [
        "*.a.example",
        "*.b.example",
        "*.c.example",
        "*.d.example",
        "*.e.example",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_wrong_is_a_finding_with_its_line() {
    let table = [
        ("300.1.1.1/33", "443", Severity::Error, "address"),
        ("a.example<br>1.2.3.4/33", "443", Severity::Error, "address"),
        ("192.0.2.1/24", "443", Severity::Warning, "host-bits"),
        ("a.example", "99999", Severity::Error, "port"),
        ("a.example", "80-20", Severity::Error, "port"),
        ("a.example", "many", Severity::Error, "port"),
        ("nothing", "443", Severity::Warning, "no-address"),
        ("<tenant>.a.example", "443", Severity::Note, "placeholder"),
    ];
    for (address, port, severity, rule) in table {
        let page =
            format!("|Addresses|Ports|\n|--|--|\n|`{address}`|{port}|").replace("<br>", "`<br>`");
        let findings = import(&page, "doc").findings;
        let is_it = |f: &&Finding| (f.severity, f.rule, f.line) == (severity, rule, Some(3));
        assert_eq!(
            findings.iter().filter(is_it).count(),
            1,
            "{address}: {findings:?}"
        );
    }
    let page = "|a|b|c|\n|--|--|\n|a.example|443|x|";
    let findings = import(page, "doc").findings;
    assert_eq!(findings[0].rule, "table");
}

#[test]
fn wild_input_ends_in_time() {
    let wide = "|a".repeat(10_000);
    let dashes = "|--".repeat(10_000);
    let pages = [
        format!("{wide}\n{dashes}\n{}", format!("{wide}\n").repeat(20)),
        "> ".repeat(50_000),
        "[".repeat(100_000),
        "*".repeat(100_000),
        "<!--".repeat(50_000),
        "- ".repeat(20_000),
        PAGE[..PAGE.len() / 2].to_owned(),
    ];
    for page in pages {
        import(&page, "doc");
    }
}

#[test]
fn a_translated_page_is_read() {
    let page = include_str!("tests/translated.md");
    let found: Vec<_> = sets_of(page)
        .iter()
        .map(|set| {
            format!(
                "{} {} {} {}",
                set.key,
                names(set).join(","),
                set.ips.len(),
                set.tcp_ports
            )
        })
        .collect();
    let expected = [
        "doc:1 anmelden.example,*.dienst.example 0 ",
        "doc:2 portal.example 2 ",
        "doc:win32-apps/1 daten.cdn.example 0 ",
        "doc:delivery-optimization/1 *.peer.example 0 80,443",
        "doc:apple/1 *.obst.example 0 80",
        "doc:apple/2 *-kurier.obst.example 0 443,5223",
        "doc:delivery-optimization/peers  4 7680",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_page_of_one_cloud_says_so_for_all_its_rows() {
    let page = "---\ntitle: U.S. Government GCC High endpoints\n---\n## Mail\n\n|ID|Category|Domain name|Ports|\n|--|--|--|--|\n|1|Required|`a.<tenant>.b.example, *.c.example`|TCP: 443|";
    let sets = sets_of(page);
    assert_eq!(
        (sets[0].clouds.join(","), sets[0].required),
        ("gcc-high".to_owned(), true)
    );
    assert_eq!(names(&sets[0]), ["a.*.b.example", "*.c.example"]);
}

/// Pieces of pages, so that random texts come near to them.
const PIECES: [&str; 40] = [
    "|",
    "\n",
    "\n\n",
    "--",
    "|--|--|\n",
    "|Addresses|Ports|\n",
    "# ",
    "## ",
    "- ",
    "> ",
    "---\n",
    "`",
    "*",
    "**",
    "\\*",
    "<br>",
    "<BR",
    "<!--",
    "-->",
    "<table><tr><td>",
    "</td>",
    "a.example",
    "*.b.example",
    "192.0.2.0/24",
    "300.1.1.1/33",
    "2001:db8::/32",
    "443",
    "80-20",
    "TCP:",
    "UDP",
    "https",
    "port ",
    "(",
    ")",
    "ü",
    "“",
    "#tab/x)",
    "[x](",
    "AMSUA0101",
    "after 3/31/2025 disabled. ",
];

proptest! {
    #[test]
    fn no_text_makes_the_importer_fail(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let page = pieces.concat();
        let read = import(&page, "doc");
        prop_assert_eq!(read.sets.len(), read.headings.len());
        let lines = page.lines().count().max(1);
        for set in &read.sets {
            prop_assert!(set.line.is_some_and(|line| (1..=lines as u32 + 1).contains(&line)), "{}", page);
        }
    }
}
