//! Whether metrics are served, and where.

use std::net::SocketAddr;

use toml::Spanned;

use super::{problem::Problems, raw::RawMetrics, valid::is_nearest};

/// Where Prometheus looks for programs of this kind that nobody has registered.
const PORT: u16 = 9598;
/// Those below take a capability that the daemon does not keep.
const FIRST_PORT: u16 = 1024;
const KEY: &str = "metrics.listen";

/// Where metrics are served; nowhere where the config does not say so.
pub(super) fn listen(raw: &RawMetrics, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    let raw = raw.listen.as_ref()?;
    match address(raw.get_ref()) {
        Ok(listen) => Some(listen),
        Err(message) => {
            problems.add(Spanned::span(raw), KEY, message);
            None
        }
    }
}

/// An address of loopback and a port. Whoever reads metrics from elsewhere comes through something that knows
/// who may: they tell what is allowed and used here.
fn address(text: &str) -> Result<SocketAddr, String> {
    let Ok(listen) = text.parse::<SocketAddr>() else {
        let near = match text.parse() {
            Ok(addr) => is_nearest(SocketAddr::new(addr, PORT)),
            Err(_) => String::new(),
        };
        return Err(format!(
            "`{text}` is no address with a port{near}: write 127.0.0.1:{PORT} or [::1]:{PORT}"
        ));
    };
    if !listen.ip().is_loopback() {
        let near = match listen {
            SocketAddr::V4(_) => is_nearest(format!("127.0.0.1:{}", listen.port())),
            SocketAddr::V6(_) => is_nearest(format!("[::1]:{}", listen.port())),
        };
        return Err(format!(
            "`{text}` is not of this machine alone{near}: metrics are served on loopback, without a password"
        ));
    }
    if listen.port() < FIRST_PORT {
        let near = is_nearest(SocketAddr::new(listen.ip(), PORT));
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
            match (address(text), expected) {
                (Ok(_), Ok(())) => {}
                (Err(message), Err(part)) if message.contains(part) => {}
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
