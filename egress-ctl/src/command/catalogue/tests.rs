//! What the commands print.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: CatalogueCommand,
}

fn render(arguments: &str) -> Result<String, String> {
    let arguments = ["catalogue"]
        .into_iter()
        .chain(arguments.split_whitespace());
    let cli = Cli::try_parse_from(arguments).map_err(|e| e.to_string())?;
    cli.command.render().map_err(|e| e.to_string())
}

#[test]
fn lists_end_in_their_totals() {
    let table = [
        ("list", "167 endpoint sets, 408 names, 217 prefixes"),
        (
            "list --source intune",
            "53 endpoint sets, 143 names, 88 prefixes",
        ),
        (
            "list --source power-automate --required",
            "25 endpoint sets, 31 names, 0 prefixes",
        ),
        (
            "list --source intune --optional",
            "33 endpoint sets, 51 names, 4 prefixes",
        ),
        (
            "list --category optimize",
            "3 endpoint sets, 4 names, 40 prefixes",
        ),
        (
            "list --source intune --category Optimize",
            "no endpoint set matches",
        ),
    ];
    for (arguments, expected) in table {
        let text = render(arguments).unwrap();
        assert_eq!(text.lines().last(), Some(expected), "{arguments}");
    }
}

#[test]
fn a_bare_id_shows_every_set_that_has_it() {
    let text = render("show 97").unwrap();
    let keys: Vec<_> = text.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(keys[0], "intune:97");
    assert!(keys.contains(&"m365:97"), "{text}");
}

#[test]
fn json_is_one_object_with_a_schema() {
    let table = [
        ("list --source m365 --json", 63),
        ("show 172 --json", 2),
        ("list --source intune --category Optimize --json", 0),
    ];
    for (arguments, expected) in table {
        let json: serde_json::Value = serde_json::from_str(&render(arguments).unwrap()).unwrap();
        assert_eq!(json["schema"], "egress.catalogue/1", "{arguments}");
        assert_eq!(
            json["sets"].as_array().unwrap().len(),
            expected,
            "{arguments}"
        );
    }
    let json: serde_json::Value =
        serde_json::from_str(&render("show m365:11 --json").unwrap()).unwrap();
    let set = &json["sets"][0];
    assert_eq!(
        (&set["serviceArea"], &set["udpPorts"]),
        (&"Skype".into(), &"3478-3481".into())
    );
}

#[test]
fn what_is_unknown_is_an_error_with_the_nearest() {
    let table = [
        (
            "show intune:1633",
            "unknown endpoint set `intune:1633`, the nearest are `intune:163`",
        ),
        (
            "list --source intun",
            "unknown source `intun`, the nearest is `intune`; known: intune",
        ),
        (
            "list --category best",
            "a category is Optimize, Allow or Default",
        ),
        ("list --required --optional", "cannot be used with"),
    ];
    for (arguments, expected) in table {
        let error = render(arguments).unwrap_err();
        assert!(error.contains(expected), "{error}\nshould say {expected}");
    }
}

/// A file of this text and ending, in a folder that goes with the test.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const PAGE: &str = "# Page\n\n## Core\n\n|ID|Addresses|Category|Ports|\n|--|--|--|--|\n\
    |7|a.example<br>192.0.2.0/24|Allow<br>Required|TCP: 443|\n|8|b.example|Default|UDP: 53|\n";

#[test]
fn an_import_prints_one_object_a_row_with_all_keys() {
    let folder = tempfile::tempdir().unwrap();
    let page = file(&folder, "page.md", PAGE);
    let text = render(&format!("import {page} --from learn --json")).unwrap();
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    let expected = serde_json::json!({
        "schema": "egress.catalogue-row/1",
        "section": "Core", "path": "core", "key": "page:7", "id": 7, "description": "", "category": "Allow",
        "required": true, "expressRoute": false, "urls": ["a.example"], "ips": ["192.0.2.0/24"],
        "tcpPorts": "443", "udpPorts": "", "notes": null, "lost": null, "cloud": null, "region": null,
        "scaleUnits": [], "demands": [], "line": 7,
    });
    assert_eq!(rows[0], expected);
}

#[test]
fn what_an_import_writes_as_toml_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let page = file(&folder, "page.md", PAGE);
    let toml = render(&format!("import {page} --source page --toml")).unwrap();
    let toml = file(&folder, "page.toml", &toml);
    let text = render(&format!("diff {page} {toml}")).unwrap();
    assert_eq!(text, "0 added, 0 removed, 0 moved, 0 changed\n");
    let newer = file(&folder, "newer.md", &PAGE.replace("b.example", "c.example"));
    let text = render(&format!("diff {page} {newer}")).unwrap();
    assert!(
        text.contains("added    c.example") && text.contains("removed  b.example"),
        "{text}"
    );
    let json = render(&format!("diff {page} {newer} --json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let counts = (
        &json["schema"],
        &json["added"],
        &json["removed"],
        &json["changed"],
    );
    assert_eq!(
        counts,
        (&"egress.diff/1".into(), &1.into(), &1.into(), &0.into())
    );
}

#[test]
fn selections_are_printed_for_scripts() {
    let table = [
        ("names intune:core", 19),
        ("ips intune", 83),
        ("names intune !intune:178", 124),
        ("ports intune:apple", 3),
        ("export m365 --to edl", 191 + 93),
    ];
    for (arguments, lines) in table {
        assert_eq!(
            render(arguments).unwrap().lines().count(),
            lines,
            "{arguments}"
        );
    }
    for (arguments, expected) in [
        ("names intune:cor", "the nearest is `core`"),
        ("names !intune", "leave no endpoint set"),
        ("export m365 --to pac", "--proxy"),
        ("diff intune nowhere", "neither a file nor a source"),
    ] {
        let error = render(arguments).unwrap_err();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn lint_names_lines_and_rules() {
    let folder = tempfile::tempdir().unwrap();
    let page = file(&folder, "page.md", &PAGE.replace("53", "99999"));
    let text = render(&format!("lint {page}")).unwrap();
    assert!(
        text.starts_with(&format!("{page}:8: error [port]: ")),
        "{text}"
    );
    assert!(text.ends_with("1 errors, 1 warnings, 0 notes\n"), "{text}");
}
