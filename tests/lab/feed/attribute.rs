//! What an endpoint set has besides urls and prefixes, as change records write it: as text, also
//! where an endpoint set has a boolean.

use serde::{Deserialize, Serialize};

use super::edition::Set;

/// One of the keys of `previous` and `current`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// A boolean as text.
    ExpressRoute,
    /// The service area.
    ServiceArea,
    /// The category.
    Category,
    /// A boolean as text.
    Required,
    /// Ports.
    TcpPorts,
    /// Ports.
    UdpPorts,
    /// Free text.
    Notes,
}

/// A value that an attribute cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute:?} cannot be {value:?}")]
pub struct BadValue {
    attribute: Attribute,
    value: Option<String>,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ExpressRoute,
        Self::ServiceArea,
        Self::Category,
        Self::Required,
        Self::TcpPorts,
        Self::UdpPorts,
        Self::Notes,
    ];

    /// What a set has.
    pub fn of(self, set: &Set) -> Option<String> {
        match self {
            Self::ExpressRoute => Some(set.express_route.to_string()),
            Self::ServiceArea => Some(set.service_area.clone()),
            Self::Category => Some(set.category.clone()),
            Self::Required => Some(set.required.to_string()),
            Self::TcpPorts => set.tcp_ports.clone(),
            Self::UdpPorts => set.udp_ports.clone(),
            Self::Notes => set.notes.clone(),
        }
    }

    /// Gives a set the value, or takes it away.
    pub fn put(self, set: &mut Set, value: Option<String>) -> Result<(), BadValue> {
        match (self, value) {
            (Self::TcpPorts, value) => set.tcp_ports = value,
            (Self::UdpPorts, value) => set.udp_ports = value,
            (Self::Notes, value) => set.notes = value,
            (Self::ServiceArea, Some(value)) => set.belongs_to(&value),
            (Self::Category, Some(value)) => set.category = value,
            (Self::ExpressRoute, value) => set.express_route = self.boolean(value)?,
            (Self::Required, value) => set.required = self.boolean(value)?,
            (Self::ServiceArea | Self::Category, None) => return Err(self.bad(None)),
        }
        Ok(())
    }

    fn boolean(self, value: Option<String>) -> Result<bool, BadValue> {
        match value.as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(self.bad(value)),
        }
    }

    fn bad(self, value: Option<String>) -> BadValue {
        BadValue {
            attribute: self,
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_put_is_there() {
        for attribute in Attribute::ALL {
            let mut set = Set::blank(1);
            let value = Some("true".to_owned());
            attribute.put(&mut set, value.clone()).unwrap();
            assert_eq!(attribute.of(&set), value, "{attribute:?}");
        }
    }

    #[test]
    fn only_ports_and_notes_can_be_taken_away() {
        let kept = Attribute::ALL
            .into_iter()
            .filter(|attribute| attribute.put(&mut Set::blank(1), None).is_err());
        let expected = [
            Attribute::ExpressRoute,
            Attribute::ServiceArea,
            Attribute::Category,
            Attribute::Required,
        ];
        assert_eq!(kept.collect::<Vec<_>>(), expected);
        let bad = Attribute::Required.put(&mut Set::blank(1), Some("True".to_owned()));
        assert!(bad.is_err(), "booleans are lower-case");
    }
}
