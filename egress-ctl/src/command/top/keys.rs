//! Which key asks for what.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{state::Command, view::View};

/// Keys, and what they do, as help lists them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("1 to 8, Tab", "another view"),
    ("up, down, j, k", "another row, with what is known of it"),
    ("PgUp, PgDn, Home, End", "rows further away"),
    ("s", "another order"),
    ("r", "the other way round"),
    ("/", "a filter, as: port=443 and not group=office"),
    ("p, Space", "pause, and go on"),
    ("+, -", "look more often, or less"),
    ("Ctrl-L", "draw all anew"),
    ("Ctrl-Z", "into the background"),
    ("?, h", "these keys"),
    ("q, Esc, Ctrl-C", "end"),
];

/// What a key asks for, also while a filter is written; nothing where it has no meaning.
pub(super) fn command(key: KeyEvent, is_writing: bool) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match (key.modifiers.contains(KeyModifiers::CONTROL), is_writing) {
        (true, true) => written_with_control(key.code),
        (true, false) => with_control(key.code),
        (false, true) => written(key.code),
        (false, false) => plain(key.code),
    }
}

fn with_control(key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Char('c' | 'd') => Some(Command::Quit),
        KeyCode::Char('l') => Some(Command::Redraw),
        KeyCode::Char('z') => Some(Command::Suspend),
        _ => None,
    }
}

fn written_with_control(key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Char('c') => Some(Command::Cancel),
        KeyCode::Char('u') => Some(Command::Clear),
        KeyCode::Char('h') => Some(Command::Erase),
        key => with_control(key),
    }
}

fn written(key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Char(letter) => Some(Command::Type(letter)),
        KeyCode::Backspace => Some(Command::Erase),
        KeyCode::Enter => Some(Command::Accept),
        KeyCode::Esc => Some(Command::Cancel),
        _ => None,
    }
}

fn plain(key: KeyCode) -> Option<Command> {
    let command = match key {
        KeyCode::Char('q') | KeyCode::Esc => Command::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Command::Help,
        KeyCode::Char('p' | ' ') => Command::Pause,
        KeyCode::Char('/' | 'f') => Command::Edit,
        KeyCode::Char('s') => Command::Sort,
        KeyCode::Char('r') => Command::Reverse,
        KeyCode::Char('+' | '=') => Command::Faster,
        KeyCode::Char('-') => Command::Slower,
        KeyCode::Char('k') | KeyCode::Up => Command::Up,
        KeyCode::Char('j') | KeyCode::Down => Command::Down,
        KeyCode::Char('g') | KeyCode::Home => Command::First,
        KeyCode::Char('G') | KeyCode::End => Command::Last,
        KeyCode::PageUp => Command::PageUp,
        KeyCode::PageDown => Command::PageDown,
        KeyCode::Tab | KeyCode::Right => Command::Next,
        KeyCode::BackTab | KeyCode::Left => Command::Previous,
        KeyCode::Char(c) => Command::See(View::of_key(c.to_digit(10)?)?),
        _ => return None,
    };
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_letters_while_a_filter_is_written() {
        let table = [
            (
                KeyCode::Char('q'),
                Some(Command::Quit),
                Some(Command::Type('q')),
            ),
            (
                KeyCode::Char('4'),
                Some(Command::See(View::Drops)),
                Some(Command::Type('4')),
            ),
            (KeyCode::Char('9'), None, Some(Command::Type('9'))),
            (KeyCode::Esc, Some(Command::Quit), Some(Command::Cancel)),
            (KeyCode::Enter, None, Some(Command::Accept)),
        ];
        for (code, plain, written) in table {
            let key = KeyEvent::new(code, KeyModifiers::NONE);
            assert_eq!(command(key, false), plain, "{code:?}");
            assert_eq!(command(key, true), written, "{code:?}");
        }
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(command(control('c'), false), Some(Command::Quit));
        assert_eq!(command(control('c'), true), Some(Command::Cancel));
        assert_eq!(command(control('x'), false), None);
    }
}
