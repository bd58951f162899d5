//! What is printed where there is no screen.

use anyhow::Result;
use jiff::Zoned;

use super::{
    screen::{Glyphs, Screen},
    state::State,
};
use crate::{
    command::output::{columns, json_line, room},
    live::Picture,
};

/// Columns of text where nobody says how many.
const WIDTH: usize = 80;

/// An object in a line.
pub(super) fn json(picture: &Picture) -> Result<String> {
    Ok(json_line(picture)?
        + "
")
}

/// A screen as text, with an empty line behind it.
pub(super) fn text(picture: &Picture, state: &State, glyphs: Glyphs) -> String {
    let screen = Screen {
        picture,
        state,
        now: &Zoned::now(),
        glyphs,
        width: room().or_else(columns).map_or(WIDTH, usize::from),
    };
    let lines = screen.whole();
    let lines = lines
        .iter()
        .map(|line| line.to_string().trim_end().to_owned() + "\n");
    lines.chain(["\n".to_owned()]).collect()
}
