//! Routing and IPsec, where they go by more than next hops are remembered by.

use rustix::{io::Errno, net::netlink};

use crate::netlink::{Question, ROUTE, attribute, attributes, dump, get, number, text};

/// Rules of routing that go by more than what next hops are remembered by.
pub(super) fn rules(is_v4: bool, to: &str) -> Option<Vec<String>> {
    /// `RTM_GETRULE` (linux/rtnetlink.h).
    const GET_RULE: u16 = 34;

    let mut body = [0; 12];
    body[0] = if is_v4 { 2 } else { 10 };
    let replies = dump(&Question {
        protocol: ROUTE,
        kind: GET_RULE,
        body: &body,
    });
    let all = replies.ok()?;
    Some(all.iter().filter_map(|body| odd_rule(body, to)).collect())
}

/// What is odd about a rule (`struct fib_rule_hdr` and attributes, linux/fib_rules.h).
fn odd_rule(body: &[u8], to: &str) -> Option<String> {
    const IIF: u16 = 3;
    const PRIORITY: u16 = 6;

    let rest = body.get(12..)?;
    let goes_by = attributes(rest).find_map(|(kind, value)| {
        let what = match kind {
            IIF if [to, "lo"].contains(&text(value).as_str()) => "the interface of answers",
            12 => "a tunnel's id",
            20 => "the user",
            22 => "the protocol",
            23 | 24 | 28 | 29 => "ports",
            // Addresses, interfaces, marks, tables, class of service, flow label.
            0..=19 | 21 | 25..=27 | 30 => return None,
            _ => "something new",
        };
        Some(what)
    })?;
    let priority = attribute(rest, PRIORITY).and_then(number).unwrap_or(0);
    Some(format!("rule {priority} goes by {goes_by}"))
}

/// Whether there are policies of IPsec; nothing where the kernel does not tell.
pub(super) fn has_ipsec() -> Option<bool> {
    /// `XFRM_MSG_GETPOLICY` and the bytes of `struct xfrm_userpolicy_id` (linux/xfrm.h).
    const GET_POLICY: u16 = 0x15;
    const ID_BYTES: usize = 64;

    let replies = dump(&Question {
        protocol: Some(netlink::XFRM),
        kind: GET_POLICY,
        body: &[0; ID_BYTES],
    });
    match replies {
        Ok(policies) => Some(!policies.is_empty() || blocks_by_default()?),
        // A kernel without IPsec.
        Err(Errno::PROTONOSUPPORT) => Some(false),
        Err(_) => None,
    }
}

/// Whether packets are blocked that no policy of IPsec is about.
fn blocks_by_default() -> Option<bool> {
    /// `XFRM_MSG_GETDEFAULT`, `struct xfrm_userpolicy_default` and `XFRM_USERPOLICY_BLOCK` (linux/xfrm.h).
    const GET_DEFAULT: u16 = 0x28;
    const BLOCK: u8 = 1;

    let reply = get(&Question {
        protocol: Some(netlink::XFRM),
        kind: GET_DEFAULT,
        body: &[0; 4],
    });
    match reply {
        Ok(reply) => Some(reply?.iter().take(3).any(|direction| *direction == BLOCK)),
        // Before Linux 5.15 nothing is.
        Err(Errno::INVAL) => Some(false),
        Err(_) => None,
    }
}
