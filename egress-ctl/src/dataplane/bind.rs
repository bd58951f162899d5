//! Which device each configured interface is now.
//!
//! In: names from the config, the devices that there are, and what is attached. Out: a device for each
//! name, or none where it is waited for. A device that is renamed stays what it was, and filtered, until
//! another one takes its name.

use super::{hook::Attached, interface::Device};

/// A configured interface, and its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// As the config names it.
    pub name: String,
    /// The device; none where the interface is waited for.
    pub device: Option<Device>,
}

/// Finds the devices.
pub fn bind(lan: &[String], devices: &[Device], attached: &[Attached]) -> Vec<Bound> {
    let named = |name: &str| devices.iter().find(|device| device.name == name);
    let renamed = |name: &str| {
        let mut before = attached.iter().filter(|old| old.interface == name);
        before.find_map(|old| {
            let is_it = |device: &&Device| device.index == old.index && !lan.contains(&device.name);
            devices.iter().find(is_it)
        })
    };
    let bound = lan.iter().map(|name| Bound {
        name: name.clone(),
        device: named(name).or_else(|| renamed(name)).cloned(),
    });
    bound.collect()
}

/// Those that have a device, with its index.
pub fn indices(bound: &[Bound]) -> Vec<(String, u32)> {
    let there = bound
        .iter()
        .filter_map(|bound| Some((bound.name.clone(), bound.device.as_ref()?.index)));
    there.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::{hook::Hook, interface::Layer};

    fn device((name, index): (&str, u32)) -> Device {
        Device {
            name: name.to_owned(),
            index,
            layer: Layer::Ethernet,
            xdp: Vec::new(),
            controller: None,
        }
    }

    fn attached((interface, index): (&str, u32)) -> Attached {
        Attached {
            interface: interface.to_owned(),
            index,
            hook: Hook::XdpNative,
        }
    }

    #[test]
    fn names_come_first_and_what_was_attached_follows_its_device() {
        type Pairs = &'static [(&'static str, u32)];
        let table: [(&str, Pairs, Pairs, Pairs); 7] = [
            ("by name", &[("a", 3), ("b", 4)], &[], &[("a", 3), ("b", 4)]),
            ("one is waited for", &[("a", 3)], &[], &[("a", 3)]),
            (
                "renamed",
                &[("x", 3), ("b", 4)],
                &[("a", 3)],
                &[("a", 3), ("b", 4)],
            ),
            ("replaced", &[("x", 3), ("a", 7)], &[("a", 3)], &[("a", 7)]),
            (
                "the names are swapped",
                &[("b", 3), ("a", 4)],
                &[("a", 3), ("b", 4)],
                &[("a", 4), ("b", 3)],
            ),
            (
                "renamed to another configured name",
                &[("b", 3)],
                &[("a", 3)],
                &[("b", 3)],
            ),
            ("gone", &[("x", 9)], &[("a", 3)], &[]),
        ];
        for (what, devices, before, expected) in table {
            let devices: Vec<_> = devices.iter().copied().map(device).collect();
            let before: Vec<_> = before.iter().copied().map(attached).collect();
            let lan = ["a", "b"].map(str::to_owned);
            let bound = bind(&lan, &devices, &before);
            let seen = indices(&bound);
            let seen: Vec<_> = seen.iter().map(|(n, i)| (n.as_str(), *i)).collect();
            assert_eq!(seen, expected, "{what}");
        }
    }
}
