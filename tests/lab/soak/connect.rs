//! TCP connections: to what is allowed, each of which must be answered at once, and to what is not.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::shared::Shared;
use super::way::{Account, CONNECTED};
use crate::pace;
use crate::server::{HTTPS, WRONG_PORT};

const PACE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(5);
/// A connection that takes so long was answered only after its SYN was repeated.
const REPEATED: Duration = Duration::from_millis(900);
/// One of so many is to a port that is not allowed, and is waited for so long in vain.
const DENIED: usize = 10;
const IN_VAIN: Duration = Duration::from_millis(150);

/// Connects until nothing is to be sent any more.
pub fn connect(shared: &Shared) -> Result<()> {
    for (turn, address) in CONNECTED.into_iter().cycle().enumerate() {
        if shared.silent.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(PACE);
        let seen = shared.blindness();
        if shared.is_blind() {
            continue;
        }
        let failure = match (turn / CONNECTED.len()).is_multiple_of(DENIED) {
            true => denied(shared, (address, WRONG_PORT).into()),
            false => allowed(shared, (address, HTTPS).into()),
        };
        if let Err(failure) = failure
            && shared.blindness() == seen
        {
            shared.complain(failure);
        }
    }
    Ok(())
}

fn allowed(shared: &Shared, to: SocketAddr) -> Result<(), String> {
    shared.threw("TCP connections that are allowed");
    let began = Instant::now();
    TcpStream::connect_timeout(&to, LIMIT)
        .map_err(|error| format!("connecting to {to}: {error}"))?;
    let took = began.elapsed();
    if took >= REPEATED && !pace::is_slow() {
        return Err(format!(
            "{to} answered only after {took:?}: a SYN was dropped"
        ));
    }
    Ok(())
}

fn denied(shared: &Shared, to: SocketAddr) -> Result<(), String> {
    shared.threw("TCP connections that are denied");
    shared.ledger.note(Account::WrongPort, shared.is_blind());
    match TcpStream::connect_timeout(&to, IN_VAIN) {
        Ok(_) => Err(format!("a connection to {to} passed, which nothing allows")),
        Err(_) => Ok(()),
    }
}
