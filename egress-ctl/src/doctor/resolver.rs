//! Resolvers whose answers teach: whether they are there, answer, and are on the path of the clients.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::finding::Finding;

/// One resolver of `gateway.resolvers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// This machine.
    Own {
        /// Who listens on its port 53.
        listeners: Vec<Listener>,
        /// What it answers, where somebody listens.
        answer: Option<Answer>,
    },
    /// Another machine.
    Other {
        /// Its address.
        address: IpAddr,
        /// The LAN interface by which it is reached, where it is one.
        by_lan: Option<String>,
        /// What it answers.
        answer: Answer,
    },
}

/// Somebody who listens on port 53.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where; all addresses where it is unspecified.
    pub address: IpAddr,
    /// Name and id of the process, where they can be seen.
    pub process: Option<(String, u32)>,
}

/// What became of a question, and how long that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who was asked.
    pub asked: IpAddr,
    /// The code of the answer, or why there was none.
    pub code: Result<Code, String>,
    /// How long it took.
    pub took: Duration,
}

/// What an answer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// It answers the question, also by saying that there is no such name.
    Answered(String),
    /// It does not.
    Unwilling(String),
}

const CHECK: &str = "resolver";

impl Resolver {
    /// Judges it.
    pub fn judge(&self) -> Vec<Finding> {
        match self {
            Self::Own { listeners, answer } => own(listeners, answer.as_ref()),
            Self::Other {
                address,
                by_lan,
                answer,
            } => {
                let name = address.to_string();
                let answers = answer.judge("", &format!("dig @{address} login.microsoftonline.com; or name in gateway.resolvers whom clients ask"));
                let path = by_lan.as_ref().map(|lan| by_lan_interface(lan));
                let found = [Some(answers), path].into_iter().flatten();
                found.map(|one| one.about(name.as_str())).collect()
            }
        }
    }
}

fn by_lan_interface(lan: &str) -> Finding {
    Finding::warn(
        CHECK,
        format!(
            "it is reached by the LAN interface {lan}: what clients behind {lan} ask it does not pass this gateway, and what comes in there teaches nothing"
        ),
        "let clients ask the gateway, and gateway.resolvers = [\"gateway\"]",
    )
}

fn own(listeners: &[Listener], answer: Option<&Answer>) -> Vec<Finding> {
    let Some(answer) = answer.filter(|_| !listeners.is_empty()) else {
        return vec![Finding::fail(
            CHECK,
            "nobody listens on port 53 of this machine, though gateway.resolvers names it",
            "systemctl enable --now dnsmasq (or unbound), or gateway.resolvers = [the addresses that clients ask]",
        )
        .about("gateway")];
    };
    let who = who(listeners, answer.asked);
    let restart = "systemctl restart dnsmasq (or unbound), and see its log: journalctl -u dnsmasq";
    let mut judged = answer.judge(&who, restart);
    judged.seen += hint(listeners);
    let mut found = vec![judged];
    if listeners.iter().all(|one| one.address.is_loopback()) {
        found.push(Finding::warn(
            CHECK,
            "it listens on loopback alone, where no client can ask it",
            "dnsmasq: interface=LAN; unbound: interface: ADDRESS and access-control; systemd-resolved: DNSStubListenerExtra=ADDRESS",
        ));
    }
    found.into_iter().map(|one| one.about("gateway")).collect()
}

/// Who listens, and where it was asked.
fn who(listeners: &[Listener], asked: IpAddr) -> String {
    let named = processes(listeners).into_iter();
    let named: Vec<_> = named
        .map(|(name, pid)| format!("{name} (process {pid})"))
        .collect();
    match named.is_empty() {
        true => format!("{asked} "),
        false => format!("{} at {asked} ", named.join(" and ")),
    }
}

fn processes(listeners: &[Listener]) -> BTreeSet<&(String, u32)> {
    let processes = listeners.iter().filter_map(|one| one.process.as_ref());
    processes.collect()
}

/// What is known of how its cache goes together with learning.
fn hint(listeners: &[Listener]) -> &'static str {
    let caches = |(name, _): &&(String, u32)| ["dnsmasq", "unbound"].contains(&name.as_str());
    match processes(listeners).iter().any(caches) {
        true => "; what it answers from its cache teaches as well, whatever TTL is left",
        false => "",
    }
}

impl Answer {
    fn judge(&self, who: &str, fix: &str) -> Finding {
        let Self { code, took, .. } = self;
        let took = took.as_millis();
        match code {
            Ok(Code::Answered(code)) => {
                Finding::ok(CHECK, format!("{who}answers in {took} ms ({code})"))
            }
            Ok(Code::Unwilling(code)) => Finding::warn(CHECK, format!("{who}answers {code}"), fix),
            Err(why) => Finding::fail(CHECK, format!("{who}does not answer: {why}"), fix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome::{self, Fail, Ok as Good, Warn};

    fn answer(code: Result<Code, String>) -> Answer {
        Answer {
            asked: "10.20.0.1".parse().unwrap(),
            code,
            took: Duration::from_millis(3),
        }
    }

    fn listener(address: &str, name: &str) -> Listener {
        Listener {
            address: address.parse().unwrap(),
            process: Some((name.to_owned(), 812)),
        }
    }

    #[test]
    fn resolvers_are_judged() {
        let good = || answer(Ok(Code::Answered("NoError".to_owned())));
        let unwilling = || answer(Ok(Code::Unwilling("ServFail".to_owned())));
        let silent = || answer(Err("timed out".to_owned()));
        let own = |listeners: &[Listener], answer| Resolver::Own {
            listeners: listeners.to_vec(),
            answer,
        };
        let other = |by_lan: Option<&str>, answer| Resolver::Other {
            address: "9.9.9.9".parse().unwrap(),
            by_lan: by_lan.map(str::to_owned),
            answer,
        };
        let dnsmasq = [listener("0.0.0.0", "dnsmasq"), listener("::", "dnsmasq")];
        let stub = [listener("127.0.0.53", "systemd-resolve")];
        let table: [(&str, Resolver, &[Outcome], &str); 9] = [
            (
                "dnsmasq",
                own(&dnsmasq, Some(good())),
                &[Good],
                "dnsmasq (process 812) at 10.20.0.1 answers in",
            ),
            ("nobody", own(&[], None), &[Fail], "nobody listens"),
            ("hangs", own(&dnsmasq, Some(silent())), &[Fail], "timed out"),
            (
                "no upstream",
                own(&dnsmasq, Some(unwilling())),
                &[Warn],
                "answers ServFail",
            ),
            ("a stub", own(&stub, Some(good())), &[Good, Warn], "in 3 ms"),
            ("elsewhere", other(None, good()), &[Good], "NoError"),
            (
                "elsewhere, silent",
                other(None, silent()),
                &[Fail],
                "dig @9.9.9.9",
            ),
            (
                "elsewhere, unwilling",
                other(None, unwilling()),
                &[Warn],
                "ServFail",
            ),
            (
                "in the LAN",
                other(Some("eth1"), good()),
                &[Good, Warn],
                "answers in",
            ),
        ];
        for (what, resolver, expected, words) in table {
            let found = resolver.judge();
            let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, expected, "{what}: {found:?}");
            assert!(found[0].to_string().contains(words), "{what}: {}", found[0]);
        }
    }
}
