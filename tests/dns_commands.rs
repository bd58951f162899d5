//! What user space knows of learned addresses: their names, through kills and reboots, as files, and what
//! clients tried without an answer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::maps::{HashMap, MapData};
use egress_ctl::dataplane::aside;
use lab::address::{CLIENT, LAN};
use lab::config::custom;
use lab::dns;
use lab::dns_tcp;
use lab::echo::Echo;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::site::Site;
use lab::wait;
use lab::zone::Zone;
use serde_json::{Value, json};

const NAME: &str = "www.corp.example";
const ALIAS: &str = "alias.corp.example";
const SHORT: &str = "short.corp.example";
const REBIND: &str = "rebind.corp.example";
const UNLISTED: &str = "www.other.example";

const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const BEHIND_ALIAS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
const SHORT_LIVED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 12);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
/// No name has it.
const NAMELESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);

const PINS: &str = "/sys/fs/bpf/egress";
const TTL: u32 = 300;
const SHORT_TTL: u32 = 2;
const HTTPS: u16 = 443;
const LIMIT: Duration = Duration::from_secs(20);

const SETS: &str = r#"
[[source.lab.set]]
id = 1
urls = ["*.corp.example"]
tcpPorts = "443"
[[source.lab.set]]
id = 2
urls = ["unused.example"]
tcpPorts = "443"
"#;

#[test]
fn a_learned_address_is_listed_with_all_that_is_known_of_it() -> Result<()> {
    let stage = Stage::set()?;
    stage.resolve(NAME)?;
    stage.resolve(ALIAS)?;
    ensure!(stage.connects(ADDRESS), "its first connection");
    ensure!(stage.connects(ADDRESS), "its second one");

    let list = stage.named(2)?;
    ensure!(list["schema"] == "egress.dns-list/1", "{list}");
    ensure!(list["learned"] == 2, "{list}");
    let known = of(&list, ADDRESS)?;
    ensure!(known["hits"] == 2, "{known}");
    let teaching = &known["teachings"][0];
    let left = teaching["seconds_left"].as_i64().unwrap_or_default();
    ensure!((200..=300).contains(&left), "{teaching}");
    for (key, value) in [
        ("pattern", json!("*.corp.example")),
        ("groups", json!(["staging"])),
        ("sets", json!(["lab:1"])),
    ] {
        ensure!(teaching[key] == value, "{key}: {teaching}");
    }
    let naming = &known["names"][0];
    for (key, value) in [
        ("name", json!(NAME)),
        ("pattern", json!("*.corp.example")),
        ("clients", json!([CLIENT.v4.to_string()])),
        ("answers", json!(1)),
    ] {
        ensure!(naming[key] == value, "{key}: {naming}");
    }
    let chain = &of(&list, BEHIND_ALIAS)?["names"][0]["chain"];
    ensure!(*chain == json!(["edge.cdn.example"]), "{list}");

    let rows = |options: &[&str]| -> Result<usize> {
        let list = stage
            .egress
            .json(&[&["dns", "list", "--json"], options].concat())?;
        Ok(list["addresses"].as_array().map_or(0, Vec::len))
    };
    ensure!(rows(&["--client", &CLIENT.v4.to_string()])? == 2);
    ensure!(rows(&["--client", "10.20.0.99"])? == 0);
    ensure!(rows(&["--set", "lab:1"])? == 2 && rows(&["--set", "lab:2"])? == 0);
    let complaint = stage.refused(&["dns", "list", "--set", "lab:7"])?;
    ensure!(complaint.contains("the nearest is `lab:"), "{complaint}");
    let text = stage.said(&["dns", "show", ALIAS])?;
    for part in [
        "198.51.100.11",
        "through   edge.cdn.example",
        "for staging (lab:1)",
    ] {
        ensure!(text.contains(part), "no {part} in\n{text}");
    }
    let by_address = stage.said(&["dns", "show", &ADDRESS.to_string()])?;
    ensure!(by_address.contains("connections 2;"), "{by_address}");
    let complaint = stage.refused(&["dns", "show", "never.corp.example"])?;
    ensure!(
        complaint.contains("no answer that a client got"),
        "{complaint}"
    );
    let misspelt = format!("x{ALIAS}");
    let complaint = stage.refused(&["dns", "show", &misspelt])?;
    let near = format!("`{misspelt}`, the nearest name is `{ALIAS}`");
    ensure!(complaint.contains(&near), "{complaint}");
    Ok(())
}

#[test]
fn an_answer_over_tcp_is_named_as_well() -> Result<()> {
    let stage = Stage::set()?;
    let ask = || dns_tcp::ask(LAN.v4.into(), ALIAS, Family::Ipv4, LIMIT);
    stage.site.lab.client.run(ask)??;
    let list = stage.named(1)?;
    let naming = &of(&list, BEHIND_ALIAS)?["names"][0];
    ensure!(naming["name"] == ALIAS, "{naming}");
    let client = CLIENT.v4.to_string();
    ensure!(naming["clients"] == json!([client]), "{naming}");
    Ok(())
}

#[test]
fn names_survive_a_kill_and_what_comes_while_no_daemon_runs_is_named_later() -> Result<()> {
    let mut stage = Stage::set()?;
    stage.resolve(NAME)?;
    stage.named(1)?;
    stage.egress.kill()?;
    let list = stage.list()?;
    ensure!(of(&list, ADDRESS)?["names"][0]["name"] == NAME, "{list}");
    stage.resolve(ALIAS)?;
    ensure!(
        stage.connects(BEHIND_ALIAS),
        "learning stopped with the daemon"
    );
    let list = stage.list()?;
    ensure!(of(&list, BEHIND_ALIAS)?["names"] == json!([]), "{list}");

    stage.start_again()?;
    let list = stage.named(2)?;
    ensure!(
        of(&list, BEHIND_ALIAS)?["names"][0]["name"] == ALIAS,
        "{list}"
    );
    ensure!(of(&list, ADDRESS)?["names"][0]["answers"] == 1, "{list}");

    // A damaged file costs names, and nothing else.
    stage.egress.kill()?;
    for file in ["names.jsonl", "since.jsonl"] {
        fs::write(stage.file(file), "{\"sch")?;
    }
    stage.start_again()?;
    ensure!(
        stage.egress.log().contains("discarded"),
        "{}",
        stage.egress.log()
    );
    ensure!(stage.list()?["learned"] == 2);
    ensure!(stage.connects(ADDRESS), "a lost name lost the address");
    Ok(())
}

#[test]
fn a_name_is_forgotten_when_told_so_and_live_connections_only_on_demand() -> Result<()> {
    let stage = Stage::set()?;
    for name in [NAME, ALIAS] {
        stage.resolve(name)?;
    }
    ensure!(stage.connects(ADDRESS) && stage.connects(BEHIND_ALIAS));
    stage.named(2)?;
    let flushed = stage.egress.json(&["dns", "flush", NAME, "--json"])?;
    ensure!(
        flushed["addresses"] == json!([ADDRESS.to_string()]),
        "{flushed}"
    );
    ensure!(flushed["connections"] == 0, "{flushed}");
    ensure!(!stage.connects(ADDRESS) && stage.connects(BEHIND_ALIAS));
    let complaint = stage.refused(&["dns", "flush", NAME])?;
    ensure!(complaint.contains("nothing that is learned"), "{complaint}");

    stage.resolve(NAME)?;
    ensure!(
        stage.connects(ADDRESS),
        "asked for again, it is learned again"
    );
    let all = stage
        .egress
        .json(&["dns", "flush", "--all", "--connections", "--json"])?;
    ensure!(
        all["addresses"].as_array().map(Vec::len) == Some(2),
        "{all}"
    );
    ensure!(all["connections"].as_u64() >= Some(2), "{all}");
    ensure!(stage.list()?["learned"] == 0);
    ensure!(!stage.connects(BEHIND_ALIAS));
    Ok(())
}

#[test]
fn what_was_learned_leaves_as_a_file_and_comes_back() -> Result<()> {
    let stage = Stage::set()?;
    stage.resolve(NAME)?;
    stage.named(1)?;
    let file = stage.site.lab.path("learned.jsonl");
    let path = file.display().to_string();
    stage.said(&["dns", "export", &path])?;
    stage.said(&["dns", "flush", "--all"])?;
    ensure!(!stage.connects(ADDRESS));

    let dry = stage
        .egress
        .json(&["dns", "import", &path, "--dry-run", "--json"])?;
    ensure!(dry["addresses"] == 1 && dry["dry_run"] == true, "{dry}");
    ensure!(!stage.connects(ADDRESS), "a dry run admits nothing");
    let told = stage.egress.json(&["dns", "import", &path, "--json"])?;
    ensure!(told["addresses"] == 1 && told["expired"] == 0, "{told}");
    ensure!(stage.connects(ADDRESS), "it is learned");
    let known = stage.list()?;
    ensure!(of(&known, ADDRESS)?["names"][0]["name"] == NAME, "{known}");

    let good = fs::read_to_string(&file)?;
    let damaged = good.replace("198.51.100.10", "198.51.100.1000");
    fs::write(&file, damaged)?;
    let complaint = stage.refused(&["dns", "import", &path])?;
    ensure!(complaint.contains("line 2: `address`"), "{complaint}");
    let private = good.replace("198.51.100.10", &PRIVATE.to_string());
    fs::write(
        &file,
        private.replace("*.corp.example\",\"expires", "*.elsewhere\",\"expires"),
    )?;
    let told = stage.said(&["dns", "import", &path])?;
    ensure!(told.contains("10.77.0.9 is left out"), "{told}");
    fs::write(
        &file,
        good.replace("*.corp.example\",\"expires", "*.elsewhere\",\"expires"),
    )?;
    let told = stage.said(&["dns", "import", &path])?;
    ensure!(told.contains("no pattern *.elsewhere"), "{told}");
    Ok(())
}

#[test]
fn learned_addresses_outlive_a_reboot_for_the_rest_of_their_time() -> Result<()> {
    let mut stage = Stage::set()?;
    stage.resolve(NAME)?;
    stage.resolve(SHORT)?;
    stage.named(2)?;
    stage.reboot()?;
    thread::sleep(Duration::from_secs(u64::from(SHORT_TTL)));
    stage.start_again()?;
    ensure!(
        stage
            .egress
            .log()
            .contains("1 learned addresses of before are back"),
        "{}",
        stage.egress.log()
    );
    ensure!(stage.connects(ADDRESS), "what still counts is not back");
    ensure!(!stage.connects(SHORT_LIVED), "what has expired is back");
    let list = stage.list()?;
    ensure!(of(&list, ADDRESS)?["names"][0]["name"] == NAME, "{list}");

    stage.reboot()?;
    stage.config = stage
        .config
        .replace("ttl-floor = 1", "ttl-floor = 1\nrestore = false");
    stage.start_again()?;
    ensure!(
        !stage.connects(ADDRESS),
        "it is back although nobody wants that"
    );
    Ok(())
}

#[test]
fn refused_addresses_are_counted_with_their_name() -> Result<()> {
    let stage = Stage::set()?;
    stage.resolve(REBIND)?;
    let refused = wait::until("a refused address", LIMIT, || {
        let refused = stage.egress.json(&["dns", "refused", "--json"])?;
        let first = refused["addresses"].get(0).cloned();
        Ok(first)
    })?;
    ensure!(refused["name"] == REBIND, "{refused}");
    ensure!(refused["address"] == PRIVATE.to_string(), "{refused}");
    ensure!(refused["client"] == CLIENT.v4.to_string(), "{refused}");
    ensure!(stage.list()?["learned"] == 0);
    Ok(())
}

#[test]
fn what_nobody_looked_up_is_listed_and_counted() -> Result<()> {
    let stage = Stage::set()?;
    for _ in 0..50 {
        stage.send(NAMELESS, 4433)?;
    }
    ensure!(!stage.connects(OTHER), "an address that nobody looked up");
    let unresolved = |options: &[&str]| -> Result<Value> {
        let asked = [&["dns", "unresolved", "--json"], options].concat();
        Ok(stage.egress.json(&asked)?["destinations"].clone())
    };
    let all = unresolved(&["--reverse"])?;
    for (key, value) in [
        ("client", json!(CLIENT.v4.to_string())),
        ("address", json!(NAMELESS.to_string())),
        ("protocol", json!("udp")),
        ("port", json!(4433)),
        ("count", json!(50)),
        ("reverse", Value::Null),
    ] {
        ensure!(all[0][key] == value, "{key}: {all}");
    }
    ensure!(all[1]["address"] == OTHER.to_string(), "{all}");
    ensure!(all[1]["reverse"] == UNLISTED, "{all}");
    ensure!(unresolved(&["--client", "10.20.0.77"])? == json!([]));
    let text = stage.said(&["dns", "unresolved"])?;
    ensure!(text.contains("udp/4433") && text.contains("50"), "{text}");
    Ok(())
}

#[test]
fn clients_that_cache_beyond_the_end_of_an_answer_are_seen_by_name() -> Result<()> {
    let stage = Stage::set()?;
    stage.resolve(SHORT)?;
    ensure!(stage.connects(SHORT_LIVED), "while the answer counts");
    stage.named(1)?;
    thread::sleep(Duration::from_secs(u64::from(SHORT_TTL) + 1));
    ensure!(!stage.connects(SHORT_LIVED), "behind its end");
    let report = stage.egress.json(&["dns", "overruns", "--json"])?;
    let overrun = &report["names"][0];
    ensure!(overrun["name"] == SHORT, "{report}");
    ensure!(overrun["drops"].as_u64() >= Some(1), "{report}");
    ensure!(overrun["longest_ms"].as_u64() >= Some(500), "{report}");
    ensure!(
        overrun["clients"] == json!([CLIENT.v4.to_string()]),
        "{report}"
    );
    let text = stage.said(&["dns", "overruns"])?;
    ensure!(text.contains(SHORT), "{text}");
    Ok(())
}

#[test]
fn an_upgrade_that_changes_maps_loses_nothing_that_was_learned_and_never_stops_filtering()
-> Result<()> {
    let mut stage = Stage::set()?;
    stage.resolve(NAME)?;
    ensure!(stage.connects(ADDRESS), "before");
    stage.named(1)?;
    stage.egress.kill()?;
    // Nothing but the maps can tell the new daemon of it.
    ensure!(!stage.file("learned.jsonl").exists());
    stage.pin_another_layout()?;

    let denied = SocketAddr::new(NAMELESS.into(), HTTPS);
    let _echo = Echo::start(&stage.site.lab.internet, &[denied])?;
    let ended = AtomicBool::new(false);
    let (started, tried) = thread::scope(|scope| {
        let probe = scope.spawn(|| stage.tries_until(&ended, denied));
        let started = Egress::start(&stage.site.lab, &stage.config);
        ended.store(true, Ordering::Relaxed);
        (started, probe.join().expect("trying does not panic"))
    });
    stage.egress = started?;
    let Tried {
        connections,
        failed,
        passed,
    } = tried?;
    ensure!(
        connections > 0 && failed == 0 && passed == 0,
        "of {connections} allowed connections {failed} failed, and {passed} denied datagrams passed"
    );
    let log = stage.egress.log();
    for said in ["SHARES", "1 learned addresses and"] {
        ensure!(log.contains(said), "no {said} in\n{log}");
    }
    ensure!(stage.connects(ADDRESS), "behind the upgrade");
    let list = stage.named(1)?;
    ensure!(list["generation"] == 2, "{list}");
    let left = of(&list, ADDRESS)?["teachings"][0]["seconds_left"].as_i64();
    ensure!((200..=300).contains(&left.unwrap_or_default()), "{list}");
    ensure!(!stage.is_set_aside()?, "the old maps are still pinned");

    // One that was killed before it could put anything into force.
    stage.egress.kill()?;
    let gateway = &stage.site.lab.gateway;
    gateway.run_mounted(|| aside::set_aside(Path::new(PINS)))??;
    stage.start_again()?;
    ensure!(
        stage.connects(ADDRESS),
        "behind an upgrade that was cut off"
    );
    ensure!(stage.list()?["generation"] == 3, "{}", stage.egress.log());
    ensure!(!stage.is_set_aside()?, "the old maps are still aside");
    Ok(())
}

/// What became of packets that were sent all the time.
#[derive(Default)]
struct Tried {
    /// Connections to an address that is learned, and how many of them failed.
    connections: usize,
    failed: usize,
    /// Datagrams to an address that nothing allows which were answered.
    passed: usize,
}

/// A gateway that learns, and its lab.
struct Stage {
    egress: Egress,
    config: String,
    site: Site,
}

impl Stage {
    fn set() -> Result<Self> {
        let zone = Zone::new()
            .host_v4(NAME, ADDRESS, TTL)
            .host_v4("edge.cdn.example", BEHIND_ALIAS, TTL)
            .alias(ALIAS, "edge.cdn.example", TTL)
            .host_v4(SHORT, SHORT_LIVED, SHORT_TTL)
            .host_v4(REBIND, PRIVATE, TTL)
            .host_v4(UNLISTED, OTHER, TTL);
        let site = Site::start(Life::Bound, &zone, &[NAME.to_owned()])?;
        let config = custom(SETS);
        Ok(Self {
            egress: Egress::start(&site.lab, &config)?,
            config,
            site,
        })
    }

    /// The client asks for a name.
    fn resolve(&self, name: &str) -> Result<()> {
        let limit = Duration::from_secs(5);
        let ask = || dns::resolve(LAN.v4.into(), name, Family::Ipv4, limit);
        self.site.lab.client.run(ask)??;
        Ok(())
    }

    /// Whether a connection of the client begins.
    fn connects(&self, address: Ipv4Addr) -> bool {
        let address = SocketAddr::new(address.into(), HTTPS);
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(800));
        matches!(self.site.lab.client.run(connect), Ok(Ok(_)))
    }

    fn send(&self, address: Ipv4Addr, port: u16) -> Result<()> {
        self.site.lab.client.run(|| -> Result<()> {
            let socket = UdpSocket::bind((CLIENT.v4, 0))?;
            socket.send_to(b"egress", (address, port))?;
            Ok(())
        })?
    }

    fn list(&self) -> Result<Value> {
        self.egress.json(&["dns", "list", "--json"])
    }

    /// What is listed once so many addresses have names.
    fn named(&self, count: usize) -> Result<Value> {
        wait::until("names", LIMIT, || {
            let list = self.list()?;
            let addresses = list["addresses"].as_array().into_iter().flatten();
            let named = addresses.filter(|known| known["names"][0].is_object());
            Ok((named.count() == count).then_some(list))
        })
    }

    fn said(&self, arguments: &[&str]) -> Result<String> {
        let output = self.egress.command(arguments).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {complaint}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.egress.command(arguments).output()?;
        ensure!(!output.status.success(), "{arguments:?} did not fail");
        Ok(String::from_utf8(output.stderr)?)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.site.lab.path("state/dns").join(name)
    }

    /// Ends the daemon, and all that is in the kernel.
    fn reboot(&mut self) -> Result<()> {
        self.egress.end()?;
        let gateway = &self.site.lab.gateway;
        // A reboot takes the filters of interfaces as well; by TCX they end with their pins.
        let mut filters = gateway.command("tc");
        filters
            .args(["qdisc", "del", "dev", "lan", "clsact"])
            .output()?;
        gateway
            .run_mounted(|| fs::remove_dir_all(PINS))?
            .context("cannot remove the pins")
    }

    /// Puts a map of another size in the place of one, as another version may have left it.
    fn pin_another_layout(&self) -> Result<()> {
        let gateway = &self.site.lab.gateway;
        gateway.run_mounted(|| -> Result<()> {
            let path = Path::new(PINS).join("SHARES");
            fs::remove_file(&path)?;
            let other = HashMap::<MapData, u32, u64>::create(7, 0)?;
            Ok(other.pin(path)?)
        })?
    }

    /// Whether maps of another version are pinned.
    fn is_set_aside(&self) -> Result<bool> {
        let gateway = &self.site.lab.gateway;
        gateway.run_mounted(|| aside::is_there(Path::new(PINS)))
    }

    /// Connects to the learned address, and sends datagrams to another one, time after time.
    fn tries_until(&self, ended: &AtomicBool, denied: SocketAddr) -> Result<Tried> {
        self.site.lab.client.run(|| -> Result<Tried> {
            let socket = UdpSocket::bind((CLIENT.v4, 0))?;
            socket.connect(denied)?;
            socket.set_read_timeout(Some(Duration::from_millis(2)))?;
            let allowed = SocketAddr::new(ADDRESS.into(), HTTPS);
            let mut tried = Tried::default();
            while !ended.load(Ordering::Relaxed) {
                socket.send(b"egress")?;
                tried.passed += usize::from(socket.recv(&mut [0; 16]).is_ok());
                // Sooner than a SYN is sent again.
                let connection = TcpStream::connect_timeout(&allowed, Duration::from_millis(800));
                tried.connections += 1;
                tried.failed += usize::from(connection.is_err());
            }
            Ok(tried)
        })?
    }

    fn start_again(&mut self) -> Result<()> {
        self.egress = Egress::start(&self.site.lab, &self.config)?;
        Ok(())
    }
}

/// What is listed of an address.
fn of(list: &Value, address: Ipv4Addr) -> Result<&Value> {
    let address = IpAddr::from(address).to_string();
    let mut addresses = list["addresses"].as_array().into_iter().flatten();
    let found = addresses.find(|known| known["address"] == address.as_str());
    found.with_context(|| format!("no {address}: {list}"))
}
