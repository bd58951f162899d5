//! Good and bad steering.

use super::*;
use crate::config::{Config, Problem};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
mark-mask = 0xff

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
category = "Optimize"
ips = ["192.0.2.0/24"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
category = "Optimize"
ips = ["198.51.100.0/24"]
tcpPorts = "443"
[[source.corp.set]]
id = 3
category = "Allow"
ips = ["203.0.113.0/24"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp", "!corp:3"]
STEER
"#;

fn parsed(steer: &str) -> Result<Steer, Vec<Problem>> {
    let config = Config::parse(&CONFIG.replace("STEER", steer))?;
    Ok(config.groups[0].steer.clone())
}

fn marked(mark: u32) -> Steering {
    Steering::new(Some((mark, 0xff)), None, None)
}

#[test]
fn selectors_come_before_categories_and_few_sets_before_many() {
    let table: [(&str, &[(&str, u32)]); 4] = [
        (
            "steer.optimize = { mark = 1 }",
            &[("corp:1", 1), ("corp:2", 1)],
        ),
        (
            "steer.optimize = { mark = 1 }\nsteer.\"corp:2\" = { mark = 2 }",
            &[("corp:1", 1), ("corp:2", 2)],
        ),
        (
            "steer.corp = { mark = 3 }\nsteer.\"corp:2\" = { mark = 2 }\nsteer.Optimize = { mark = 1 }",
            &[("corp:1", 3), ("corp:2", 2)],
        ),
        ("steer.allow = { mark = 4 }", &[]),
    ];
    for (text, expected) in table {
        let steer = parsed(text).unwrap();
        let expected = expected
            .iter()
            .map(|(key, mark)| ((*key).to_owned(), marked(*mark)));
        assert_eq!(steer.of_set, expected.collect(), "{text}");
    }
    let idle = parsed("steer.allow = { mark = 4 }").unwrap().idle;
    assert_eq!(idle, ["allow"]);
}

#[test]
fn every_part_is_taken() {
    let steer = parsed("steer.optimize = { mark = 0x10, dscp = \"AF41\", priority = 3 }").unwrap();
    let expected = Steering::new(Some((0x10, 0xff)), Some(3), Some(34));
    assert_eq!(steer.of_set["corp:1"], expected);
    let steer = parsed("steer.optimize = { dscp = 46 }").unwrap();
    assert_eq!(steer.of_set["corp:1"], Steering::new(None, None, Some(46)));
}

#[test]
fn problems_name_line_and_key() {
    let table = [
        ("steer.optimize = {}", "steer.optimize", "say how to steer"),
        (
            "steer.optimize = { mark = 0x100 }",
            "steer.optimize.mark",
            "outside of gateway.mark-mask, 0xff",
        ),
        (
            "steer.optimize = { dscp = 64 }",
            "steer.optimize.dscp",
            "`64` is no DSCP, the nearest is `63`",
        ),
        (
            "steer.optimize = { dscp = \"af45\" }",
            "steer.optimize.dscp",
            "unknown DSCP `af45`, the nearest is `af4",
        ),
        (
            "steer.optimise = { mark = 1 }",
            "steer.optimise",
            "or a category",
        ),
        (
            "steer.\"corp:9\" = { mark = 1 }",
            "steer.corp:9",
            "no set of the source knows `9`",
        ),
        (
            "steer.\"!corp:1\" = { mark = 1 }",
            "steer.!corp:1",
            "excludes",
        ),
        (
            "steer.corp = { mark = 1 }\nsteer.\"corp\" = { mark = 1 }",
            "",
            "duplicate key",
        ),
    ];
    for (text, key, message) in table {
        let problems = parsed(text).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{text}: {problems:?}");
        };
        assert!(problem.message.contains(message), "{text}: {problem:?}");
        assert!(problem.key.ends_with(key), "{text}: {problem:?}");
        assert!(problem.line >= 28, "{text}: {problem:?}");
    }
}

#[test]
fn two_selectors_of_the_same_rank_contradict_each_other() {
    let text = "steer.\"corp:1\" = { mark = 1 }\nsteer.\"corp:1/optimize\" = { mark = 2 }";
    let problems = parsed(text).unwrap_err();
    assert!(
        problems[0].message.contains("steers corp:1 as well"),
        "{problems:?}"
    );
    parsed(&text.replace("= 2", "= 1")).unwrap();
}
