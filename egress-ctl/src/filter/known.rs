//! What there is, and what a filter asks for.

use std::ops::Range;

use super::{error::Fault, glob::Glob};
use crate::{catalogue::nearest::nearest, policy::ids::Ids};

/// Names that a filter may ask for, where they are known.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Names of groups.
    pub groups: Vec<&'a str>,
    /// Keys of endpoint sets and rules.
    pub sets: Vec<&'a str>,
}

impl<'a> From<&'a Ids> for Known<'a> {
    /// All that there are, or were since the maps were made.
    fn from(ids: &'a Ids) -> Self {
        Self {
            groups: ids.groups().map(|(name, _)| name).collect(),
            sets: ids.sets().map(|(key, _)| key).collect(),
        }
    }
}

/// What is asked for, where in the text.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
    pub(super) glob: Glob,
}

/// Of which kind it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Group,
    Set,
}

impl Known<'_> {
    /// Why something cannot be meant; nothing where it can.
    pub(super) fn fault(&self, asked: &Asked) -> Option<(Range<usize>, Fault)> {
        let Asked { at, kind, glob } = asked;
        let (what, all) = match kind {
            Kind::Group => ("group", &self.groups),
            Kind::Set => ("endpoint set or rule", &self.sets),
        };
        if glob.is_empty() || all.iter().any(|name| glob.matches(name)) {
            return None;
        }
        let asked = glob.to_string();
        let near = nearest(&asked, all.iter(), |name| (**name).to_owned());
        let known = near.map(|name| (*name).to_owned()).collect();
        Some((at.clone(), Fault::Unknown { what, asked, known }))
    }
}
