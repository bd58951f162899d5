//! Rejected connections of real clients fail at once, and say so.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::address::CLIENT;
use lab::announced;
use lab::config::catalogue;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::pace;
use lab::site::Site;
use lab::status::Action;
use lab::topology::UPLINK;

const UNLISTED: [&str; 2] = ["203.0.113.77", "2001:db8:dead::77"];
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const LIMIT: Duration = Duration::from_secs(2);
/// How soon a client must know, and where a processor is emulated, which takes longer for curl than for the way.
const AT_ONCE: Duration = Duration::from_millis(50);
const AT_ONCE_IF_SLOW: Duration = Duration::from_millis(500);

#[test]
fn in_the_driver() -> Result<()> {
    refuses(&["--xdp", "native"])
}

#[test]
fn behind_the_driver() -> Result<()> {
    refuses(&["--xdp", "generic"])
}

fn refuses(options: &[&str]) -> Result<()> {
    let config = catalogue("enforce").replace("default = \"drop\"", "default = \"reject\"");
    let site = Site::start(
        Life::Bound,
        &announced::zone(),
        &announced::certificate_names(),
    )?;
    // A veth end takes no frames from the driver of the other one, unless it runs an XDP program itself
    // (drivers/net/veth.c, veth_xdp_flush): here a filter that is off. Network cards need nothing of that.
    let off = format!("[gateway]\nmode = \"off\"\nlan = [\"{UPLINK}\"]\n");
    let folder = site.lab.path("client");
    let _passes = Egress::start_on(&site.lab.client, &folder, &off, &[])?;
    let egress = Egress::start_with(&site.lab, &config, options)?;
    for (family, address) in FAMILIES.into_iter().zip(UNLISTED) {
        let to = |port| -> Result<SocketAddr> { Ok((address.parse::<IpAddr>()?, port).into()) };
        let connected = site.lab.client.run(|| quickest(|| connect(to(443)?)))??;
        ensure!(
            connected.0 == ErrorKind::ConnectionRefused,
            "{family}: {connected:?}"
        );
        ensure!(connected.1 < AT_ONCE, "{family}: {connected:?}");
        let sent = site
            .lab
            .client
            .run(|| quickest(|| send(family, to(9)?)))??;
        let prohibited = [ErrorKind::HostUnreachable, ErrorKind::PermissionDenied];
        ensure!(prohibited.contains(&sent.0), "{family}: {sent:?}");
        let curls = (0..3).map(|_| curl(&site, &to(443)?));
        let curls: Vec<_> = curls.collect::<Result<_>>()?;
        let says = format!("connect to {address} port 443 failed: Connection refused");
        for curl in &curls {
            ensure!(curl.code == Some(CANNOT_CONNECT), "{family}: {curl:?}");
            ensure!(curl.says.contains(&says), "{family}: {curl:?}");
        }
        let quickest = curls.iter().map(|curl| curl.took).min();
        let at_once = match pace::is_slow() {
            true => AT_ONCE_IF_SLOW,
            false => AT_ONCE,
        };
        ensure!(quickest < Some(at_once), "{family}: {curls:?}");
    }
    let status = egress.settled()?;
    ensure!(
        status.packets(Action::Reject, "never-resolved") >= 6,
        "{:?}",
        status.verdicts
    );
    Ok(())
}

/// Exit code of curl (libcurl-errors(3), CURLE_COULDNT_CONNECT).
const CANNOT_CONNECT: i32 = 7;

/// How curl failed, in its own words and by its own clock.
#[derive(Debug)]
struct Curl {
    code: Option<i32>,
    says: String,
    took: Duration,
}

/// Has the client's curl ask a server.
fn curl(site: &Site, to: &SocketAddr) -> Result<Curl> {
    let mut command = site.lab.client.command("curl");
    command
        .args(["-q", "--silent", "--show-error", "--verbose"])
        .args(["--noproxy", "*", "--max-time", "2"])
        .args(["--write-out", "%{time_total}"])
        .arg(format!("https://{to}/"));
    let output = command
        .output()
        .context("is the Debian package curl installed?")?;
    let seconds = String::from_utf8(output.stdout)?.parse()?;
    Ok(Curl {
        code: output.status.code(),
        says: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: Duration::from_secs_f64(seconds),
    })
}

/// How something fails, and how long that takes; of three attempts the quickest, since a machine may be busy.
fn quickest(mut attempt: impl FnMut() -> Result<ErrorKind>) -> Result<(ErrorKind, Duration)> {
    let mut all = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let kind = attempt()?;
        all.push((kind, begin.elapsed()));
    }
    all.into_iter()
        .min_by_key(|(_, elapsed)| *elapsed)
        .context("no attempt")
}

fn connect(to: SocketAddr) -> Result<ErrorKind> {
    let failure = TcpStream::connect_timeout(&to, LIMIT).err();
    Ok(failure.context("it is connected")?.kind())
}

fn send(family: Family, to: SocketAddr) -> Result<ErrorKind> {
    let socket = UdpSocket::bind(SocketAddr::new(CLIENT.of(family), 0))?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.connect(to)?;
    socket.send(b"egress")?;
    let failure = socket.recv(&mut [0; 16]).err();
    Ok(failure.context("an answer came")?.kind())
}
