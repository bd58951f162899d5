//! Screens of terminals of several sizes, as text.

use std::{env, fs, time::Duration};

use egress_common::verdict::{Action, Counter, Reason};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, buffer};

use super::*;
use crate::{
    dataplane::counters::OfSet,
    explain::nearest::{Gap, Nearest},
    feed::traffic::{Origin, Traffic},
    history::record::Record,
    live::{Denied, Live, Sight, sight::Named, testing},
};

/// Seconds for which it was looked.
const LOOKS: u64 = 30;

/// What was counted after so many seconds, of what comes in waves.
fn counter(second: u64, a_second: u64) -> Counter {
    let packets = (0..second).map(|i| a_second * (i % 5)).sum();
    Counter {
        packets,
        bytes: packets * 120,
    }
}

fn sight(second: u64) -> Sight {
    let verdict = |group: Option<&str>, action, reason, a_second| {
        testing::verdict(group, action, reason, counter(second, a_second))
    };
    let mut sight = testing::sight(second);
    sight.facts.verdicts = vec![
        verdict(Some("office"), Action::Allow, Reason::Prefix, 900),
        verdict(Some("staging"), Action::Allow, Reason::Learned, 40),
        verdict(Some("staging"), Action::Drop, Reason::WrongPort, 3),
        verdict(Some("kiosks"), Action::WouldDrop, Reason::NeverResolved, 1),
        verdict(None, Action::Drop, Reason::NoGroup, 1),
    ];
    let office = || Some("office".to_owned());
    sight.facts.replies = vec![(office(), Reason::Prefix, counter(second, 1100))];
    sight.facts.sets = (0..12)
        .map(|i| {
            let of = OfSet {
                sent: counter(second, 10 * i),
                replies: counter(second, 12 * i),
            };
            (format!("m365:{i}"), of)
        })
        .collect();
    sight.facts.dns = vec![("learned", second * 2), ("not-asked", 3)];
    sight.facts.events = vec![
        ("reported", second),
        ("suppressed", second * 4),
        ("lost", 0),
    ];
    let traffic = |what, packets| Traffic {
        what,
        set: "m365:1".to_owned(),
        group: office(),
        packets,
        bytes: packets * 100,
    };
    sight.traffic = Some(vec![
        traffic(Origin::Name("*.sharepoint.com".to_owned()), second * 70),
        traffic(Origin::Prefix("13.107.64.9/32".to_owned()), second * 8),
    ]);
    sight.names = Some(vec![Named {
        name: "contoso.sharepoint.com".to_owned(),
        address: [13, 107, 136, 8].into(),
        pattern: Some("*.sharepoint.com".to_owned()),
        client: Some([10, 30, 0, 7].into()),
        last: sight.time,
    }]);
    sight
}

fn denied(client: u8, name: Option<&str>, reason: Reason, suppressed: u32) -> Denied {
    let record = Record {
        time: testing::sight(LOOKS - u64::from(client)).time,
        client: Some([10, 20, 0, client].into()),
        destination: Some([198, 51, 100, client].into()),
        name: name.map(str::to_owned),
        port: 8443,
        reason: reason.name().to_owned(),
        suppressed,
        ..testing::record()
    };
    let nearest = Nearest {
        set: "intune:163".to_owned(),
        gap: Gap::Ports {
            ports: "tcp 80,443".to_owned(),
        },
    };
    let nearest = Some(nearest);
    Denied { record, nearest }
}

fn live() -> Live {
    let mut live = Live::new(240);
    for second in 0..=LOOKS {
        live.see(sight(second));
    }
    live.hear(denied(2, None, Reason::NeverResolved, 0));
    for _ in 0..3 {
        let name = "graph.windows.net";
        live.hear(denied(7, Some(name), Reason::WrongPort, 12));
    }
    // A name of somebody who would like to write on the terminal.
    live.hear(denied(
        9,
        Some("\u{1b}[31mevil\n.example"),
        Reason::NameNotAllowed,
        0,
    ));
    live
}

fn state(view: View) -> State {
    State::new(view, Duration::from_secs(1))
}

/// A screen, as a terminal of this size has it.
fn drawn(
    picture: &Picture,
    state: &State,
    (width, height): (u16, u16),
    glyphs: Glyphs,
) -> Vec<String> {
    let now = testing::sight(LOOKS).time.to_zoned(TimeZone::UTC);
    let screen = Screen {
        picture,
        state,
        now: &now,
        glyphs,
        width: width.into(),
    };
    let lines = screen.of_height(height.into());
    assert!(lines.len() <= height.into(), "{} lines", lines.len());
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            let area = frame.area();
            for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
                assert!(line.width() <= usize::from(width), "{line:?}");
                frame.buffer_mut().set_line(0, y, line, width);
            }
        })
        .unwrap();
    let cells = terminal.backend().buffer().content();
    let rows = cells.chunks(usize::from(width).max(1));
    let rows = rows.map(|row| row.iter().map(buffer::Cell::symbol).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect()
}

/// Compares with the file of a name, or writes it where `EGRESS_UPDATE_SCREENS` is set.
fn check(name: &str, seen: &[String]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/command/top/screen/tests");
    let path = format!("{folder}/{name}.txt");
    let seen = seen.join("\n") + "\n";
    if env::var_os("EGRESS_UPDATE_SCREENS").is_some() {
        fs::write(&path, &seen).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(seen, expected, "{name}:\n{seen}\n");
}

#[test]
fn screens_are_as_they_were_drawn() {
    let picture = live().picture(240, |_| true);
    let plain = Glyphs::UNICODE.without_colours();
    let table = [
        ("80x24", View::Overview, (80, 24), plain),
        ("120x40", View::Overview, (120, 40), plain),
        ("20x10", View::Overview, (20, 10), plain),
        ("ascii", View::Groups, (60, 16), Glyphs::ASCII),
        ("drops", View::Drops, (80, 24), plain),
    ];
    for (name, view, size, glyphs) in table {
        let seen = drawn(&picture, &state(view), size, glyphs);
        check(name, &seen);
    }
}

#[test]
fn help_lists_every_key_on_a_small_terminal() {
    let picture = live().picture(80, |_| true);
    let mut state = state(View::Overview);
    state.helps = true;
    let seen = drawn(&picture, &state, (80, 24), Glyphs::UNICODE).join("\n");
    for (keys, does) in HELP {
        assert!(
            seen.contains(keys) && seen.contains(does),
            "{keys}:\n{seen}"
        );
    }
}

#[test]
fn no_terminal_is_too_small_and_nothing_to_see_is_too_little() {
    let empty = Live::new(10).picture(10, |_| true);
    let full = live().picture(240, |_| true);
    for view in View::ALL {
        for (picture, helps) in [(&empty, false), (&full, false), (&full, true)] {
            let mut state = state(view);
            state.helps = helps;
            for width in [0, 1, 2, 3, 5, 8, 12, 20, 40, 300] {
                for height in (0..16).chain([24, 100]) {
                    drawn(picture, &state, (width, height), Glyphs::UNICODE);
                }
            }
        }
    }
}

#[test]
fn nothing_from_the_network_reaches_the_terminal_unescaped() {
    let picture = live().picture(80, |_| true);
    let now = testing::sight(LOOKS).time.to_zoned(TimeZone::UTC);
    for view in View::ALL {
        let state = state(view);
        let screen = Screen {
            picture: &picture,
            state: &state,
            now: &now,
            glyphs: Glyphs::UNICODE,
            width: 200,
        };
        for line in screen.of_height(50).into_iter().chain(screen.whole()) {
            let text = line.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
    let seen = drawn(&picture, &state(View::Drops), (120, 30), Glyphs::UNICODE);
    assert!(
        seen.iter()
            .any(|line| line.contains("\\u{1b}[31mevil\\n.example"))
    );
}

#[test]
fn what_is_wrong_is_said_first() {
    let mut live = live();
    live.miss(testing::sight(LOOKS).time, "nothing is loaded".to_owned());
    live.unheard(Some("events are watched already, by process 7".to_owned()));
    let mut sight = sight(LOOKS + 1);
    let picture = live.picture(80, |_| true);
    let seen = drawn(&picture, &state(View::Overview), (80, 24), Glyphs::UNICODE);
    assert!(
        seen[1].starts_with("NOTHING NEWER SEEN since 0 s ago: nothing is loaded"),
        "{seen:?}"
    );
    sight.facts.daemon = None;
    sight.facts.interfaces[0].judges = false;
    sight.facts.bypass = Some(crate::metrics::facts::Bypass {
        left: Some(Duration::from_secs(90)),
    });
    sight.facts.feeds[0].refused = true;
    live.see(sight);
    let picture = live.picture(80, |_| true);
    let seen = drawn(&picture, &state(View::Overview), (80, 24), Glyphs::UNICODE);
    for (line, text) in [
        (0, "NO DAEMON: what is attached goes on"),
        (0, "m365 REFUSED"),
        (1, "BYPASS ON: NOTHING IS DROPPED; ends in 1m 30s"),
        (2, "eth1 IS NOT JUDGED: see `egress-ctl status`"),
    ] {
        assert!(seen[line].contains(text), "{text}: {seen:#?}");
    }
}

#[test]
fn a_draft_is_shown_with_what_is_wrong_with_it() {
    let picture = live().picture(80, |_| true);
    let mut state = state(View::Drops);
    let text = "port=44x".to_owned();
    let fault = "port=44x"
        .parse::<crate::filter::Filter>()
        .unwrap_err()
        .to_string();
    let fault = fault.lines().map(str::to_owned).collect();
    state.draft = Some(Draft { text, fault });
    let seen = drawn(&picture, &state, (80, 24), Glyphs::UNICODE);
    assert!(seen[20].contains("`44x` is no port"), "{seen:#?}");
    assert!(seen[22].contains("^^^"), "{seen:#?}");
    assert!(seen[23].starts_with("/port=44x_"), "{seen:#?}");
}

#[test]
fn tables_have_rows_by_how_much_they_matter() {
    let table = [
        (0, [0, 0, 0, 0]),
        (1, [0, 0, 0, 0]),
        (2, [0, 1, 0, 0]),
        (5, [0, 3, 0, 0]),
        (8, [3, 3, 0, 0]),
        (16, [4, 3, 2, 3]),
        (100, [4, 3, 2, 10]),
    ];
    for (room, rows) in table {
        let wanted = [(4, 1), (3, 0), (2, 2), (10, 3)];
        assert_eq!(share(room, wanted), rows, "{room}");
    }
}
