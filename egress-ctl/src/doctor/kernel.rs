//! The kernel: its version, what its BPF can do, and what it tells of itself.

use super::finding::Finding;

/// The oldest version that takes the programs.
const OLDEST: (u32, u32) = (6, 1);
/// From this one on, programs at TC are attached by links.
const TCX: (u32, u32) = (6, 6);

/// What was seen of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, such as `6.12.48+deb13-amd64`.
    pub release: String,
    /// What the programs take, and whether it has it; nothing where it does not say.
    pub features: Vec<(&'static str, Option<bool>)>,
    /// Whether it has types of its own at `/sys/kernel/btf/vmlinux`.
    pub has_btf: bool,
    /// `net.core.bpf_jit_enable`, where it can be read.
    pub jit: Option<u8>,
}

impl Kernel {
    /// Judges it.
    pub fn judge(&self) -> Vec<Finding> {
        vec![self.version(), self.programs(), self.btf(), self.jit()]
    }

    fn version(&self) -> Finding {
        const CHECK: &str = "kernel";
        let release = &self.release;
        let Some(version) = version(release) else {
            return Finding::skipped(CHECK, format!("nobody knows what `{release}` can do"));
        };
        if version < OLDEST {
            let seen = format!("Linux {release} is older than 6.1, which the programs need");
            return Finding::fail(CHECK, seen, "apt install linux-image-amd64, and reboot");
        }
        let by = match version < TCX {
            true => "programs at TC are attached by clsact filters, as before 6.6",
            false => "programs at TC are attached by TCX links",
        };
        Finding::ok(CHECK, format!("Linux {release}; {by}"))
    }

    fn programs(&self) -> Finding {
        const CHECK: &str = "bpf";
        let that = |wanted: Option<bool>| {
            let some = self.features.iter().filter(move |(_, has)| *has == wanted);
            some.map(|(name, _)| *name).collect::<Vec<_>>()
        };
        let (lacks, unknown) = (that(Some(false)), that(None));
        if !lacks.is_empty() {
            return Finding::fail(
                CHECK,
                format!("the kernel lacks {}", lacks.join(", ")),
                "take a kernel built with CONFIG_BPF_SYSCALL, CONFIG_BPF_JIT, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS, as distributions have them",
            );
        }
        if !unknown.is_empty() {
            return Finding::skipped(CHECK, "the kernel tells nobody without CAP_BPF: use sudo");
        }
        let count = self.features.len();
        Finding::ok(
            CHECK,
            format!("all {count} program types, maps and helpers that are needed"),
        )
    }

    fn btf(&self) -> Finding {
        const CHECK: &str = "btf";
        match self.has_btf {
            true => Finding::ok(CHECK, "/sys/kernel/btf/vmlinux is there"),
            false => Finding::warn(
                CHECK,
                "there is no /sys/kernel/btf/vmlinux: egress does without, but bpftool and other tools tell less",
                "take a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions have them",
            ),
        }
    }

    fn jit(&self) -> Finding {
        const CHECK: &str = "jit";
        match self.jit {
            Some(0) => Finding::warn(
                CHECK,
                "programs are interpreted, which costs several times as much a packet",
                "sysctl -w net.core.bpf_jit_enable=1",
            ),
            Some(_) => Finding::ok(CHECK, "programs run as machine code"),
            // Other network namespaces than the first one do not show it.
            None => Finding::skipped(CHECK, "net.core.bpf_jit_enable cannot be read here"),
        }
    }
}

/// Major and minor of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome::{self, Fail, Ok, Skipped, Warn};

    fn kernel(release: &str) -> Kernel {
        Kernel {
            release: release.to_owned(),
            features: vec![("XDP", Some(true)), ("LPM tries", Some(true))],
            has_btf: true,
            jit: Some(1),
        }
    }

    #[test]
    fn kernels_are_judged() {
        let whole = || kernel("6.12.48+deb13-amd64");
        let lacks = Kernel {
            features: vec![("XDP", None), ("LPM tries", Some(false))],
            ..whole()
        };
        let silent = Kernel {
            features: vec![("XDP", Some(true)), ("LPM tries", None)],
            jit: None,
            ..whole()
        };
        let bare = Kernel {
            has_btf: false,
            jit: Some(0),
            ..whole()
        };
        let table: [(&str, Kernel, [Outcome; 4]); 8] = [
            ("newest", whole(), [Ok; 4]),
            ("oldest", kernel("6.1.0-40-amd64"), [Ok; 4]),
            ("too old", kernel("5.15.0"), [Fail, Ok, Ok, Ok]),
            ("seven", kernel("7.0"), [Ok; 4]),
            ("unnamed", kernel("custom"), [Skipped, Ok, Ok, Ok]),
            ("lacks something", lacks, [Ok, Fail, Ok, Ok]),
            ("tells nothing", silent, [Ok, Skipped, Ok, Skipped]),
            ("bare", bare, [Ok, Ok, Warn, Warn]),
        ];
        for (what, kernel, expected) in table {
            let found = kernel.judge();
            let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, expected, "{what}: {found:?}");
        }
        assert!(kernel("6.5.1").version().seen.contains("clsact"));
        assert!(kernel("6.6.0").version().seen.contains("TCX"));
    }
}
