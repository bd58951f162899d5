//! Who decides: a rule of the config, or a person.

use std::{env, fmt, fs};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A rule of the config.
    Rule,
    /// Somebody.
    Person(Person),
    /// Whoever had the page's token.
    Page,
}

/// Somebody, as the machine knows them.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Person {
    /// User id of the process.
    pub uid: u32,
    /// Its name.
    pub name: Option<String>,
    /// Who called sudo.
    pub sudo_user: Option<String>,
}

impl Person {
    /// Whoever runs this process.
    pub fn here() -> Self {
        Self {
            sudo_user: env::var("SUDO_USER").ok().filter(|name| !name.is_empty()),
            ..Self::of(rustix::process::getuid().as_raw())
        }
    }

    /// Whoever has this user id.
    pub fn of(uid: u32) -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self {
            uid,
            name: name(&passwd, uid),
            sudo_user: None,
        }
    }
}

/// Name of a user: first field of the line whose third is the id (passwd(5)).
fn name(passwd: &str, uid: u32) -> Option<String> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let uid = uid.to_string();
    let mut mine = fields.filter(|fields| fields.get(2) == Some(&uid.as_str()));
    mine.next()?.first().map(|name| (*name).to_owned())
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule => f.write_str("rule"),
            Self::Page => f.write_str("the page's token"),
            Self::Person(Person {
                uid,
                name,
                sudo_user,
            }) => {
                match name {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "user {uid}")?,
                }
                match sudo_user {
                    Some(user) => write!(f, " (sudo by {user})"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_as_the_machine_knows_them() {
        const PASSWD: &str =
            "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name(PASSWD, 1000).as_deref(), Some("ann"));
        assert_eq!(name(PASSWD, 100), None);
        let by = |name: Option<&str>, sudo: Option<&str>| {
            let person = Person {
                uid: 7,
                name: name.map(str::to_owned),
                sudo_user: sudo.map(str::to_owned),
            };
            By::Person(person).to_string()
        };
        assert_eq!(by(Some("root"), Some("ann")), "root (sudo by ann)");
        assert_eq!(by(None, None), "user 7");
    }
}
