//! What is printed as JSON, kind by kind, and the JSON Schema of each.
//!
//! In: the types that are printed, with the words that explain their fields. Out: schemas of draft 2020-12. Each
//! object names its kind in `schema`: within one number fields and values are added, and nothing else changes.

mod kind;
mod words;

pub use self::kind::Kind;
use crate::{
    command::{self, catalogue, config, feed},
    dns, explain, history, live, ui,
};

/// Every kind, by name.
pub fn kinds() -> Vec<Kind> {
    let all = [
        command::KINDS,
        catalogue::KINDS,
        config::KINDS,
        command::dns::KINDS,
        dns::KINDS,
        explain::KINDS,
        feed::KINDS,
        history::KINDS,
        live::KINDS,
        ui::KINDS,
    ];
    let mut kinds = all.concat();
    kinds.sort_by_key(|kind| kind.name);
    kinds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own_with_a_number() {
        let kinds = kinds();
        let names: BTreeSet<_> = kinds.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), kinds.len());
        for kind in kinds {
            let (what, number) = kind.name.split_once('/').unwrap();
            assert!(what.starts_with("egress.") && number.parse::<u8>().is_ok());
            assert_eq!(kind.file(), format!("{what}.{number}.json"));
        }
    }

    #[test]
    fn an_object_names_its_kind() {
        for kind in kinds() {
            let schema = kind.schema();
            let text = schema.as_value().to_string();
            let named = format!("\"const\":\"{}\"", kind.name);
            assert!(text.contains(&named), "{}: {text}", kind.name);
            assert!(!text.contains("[`"), "{}: a link: {text}", kind.name);
        }
    }
}
