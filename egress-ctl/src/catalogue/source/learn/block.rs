//! A page as a row of blocks.
//!
//! In: Markdown. Out: headings, paragraphs, items of lists, tables and rules, each with its line.
//! Code blocks and comments are none of them.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{
    html::{Mark, marks},
    rich::{Link, Rich},
};

/// One piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Counted from 1.
    pub(super) line: u32,
    pub(super) content: Content,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Heading(u8, Rich),
    Paragraph(Rich),
    /// An item of a list, without the lists inside it.
    Item(Rich),
    Table(Table),
    /// A thematic break, which ends tabs.
    Rule,
}

/// A table: the first row is the head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) cells: Vec<Rich>,
}

/// The blocks of `page` from byte `start` on.
pub(super) fn blocks(page: &str, start: usize) -> Vec<Block> {
    let text = page.get(start..).unwrap_or_default();
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut reader = Reader::new(page);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.event(event, start + range.start, start + range.end);
    }
    reader.flush();
    reader.blocks
}

struct Reader<'a> {
    page: &'a str,
    lines: Lines,
    blocks: Vec<Block>,
    /// The running text that is being read, and what it becomes.
    open: Option<Open>,
    table: Option<Table>,
    link: Option<Link>,
    /// How many of each surround the current text.
    strong: u32,
    /// Struck-out text, code and pictures are not read.
    silent: u32,
    html: String,
}

struct Open {
    line: u32,
    kind: Kind,
    rich: Rich,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Heading(u8),
    Paragraph,
    Item,
    Cell,
}

impl<'a> Reader<'a> {
    fn new(page: &'a str) -> Self {
        Self {
            page,
            lines: Lines::new(page),
            blocks: Vec::new(),
            open: None,
            table: None,
            link: None,
            strong: 0,
            silent: 0,
            html: String::new(),
        }
    }

    fn event(&mut self, event: Event<'_>, start: usize, end: usize) {
        match event {
            Event::Start(tag) => self.start(tag, start),
            Event::End(tag) => self.end(tag, start, end),
            Event::Html(html) => self.html.push_str(&html),
            Event::Rule => {
                let line = self.lines.of(start);
                self.flush();
                self.push(line, Content::Rule);
            }
            _ if self.silent > 0 => {}
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.code(&code),
            Event::InlineHtml(html) => self.rich(|rich| rich.html(&html)),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.rich(Rich::line_break),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, at: usize) {
        let line = self.lines.of(at);
        match tag {
            Tag::Heading { level, .. } => self.open(line, Kind::Heading(depth(level))),
            // The first paragraph of an item is the item's own text.
            Tag::Paragraph if self.open.is_some() => {}
            Tag::Paragraph => self.open(line, Kind::Paragraph),
            Tag::Item => self.open(line, Kind::Item),
            Tag::TableCell => self.open(line, Kind::Cell),
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Table::default());
            }
            Tag::TableHead | Tag::TableRow => {
                let cells = Vec::new();
                self.rows(|rows| rows.push(Row { line, cells }));
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.silent += 1;
            }
            Tag::List(_) | Tag::BlockQuote(_) | Tag::HtmlBlock => self.flush(),
            Tag::Strong => self.strong += 1,
            Tag::Emphasis => self.wildcard(at),
            Tag::Strikethrough | Tag::Image { .. } => self.silent += 1,
            Tag::Link { dest_url, .. } => {
                let (text, url) = (String::new(), dest_url.to_string());
                self.link = Some(Link { text, url });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, start: usize, end: usize) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item => self.flush(),
            TagEnd::TableCell => {
                let cell = self.open.take().map(|open| open.rich).unwrap_or_default();
                self.rows(|rows| {
                    if let Some(row) = rows.last_mut() {
                        row.cells.push(cell);
                    }
                });
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.push(self.lines.of(start), Content::Table(table));
                }
            }
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                self.html_block(&html, self.lines.of(start));
            }
            TagEnd::CodeBlock | TagEnd::Strikethrough | TagEnd::Image => {
                self.silent = self.silent.saturating_sub(1);
            }
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Emphasis => self.wildcard(end.saturating_sub(1)),
            TagEnd::Link => {
                let link = self.link.take();
                self.rich(|rich| rich.links.extend(link));
            }
            _ => {}
        }
    }

    /// A star before a dot is a wildcard, though Markdown takes two of them for emphasis.
    fn wildcard(&mut self, star: usize) {
        if self.silent == 0 && self.page.get(star..).is_some_and(|s| s.starts_with("*.")) {
            self.text("*");
        }
    }

    fn text(&mut self, text: &str) {
        let strong = self.strong > 0;
        self.rich(|rich| rich.text(text, strong));
        if let Some(link) = &mut self.link {
            link.text.push_str(text);
        }
    }

    fn code(&mut self, code: &str) {
        let strong = self.strong > 0;
        self.rich(|rich| rich.code(code, strong));
        if let Some(link) = &mut self.link {
            link.text.push_str(code);
        }
    }

    fn rich(&mut self, add: impl FnOnce(&mut Rich)) {
        if let Some(open) = &mut self.open {
            add(&mut open.rich);
        }
    }

    fn rows(&mut self, change: impl FnOnce(&mut Vec<Row>)) {
        if let Some(table) = &mut self.table {
            change(&mut table.rows);
        }
    }

    fn open(&mut self, line: u32, kind: Kind) {
        self.flush();
        let rich = Rich::default();
        self.open = Some(Open { line, kind, rich });
    }

    /// Ends the running text.
    fn flush(&mut self) {
        let Some(Open { line, kind, rich }) = self.open.take() else {
            return;
        };
        let content = match kind {
            _ if rich.is_empty() => return,
            Kind::Heading(level) => Content::Heading(level, rich),
            Kind::Item => Content::Item(rich),
            Kind::Paragraph | Kind::Cell => Content::Paragraph(rich),
        };
        self.push(line, content);
    }

    fn push(&mut self, line: u32, content: Content) {
        self.blocks.push(Block { line, content });
    }

    /// A table in HTML is a table; other HTML is a paragraph of its text.
    fn html_block(&mut self, html: &str, line: u32) {
        let mut table = Table::default();
        let mut outside = Rich::default();
        for (below, mark) in marks(html) {
            match (mark, table.rows.last_mut()) {
                (Mark::Row, _) => table.rows.push(Row {
                    line: line + below,
                    cells: Vec::new(),
                }),
                (Mark::Cell, Some(row)) => row.cells.push(Rich::default()),
                (mark, row) => match row.and_then(|row| row.cells.last_mut()) {
                    Some(cell) => cell.mark(mark),
                    None => outside.mark(mark),
                },
            }
        }
        if !outside.is_empty() {
            self.push(line, Content::Paragraph(outside));
        }
        if !table.rows.is_empty() {
            self.push(line, Content::Table(table));
        }
    }
}

fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Where lines begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(page: &str) -> Self {
        let breaks = page.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = breaks.map(|(at, _)| at + 1).collect();
        Self { starts }
    }

    /// Number of the line that holds byte `at`, counted from 1.
    fn of(&self, at: usize) -> u32 {
        let before = self.starts.partition_point(|start| *start <= at);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}
