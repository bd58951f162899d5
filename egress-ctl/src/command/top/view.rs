//! What may be looked at.

use clap::ValueEnum;

/// A table, or the first rows of those that matter most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum View {
    /// The first rows of groups, drops, clients and sets.
    #[default]
    Overview,
    /// Packets by client group, counted.
    Groups,
    /// Allowed packets by endpoint set, counted.
    Sets,
    /// Destinations that packets were denied to, sampled.
    Drops,
    /// Clients that were denied most, counted by events.
    Clients,
    /// Allowed packets by destination, counted.
    Destinations,
    /// Packets by verdict and reason, counted.
    Reasons,
    /// Names that answers gave an address for, and DNS messages by outcome.
    Names,
}

impl View {
    pub(super) const ALL: [Self; 8] = [
        Self::Overview,
        Self::Groups,
        Self::Sets,
        Self::Drops,
        Self::Clients,
        Self::Destinations,
        Self::Reasons,
        Self::Names,
    ];

    /// The name, as of the option.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Groups => "groups",
            Self::Sets => "sets",
            Self::Drops => "drops",
            Self::Clients => "clients",
            Self::Destinations => "destinations",
            Self::Reasons => "reasons",
            Self::Names => "names",
        }
    }

    /// Its place, which its key says, counted from 0.
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|view| *view == self).unwrap_or(0)
    }

    /// The one of a key, counted from 1.
    pub(super) fn of_key(key: u32) -> Option<Self> {
        let place = usize::try_from(key).ok()?.checked_sub(1)?;
        Self::ALL.get(place).copied()
    }

    /// The one so many places on, around the end.
    pub(super) fn moved(self, by: usize) -> Self {
        let place = (self.place() + by) % Self::ALL.len();
        Self::ALL.get(place).copied().unwrap_or_default()
    }
}
