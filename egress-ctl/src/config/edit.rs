//! Small changes of a configuration's text.
//!
//! In: the text, and where something is to be added. Out: the text with it, otherwise as it was: comments
//! and order stay.

use egress_common::verdict::Mode;
use toml::{
    Value,
    de::{DeTable, DeValue},
};

use super::{Config, Group};

/// A text with a change, and the lines that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// Header and changed lines.
    pub lines: String,
}

/// Adds an item behind the last one of the list `group.GROUP.KEY`; nothing where there is no such list, or
/// it is empty.
pub fn append(text: &str, group: &str, key: &str, item: &str) -> Option<Edited> {
    let root = DeTable::parse(text).ok()?;
    let groups = table(root.get_ref().get("group")?.get_ref())?;
    let named = table(groups.get(group)?.get_ref())?;
    let list = match named.get(key)?.get_ref() {
        DeValue::Array(list) => list,
        _ => return None,
    };
    let end = list.last()?.span().end;
    let quoted = Value::from(item);
    let mut edited = text.to_owned();
    edited.insert_str(end, &format!(", {quoted}"));
    let items = list.iter().filter_map(|item| match item.get_ref() {
        DeValue::String(text) => Some(Value::from(text.as_ref()).to_string()),
        _ => None,
    });
    let items: Vec<_> = items.chain([quoted.to_string()]).collect();
    let lines = format!("[group.{}]\n{key} = [{}]\n", bare(group), items.join(", "));
    Some(Edited {
        text: edited,
        lines,
    })
}

/// Adds the list `group.GROUP.KEY` of one item, in a line before the key `beside`; nothing where there is no
/// such key.
pub fn add_list(text: &str, group: &str, beside: &str, key: &str, item: &str) -> Option<Edited> {
    let root = DeTable::parse(text).ok()?;
    let groups = table(root.get_ref().get("group")?.get_ref())?;
    let named = table(groups.get(group)?.get_ref())?;
    let (known, _) = named.get_key_value(beside)?;
    let line = format!("{key} = [{}]\n", Value::from(item));
    let mut edited = text.to_owned();
    edited.insert_str(known.span().start, &line);
    Some(Edited {
        text: edited,
        lines: format!("[group.{}]\n{line}", bare(group)),
    })
}

/// Adds a `[[group.GROUP.rule]]` table of these keys and values.
pub fn add_rule(text: &str, group: &str, entries: &[(&str, Value)]) -> Edited {
    let body = entries
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"));
    let lines = format!(
        "[[group.{}.rule]]\n{}",
        bare(group),
        body.collect::<String>()
    );
    Edited {
        text: format!("{}\n\n{lines}", text.trim_end()),
        lines,
    }
}

/// Sets the mode `enforce` of a group, or of the gateway; the text, if nothing else changes by that.
pub fn enforce(text: &str, config: &Config, group: Option<&str>) -> Option<String> {
    let edited = with_mode(text, group, Mode::Enforce.name())?;
    let mut wanted = config.clone();
    match group {
        None => wanted.gateway.mode = Mode::Enforce,
        Some(name) => {
            let mut groups = wanted.groups.iter_mut();
            groups.find(|group| group.name == name)?.mode = Some(Mode::Enforce);
        }
    }
    // Sources are not part of the change, so what the web service brought does not matter.
    let (before, after) = (Config::parse(text).ok()?, Config::parse(&edited).ok()?);
    let is_all = after.gateway == wanted.gateway
        && after.dns == before.dns
        && after.catalogue == before.catalogue
        && modes(&after) == modes(&wanted)
        && without_modes(after) == without_modes(before);
    is_all.then_some(edited)
}

fn modes(config: &Config) -> Vec<Option<Mode>> {
    config.groups.iter().map(|group| group.mode).collect()
}

fn without_modes(config: Config) -> Vec<Group> {
    let groups = config.groups.into_iter();
    groups
        .map(|group| Group {
            mode: None,
            ..group
        })
        .collect()
}

/// Writes the key `mode` of a group, or of the gateway, whether it was there or not.
fn with_mode(text: &str, group: Option<&str>, mode: &str) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let root = root.get_ref();
    let named = match group {
        None => table(root.get("gateway")?.get_ref())?,
        Some(name) => table(table(root.get("group")?.get_ref())?.get(name)?.get_ref())?,
    };
    let mut edited = text.to_owned();
    let value = Value::from(mode);
    if let Some(written) = named.get("mode") {
        edited.replace_range(written.span(), &value.to_string());
        return Some(edited);
    }
    let first = named.iter().map(|(key, _)| key.span().start).min()?;
    edited.insert_str(first, &format!("mode = {value}\n"));
    Some(edited)
}

fn table<'a, 'b>(value: &'b DeValue<'a>) -> Option<&'b DeTable<'a>> {
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// A key as it stands in a header: quoted, unless it is bare (TOML 1.0, Keys).
pub(super) fn bare(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match !key.is_empty() && key.chars().all(is_bare) {
        true => key.to_owned(),
        false => Value::from(key).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# comment
[group.a]
clients = [
  "10.1.0.0/16", # the first
]
allow = []
[group."b c"]
allow = ["x"]
"#;

    #[test]
    fn an_item_comes_behind_the_last_one() {
        let edited = append(TEXT, "a", "clients", "10.2.0.1").unwrap();
        assert!(
            edited
                .text
                .contains("  \"10.1.0.0/16\", \"10.2.0.1\", # the first\n"),
            "{}",
            edited.text
        );
        assert_eq!(
            edited.lines,
            "[group.a]\nclients = [\"10.1.0.0/16\", \"10.2.0.1\"]\n"
        );
        let quoted = append(TEXT, "b c", "allow", "y").unwrap();
        assert_eq!(quoted.lines, "[group.\"b c\"]\nallow = [\"x\", \"y\"]\n");
        assert_eq!(
            append(TEXT, "a", "allow", "x"),
            None,
            "no item to stand behind"
        );
        assert_eq!(append(TEXT, "z", "allow", "x"), None);
    }

    #[test]
    fn a_list_comes_in_a_line_of_its_own() {
        let edited = add_list(TEXT, "b c", "allow", "names", "x.y").unwrap();
        let expected = "[group.\"b c\"]\nnames = [\"x.y\"]\n";
        assert_eq!(edited.lines, expected);
        let expected = format!("{expected}allow = [\"x\"]\n");
        assert!(edited.text.ends_with(&expected), "{}", edited.text);
        edited.text.parse::<toml::Table>().unwrap();
        assert_eq!(add_list(TEXT, "a", "dns", "names", "x.y"), None);
    }

    #[test]
    fn a_rule_comes_at_the_end() {
        let entries = [
            ("action", Value::from("allow")),
            ("protocol", Value::from(47)),
        ];
        let edited = add_rule(TEXT, "a", &entries);
        let expected = "\n\n[[group.a.rule]]\naction = \"allow\"\nprotocol = 47\n";
        assert!(edited.text.ends_with(expected), "{}", edited.text);
        edited.text.parse::<toml::Table>().unwrap();
    }

    #[test]
    fn a_mode_is_set_and_nothing_else_changes() {
        const TEXT: &str = r#"
[gateway] # ours
mode = "audit"   # for now
lan = ["eth1"]
[group.a]
clients = ["10.1.0.0/16"]
[group."b c"]
mode = "off"
clients = ["10.2.0.0/16"]
"#;
        let config = Config::parse(TEXT).unwrap();
        let all = enforce(TEXT, &config, None).unwrap();
        assert_eq!(all, TEXT.replace("\"audit\"", "\"enforce\""));
        let a = enforce(TEXT, &config, Some("a")).unwrap();
        let line = "mode = \"enforce\"\nclients = [\"10.1";
        assert_eq!(a, TEXT.replace("clients = [\"10.1", line));
        let b = enforce(TEXT, &config, Some("b c")).unwrap();
        assert_eq!(b, TEXT.replace("\"off\"", "\"enforce\""));
        assert_eq!(enforce(TEXT, &config, Some("z")), None);
        let dotted = "gateway.mode = \"audit\"\ngateway.lan = [\"eth1\"]\ngroup.a.clients = [\"10.1.0.0/16\"]\n";
        let config = Config::parse(dotted).unwrap();
        assert!(enforce(dotted, &config, None).is_some());
        assert_eq!(
            enforce(dotted, &config, Some("a")),
            None,
            "a line would be another table's"
        );
    }
}
