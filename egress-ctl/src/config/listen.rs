//! Where something is served: on loopback, at a port that needs no privilege.

use std::net::SocketAddr;

use toml::Spanned;

use super::{problem::Problems, valid::is_nearest};

/// Those below take a capability that the daemon does not keep.
const FIRST_PORT: u16 = 1024;

/// What is served, as messages need it.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Key of the address.
    pub(super) key: &'static str,
    /// A port that it may have.
    pub(super) port: u16,
    /// Why it is served to this machine alone.
    pub(super) why: &'static str,
}

/// The address that is written there, if one may listen there.
pub(super) fn listen(
    raw: Option<&Spanned<String>>,
    kind: Kind,
    problems: &mut Problems<'_>,
) -> Option<SocketAddr> {
    let raw = raw?;
    match address(raw.get_ref(), kind) {
        Ok(listen) => Some(listen),
        Err(message) => {
            problems.add(Spanned::span(raw), kind.key, message);
            None
        }
    }
}

/// An address of loopback and a port. Whoever comes from elsewhere comes through something that knows who may:
/// what is served tells what is allowed and used here.
fn address(text: &str, kind: Kind) -> Result<SocketAddr, String> {
    let Kind { port, why, .. } = kind;
    let Ok(listen) = text.parse::<SocketAddr>() else {
        let near = match text.parse() {
            Ok(addr) => is_nearest(SocketAddr::new(addr, port)),
            Err(_) => String::new(),
        };
        return Err(format!(
            "`{text}` is no address with a port{near}: write 127.0.0.1:{port} or [::1]:{port}"
        ));
    };
    if !listen.ip().is_loopback() {
        let near = match listen {
            SocketAddr::V4(_) => is_nearest(format!("127.0.0.1:{}", listen.port())),
            SocketAddr::V6(_) => is_nearest(format!("[::1]:{}", listen.port())),
        };
        return Err(format!(
            "`{text}` is not of this machine alone{near}: {why}"
        ));
    }
    if listen.port() < FIRST_PORT {
        let near = is_nearest(SocketAddr::new(listen.ip(), port));
        return Err(format!(
            "`{text}` has a port that the daemon may not take{near}: {FIRST_PORT} to {}",
            u16::MAX
        ));
    }
    Ok(listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: Kind = Kind {
        key: "metrics.listen",
        port: 9598,
        why: "on loopback",
    };

    #[test]
    fn only_loopback_is_listened_at() {
        let table = [
            ("127.0.0.1:9598", Ok(())),
            ("127.1.2.3:1024", Ok(())),
            (
                "127.0.0.1:80",
                Err("the nearest is `127.0.0.1:9598`: 1024 to 65535"),
            ),
            ("[::1]:9598", Ok(())),
            ("0.0.0.0:9598", Err("the nearest is `127.0.0.1:9598`")),
            ("192.0.2.1:80", Err("the nearest is `127.0.0.1:80`")),
            ("[::]:9598", Err("the nearest is `[::1]:9598`")),
            ("127.0.0.1:0", Err("the nearest is `127.0.0.1:9598`")),
            ("127.0.0.1", Err("the nearest is `127.0.0.1:9598`")),
            ("localhost:9598", Err("no address with a port: write")),
            ("on", Err("`on` is no address")),
        ];
        for (text, expected) in table {
            match (address(text, METRICS), expected) {
                (Ok(_), Ok(())) => {}
                (Err(message), Err(part)) if message.contains(part) => {}
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
