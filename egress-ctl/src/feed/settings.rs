//! What a configuration says of a source of kind `web-service`.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The service itself.
pub const SERVICE: &str = "https://endpoints.office.com";

/// A source that follows the web service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the source.
    pub source: String,
    /// What is asked for.
    pub question: Question,
    /// Who is asked: `https://..`, `http://..` or `file:///..`, without a slash at its end.
    pub url: String,
    /// Certificates of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Time between two polls.
    pub poll: Duration,
    /// Time that an answer may take as a whole.
    pub timeout: Duration,
    /// What applies by itself.
    pub rules: Rules,
}

/// What is asked for; another question has another answer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Question {
    /// Instance, as the service writes it where it is a known one.
    pub instance: String,
    /// Service areas; Common always comes along.
    pub areas: Vec<String>,
    /// Name of the tenant, for names that hold it.
    pub tenant: Option<String>,
    /// Whether IPv6 prefixes are wanted.
    pub ipv6: bool,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It applies at once.
    Apply,
    /// It waits for a person.
    Ask,
}

/// What becomes of that which is no longer published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removals {
    /// It stays until a person approves.
    Ask,
    /// It stays for so many days, counted apart; none for none.
    After(u16),
}

/// What applies by itself, and what never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// New names, prefixes and ports.
    pub additions: Consent,
    /// Names, prefixes and ports that are gone.
    pub removals: Removals,
    /// Service area, category and need of a set, which is what selectors know it by.
    pub changes: Consent,
    /// An answer that loses more per cent of prefixes or of names is refused.
    pub max_loss: u8,
    /// Generations that are kept, at least the approved one and the one before.
    pub keep: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            additions: Consent::Apply,
            removals: Removals::After(7),
            changes: Consent::Apply,
            max_loss: 20,
            keep: 20,
        }
    }
}

/// Instances that the service documents.
pub const INSTANCES: [&str; 4] = ["Worldwide", "China", "USGovDoD", "USGovGCCHigh"];
/// The area that is no area of Microsoft 365, and that Microsoft calls inaccurate.
pub const MEM: &str = "MEM";
/// Service areas that are known; the last one is undocumented.
pub const AREAS: [&str; 5] = ["Common", "Exchange", "SharePoint", "Skype", MEM];

impl Question {
    /// Whether it is for the instance of which built-in data is there.
    pub fn is_worldwide(&self) -> bool {
        self.instance.eq_ignore_ascii_case("Worldwide")
    }

    /// Whether sets of an area are asked for.
    pub fn wants(&self, area: &str) -> bool {
        let named = |wanted: &String| wanted.eq_ignore_ascii_case(area);
        area.eq_ignore_ascii_case("Common") || self.areas.iter().any(named)
    }

    /// Whether the area is asked for that Microsoft calls inaccurate.
    pub fn has_mem(&self) -> bool {
        self.wants(MEM)
    }
}

impl Rules {
    /// The rules for what a person approved: all of it, the removals as the rule says.
    #[must_use]
    pub fn approved(self) -> Self {
        let removals = match self.removals {
            Removals::Ask => Removals::After(0),
            after @ Removals::After(_) => after,
        };
        Self {
            additions: Consent::Apply,
            changes: Consent::Apply,
            removals,
            ..self
        }
    }
}
