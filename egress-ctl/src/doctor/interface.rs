//! The LAN interfaces: whether they are there, where packets are judged, and what stands in the way of that.

use super::finding::Finding;
use crate::dataplane::{
    interface::Layer,
    occupants::{Occupant, Side},
};

/// A LAN interface of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// As the config names it.
    pub name: String,
    /// The device; none where there is no such interface.
    pub device: Option<Device>,
    /// The name of another interface that may be meant.
    pub nearest: Option<String>,
}

/// What was seen of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is called now.
    pub name: String,
    /// Whether it is up.
    pub is_up: bool,
    /// What its packets begin with.
    pub layer: Layer,
    /// Name of its driver, where that is told.
    pub driver: Option<String>,
    /// What its driver can do of XDP, where the kernel says.
    pub xdp: Option<XdpFeatures>,
    /// Where our program judges: `native`, `generic`, `tcx` or `clsact`; none where none does.
    pub judged: Option<&'static str>,
    /// Programs that are on it.
    pub occupants: Vec<Occupant>,
    /// Offloads of the hardware that are on.
    pub offloads: Offloads,
    /// Longest packet, in bytes.
    pub mtu: u32,
    /// Longest packet that GRO may put together, in bytes, where the kernel says.
    pub gro_max: Option<u32>,
    /// Whether it forwards IPv4, where it has such an address.
    pub forwards_v4: Option<bool>,
    /// Whether it forwards IPv6, where it has such an address that is routed.
    pub forwards_v6: Option<bool>,
    /// How senders of IPv4 packets are checked (`rp_filter`): 0 not, 1 strictly, 2 loosely.
    pub rp_filter: u8,
    /// Whether some group tells clients apart by their VLAN.
    pub tells_vlans: bool,
}

/// What a driver can do of XDP (`NETDEV_XDP_ACT_*`, linux/netdev.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Running programs before a socket buffer is made.
    pub is_native: bool,
    /// Packets in several buffers.
    pub has_fragments: bool,
}

/// Offloads that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Receiving several segments as one (`rx-lro`).
    pub lro: bool,
    /// The same, such that they can be told apart again (`rx-gro-hw`).
    pub gro_hw: bool,
    /// Taking VLAN tags out of frames (`rx-vlan-hw-parse`).
    pub vlan: bool,
}

/// Longest packet that drivers take with native XDP in one page: less its headroom and what the kernel puts
/// behind it.
const NATIVE_MTU: u32 = 3_498;
/// What programs at TC expect of GRO.
const GRO_MAX: u32 = 65_536;

/// Judges all.
pub fn judge(interfaces: &[Lan]) -> Vec<Finding> {
    const CHECK: &str = "interface";
    if interfaces.is_empty() {
        let seen = "no interface is up that has addresses and is not the way to everywhere else";
        return vec![Finding::skipped(CHECK, seen)];
    }
    let is_any_there = interfaces.iter().any(|lan| lan.device.is_some());
    let judged = interfaces.iter().map(|lan| match &lan.device {
        Some(device) => device.judge(),
        None => vec![missing(lan, is_any_there)],
    });
    let about = judged.zip(interfaces).map(|(found, lan)| {
        let about = found.into_iter().map(|one| one.about(lan.name.as_str()));
        about.collect::<Vec<_>>()
    });
    about.flatten().collect()
}

fn missing(lan: &Lan, is_any_there: bool) -> Finding {
    let fix = match &lan.nearest {
        Some(nearest) => format!("gateway.lan = [\"{nearest}\"], if that is meant; else: ip link"),
        None => "ip link, and name in gateway.lan what clients are behind".to_owned(),
    };
    let seen = "there is no such interface";
    match is_any_there {
        true => Finding::warn(
            "interface",
            format!("{seen}, and the daemon waits for it"),
            fix,
        ),
        false => Finding::fail(
            "interface",
            format!("{seen}, nor any other one of gateway.lan"),
            fix,
        ),
    }
}

impl Device {
    fn judge(&self) -> Vec<Finding> {
        if let Layer::Other(kind) = self.layer {
            return vec![Finding::fail(
                "interface",
                format!(
                    "it is of kind {kind} (ARPHRD), whose packets have neither an Ethernet header nor begin with IP"
                ),
                "name another interface in gateway.lan",
            )];
        }
        let mut found = vec![self.there(), self.xdp(), self.programs()];
        found.extend([self.offloads(), self.mtu(), self.forwarding()]);
        found.extend(self.rp_filter());
        found
    }

    fn there(&self) -> Finding {
        const CHECK: &str = "interface";
        let name = &self.name;
        let driver = match &self.driver {
            Some(driver) => format!(", driver {driver}"),
            None => String::new(),
        };
        match self.is_up {
            true => Finding::ok(CHECK, format!("{name} is up{driver}")),
            false => Finding::warn(
                CHECK,
                format!("{name} is down{driver}"),
                format!("ip link set {name} up"),
            ),
        }
    }

    fn xdp(&self) -> Finding {
        const CHECK: &str = "xdp";
        if self.layer == Layer::Ip {
            let seen = "its packets have no Ethernet header, so that they are judged at TC ingress";
            return Finding::ok(CHECK, seen);
        }
        let is_native = self.xdp.map(|features| features.is_native);
        match (self.judged, is_native) {
            (Some("native"), _) => Finding::ok(CHECK, "judged in the driver (native)"),
            (Some(at), Some(true)) => Finding::warn(
                CHECK,
                format!(
                    "judged {}, though the driver could do it (native)",
                    place(at)
                ),
                "egress-ctl status notes why; systemctl restart egress once that is mended",
            ),
            (Some(at), Some(false)) => Finding::ok(
                CHECK,
                format!("judged {}: the driver has no XDP of its own", place(at)),
            ),
            (Some(at), None) => Finding::ok(
                CHECK,
                format!(
                    "judged {}; what the driver could do is told from Linux 6.3 on",
                    place(at)
                ),
            ),
            (None, Some(true)) => Finding::ok(CHECK, "the driver can judge (native)"),
            (None, Some(false)) => Finding::ok(
                CHECK,
                "the driver has no XDP of its own: packets will be judged behind it (generic)",
            ),
            (None, None) => Finding::skipped(
                CHECK,
                "what the driver can do is told from Linux 6.3 on; the daemon tries it",
            ),
        }
    }

    fn programs(&self) -> Finding {
        const CHECK: &str = "programs";
        let foreign = self.occupants.iter().filter(|one| !one.is_ours);
        let (xdp, tc): (Vec<_>, Vec<_>) = foreign.partition(|one| one.side == Side::Xdp);
        let name = &self.name;
        if !xdp.is_empty() {
            return Finding::warn(
                CHECK,
                format!(
                    "an XDP program of somebody else,{}, is there: packets are judged behind it, at TC ingress, and what it drops or sends back nobody judges",
                    named(&xdp)
                ),
                format!("ip link set dev {name} xdp off, or in its place: egress-ctl run --force"),
            );
        }
        if !tc.is_empty() {
            return Finding::warn(
                CHECK,
                format!(
                    "programs of somebody else,{}, are at TC: what they redirect goes past the one that learns",
                    named(&tc)
                ),
                format!(
                    "bpftool net show dev {name}; tc filter show dev {name} ingress; tc filter show dev {name} egress"
                ),
            );
        }
        match self.occupants.len() {
            0 => Finding::ok(CHECK, "none"),
            count => Finding::ok(CHECK, format!("{count}, all of egress")),
        }
    }

    fn offloads(&self) -> Finding {
        const CHECK: &str = "offloads";
        let Offloads { lro, gro_hw, vlan } = self.offloads;
        let by_xdp =
            !matches!(self.judged, Some("tcx" | "clsact")) && self.layer == Layer::Ethernet;
        let name = &self.name;
        let hinders = [("lro", lro), ("rx-gro-hw", gro_hw)];
        let on: Vec<_> = hinders.iter().filter(|(_, on)| *on && by_xdp).collect();
        if let [(first, _), ..] = on.as_slice() {
            return Finding::warn(
                CHECK,
                format!(
                    "{first} is on: drivers refuse native XDP with it, or show packets put together"
                ),
                format!(
                    "ethtool -K {name} {}",
                    on.iter()
                        .map(|(what, _)| format!("{what} off"))
                        .collect::<Vec<_>>()
                        .join(" ")
                ),
            );
        }
        if vlan && self.tells_vlans && by_xdp {
            return Finding::warn(
                CHECK,
                "rxvlan is on, and groups are told apart by VLAN: where the hardware takes tags out of frames, XDP does not see them",
                format!("ethtool -K {name} rxvlan off"),
            );
        }
        Finding::ok(CHECK, "none in the way")
    }

    fn mtu(&self) -> Finding {
        const CHECK: &str = "mtu";
        let Self { name, mtu, xdp, .. } = self;
        if let Some(most) = self.gro_max.filter(|most| *most > GRO_MAX) {
            return Finding::warn(
                CHECK,
                format!(
                    "GRO puts up to {most} bytes together, of which programs at TC see the lengths of no more than {GRO_MAX}"
                ),
                format!("ip link set {name} gro_max_size {GRO_MAX} gro_ipv4_max_size {GRO_MAX}"),
            );
        }
        let fits = xdp.is_none_or(|features| !features.is_native || features.has_fragments);
        match *mtu > NATIVE_MTU && !fits && self.judged != Some("native") {
            true => Finding::warn(
                CHECK,
                format!(
                    "{mtu} bytes: the driver takes native XDP up to some {NATIVE_MTU}, and packets are judged behind it"
                ),
                format!("ip link set {name} mtu {NATIVE_MTU}, or egress-ctl run --xdp generic"),
            ),
            false => Finding::ok(CHECK, format!("{mtu} bytes")),
        }
    }

    fn forwarding(&self) -> Finding {
        const CHECK: &str = "forwarding";
        let name = &self.name;
        let families = [("ipv4", self.forwards_v4), ("ipv6", self.forwards_v6)];
        let that = |wanted| {
            let some = families.iter().filter(move |(_, has)| *has == Some(wanted));
            some.map(|(family, _)| *family).collect::<Vec<_>>()
        };
        let (on, off) = (that(true), that(false));
        if !off.is_empty() {
            let set = off
                .iter()
                .map(|family| format!("net.{family}.conf.{name}.forwarding=1"));
            return Finding::warn(
                CHECK,
                format!("{} of its clients is not forwarded", off.join(" and ")),
                format!("sysctl -w {}", set.collect::<Vec<_>>().join(" ")),
            );
        }
        match on.is_empty() {
            true => Finding::skipped(CHECK, "it has no address"),
            false => Finding::ok(CHECK, on.join(" and ")),
        }
    }

    /// Only IPv4 has it.
    fn rp_filter(&self) -> Option<Finding> {
        const CHECK: &str = "rp-filter";
        self.forwards_v4?;
        Some(match self.rp_filter {
            0 => Finding::warn(
                CHECK,
                "senders are not checked: a client can take the address, and the group, of another interface's",
                format!("sysctl -w net.ipv4.conf.{}.rp_filter=1", self.name),
            ),
            1 => Finding::ok(CHECK, "senders are checked strictly"),
            _ => Finding::ok(CHECK, "senders are checked loosely"),
        })
    }
}

fn place(judged: &str) -> String {
    match judged {
        "generic" => "behind the driver (generic)".to_owned(),
        other => format!("at TC ingress ({other})"),
    }
}

/// Names and numbers, behind a space.
fn named(occupants: &[&Occupant]) -> String {
    let named = occupants.iter().map(|one| {
        let name = match &one.name {
            Some(name) => format!("`{name}` "),
            None => String::new(),
        };
        format!(" {name}(id {})", one.id)
    });
    named.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
