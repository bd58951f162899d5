//! What a piece of HTML between Markdown means for the text around it.
//!
//! In: raw HTML, a tag or a whole block. Out: its [`Mark`]s, by html5ever's tokenizer.

use std::cell::RefCell;

use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// A tag or text, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A new line begins: `<br>` in every spelling, `<p>`, `<li>`, `<div>`.
    Break,
    /// A row of a table begins.
    Row,
    /// A cell begins, or a head cell.
    Cell,
    /// `<a name="x">` or any element with this id: what links point to.
    Anchor(String),
    /// Visible text.
    Text(String),
}

/// The marks of `html` with the line, counted from 0, on which each stands. Comments have none.
pub(super) fn marks(html: &str) -> Vec<(u32, Mark)> {
    let input = BufferQueue::default();
    input.push_back(html.into());
    let tokenizer = Tokenizer::new(Marks::default(), TokenizerOpts::default());
    // The sink answers `Continue` to every token, so one call takes all.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

#[derive(Default)]
struct Marks(RefCell<Vec<(u32, Mark)>>);

impl TokenSink for Marks {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let line = u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX);
        let mut marks = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => marks.extend(tag_marks(&tag).map(|mark| (line, mark))),
            Token::CharacterTokens(text) => marks.push((line, Mark::Text(text.to_string()))),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn tag_marks(tag: &Tag) -> impl Iterator<Item = Mark> {
    let opens = tag.kind == TagKind::StartTag;
    let mark = match &*tag.name {
        // Pages write `</br>` too, and browsers take it for `<br>`.
        "br" => Some(Mark::Break),
        "p" | "li" | "div" if opens => Some(Mark::Break),
        "tr" if opens => Some(Mark::Row),
        "td" | "th" if opens => Some(Mark::Cell),
        _ => None,
    };
    let named = |name: &str| matches!(name, "name" | "id");
    let anchor = tag
        .attrs
        .iter()
        .find(|attribute| opens && named(&attribute.name.local))
        .map(|attribute| Mark::Anchor(attribute.value.to_string()));
    mark.into_iter().chain(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_read_in_every_spelling() {
        for html in ["<br>", "<BR>", "<br/>", "<BR />", "<br clear=all>", "</br>"] {
            assert_eq!(marks(html), [(0, Mark::Break)], "{html}");
        }
        assert_eq!(marks("<!-- a.example.org -->"), []);
        assert_eq!(marks("<i>"), []);
        let anchor = Mark::Anchor("core".to_owned());
        assert_eq!(marks("<a name=\"core\">"), [(0, anchor)]);
    }

    #[test]
    fn a_table_gives_rows_cells_and_lines() {
        let found = marks("<table>\n<tr><td>a</td>\n<td>b<br>c</td></tr>");
        let cells: Vec<_> = found.iter().filter(|(_, m)| *m == Mark::Cell).collect();
        assert_eq!(cells, [&(1, Mark::Cell), &(2, Mark::Cell)]);
    }
}
