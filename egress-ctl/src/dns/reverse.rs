//! Names of addresses by reverse lookup, as the machine's own resolver knows them.
//!
//! In: addresses and how long all of it may take. Out: the names that came in time. Whoever owns an address
//! writes its name there: it says what somebody claims, and admits nothing.

use std::{
    collections::HashMap,
    ffi::{CStr, c_char},
    net::{IpAddr, SocketAddr},
    ptr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::net::addr::SocketAddrArg as _;

/// Lookups at the same time.
const WORKERS: usize = 16;

/// Looks addresses up, for no longer than `limit`. Lookups that take longer are left alone, and end with the
/// process.
pub fn names(
    addresses: impl IntoIterator<Item = IpAddr>,
    limit: Duration,
) -> HashMap<IpAddr, String> {
    let queue: Vec<IpAddr> = addresses.into_iter().collect();
    let mut expected = queue.len();
    let workers = WORKERS.min(expected);
    let queue = Arc::new(Mutex::new(queue));
    let (to, found) = mpsc::channel();
    for _ in 0..workers {
        let (queue, to) = (Arc::clone(&queue), to.clone());
        thread::spawn(move || {
            while let Some(address) = take(&queue) {
                // Nobody waits any more: then nobody reads either.
                if to.send((address, name(address))).is_err() {
                    break;
                }
            }
        });
    }
    let end = Instant::now() + limit;
    let mut names = HashMap::new();
    while expected > 0 {
        let left = end.saturating_duration_since(Instant::now());
        let Ok((address, name)) = found.recv_timeout(left) else {
            break;
        };
        expected -= 1;
        names.extend(name.map(|name| (address, name)));
    }
    names
}

fn take(queue: &Mutex<Vec<IpAddr>>) -> Option<IpAddr> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.pop()
}

/// The name of an address, where there is one.
fn name(address: IpAddr) -> Option<String> {
    /// `NI_MAXHOST` (netdb.h).
    const NAME_MAX: usize = 1025;

    let address = SocketAddr::new(address, 0);
    let mut name: [c_char; NAME_MAX] = [0; NAME_MAX];
    // SAFETY: the address is given with its length, the name has the room that is named, and no service is
    // asked for.
    let result = unsafe {
        address.with_sockaddr(|addr, len| {
            libc::getnameinfo(
                addr.cast(),
                len,
                name.as_mut_ptr(),
                NAME_MAX as libc::socklen_t,
                ptr::null_mut(),
                0,
                libc::NI_NAMEREQD,
            )
        })
    };
    if result != 0 {
        return None;
    }
    // SAFETY: the name ends with a NUL, and in any case the array does.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_looked_up_where_there_is_no_time() {
        let addresses = (0..100).map(|i| IpAddr::from([203, 0, 113, i]));
        let began = Instant::now();
        let names = names(addresses, Duration::ZERO);
        assert!(names.is_empty(), "{names:?}");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
