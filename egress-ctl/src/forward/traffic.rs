//! Traffic control: what else there is on the way into and out of a device.

use rustix::io::Errno;

use super::device::Device;
use crate::netlink::{Question, ROUTE, attribute, dump, number, text};

/// Kinds of the queueing disciplines of a device; nothing where the kernel does not tell.
pub(super) fn disciplines(device: &Device) -> Option<Vec<Discipline>> {
    /// `RTM_GETQDISC` (linux/rtnetlink.h).
    const GET_QDISC: u16 = 38;

    let replies = dump(&Question {
        protocol: ROUTE,
        kind: GET_QDISC,
        body: &traffic(0, 0),
    });
    let all = replies.ok()?;
    let of_device = all.iter().filter_map(|body| discipline(body, device.index));
    Some(of_device.collect())
}

/// How packets wait that leave by a device.
pub(super) struct Discipline {
    pub(super) kind: String,
    /// Its number, by which filters name it; 0 where it has none.
    pub(super) handle: u32,
}

const TC_KIND: u16 = 1;

fn discipline(body: &[u8], index: u32) -> Option<Discipline> {
    let (header, rest) = body.split_first_chunk::<20>()?;
    if number(header.get(4..)?)? != index {
        return None;
    }
    Some(Discipline {
        kind: text(attribute(rest, TC_KIND)?),
        handle: number(header.get(8..)?)?,
    })
}

/// Sides of clsact, as parents of filters (`TC_H_CLSACT` and minor numbers, linux/pkt_sched.h).
pub(super) const INGRESS: u32 = 0xffff_fff2;
pub(super) const EGRESS: u32 = 0xffff_fff3;

/// Filters of TC below a parent, other than those of our programs: by kinds.
pub(super) fn filters(device: &Device, parent: u32, ours: &[u32]) -> Option<Vec<String>> {
    /// `RTM_GETTFILTER` (linux/rtnetlink.h).
    const GET_FILTER: u16 = 46;

    let replies = dump(&Question {
        protocol: ROUTE,
        kind: GET_FILTER,
        body: &traffic(device.index, parent),
    });
    let all = match replies {
        Ok(all) => all,
        // Without the discipline there is no filter.
        Err(Errno::INVAL | Errno::NOENT | Errno::OPNOTSUPP) => return Some(Vec::new()),
        Err(_) => return None,
    };
    let foreign = all.iter().filter_map(|body| foreign(body, ours));
    let mut kinds: Vec<String> = foreign.collect();
    kinds.dedup();
    Some(kinds)
}

/// The kind of a filter that runs none of our programs.
fn foreign(body: &[u8], ours: &[u32]) -> Option<String> {
    const OPTIONS: u16 = 2;
    const BPF_ID: u16 = 11;

    let rest = body.get(20..)?;
    let kind = text(attribute(rest, TC_KIND)?);
    let options = attribute(rest, OPTIONS).unwrap_or_default();
    let id = attribute(options, BPF_ID).and_then(number);
    let is_ours = kind == "bpf" && id.is_none_or(|id| ours.contains(&id));
    (!is_ours).then(|| format!("a filter of TC ({kind})"))
}

/// `struct tcmsg` (linux/rtnetlink.h).
fn traffic(index: u32, parent: u32) -> Vec<u8> {
    let words = [0, index, 0, parent, 0];
    words
        .iter()
        .flat_map(|word: &u32| word.to_ne_bytes())
        .collect()
}
