//! Faults on demand: their names, which answers they spoil, and a list of them as it is typed.
//!
//! `503-html` spoils every answer that it can, `503-html@endpoints` those of one method.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::answer::Answer;
use super::spoil;
use super::version::Version;

/// The web service's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `/version`
    Version,
    /// `/endpoints`
    Endpoints,
    /// `/changes`
    Changes,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 with a page of HTML.
    Html503,
    /// 200 with that page.
    Html200,
    /// 200 with that page, called JSON.
    HtmlAsJson,
    /// The connection ends in the middle.
    Truncated,
    /// A whole answer that holds half of the JSON.
    CutShort,
    /// A few bytes a second.
    Slow,
    /// No answer at all.
    Silent,
    /// JSON that is said to be something else.
    WrongType,
    /// More than 10 MB.
    Oversized,
    /// Arrays in arrays.
    DeepJson,
    /// An answer that points to itself.
    RedirectLoop,
    /// 429 at once.
    TooManyRequests,
    /// 429 that says when to come again.
    RetryAfter,
    /// No ETag.
    NoEtag,
    /// `[]`
    EmptyArray,
    /// Sets without urls and prefixes.
    EmptySets,
    /// Half of the sets.
    Halved,
    /// Another order in each answer.
    Reordered,
    /// Everything twice.
    Duplicated,
    /// A number that is a word.
    BadSchema,
    /// Keys that nobody knows.
    UnknownFields,
    /// An impact that nobody knows.
    UnknownImpact,
    /// The latest version is older than it was.
    VersionBack,
    /// A prefix more, in the same version.
    SameVersion,
    /// Another prefix in each answer.
    DifferentEachTime,
    /// 0.0.0.0/0
    DefaultRoute,
    /// ::/0
    DefaultRouteV6,
    /// 10.0.0.0/8
    PrivatePrefix,
    /// 127.0.0.0/8
    LoopbackPrefix,
    /// 224.0.0.0/8
    MulticastPrefix,
    /// 203.0.113.0/24
    DocumentationPrefix,
    /// 40.0.0.0/7
    ShortPrefix,
    /// 2600::/18
    ShortPrefixV6,
    /// A name without a dot.
    DotlessName,
    /// `*.com`
    PublicSuffix,
}

/// Where a fault acts.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// On the latest version.
    Latest(fn(Version) -> Version),
    /// On the sets or records; the number counts answers.
    Items(fn(Vec<Value>, u64) -> Vec<Value>),
    /// On the answer.
    Answer(fn(&mut Answer)),
    /// A prefix that comes along.
    Prefix(&'static str),
    /// A name that comes along.
    Name(&'static str),
}

struct Row {
    fault: Fault,
    name: &'static str,
    methods: &'static [Method],
    effect: Effect,
}

const ALL: &[Method] = &[Method::Version, Method::Endpoints, Method::Changes];
const VERSION: &[Method] = &[Method::Version];
const ENDPOINTS: &[Method] = &[Method::Endpoints];
const CHANGES: &[Method] = &[Method::Changes];
const LISTS: &[Method] = &[Method::Endpoints, Method::Changes];

const fn row(fault: Fault, name: &'static str, methods: &'static [Method], effect: Effect) -> Row {
    Row {
        fault,
        name,
        methods,
        effect,
    }
}

/// The one table.
const TABLE: [Row; 35] = [
    row(
        Fault::Html503,
        "503-html",
        ALL,
        Effect::Answer(spoil::html_503),
    ),
    row(Fault::Html200, "html", ALL, Effect::Answer(spoil::html_200)),
    row(
        Fault::HtmlAsJson,
        "html-as-json",
        ALL,
        Effect::Answer(spoil::html_as_json),
    ),
    row(
        Fault::Truncated,
        "truncated",
        ALL,
        Effect::Answer(spoil::truncated),
    ),
    row(
        Fault::CutShort,
        "cut-short",
        ALL,
        Effect::Answer(spoil::cut_short),
    ),
    row(Fault::Slow, "slow", ALL, Effect::Answer(spoil::slow)),
    row(Fault::Silent, "silent", ALL, Effect::Answer(spoil::silent)),
    row(
        Fault::WrongType,
        "wrong-type",
        ALL,
        Effect::Answer(spoil::wrong_type),
    ),
    row(
        Fault::Oversized,
        "oversized",
        ALL,
        Effect::Answer(spoil::oversized),
    ),
    row(
        Fault::DeepJson,
        "deep-json",
        ALL,
        Effect::Answer(spoil::deep_json),
    ),
    row(
        Fault::RedirectLoop,
        "redirect-loop",
        ALL,
        Effect::Answer(spoil::redirect_loop),
    ),
    row(
        Fault::TooManyRequests,
        "429",
        LISTS,
        Effect::Answer(spoil::too_many_requests),
    ),
    row(
        Fault::RetryAfter,
        "429-retry-after",
        LISTS,
        Effect::Answer(spoil::retry_after),
    ),
    row(
        Fault::NoEtag,
        "no-etag",
        ALL,
        Effect::Answer(spoil::no_etag),
    ),
    row(
        Fault::EmptyArray,
        "empty-array",
        ENDPOINTS,
        Effect::Items(spoil::empty_array),
    ),
    row(
        Fault::EmptySets,
        "empty-sets",
        ENDPOINTS,
        Effect::Items(spoil::empty_sets),
    ),
    row(
        Fault::Halved,
        "halved",
        ENDPOINTS,
        Effect::Items(spoil::halved),
    ),
    row(
        Fault::Reordered,
        "reordered",
        LISTS,
        Effect::Items(spoil::reordered),
    ),
    row(
        Fault::Duplicated,
        "duplicated",
        LISTS,
        Effect::Items(spoil::duplicated),
    ),
    row(
        Fault::BadSchema,
        "bad-schema",
        LISTS,
        Effect::Items(spoil::bad_schema),
    ),
    row(
        Fault::UnknownFields,
        "unknown-fields",
        LISTS,
        Effect::Items(spoil::unknown_fields),
    ),
    row(
        Fault::UnknownImpact,
        "unknown-impact",
        CHANGES,
        Effect::Items(spoil::unknown_impact),
    ),
    row(
        Fault::VersionBack,
        "version-back",
        VERSION,
        Effect::Latest(Version::before),
    ),
    row(
        Fault::SameVersion,
        "same-version",
        ENDPOINTS,
        Effect::Items(spoil::same_version),
    ),
    row(
        Fault::DifferentEachTime,
        "different-each-time",
        ENDPOINTS,
        Effect::Items(spoil::different_each_time),
    ),
    row(
        Fault::DefaultRoute,
        "default-route",
        ENDPOINTS,
        Effect::Prefix("0.0.0.0/0"),
    ),
    row(
        Fault::DefaultRouteV6,
        "default-route-v6",
        ENDPOINTS,
        Effect::Prefix("::/0"),
    ),
    row(
        Fault::PrivatePrefix,
        "private-prefix",
        ENDPOINTS,
        Effect::Prefix("10.0.0.0/8"),
    ),
    row(
        Fault::LoopbackPrefix,
        "loopback-prefix",
        ENDPOINTS,
        Effect::Prefix("127.0.0.0/8"),
    ),
    row(
        Fault::MulticastPrefix,
        "multicast-prefix",
        ENDPOINTS,
        Effect::Prefix("224.0.0.0/8"),
    ),
    row(
        Fault::DocumentationPrefix,
        "documentation-prefix",
        ENDPOINTS,
        Effect::Prefix("203.0.113.0/24"),
    ),
    row(
        Fault::ShortPrefix,
        "short-prefix",
        ENDPOINTS,
        Effect::Prefix("40.0.0.0/7"),
    ),
    row(
        Fault::ShortPrefixV6,
        "short-prefix-v6",
        ENDPOINTS,
        Effect::Prefix("2600::/18"),
    ),
    row(
        Fault::DotlessName,
        "dotless-name",
        ENDPOINTS,
        Effect::Name("intranet"),
    ),
    row(
        Fault::PublicSuffix,
        "public-suffix",
        ENDPOINTS,
        Effect::Name("*.com"),
    ),
];

/// Faults that are in force, in the table's order, each with the methods that it spoils.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<(Fault, Vec<Method>)>);

/// A text that is no list of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFaults {
    /// An unknown name.
    #[error("there is no fault {0:?}; there are: {names}", names = Fault::names().join(", "))]
    Name(String),
    /// An unknown method.
    #[error("there is no method {0:?}; there are: version, endpoints, changes")]
    Method(String),
    /// A method that the fault has nothing to do with.
    #[error("the fault {0} does not spoil {1}")]
    Misplaced(&'static str, Method),
}

impl Fault {
    /// All faults.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.fault)
    }

    /// The names of all faults.
    pub fn names() -> Vec<&'static str> {
        TABLE.iter().map(|row| row.name).collect()
    }

    /// How it is typed.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The methods whose answers it can spoil.
    pub fn methods(self) -> &'static [Method] {
        self.row().methods
    }

    /// The fault in the answers of one method.
    pub fn at(self, method: Method) -> Faults {
        Faults(vec![(self, vec![method])])
    }

    pub(super) fn effect(self) -> Effect {
        self.row().effect
    }

    fn row(self) -> &'static Row {
        let row = TABLE.iter().find(|row| row.fault == self);
        row.expect("a test finds a row for each fault")
    }
}

impl Faults {
    /// Those that spoil a method's answers.
    pub fn of(&self, method: Method) -> impl Iterator<Item = Fault> {
        let spoiling = self.0.iter();
        spoiling
            .filter(move |(_, methods)| methods.contains(&method))
            .map(|(fault, _)| *fault)
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![(fault, fault.methods().to_vec())])
    }
}

impl FromStr for Faults {
    type Err = NoFaults;

    fn from_str(text: &str) -> Result<Self, NoFaults> {
        let words = text.split([',', ' ', '\n']).map(str::trim);
        let faults = words.filter(|word| !word.is_empty()).map(one);
        faults.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self
            .0
            .iter()
            .map(|(fault, methods)| match methods.as_slice() {
                [method] => format!("{}@{method}", fault.name()),
                _ => fault.name().to_owned(),
            });
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Method {
    type Err = NoFaults;

    fn from_str(text: &str) -> Result<Self, NoFaults> {
        let named = ALL.iter().find(|method| method.to_string() == text);
        named
            .copied()
            .ok_or_else(|| NoFaults::Method(text.to_owned()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version",
            Self::Endpoints => "endpoints",
            Self::Changes => "changes",
        })
    }
}

fn one(word: &str) -> Result<(Fault, Vec<Method>), NoFaults> {
    let (name, method) = match word.split_once('@') {
        Some((name, method)) => (name, Some(method.parse::<Method>()?)),
        None => (word, None),
    };
    let row = TABLE.iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| NoFaults::Name(name.to_owned()))?;
    match method {
        None => Ok((row.fault, row.methods.to_vec())),
        Some(method) if row.methods.contains(&method) => Ok((row.fault, vec![method])),
        Some(method) => Err(NoFaults::Misplaced(row.name, method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_row_and_name() {
        for (row, fault) in TABLE.iter().zip(Fault::all()) {
            assert_eq!(fault.row().name, row.name);
        }
        let mut names = Fault::names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert_eq!(
            Fault::PublicSuffix as usize + 1,
            TABLE.len(),
            "a fault without a row"
        );
    }

    #[test]
    fn a_list_is_read_and_written() {
        for text in [
            "",
            "503-html",
            "503-html@endpoints",
            "reordered,unknown-impact@changes",
        ] {
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
        }
        let faults: Faults = " slow@changes html".parse().unwrap();
        assert_eq!(
            faults.of(Method::Version).collect::<Vec<_>>(),
            [Fault::Html200]
        );
        assert_eq!(faults.of(Method::Changes).count(), 2);
    }

    #[test]
    fn a_mistake_is_answered_with_what_there_is() {
        let table = [
            (
                "htlm",
                "there is no fault \"htlm\"; there are: 503-html, html, ",
            ),
            (
                "slow@here",
                "there is no method \"here\"; there are: version, endpoints, changes",
            ),
            (
                "version-back@changes",
                "the fault version-back does not spoil changes",
            ),
        ];
        for (text, expected) in table {
            let error = text.parse::<Faults>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
