//! What the README shows must be true.

use egress_ctl::{
    config::Config,
    feed::settings::Rules,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
    },
};
use jiff::Zoned;

const README: &str = include_str!("../../README.md");

fn config() -> &'static str {
    let (_, behind) = README
        .split_once("## A config that works")
        .expect("the section");
    let (_, behind) = behind.split_once("```toml\n").expect("a config");
    behind.split_once("```").expect("its end").0
}

#[test]
fn its_config_works() {
    let config = Config::parse(config()).unwrap();
    assert_eq!(config.groups.len(), 2);
    let circumstances = Circumstances {
        own: &[],
        today: Zoned::now().date(),
    };
    let generation = compile(&config, circumstances, &mut Ids::default()).unwrap();
    assert!(generation.sets > 80, "{} sets", generation.sets);
}

#[test]
fn its_feed_works() {
    let (_, behind) = README
        .split_once("## Following Microsoft's list")
        .expect("the section");
    let (_, behind) = behind.split_once("```toml\n").expect("a source");
    let source = behind.split_once("```").expect("its end").0;
    let text = config().replacen("[source.m365]\nkind = \"builtin\"", source, 1);
    let feeds = Config::parse(&text).unwrap().feeds;
    assert_eq!(feeds.len(), 1, "{text}");
    assert_eq!(feeds[0].settings.rules, Rules::default());
}

#[test]
fn its_steering_works() {
    let (_, behind) = README.split_once("## Steering").expect("the section");
    let (_, behind) = behind.split_once("```toml\n").expect("steering");
    let steering = behind.split_once("```").expect("its end").0;
    let (gateway, office) = steering.split_once("\n\n").expect("two tables");
    let text = ["[gateway]\n", "[group.office]\n"]
        .into_iter()
        .zip([gateway, office])
        .fold(without_steering(config()), |text, (header, lines)| {
            text.replacen(header, &format!("{}\n", lines.trim_end()), 1)
        });
    let config = Config::parse(&text).unwrap();
    let office = config.groups.iter().find(|group| group.name == "office");
    let steer = &office.expect("the group").steer;
    assert!(steer.of_set.len() > 3, "{steer:?}");
    assert_eq!(steer.idle, Vec::<String>::new());
}

/// The config without what the section on steering says in full.
fn without_steering(config: &str) -> String {
    let lines = config.lines().filter(|line| !line.starts_with("steer."));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn its_groups_work() {
    let (_, behind) = README
        .split_once("### Groups and rules of their own")
        .expect("the section");
    let (_, behind) = behind.split_once("```toml\n").expect("a config");
    let groups = behind.split_once("```").expect("its end").0;
    let head = "[source.m365]\nkind = \"builtin\"\n[gateway]\nmode = \"audit\"\nlan = [\"eth1\"]\n";
    let config = Config::parse(&groups.replacen("[gateway]\n", head, 1)).unwrap();
    assert_eq!(config.groups.len(), 2);
    assert_eq!(config.groups[1].rules.len(), 2);
}

#[test]
fn its_quick_starts_work() {
    let (_, section) = README.split_once("## Quick start").expect("the section");
    let section = section.split_once("\n## ").expect("its end").0;
    let configs = section.split("```toml\n").skip(1);
    let configs: Vec<_> = configs
        .map(|behind| behind.split_once("```").expect("its end").0)
        .collect();
    assert_eq!(configs.len(), 2);
    for text in configs {
        let config = Config::parse(text).unwrap();
        let circumstances = Circumstances {
            own: &[],
            today: Zoned::now().date(),
        };
        let generation = compile(&config, circumstances, &mut Ids::default()).unwrap();
        assert!(generation.sets > 10, "{} sets", generation.sets);
    }
}

#[test]
fn its_error_is_what_is_said() {
    let wrong = config().replacen("\"intune\", \"power", "\"intun\", \"power", 1);
    let problems = Config::parse(&wrong).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let line = format!("{}: {}: {}", problem.line, problem.key, problem.message);
    assert!(README.contains(&line), "{line}");
}

#[test]
fn its_reasons_are_those_of_the_program() {
    let (_, table) = README
        .split_once("## Why a packet was dropped")
        .expect("the table");
    let table = table.split_once("\n## ").expect("its end").0;
    for reason in egress_common::verdict::Reason::ALL {
        let named = table.contains(&format!("`{}`", reason.name()));
        assert_eq!(named, !reason.passes(), "{}", reason.name());
    }
}
