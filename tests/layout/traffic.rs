//! Datagrams that are allowed, denied, and to an address that nobody looked up: how many of each were sent, and what
//! the gateway tells that it counted.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, iter};

use anyhow::{Context, Result, ensure};
use lab::config::custom;
use lab::echo::Echo;
use lab::stage::Stage;
use lab::topology::Lab;
use lab::wait;
use serde_json::Value;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// What of the set is allowed, and what is not.
const ALLOWED: u16 = 4500;
const DENIED: u16 = 4501;
/// In no prefix.
const UNKNOWN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
const PACE: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(20);

/// A config that tells them apart.
pub fn config() -> String {
    let sets = "[[source.lab.set]]\nid = 1\nips = [\"203.0.113.0/24\"]\nudpPorts = \"4500\"\n";
    custom(sets).replace("[dns]", "count-replies = true\n[dns]")
}

/// How many datagrams of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub allowed: u64,
    pub denied: u64,
    pub unknown: u64,
}

/// Where they go to, and what was sent so far.
pub struct Traffic {
    client: UdpSocket,
    sent: Sent,
    _echo: Echo,
}

impl Traffic {
    pub fn prepare(lab: &Lab) -> Result<Self> {
        let echo = Echo::start(&lab.internet, &[(ADDRESS, ALLOWED).into()])?;
        Ok(Self {
            client: lab
                .client
                .run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??,
            sent: Sent::default(),
            _echo: echo,
        })
    }

    /// Sends some of each kind.
    pub fn send(&mut self, times: u64) -> Result<()> {
        let mut sent = self.sent;
        iter::repeat_n((), times as usize).try_for_each(|()| once(&self.client, &mut sent))?;
        self.sent = sent;
        Ok(())
    }

    /// Sends all the time while something is done.
    pub fn during<T>(&mut self, done: impl FnOnce() -> Result<T>) -> Result<T> {
        let ended = Arc::new(AtomicBool::new(false));
        let sender = self.sender(Arc::clone(&ended))?;
        let done = done();
        ended.store(true, Ordering::Relaxed);
        self.sent = sender.join().expect("sending does not panic")?;
        done
    }

    fn sender(&self, ended: Arc<AtomicBool>) -> Result<JoinHandle<io::Result<Sent>>> {
        let (client, mut sent) = (self.client.try_clone()?, self.sent);
        Ok(thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                once(&client, &mut sent)?;
            }
            Ok(sent)
        }))
    }

    /// Fails unless the gateway counted exactly what was sent, as soon as all has arrived.
    pub fn is_counted(&self, stage: &Stage) -> Result<()> {
        let expected = Counted::of(self.sent);
        let mut seen = Counted::default();
        let arrived = wait::until("all datagrams to be counted", LIMIT, || {
            seen = Counted::by(stage)?;
            ensure!(
                seen.is_within(&expected),
                "counted {seen:?}, sent {expected:?}"
            );
            Ok((seen == expected).then_some(()))
        });
        arrived.with_context(|| format!("counted {seen:?}, sent {expected:?}"))
    }
}

/// One of each kind.
fn once(client: &UdpSocket, sent: &mut Sent) -> io::Result<()> {
    for (address, port, count) in [
        (ADDRESS, ALLOWED, &mut sent.allowed),
        (ADDRESS, DENIED, &mut sent.denied),
        (UNKNOWN, ALLOWED, &mut sent.unknown),
    ] {
        client.send_to(b"egress", SocketAddr::from((address, port)))?;
        *count += 1;
    }
    thread::sleep(PACE);
    Ok(())
}

/// What `status`, `dns unresolved` and the metrics tell, by name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted(BTreeMap<&'static str, u64>);

impl Counted {
    fn of(sent: Sent) -> Self {
        let Sent {
            allowed,
            denied,
            unknown,
        } = sent;
        Self(BTreeMap::from([
            ("allowed", allowed),
            ("denied", denied),
            ("unknown", unknown),
            ("of the set", allowed),
            ("replies", allowed),
            ("replies of the set", allowed),
            ("tries", unknown),
            ("bytes allowed", allowed * bytes()),
        ]))
    }

    fn by(stage: &Stage) -> Result<Self> {
        let status = stage.status()?;
        let unresolved = stage.done(&["dns", "unresolved", "--json"])?;
        let unresolved: Value = serde_json::from_str(&unresolved)?;
        let verdict = |action: &str, reason: &str, what: &str| {
            let is_it = |one: &&Value| one["action"] == action && one["reason"] == reason;
            sum(all(&status["verdicts"]).filter(is_it), what)
        };
        let of_set = |what: &str| sum(all(&status["sets"]), what);
        let replies = all(&status["groups"]).flat_map(|group| all(&group["replies"]));
        let replies = replies.filter(|one| one["reason"] == "prefix");
        let address = IpAddr::from(UNKNOWN).to_string();
        let tries =
            all(&unresolved["destinations"]).filter(|one| one["address"] == address.as_str());
        Ok(Self(BTreeMap::from([
            ("allowed", verdict("allow", "prefix", "packets")),
            ("denied", verdict("drop", "wrong-port", "packets")),
            ("unknown", verdict("drop", "never-resolved", "packets")),
            ("of the set", of_set("packets")),
            ("replies", sum(replies, "packets")),
            ("replies of the set", of_set("reply_packets")),
            ("tries", sum(tries, "count")),
            ("bytes allowed", verdict("allow", "prefix", "bytes")),
        ])))
    }

    /// Whether nothing was counted that was not sent.
    fn is_within(&self, sent: &Self) -> bool {
        self.0
            .iter()
            .all(|(what, seen)| sent.0.get(what).is_some_and(|sent| seen <= sent))
    }
}

/// Bytes of a datagram's frame.
fn bytes() -> u64 {
    14 + 20 + 8 + b"egress".len() as u64
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn sum<'a>(all: impl Iterator<Item = &'a Value>, what: &str) -> u64 {
    all.filter_map(|one| one[what].as_u64()).sum()
}
