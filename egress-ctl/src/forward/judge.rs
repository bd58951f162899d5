//! Whether packets of a family may leave past the stack between two interfaces.
//!
//! In: [`Facts`]. Out: nothing, or the first [`Doubt`]. Whatever is not known is a doubt, too.

use std::fmt;

use super::device::Device;

/// What is known of two interfaces; nothing (`None`) of what the kernel does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The one that packets come in by.
    pub from: Option<Device>,
    /// The one that they leave by.
    pub to: Option<Device>,
    /// Whether packets are judged in the driver of the one.
    pub is_native: bool,
    /// Whether the config vouches for what the other end of a veth sends.
    pub trusts: bool,
    /// Whether VLAN tags are taken off frames before they are judged.
    pub strips_tags: Option<bool>,
    /// Whether the other one sends what XDP programs redirect.
    pub transmits: Option<bool>,
    /// Others who see packets at the ingress of the one.
    pub before: Option<Vec<String>>,
    /// Others who see packets at the egress of the other.
    pub behind: Option<Vec<String>>,
    /// Queueing disciplines of the other.
    pub disciplines: Option<Vec<String>>,
    /// Whether there are policies of IPsec.
    pub has_ipsec: Option<bool>,
    /// What holds for IPv4.
    pub v4: FamilyFacts,
    /// What holds for IPv6.
    pub v6: FamilyFacts,
}

/// What is known of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyFacts {
    /// Whether what comes in by the one is forwarded, and by the other.
    pub forwards: [Option<bool>; 2],
    /// What of netfilter packets would meet.
    pub hooks: Option<Vec<String>>,
    /// Rules of routing that go by more than next hops are remembered by.
    pub rules: Option<Vec<String>>,
    /// Whether ports tell which of several next hops a packet takes.
    pub spreads_by_ports: Option<bool>,
}

/// Why a fast path is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An interface is not there.
    Missing(String),
    /// Packets are not judged in the driver.
    NotNative(String),
    /// An interface that is no plain one of Ethernet.
    Kind(String, String),
    /// A port of something else.
    Port(String),
    /// What a veth's other end sends may be unfinished.
    Peer(String),
    /// VLAN tags are taken off.
    Tags(String),
    /// The kernel does not tell what it should.
    Silent(&'static str),
    /// The driver sends nothing that XDP programs redirect.
    NoTransmit(String),
    /// A queueing discipline that shapes or classifies.
    Discipline(String, String),
    /// Others see packets at an interface.
    Others(String, Vec<String>),
    /// IPsec may want packets.
    Ipsec,
    /// Netfilter sees packets.
    Netfilter(Vec<String>),
    /// Forwarding is off.
    NoForwarding(String),
    /// Rules of routing.
    Rules(Vec<String>),
    /// Several next hops by ports.
    Ports,
}

/// Disciplines in which packets wait for their turn and nothing else.
const PLAIN: [&str; 8] = [
    "noqueue",
    "mq",
    "pfifo_fast",
    "fq_codel",
    "fq",
    // These hold filters, which are asked for by themselves.
    "clsact",
    "ingress",
    "",
];

impl Facts {
    /// Whether packets of a family may leave past the stack.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, is_v4: bool, names: [&str; 2]) -> Result<(), Doubt> {
        let [from, to] = self.devices(names)?;
        self.coming(from)?;
        self.leaving(to)?;
        match self.has_ipsec {
            Some(false) => {}
            Some(true) => return Err(Doubt::Ipsec),
            None => return Err(Doubt::Silent("whether there are policies of IPsec")),
        }
        let family = if is_v4 { &self.v4 } else { &self.v6 };
        family.judge(names)
    }

    fn devices(&self, [from, to]: [&str; 2]) -> Result<[&Device; 2], Doubt> {
        let missing = |name: &str| Doubt::Missing(name.to_owned());
        Ok([
            self.from.as_ref().ok_or_else(|| missing(from))?,
            self.to.as_ref().ok_or_else(|| missing(to))?,
        ])
    }

    /// At the interface that packets come in by.
    fn coming(&self, from: &Device) -> Result<(), Doubt> {
        let name = || from.name.clone();
        plain(from)?;
        if !self.is_native {
            return Err(Doubt::NotNative(name()));
        }
        if from.is_veth() {
            // Its driver says that it takes tags off, and does if the other end leaves them to it.
            if !self.trusts {
                return Err(Doubt::Peer(name()));
            }
        } else {
            match self.strips_tags {
                Some(false) => {}
                Some(true) => return Err(Doubt::Tags(name())),
                None => return Err(Doubt::Silent("whether the driver takes VLAN tags off")),
            }
        }
        nobody(&self.before, from)
    }

    /// At the interface that they leave by.
    fn leaving(&self, to: &Device) -> Result<(), Doubt> {
        let name = || to.name.clone();
        plain(to)?;
        match self.transmits {
            Some(true) => {}
            Some(false) => return Err(Doubt::NoTransmit(name())),
            None => {
                let what = "whether a driver sends what XDP redirects (it does from Linux 6.3 on)";
                return Err(Doubt::Silent(what));
            }
        }
        let Some(disciplines) = &self.disciplines else {
            return Err(Doubt::Silent("the queueing disciplines"));
        };
        let mut other = disciplines
            .iter()
            .filter(|kind| !PLAIN.contains(&kind.as_str()));
        if let Some(kind) = other.next() {
            return Err(Doubt::Discipline(name(), kind.clone()));
        }
        nobody(&self.behind, to)
    }
}

/// An interface of Ethernet that packets are not handed on from.
fn plain(device: &Device) -> Result<(), Doubt> {
    let name = device.name.clone();
    if device.is_port {
        return Err(Doubt::Port(name));
    }
    match &device.kind {
        Some(kind) if !device.is_veth() => Err(Doubt::Kind(name, kind.clone())),
        _ if device.mac.is_none() => Err(Doubt::Kind(name, "not of Ethernet".to_owned())),
        _ => Ok(()),
    }
}

fn nobody(others: &Option<Vec<String>>, device: &Device) -> Result<(), Doubt> {
    match others.as_deref() {
        Some([]) => Ok(()),
        Some(others) => Err(Doubt::Others(device.name.clone(), others.to_vec())),
        None => Err(Doubt::Silent("who else sees packets at the interfaces")),
    }
}

impl FamilyFacts {
    fn judge(&self, names: [&str; 2]) -> Result<(), Doubt> {
        for (forwards, name) in self.forwards.iter().zip(names) {
            match forwards {
                Some(true) => {}
                Some(false) => return Err(Doubt::NoForwarding(name.to_owned())),
                None => return Err(Doubt::Silent("whether it forwards")),
            }
        }
        match self.hooks.as_deref() {
            Some([]) => {}
            Some(hooks) => return Err(Doubt::Netfilter(hooks.to_vec())),
            None => return Err(Doubt::Silent("what netfilter does with packets")),
        }
        match self.rules.as_deref() {
            Some([]) => {}
            Some(rules) => return Err(Doubt::Rules(rules.to_vec())),
            None => return Err(Doubt::Silent("the rules of routing")),
        }
        match self.spreads_by_ports {
            Some(false) => Ok(()),
            Some(true) => Err(Doubt::Ports),
            None => Err(Doubt::Silent("how it chooses among several next hops")),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "there is no interface {name}"),
            Self::NotNative(name) => write!(
                f,
                "{name} is not judged by native XDP: it takes a driver with XDP, and `--xdp native` says why it is not used"
            ),
            Self::Kind(name, kind) => write!(
                f,
                "{name} is no plain interface of Ethernet ({kind}): name the one below it, or leave it to the stack"
            ),
            Self::Port(name) => write!(
                f,
                "{name} is a port of a bridge, bond, team or VRF, which has its own way with packets"
            ),
            Self::Peer(name) => write!(
                f,
                "{name} is a veth, whose other end may send frames without checksums and tags: if it does not (`ethtool -K ... tx off txvlan off` there), write `trust-checksums = true`"
            ),
            Self::Tags(name) => write!(
                f,
                "{name} takes VLAN tags off frames before they are judged: `ethtool -K {name} rxvlan off`"
            ),
            Self::Silent(what) => write!(f, "the kernel does not tell {what}"),
            Self::NoTransmit(name) => write!(
                f,
                "the driver of {name} sends nothing that XDP redirects; some do once there is an XDP program on {name}, a veth once GRO is on at its other end"
            ),
            Self::Discipline(name, kind) => write!(
                f,
                "packets wait in {kind} before they leave by {name}: `tc qdisc del dev {name} root` if nothing is to be shaped"
            ),
            Self::Others(name, others) => write!(
                f,
                "others see packets at {name} and would not any more: {}",
                others.join(", ")
            ),
            Self::Ipsec => write!(
                f,
                "there are policies of IPsec (`ip xfrm policy`), which packets would go past"
            ),
            Self::Netfilter(hooks) => write!(
                f,
                "packets would go past netfilter (rules, masquerading, connection tracking): {}; `nft list hooks` shows all",
                shortly(hooks)
            ),
            Self::NoForwarding(name) => write!(
                f,
                "what comes in by {name} is not forwarded (sysctl conf.{name}.forwarding)"
            ),
            Self::Rules(rules) => write!(
                f,
                "routing goes by more than addresses, interfaces and class of service: {} (`ip rule`)",
                rules.join(", ")
            ),
            Self::Ports => write!(
                f,
                "ports tell which of several next hops a packet takes: set fib_multipath_hash_policy to 0"
            ),
        }
    }
}

/// Some of many.
fn shortly(names: &[String]) -> String {
    const FIRST: usize = 3;
    let mut named: Vec<&str> = Vec::new();
    for name in names {
        if !named.contains(&name.as_str()) {
            named.push(name);
        }
    }
    let rest = named.len().saturating_sub(FIRST);
    let first: Vec<_> = named.into_iter().take(FIRST).collect();
    match rest {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
