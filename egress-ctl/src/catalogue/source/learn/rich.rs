//! Running text of a page: a paragraph, a heading, an item of a list, or a cell.
//!
//! In: what the Markdown parser says, piece by piece. Out: lines of plain text, and the links.

use super::html::{Mark, marks};

/// Text without markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rich {
    /// Lines as breaks divide them, at least one once there is text.
    pub(super) lines: Vec<String>,
    /// What links say and where they point.
    pub(super) links: Vec<Link>,
    /// The name that links use for it.
    pub(super) anchor: Option<String>,
    /// Whether some text is not strong.
    plain: bool,
    /// Whether the last piece was code, which the next one must not run into.
    after_code: bool,
}

/// A link of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) text: String,
    pub(super) url: String,
}

impl Rich {
    /// Adds text; `strong` where it is set in bold.
    pub(super) fn text(&mut self, text: &str, strong: bool) {
        self.plain |= !strong && !text.trim().is_empty();
        self.after_code = false;
        self.last().push_str(text);
    }

    /// Adds code, kept apart from code before it.
    pub(super) fn code(&mut self, code: &str, strong: bool) {
        let apart = if self.after_code { " " } else { "" };
        self.text(apart, true);
        self.text(code, strong);
        self.after_code = true;
    }

    /// Begins a new line.
    pub(super) fn line_break(&mut self) {
        self.last();
        self.lines.push(String::new());
        self.after_code = false;
    }

    /// Adds what a tag means.
    pub(super) fn html(&mut self, html: &str) {
        for (_, mark) in marks(html) {
            self.mark(mark);
        }
    }

    /// Adds a mark of HTML.
    pub(super) fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Break | Mark::Row | Mark::Cell => self.line_break(),
            Mark::Anchor(name) => self.anchor = Some(name),
            Mark::Text(text) => self.text(&text.replace('\n', " "), false),
        }
    }

    fn last(&mut self) -> &mut String {
        if self.lines.is_empty() {
            self.lines.push(String::new());
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    /// All lines as one, with single spaces.
    pub(super) fn joined(&self) -> String {
        let words = self.lines.iter().flat_map(|line| line.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.trim().is_empty())
    }

    /// Whether all of it is strong: authors write such paragraphs for headings.
    pub(super) fn is_label(&self) -> bool {
        !self.plain && !self.is_empty()
    }
}
