//! Pairs of interfaces between which allowed packets leave past the stack.

use toml::Spanned;

use super::{interface, problem::Problems, raw::RawFastPath, valid::nearest_of};

/// A pair of interfaces with a fast path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FastPath {
    /// The LAN interface that packets come in by.
    pub from: String,
    /// The interface that they leave by.
    pub to: String,
    /// Whether what the other end of a veth sends has its checksums and tags in the frame.
    pub trust_checksums: bool,
}

const KEY: &str = "gateway.fast-path";

/// The pairs, of interfaces that may have one.
pub(super) fn fast_paths(
    raw: Vec<Spanned<RawFastPath>>,
    lan: &[String],
    problems: &mut Problems<'_>,
) -> Vec<FastPath> {
    let mut pairs: Vec<FastPath> = Vec::new();
    for one in raw {
        let span = one.span();
        let RawFastPath {
            from,
            to,
            trust_checksums,
        } = one.into_inner();
        let mut named = |key: &str, raw: Option<Spanned<String>>, example: &str| {
            let key = format!("{KEY}.{key}");
            let Some(raw) = raw else {
                if !problems.excuses(&key) {
                    let message = format!("is missing: {example}");
                    problems.add(span.clone(), &key, message);
                }
                return None;
            };
            match interface(raw.get_ref()) {
                Ok(_) => Some(raw),
                Err(message) => {
                    problems.add(raw.span(), &key, message);
                    None
                }
            }
        };
        let from = named("from", from, "name a LAN interface, as in from = \"eth1\"");
        let to = named(
            "to",
            to,
            "name the interface that packets leave by, as in to = \"eth0\"",
        );
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        if !lan.contains(from.get_ref()) {
            let near = nearest_of(from.get_ref(), lan.iter().map(String::as_str));
            let message = format!(
                "`{}` is not in gateway.lan{near}: packets that come in by it are not judged",
                from.get_ref()
            );
            problems.add(from.span(), &format!("{KEY}.from"), message);
        }
        if lan.contains(to.get_ref()) {
            let message = format!(
                "`{}` is in gateway.lan: what goes to clients is read on its way, and goes through the stack",
                to.get_ref()
            );
            problems.add(to.span(), &format!("{KEY}.to"), message);
        }
        let is_known =
            |known: &FastPath| known.from == *from.get_ref() && known.to == *to.get_ref();
        if pairs.iter().any(is_known) {
            let message = format!(
                "from {} to {} stands there twice",
                from.get_ref(),
                to.get_ref()
            );
            problems.add(span, KEY, message);
            continue;
        }
        pairs.push(FastPath {
            from: from.into_inner(),
            to: to.into_inner(),
            trust_checksums: trust_checksums.unwrap_or(false),
        });
    }
    pairs
}
