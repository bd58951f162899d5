//! Azure's service tags, as Microsoft publishes them every week.
//!
//! In: the JSON of one cloud. Out: a page with a set for each tag, which its name selects:
//! `azure:LogicApps.WestEurope`. Tags name no ports.

use serde::Deserialize;

use super::{Keys, SourceError};
use crate::catalogue::{
    page::{About, Page},
    record::SetRecord,
    set::Category,
    sound::sound,
};

/// The file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    change_number: u64,
    cloud: String,
    values: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default)]
    region: String,
    #[serde(default)]
    system_service: String,
    #[serde(default)]
    address_prefixes: Vec<String>,
}

/// All tags of a file, as the source called `source`.
pub(super) fn page(json: &str, source: &str) -> Result<Page, SourceError> {
    let File {
        change_number,
        cloud,
        values,
    } = serde_json::from_str(json.trim_start_matches('\u{feff}')).map_err(|fault| {
        let origin = source.to_owned();
        SourceError::ServiceTags { origin, fault }
    })?;
    let mut page = Page {
        about: About {
            document: Some(format!(
                "Azure service tags, cloud {cloud}, change {change_number}"
            )),
            ..About::default()
        },
        ..Page::default()
    };
    let mut keys = Keys::new(source);
    for Tag { name, properties } in values {
        let record = SetRecord {
            source: source.to_owned(),
            key: keys.next(name),
            description: properties.system_service,
            category: Category::Default.to_string(),
            region: Some(properties.region).filter(|region| !region.is_empty()),
            clouds: vec![cloud.to_lowercase()],
            ips: properties.address_prefixes,
            document: page.about.document.clone(),
            ..SetRecord::default()
        };
        page.sets.extend(sound(record, &mut page.findings));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{Catalogue, selector::Selector};

    #[test]
    fn tags_are_selected_by_their_names() {
        let tag = |name: &str, region: &str, prefixes: &[&str]| {
            json!({"name": name, "id": name, "properties": {
                "changeNumber": 1, "region": region, "platform": "Azure", "systemService": "LogicApps",
                "addressPrefixes": prefixes, "networkFeatures": null}})
        };
        let json = json!({"changeNumber": 7, "cloud": "Public", "values": [
            tag("LogicApps", "", &["192.0.2.0/24", "2001:db8::/32"]),
            tag("LogicApps.WestEurope", "westeurope", &["192.0.2.0/25"]),
        ]});
        let page = page(&json.to_string(), "azure").unwrap();
        let mut catalogue = Catalogue::default();
        catalogue.add_page("azure", page).unwrap();
        for (selector, expected) in [
            ("azure:LogicApps", 2),
            ("azure:logicapps.westeurope", 1),
            ("azure:region=westeurope", 1),
            ("azure", 3),
        ] {
            let selector: Selector = selector.parse().unwrap();
            let sets = selector.select(&catalogue).unwrap();
            let prefixes: usize = sets.iter().map(|set| set.ips.len()).sum();
            assert_eq!(prefixes, expected, "{selector}");
        }
    }

    #[test]
    fn another_json_is_refused() {
        for text in ["[]", "{}", "<html>", ""] {
            assert!(page(text, "azure").is_err(), "{text}");
        }
    }
}
