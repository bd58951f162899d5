//! Front matter: what a page says of itself before its text.
//!
//! In: a page. Out: its title and date, and where the text begins.

use jiff::civil::Date;

/// What the front matter says, as far as the catalogue wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) title: Option<String>,
    pub(super) date: Option<Date>,
    /// Byte at which the text begins.
    pub(super) end: usize,
}

/// Reads lines of `key: value` between a first line `---` and the next.
pub(super) fn front(page: &str) -> Front {
    let mut front = Front::default();
    let mut end = 0;
    for (i, line) in page.split_inclusive('\n').enumerate() {
        end += line.len();
        let line = line.trim_end();
        match (i, line.trim_start_matches('\u{feff}')) {
            (0, "---") => {}
            (0, _) => return Front::default(),
            (_, "---" | "...") => return Front { end, ..front },
            (_, line) => take(&mut front, line),
        }
    }
    // It never ends, so it was none: a rule on the first line.
    Front::default()
}

fn take(front: &mut Front, line: &str) {
    let Some((key, value)) = line.split_once(':') else {
        return;
    };
    let value = value.trim().trim_matches(['"', '\'']);
    match key {
        "title" if !value.is_empty() => front.title = Some(value.to_owned()),
        "ms.date" => front.date = date(value),
        _ => {}
    }
}

/// `MM/DD/YYYY`, as Learn writes it, or `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<Date> {
    let number = |text: &str| text.parse::<i16>().ok();
    let parts: Vec<i16> = text.split(['/', '-']).map_while(number).collect();
    let (year, month, day) = match parts.as_slice() {
        [month, day, year] if text.contains('/') => (*year, *month, *day),
        [year, month, day] => (*year, *month, *day),
        _ => return None,
    };
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_and_date_are_read_and_the_text_begins_behind_them() {
        let page = "---\ntitle: Some page\n#date\nms.date: 01/09/2025\n---\n# Text";
        let found = front(page);
        assert_eq!(found.title.as_deref(), Some("Some page"));
        assert_eq!(found.date, Date::new(2025, 1, 9).ok());
        assert_eq!(&page[found.end..], "# Text");
    }

    #[test]
    fn a_rule_is_no_front_matter() {
        for page in ["", "# Text", "---\nno end", "text\n---\ntitle: x\n---\n"] {
            assert_eq!(front(page), Front::default(), "{page}");
        }
    }

    #[test]
    fn dates_are_read_in_both_orders() {
        for text in ["3/31/2025", "03/31/2025", "2025-03-31"] {
            assert_eq!(date(text), Date::new(2025, 3, 31).ok(), "{text}");
        }
        for text in ["", "na", "13/32/2025", "1/2", "99999/1/1"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
