//! Steering, compiled: for each endpoint set the number of each group's steering.

use std::collections::BTreeMap;

use egress_common::{limits, steer::Steering};

use super::{compile::CompileError, ids::Ids};
use crate::config::Group;

/// Steerings, and who is steered how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// The different steerings; the first one changes nothing.
    pub steerings: Vec<Steering>,
    /// Number of the steering of each group, by the id of an endpoint set.
    pub of_set: BTreeMap<u16, [u8; limits::GROUPS]>,
}

impl Steered {
    /// Of groups, in the order of their numbers.
    ///
    /// # Errors
    /// There are more different steerings than the kernel's table holds, or no id is left for a set.
    pub fn of(groups: &[Group], ids: &mut Ids) -> Result<Self, CompileError> {
        let mut steered = Self {
            steerings: vec![Steering::NONE],
            of_set: BTreeMap::new(),
        };
        for (group, place) in groups.iter().zip(0..limits::GROUPS) {
            for (key, steering) in &group.steer.of_set {
                let number = steered.number(*steering)?;
                let numbers = steered.of_set.entry(ids.set(key)?);
                let numbers = numbers.or_insert([0; limits::GROUPS]);
                if let Some(of_group) = numbers.get_mut(place) {
                    *of_group = number;
                }
            }
        }
        Ok(steered)
    }

    /// Whether anything is steered.
    pub fn steers(&self) -> bool {
        !self.of_set.is_empty()
    }

    /// How packets of a set and a group are steered.
    pub fn steering(&self, set: u16, group: u8) -> Steering {
        let numbers = self.of_set.get(&set);
        let number = numbers.and_then(|numbers| numbers.get(usize::from(group)));
        let steering = number.and_then(|number| self.steerings.get(usize::from(*number)));
        steering.copied().unwrap_or(Steering::NONE)
    }

    fn number(&mut self, steering: Steering) -> Result<u8, CompileError> {
        let known = self.steerings.iter().position(|known| *known == steering);
        let number = known.unwrap_or(self.steerings.len());
        if number >= limits::STEERINGS as usize {
            return Err(CompileError::Steerings);
        }
        if known.is_none() {
            self.steerings.push(steering);
        }
        Ok(number as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
category = "Optimize"
ips = ["192.0.2.0/24"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
ips = ["198.51.100.0/24"]
tcpPorts = "443"
[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
steer.optimize = { mark = 1 }
[group.b]
clients = ["10.30.0.0/16"]
allow = ["corp"]
steer.optimize = { mark = 2 }
steer.default = { mark = 1 }
"#;

    #[test]
    fn each_group_has_its_own_and_equal_ones_are_shared() {
        let config = Config::parse(CONFIG).unwrap();
        let mut ids = Ids::default();
        let steered = Steered::of(&config.groups, &mut ids).unwrap();
        let marked = |mark| Steering::new(Some((mark, u32::MAX)), None, None);
        let (one, two) = (ids.set("corp:1").unwrap(), ids.set("corp:2").unwrap());
        for (set, group, expected) in [
            (one, 0, marked(1)),
            (one, 1, marked(2)),
            (two, 0, Steering::NONE),
            (two, 1, marked(1)),
            (two, 2, Steering::NONE),
            (two + 1, 0, Steering::NONE),
        ] {
            assert_eq!(steered.steering(set, group), expected, "{set} {group}");
        }
        assert_eq!(steered.steerings.len(), 3);
        assert!(steered.steers());
    }

    #[test]
    fn nothing_is_steered_unless_a_group_says_how() {
        let groups: String = CONFIG
            .lines()
            .filter(|line| !line.starts_with("steer"))
            .fold(String::new(), |text, line| text + line + "\n");
        let config = Config::parse(&groups).unwrap();
        let steered = Steered::of(&config.groups, &mut Ids::default()).unwrap();
        assert!(!steered.steers());
    }
}
