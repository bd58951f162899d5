//! Kinds of sources, and which keys each has.
//!
//! In: a `[source.NAME]` table. Out: its [`Kind`]; problems name keys that only other kinds have.

use std::ops::Range;

use toml::Spanned;

use super::{problem::Problems, raw::RawSource, valid::nearest_of};

/// Where a source has its endpoint sets from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From egress itself.
    Builtin,
    /// From the config.
    Custom,
    /// From a file.
    File,
    /// From the Microsoft 365 web service.
    WebService,
}

use Kind::{Builtin, Custom, File, WebService};

/// Keys that not every kind has, and the kinds that have them.
const KEYS: [(&str, &[Kind]); 18] = [
    ("set", &[Custom]),
    ("path", &[File]),
    ("format", &[File]),
    ("tcp-ports", &[Builtin, File]),
    ("udp-ports", &[Builtin, File]),
    ("instance", &[WebService]),
    ("service-areas", &[WebService]),
    ("tenant", &[WebService]),
    ("ipv6", &[WebService]),
    ("url", &[WebService]),
    ("ca-file", &[WebService]),
    ("poll", &[WebService]),
    ("timeout", &[WebService]),
    ("additions", &[WebService]),
    ("removals", &[WebService]),
    ("changes", &[WebService]),
    ("max-loss", &[WebService]),
    ("keep", &[WebService]),
];

impl Kind {
    const ALL: [Self; 4] = [Builtin, Custom, File, WebService];

    fn name(self) -> &'static str {
        match self {
            Builtin => "builtin",
            Custom => "custom",
            File => "file",
            WebService => "web-service",
        }
    }

    /// The kind of a source; nothing where its table does not say it.
    pub(super) fn of(
        name: &str,
        raw: &Spanned<RawSource>,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let key = format!("source.{name}.kind");
        let Some(kind) = &raw.get_ref().kind else {
            if !problems.excuses(&key) {
                let message =
                    "is missing: write kind = \"builtin\", \"custom\", \"file\" or \"web-service\"";
                problems.add(raw.span(), &key, message);
            }
            return None;
        };
        let found = Self::ALL.into_iter().find(|k| k.name() == kind.get_ref());
        match found {
            Some(found) => found.refuse_others_keys(name, raw.get_ref(), problems),
            None => problems.unknown(kind, &key, "kind", &Self::ALL.map(Self::name)),
        }
        found
    }

    fn refuse_others_keys(self, name: &str, raw: &RawSource, problems: &mut Problems<'_>) {
        let own = self.name();
        for (key, kinds) in KEYS.iter().filter(|(_, kinds)| !kinds.contains(&self)) {
            let Some(span) = raw.place(key) else {
                continue;
            };
            let given = match problems.written(span.clone()) {
                Some(header) if header.starts_with("[[") => header.to_owned(),
                Some(value) => format!("{key} = {value}"),
                None => (*key).to_owned(),
            };
            let near = nearest_of(own, kinds.iter().map(|kind| kind.name()));
            let message = format!(
                "a source of kind `{own}` has no such key as in `{given}`{near}, which has it"
            );
            problems.add(span, &format!("source.{name}.{key}"), message);
        }
    }
}

impl RawSource {
    /// Where the kind stands.
    pub(super) fn kind_span(&self) -> Range<usize> {
        self.kind.as_ref().map_or(0..0, Spanned::span)
    }

    /// Where the value of a key stands that not every kind has.
    fn place(&self, key: &str) -> Option<Range<usize>> {
        let text = match key {
            "path" => &self.path,
            "format" => &self.format,
            "tcp-ports" => &self.tcp_ports,
            "udp-ports" => &self.udp_ports,
            "instance" => &self.instance,
            "tenant" => &self.tenant,
            "url" => &self.url,
            "ca-file" => &self.ca_file,
            "poll" => &self.poll,
            "timeout" => &self.timeout,
            "additions" => &self.additions,
            "removals" => &self.removals,
            "changes" => &self.changes,
            "set" => return self.set.first().map(Spanned::span),
            "service-areas" => return self.service_areas.as_ref().map(Spanned::span),
            "ipv6" => return self.ipv6.as_ref().map(Spanned::span),
            "max-loss" => return self.max_loss.as_ref().map(Spanned::span),
            "keep" => return self.keep.as_ref().map(Spanned::span),
            _ => return None,
        };
        text.as_ref().map(Spanned::span)
    }
}
