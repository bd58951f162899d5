//! `egress-ctl explain` says of a packet what the gateway really does with it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::{CLIENT, LAN, STRANGER};
use lab::announced;
use lab::config::catalogue;
use lab::echo::Echo;
use lab::flow::{Family, Flow};
use lab::gateway::Egress;
use lab::host::Life;
use lab::probe::{Origin, Probe};
use lab::site::Site;
use lab::status::Action;
use serde_json::{Value, json};

/// Inside of Intune's set 163: TCP 80 and 443.
const LISTED: &str = "104.46.162.100";
const UNLISTED: &str = "203.0.113.77";
const NAME: &str = "enterpriseregistration.windows.net";
/// Of the zone, and of no list.
const UNLISTED_NAME: &str = "www.example.net";
const ADDRESS_OF_NAME: &str = "198.51.100.10";
/// A listed name that leads through two others.
const ALIAS: &str = "graph.windows.net";
const ADDRESS_OF_ALIAS: &str = "198.51.100.11";
const ADDRESS_OF_UNLISTED: &str = "198.51.100.99";

#[test]
fn announced_flows_are_explained_as_they_are_judged() -> Result<()> {
    let stage = Stage::set(&catalogue("enforce"))?;
    let mut explained = 0;
    for flow in announced::flows() {
        // What is dropped takes a while, so it is tried over one family.
        if flow.family == Family::Ipv6 && flow.expected.verdict == Action::Drop {
            continue;
        }
        let outcome = flow.run(&stage.site, &stage.egress)?;
        ensure!(outcome.passed, "{} is {}", outcome.what, outcome.seen);
        let Some(destination) = destination(&flow)? else {
            continue;
        };
        let client = flow.origin.address(flow.family).to_string();
        let answer = stage.explain(&[&client, &destination])?;
        let about = answer["about"].as_array().context("nothing about it")?;
        let is_it = |about: &Value| {
            about["reason"] == flow.expected.reason.as_str()
                && about["verdict"] == flow.expected.verdict.to_string()
        };
        ensure!(
            about.iter().any(is_it),
            "{}: expected {}: {answer:#}",
            flow.what,
            flow.expected
        );
        for about in about.iter().filter(|about| !about["address"].is_null()) {
            ensure!(about["kernel"]["agrees"] == true, "{about:#}");
        }
        explained += 1;
    }
    ensure!(explained > 15, "{explained} flows");
    Ok(())
}

#[test]
fn an_answer_names_group_rules_teaching_and_kernel() -> Result<()> {
    let stage = Stage::set(&catalogue("enforce"))?;
    let client = CLIENT.v4.to_string();
    let generation = stage.egress.status()?.generation.number;
    let before = stage.egress.settled()?;

    let answer = stage.explain(&[&client, &format!("{LISTED}:8443")])?;
    ensure!(answer["generation"]["number"] == generation, "{answer:#}");
    ensure!(answer["group"]["name"] == "staging", "{answer:#}");
    ensure!(
        answer["group"]["because"] == "by 10.20.0.0/16",
        "{answer:#}"
    );
    let about = &answer["about"][0];
    ensure!(
        about["verdict"] == "drop" && about["reason"] == "wrong-port",
        "{about:#}"
    );
    let rule = &about["rules"][0];
    ensure!(
        rule["rule"] == "intune:163" && rule["says"] == "other-ports",
        "{about:#}"
    );
    let kernel = json!({"reason": "wrong-port", "set": null, "group": "staging", "agrees": true});
    ensure!(about["kernel"] == kernel, "{about:#}");

    stage.resolve(NAME)?;
    let answer = stage.explain(&[&client, ADDRESS_OF_NAME])?;
    let about = &answer["about"][0];
    ensure!(
        about["reason"] == "learned" && about["changes"] == json!([]),
        "{about:#}"
    );
    ensure!(about["taught"][0]["pattern"] == NAME, "{about:#}");
    let left = about["taught"][0]["seconds_left"]
        .as_i64()
        .context("no time")?;
    ensure!((1..=300).contains(&left), "{left} s");
    let decides = &about["rules"][0];
    ensure!(
        decides["says"] == "decides" && decides["rule"] == about["set"],
        "{about:#}"
    );

    let answer = stage.explain(&[&client, NAME])?;
    let about = answer["about"].as_array().context("nothing about it")?;
    let addresses: Vec<_> = about.iter().map(|about| about["address"].clone()).collect();
    ensure!(
        addresses == [Value::Null, json!(ADDRESS_OF_NAME)],
        "{addresses:?}"
    );

    let after = stage.egress.settled()?;
    let asked = after.since(&before);
    let judged = ["wrong-port", "learned", "established"];
    let traces: Vec<_> = asked
        .iter()
        .filter(|count| judged.contains(&count.reason.as_str()))
        .collect();
    ensure!(traces.is_empty(), "asking left {traces:?}");
    Ok(())
}

#[test]
fn the_answer_that_taught_is_told_with_its_chain_with_and_without_the_daemon() -> Result<()> {
    let mut stage = Stage::set(&catalogue("enforce"))?;
    let client = CLIENT.v4.to_string();
    let naming = |about: &Value| -> Result<Value> {
        let taught = about["taught"][0].clone();
        ensure!(taught["pattern"] == ALIAS, "{about:#}");
        let left = taught["seconds_left"].as_i64().context("no time")?;
        ensure!((200..=300).contains(&left), "{left} s");
        Ok(taught["names"][0].clone())
    };
    stage.resolve(ALIAS)?;
    let about = &stage.explain(&[&client, ADDRESS_OF_ALIAS])?["about"][0];
    let answered = naming(about)?;
    let chain = json!(["alias.lab.example", "edge.lab.example"]);
    for (key, value) in [
        ("name", json!(ALIAS)),
        ("chain", chain.clone()),
        ("clients", json!([client])),
        ("answers", json!(1)),
    ] {
        ensure!(answered[key] == value, "{key}: {answered:#}");
    }
    let ttl = answered["ttl"].as_i64().context("no TTL")?;
    ensure!((200..=300).contains(&ttl), "{answered:#}");
    let last: jiff::Timestamp = serde_json::from_value(answered["last"].clone())?;
    let age = jiff::Timestamp::now().duration_since(last).as_secs();
    ensure!((0..60).contains(&age), "{age} s: {answered:#}");

    stage.try_to_resolve(UNLISTED_NAME)?;
    let about = &stage.explain(&[&client, ADDRESS_OF_UNLISTED])?["about"][0];
    ensure!(
        about["names_not_listed"][0]["name"] == UNLISTED_NAME,
        "{about:#}"
    );

    stage.egress.kill()?;
    let about = &stage.explain(&[&client, ADDRESS_OF_ALIAS])?["about"][0];
    ensure!(naming(about)?["chain"] == chain, "{about:#}");
    let told = format!("to {ALIAS} through alias.lab.example, edge.lab.example, TTL {ttl} s, ");
    let text = stage.said(&[&client, ADDRESS_OF_ALIAS])?;
    ensure!(text.contains(&told), "no `{told}` in\n{text}");

    // The kernel knows the address whether anybody heard its name or not.
    std::fs::remove_dir_all(stage.site.lab.path("state/dns"))?;
    let about = &stage.explain(&[&client, ADDRESS_OF_ALIAS])?["about"][0];
    ensure!(
        about["verdict"] == "allow" && naming(about)?.is_null(),
        "{about:#}"
    );
    let text = stage.said(&[&client, ADDRESS_OF_ALIAS])?;
    ensure!(text.contains("to a name that is not known"), "{text}");
    Ok(())
}

#[test]
fn a_proposed_change_lets_the_packet_pass() -> Result<()> {
    let text = catalogue("enforce");
    let mut stage = Stage::set(&text)?;
    let (client, stranger) = (CLIENT.v4.to_string(), STRANGER.v4.to_string());
    let questions = [
        (
            client.clone(),
            format!("{LISTED}:443/udp"),
            "wrong-protocol",
        ),
        (client.clone(), format!("{UNLISTED}:8443"), "never-resolved"),
        (
            client.clone(),
            "203.0.113.78/icmp".to_owned(),
            "never-resolved",
        ),
        (
            client,
            "[2001:db8:dead::77]:443".to_owned(),
            "never-resolved",
        ),
        (stranger, LISTED.to_owned(), "no-group"),
    ];
    let mut changed = text;
    for (client, destination, reason) in &questions {
        let client = match destination.starts_with('[') {
            true => CLIENT.v6.to_string(),
            false => client.clone(),
        };
        let answer = stage.explain(&[&client, destination])?;
        let about = &answer["about"][0];
        ensure!(about["reason"] == *reason, "{destination}: {about:#}");
        let toml = about["changes"][0]["toml"].as_str();
        let toml = toml.with_context(|| format!("no change for {destination}: {about:#}"))?;
        changed = match toml.split_once('\n') {
            // A list of the group's: the line is replaced.
            Some(("[group.staging]", list)) => {
                let key = list.split(" = ").next().unwrap_or_default();
                let is_list = |line: &&str| line.starts_with(key);
                let old = changed
                    .lines()
                    .find(is_list)
                    .context("no such list")?
                    .to_owned();
                changed.replace(&old, list.trim_end())
            }
            _ => format!("{changed}\n{toml}"),
        };
        stage.egress.reload(&changed)?;
        let answer = stage.explain(&[&client, destination])?;
        ensure!(
            answer["about"][0]["verdict"] == "allow",
            "{destination}: {answer:#}\n{changed}"
        );
        ensure!(answer["about"][0]["kernel"]["agrees"] == true, "{answer:#}");
    }
    Ok(())
}

#[test]
fn it_answers_without_the_daemon_and_from_a_file() -> Result<()> {
    let mut stage = Stage::set(&catalogue("audit"))?;
    let client = CLIENT.v4.to_string();
    stage.egress.kill()?;
    let answer = stage.explain(&[&client, UNLISTED])?;
    let about = &answer["about"][0];
    ensure!(
        about["verdict"] == "would-drop" && about["enforced"] == "drop",
        "{about:#}"
    );
    ensure!(about["kernel"]["agrees"] == true, "{about:#}");

    let file = stage.site.lab.path("other.toml");
    std::fs::write(
        &file,
        catalogue("enforce").replace("default = \"drop\"", "default = \"reject\""),
    )?;
    let file = file.display().to_string();
    let answer = stage.explain(&[&client, UNLISTED, "--config", &file])?;
    let about = &answer["about"][0];
    ensure!(
        about["verdict"] == "reject" && about["kernel"].is_null(),
        "{about:#}"
    );
    ensure!(answer["generation"].is_null(), "{answer:#}");

    let output = stage
        .egress
        .command(&["explain", &client, &format!("{LISTED}:8443")])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    for part in [
        "10.20.0.2 to 104.46.162.100 tcp/8443, by generation 1",
        "group       staging, by 10.20.0.0/16; mode audit, default drop",
        "verdict     would be dropped (wrong-port): this destination is allowed on other ports",
        "kernel      answers the same for this packet",
        "intune:163 through 104.46.162.96/27: tcp 80,443 is allowed, tcp/8443 was asked",
        "[[group.staging.rule]]",
    ] {
        ensure!(text.contains(part), "no `{part}` in:\n{text}");
    }
    Ok(())
}

#[test]
fn a_query_of_a_strict_group_is_explained_by_its_name() -> Result<()> {
    let mut stage = Stage::set(&strict())?;
    let client = CLIENT.v4.to_string();
    let [udp, tcp] = ["udp", "tcp"].map(|protocol| format!("{}:53/{protocol}", LAN.v4));
    let table = [
        (NAME, Some("intune:59")),
        ("pool.ntp.example/AAAA", Some("dns-names")),
        (&client, Some("reverse lookups")),
        (UNLISTED_NAME, None),
    ];
    for (query, rule) in table {
        for (resolver, refused) in [(&udp, "reject"), (&tcp, "drop")] {
            let about = stage.asks(resolver, query)?;
            let (verdict, reason) = match rule {
                Some(_) => ("allow", "gateway"),
                None => (refused, "dns-name-refused"),
            };
            ensure!(
                about["verdict"] == verdict && about["reason"] == reason,
                "{query}: {about:#}"
            );
            let names = about["asking"]["names"].as_array().context("no names")?;
            let mut lets = names.iter().filter(|name| name["says"] == "ask");
            let fits = match rule {
                Some(rule) => lets.any(|name| name["rule"] == rule),
                None => lets.next().is_none(),
            };
            ensure!(fits, "{query}: {about:#}");
        }
    }
    stage.resolve(NAME)?;
    ensure!(stage.resolve(UNLISTED_NAME).is_err(), "it is not refused");
    let about = stage.asks(&udp, UNLISTED_NAME)?;
    let change = &about["changes"][0];
    let list = change["toml"].as_str().context("no change")?;
    let list = list.trim_start_matches("[group.staging]\n");
    ensure!(list.contains(UNLISTED_NAME), "{change:#}");
    let changed = strict().replace(DNS_NAMES, list);
    stage.egress.reload(&changed)?;
    ensure!(stage.asks(&udp, UNLISTED_NAME)?["verdict"] == "allow");
    stage.resolve(UNLISTED_NAME)
}

#[test]
fn what_depends_on_a_name_wants_one() -> Result<()> {
    let stage = Stage::set(&strict())?;
    let client = CLIENT.v4.to_string();
    let [udp, tcp] = ["udp", "tcp"].map(|protocol| format!("{}:53/{protocol}", LAN.v4));
    let elsewhere = LAN.v4.to_string();
    let table: [(&[&str], &str); 5] = [
        (&[&udp], "name it, as in --query www.example.org"),
        (&[&elsewhere, "--query", NAME], "write 10.20.0.1:53/udp or"),
        (&[&udp, "--query", "*.example.org"], "is a pattern"),
        (
            &[&udp, "--query", "www.example.org/AAA"],
            "nearest is `AAAA`",
        ),
        (&[&udp, "--query", "a b"], "no name to ask for"),
    ];
    for (arguments, said) in table {
        let arguments = [&["explain", &client], arguments].concat();
        let output = stage.egress.command(&arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && error.contains(said),
            "{arguments:?}: {error}"
        );
    }
    let answer = stage.explain(&[&client, &tcp])?;
    let about = &answer["about"][0];
    ensure!(
        about["verdict"] == "allow" && about["asking"]["decides"] == true,
        "{about:#}"
    );
    Ok(())
}

/// The group may ask for its own names only.
fn strict() -> String {
    catalogue("enforce") + "dns = \"strict\"\n" + DNS_NAMES
}

const DNS_NAMES: &str = "dns-names = [\"*.ntp.example\"]\n";

/// Where a flow goes, as `explain` wants it; nothing of a question to the resolver.
fn destination(flow: &Flow) -> Result<Option<String>> {
    let host = |host: &str, port: u16| match (host.parse::<std::net::Ipv6Addr>(), port) {
        (Ok(addr), port) => format!("[{addr}]:{port}"),
        (Err(_), port) => format!("{host}:{port}"),
    };
    Ok(match &flow.probe {
        Probe::Https { host: name, port } => Some(host(name, *port)),
        Probe::Udp { host: name, port } => Some(format!("{}/udp", host(name, *port))),
        Probe::Resolve { .. } => None,
    })
}

/// The lab with the filter in it.
struct Stage {
    egress: Egress,
    _echo: Echo,
    site: Site,
}

impl Stage {
    fn set(config: &str) -> Result<Self> {
        let names = announced::certificate_names();
        let site = Site::start(Life::Bound, &announced::zone(), &names)?;
        Ok(Self {
            _echo: Echo::start(&site.lab.internet, &announced::echoes())?,
            egress: Egress::start(&site.lab, config)?,
            site,
        })
    }

    fn explain(&self, arguments: &[&str]) -> Result<Value> {
        self.egress
            .json(&[&["explain", "--json"], arguments].concat())
    }

    /// As text.
    fn said(&self, arguments: &[&str]) -> Result<String> {
        let arguments = [&["explain"], arguments].concat();
        Ok(String::from_utf8(
            self.egress.command(&arguments).output()?.stdout,
        )?)
    }

    /// What is said of a query of the client, in which the kernel agrees.
    fn asks(&self, resolver: &str, query: &str) -> Result<Value> {
        let client = CLIENT.v4.to_string();
        let answer = self.explain(&[&client, resolver, "--query", query])?;
        let about = &answer["about"][0];
        ensure!(about["kernel"]["agrees"] == true, "{about:#}");
        ensure!(about["asking"]["decides"] == true, "{about:#}");
        Ok(about.clone())
    }

    fn try_to_resolve(&self, name: &str) -> Result<()> {
        let limit = Duration::from_secs(5);
        let probe = Probe::resolve(name);
        let attempt = probe.attempt(&self.site, Family::Ipv4, Origin::Client, limit)?;
        ensure!(attempt.reached, "{}", attempt.complaint);
        Ok(())
    }

    fn resolve(&self, name: &str) -> Result<()> {
        self.try_to_resolve(name)?;
        ensure!(self.egress.status()?.total(Action::Allow) > 0);
        Ok(())
    }
}
