//! What signs a terminal has, and what stands out how.

use std::env;

use ratatui::style::{Color, Modifier, Style};

/// Signs, and whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glyphs {
    /// From nothing to most.
    ramp: [char; 9],
    /// In place of what is cut off.
    pub(super) more: char,
    /// Between facts.
    pub(super) dot: &'static str,
    has_colours: bool,
}

/// What stands out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    /// Heads of tables.
    Head,
    /// What matters less.
    Faint,
    /// What is as it should be.
    Good,
    /// What somebody should look at.
    Warn,
    /// What somebody should look at now.
    Bad,
    /// The selected row.
    Selected,
}

impl Glyphs {
    /// Those of any terminal that has UTF-8.
    pub(super) const UNICODE: Self = Self {
        ramp: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        more: '…',
        dot: " · ",
        has_colours: true,
    };
    /// Those of any other.
    pub(super) const ASCII: Self = Self {
        ramp: [' ', '_', '.', '-', '=', '+', '*', '%', '#'],
        more: '~',
        dot: ", ",
        has_colours: true,
    };

    /// Those that the environment asks for: by its locale, and `NO_COLOR`.
    pub(crate) fn of_environment() -> Self {
        let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let is_utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        });
        let glyphs = match is_utf8 {
            true => Self::UNICODE,
            false => Self::ASCII,
        };
        match set(&"NO_COLOR") {
            Some(_) => glyphs.without_colours(),
            None => glyphs,
        }
    }

    /// The same in black and white.
    pub(crate) fn without_colours(self) -> Self {
        Self {
            has_colours: false,
            ..self
        }
    }

    pub(super) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let (style, colour) = match tone {
            Tone::Plain => (style, None),
            Tone::Head => (style.add_modifier(Modifier::BOLD), Some(Color::Cyan)),
            Tone::Faint => (style.add_modifier(Modifier::DIM), None),
            Tone::Good => (style, Some(Color::Green)),
            Tone::Warn => (style.add_modifier(Modifier::BOLD), Some(Color::Yellow)),
            Tone::Bad => {
                let loud = Modifier::BOLD | Modifier::REVERSED;
                (style.add_modifier(loud), Some(Color::Red))
            }
            Tone::Selected => (style.add_modifier(Modifier::REVERSED), None),
        };
        match colour.filter(|_| self.has_colours) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    /// The last values that have room, as columns; the highest of them is as high as it can be.
    pub(super) fn spark(self, values: &[f64], width: usize) -> String {
        let shown = values.get(values.len().saturating_sub(width)..);
        let shown = shown.unwrap_or_default();
        let most = shown.iter().copied().fold(0.0, f64::max);
        let steps = (self.ramp.len() - 1) as f64;
        let sign = |value: &f64| {
            let part = if most > 0.0 { value / most } else { 0.0 };
            // What is there at all is seen.
            let step = (part * steps).ceil().clamp(0.0, steps) as usize;
            self.ramp.get(step).copied().unwrap_or(' ')
        };
        let blank = width - shown.len();
        std::iter::repeat_n(' ', blank)
            .chain(shown.iter().map(sign))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparks_end_at_the_right_and_show_whatever_is_there() {
        let table: [(&[f64], usize, &str); 6] = [
            (&[], 3, "   "),
            (&[0.0, 0.0], 3, "   "),
            (&[1.0], 3, "  █"),
            (&[8.0, 4.0, 0.01, 0.0], 4, "█▄▁ "),
            (&[100.0, 1.0, 2.0], 2, "▄█"),
            (&[1.0], 0, ""),
        ];
        for (values, width, text) in table {
            assert_eq!(Glyphs::UNICODE.spark(values, width), text, "{values:?}");
        }
        assert_eq!(Glyphs::ASCII.spark(&[1.0, 2.0], 2), "=#");
    }

    #[test]
    fn without_colours_nothing_has_one() {
        let glyphs = Glyphs::UNICODE.without_colours();
        for tone in [Tone::Head, Tone::Good, Tone::Warn, Tone::Bad] {
            assert_eq!(glyphs.style(tone).fg, None, "{tone:?}");
            assert_ne!(Glyphs::UNICODE.style(tone).fg, None, "{tone:?}");
        }
    }
}
