//! Who may ask the daemon: root, the user it runs as, and members of its group.

use std::{fmt, fs};

/// Whoever connected, as the kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process, where it is in a namespace that the daemon sees.
    pub pid: Option<i32>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user that the daemon runs as.
    pub own: u32,
    /// Name and id of the group that the socket belongs to, where there is one.
    pub group: Option<(String, u32)>,
}

impl Access {
    /// Refuses whoever may not ask, with the reason.
    ///
    /// # Errors
    /// Who it is, and who may ask.
    pub fn check(&self, peer: &Peer, groups: &[u32]) -> Result<(), String> {
        let is_member = |gid: u32| peer.gid == gid || groups.contains(&gid);
        let may = match (peer.uid, &self.group) {
            (0, _) => true,
            (uid, _) if uid == self.own => true,
            (_, Some((_, gid))) => is_member(*gid),
            (_, None) => false,
        };
        match may {
            true => Ok(()),
            false => Err(format!("user {} may not ask this daemon: {self}", peer.uid)),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some((name, _)) => write!(f, "root and members of the group `{name}` may"),
            None => f.write_str("root may"),
        }
    }
}

/// Further groups of a process.
pub fn groups(pid: i32) -> Vec<u32> {
    numbers(&status(pid), "Groups:")
}

/// Session of a process, where it still runs: 0 of those that come from a first process without one.
pub fn session(pid: i32) -> Option<u32> {
    // In the namespace of this process; those in namespaces below follow.
    numbers(&status(pid), "NSsid:").first().copied()
}

/// proc_pid_status(5); empty where there is no such process.
fn status(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn numbers(status: &str, name: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap_or_default().split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Id of a group by its name: the third field of its line (group(5)).
pub fn group_named(name: &str) -> Option<u32> {
    id(&fs::read_to_string("/etc/group").unwrap_or_default(), name)
}

fn id(file: &str, name: &str) -> Option<u32> {
    let fields = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = fields.filter(|fields| fields.first() == Some(&name));
    named.next()?.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_groups_and_a_session_or_none() {
        let told = "Name:\tx\nGroups:\t4 27 \nNSsid:\t0\t1\n";
        assert_eq!(numbers(told, "Groups:"), [4, 27]);
        assert_eq!(numbers(told, "NSsid:"), [0, 1]);
        assert_eq!(numbers("Groups:\t\n", "Groups:"), [0; 0]);
        // Which one is not asked: getsid(2) says 0 where there is none, which rustix does not take.
        assert!(session(std::process::id().cast_signed()).is_some());
        assert_eq!(session(-1), None);
    }

    #[test]
    fn root_the_daemon_itself_and_its_group_may_ask() {
        let access = Access {
            own: 900,
            group: Some(("egress".to_owned(), 901)),
        };
        let table: [(u32, u32, &[u32], bool); 6] = [
            (0, 0, &[], true),
            (900, 5, &[], true),
            (1000, 901, &[], true),
            (1000, 1000, &[4, 901], true),
            (1000, 1000, &[4, 27], false),
            (65_534, 65_534, &[], false),
        ];
        for (uid, gid, groups, may) in table {
            let peer = Peer {
                pid: None,
                uid,
                gid,
            };
            assert_eq!(access.check(&peer, groups).is_ok(), may, "{uid} {gid}");
        }
        let stranger = Peer {
            pid: None,
            uid: 1000,
            gid: 1000,
        };
        let why = access.check(&stranger, &[]).unwrap_err();
        assert_eq!(
            why,
            "user 1000 may not ask this daemon: root and members of the group `egress` may"
        );
        let alone = Access {
            group: None,
            ..access
        };
        assert!(alone.check(&stranger, &[901]).is_err());
    }

    #[test]
    fn groups_are_found_by_name_and_of_this_process() {
        const FILE: &str = "root:x:0:\negress:x:998:ann,ben\nbroken\n";
        assert_eq!(id(FILE, "egress"), Some(998));
        assert_eq!(id(FILE, "nobody"), None);
        assert_eq!(id(FILE, "broken"), None);
        let own = rustix::process::getgroups().unwrap();
        let own: Vec<u32> = own.iter().map(|gid| gid.as_raw()).collect();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(groups(pid), own);
    }
}
