//! Pages of Microsoft Learn: any page laid out like those of Intune, Power Automate and
//! Microsoft 365.
//!
//! In: Markdown. Out: a [`Page`] with an endpoint set for each row of a table of endpoints and for
//! each name of a list, what the prose demands, where it points, and findings about what was not
//! understood. It goes by structure: heads of columns and contents of cells, never by sentences.

mod address;
mod block;
mod column;
mod entry;
mod finding;
mod front;
mod html;
mod place;
mod port;
mod prose;
mod reader;
mod rich;
mod section;
mod table;
mod word;

use crate::catalogue::page::Page;

/// Reads a page as the source called `source`. It always ends; a text that is no page has no sets.
pub fn import(text: &str, source: &str) -> Page {
    reader::read(text, source)
}

#[cfg(test)]
mod tests;
