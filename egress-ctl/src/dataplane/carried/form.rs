//! Where the counters of a layout stand, and which places of today's layout these are.
//!
//! In: a layout's number, a table, a place in it. Out: the place in this version's table.

use egress_common::{
    learned::Learned,
    missed::Missed,
    traffic::{Recent, TrafficKey},
    verdict::{Action, Counter, REASONS},
};

use super::table::Table;
use crate::dataplane::layout::{FIRST, VERSION};

/// What the counters of this version's layout stand by. Whoever changes one of these makes another layout: raise
/// [`VERSION`], and say here how those of this one are found.
const _: () = assert!(
    VERSION == 2
        && REASONS == 64
        && Action::ALL.len() == 4
        && size_of::<Counter>() == 16
        && size_of::<TrafficKey>() == 24
        && size_of::<Recent>() == 56
        && size_of::<Missed>() == 40
        && size_of::<Learned>() == 88
);

/// How a layout orders its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Places for reasons in a row of counters.
    reasons: u32,
}

impl Form {
    /// Of a layout.
    pub(super) fn of(layout: u32) -> Self {
        /// Before there were reasons beyond it.
        const FIRST_REASONS: u32 = 32;

        let reasons = match layout {
            FIRST => FIRST_REASONS,
            _ => REASONS as u32,
        };
        Self { reasons }
    }

    /// The place of a counter today. A group's row of each action stays where it was among the others, and
    /// numbers of reasons, outcomes, fates and sets never change their meaning.
    pub(super) fn place(self, table: Table, place: u32) -> u32 {
        match table {
            Table::Verdicts | Table::Replies => {
                let (row, reason) = (place / self.reasons, place % self.reasons);
                row * REASONS as u32 + reason
            }
            Table::Sets
            | Table::SetReplies
            | Table::Dns
            | Table::EventFates
            | Table::LessonFates
            | Table::Forwards => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::{Action, Reason, counter_index, reply_index};

    use super::*;

    /// Places of the first layout, as its version gave them.
    fn first(row: u32, reason: Reason) -> u32 {
        row * 32 + reason as u32
    }

    #[test]
    fn counters_of_the_first_layout_are_found_by_what_they_count() {
        let form = Form::of(FIRST);
        let old = Reason::ALL
            .iter()
            .filter(|reason| (**reason as u32) < form.reasons);
        for reason in old {
            for group in [0_u8, 1, 127] {
                for action in Action::ALL {
                    let row = u32::from(group) * 4 + *action as u32;
                    assert_eq!(
                        form.place(Table::Verdicts, first(row, *reason)),
                        counter_index(group, *action, *reason)
                    );
                }
                assert_eq!(
                    form.place(Table::Replies, first(u32::from(group), *reason)),
                    reply_index(group, *reason)
                );
            }
        }
        assert_eq!(form.place(Table::Sets, 8_000), 8_000);
    }

    #[test]
    fn counters_of_today_stay_where_they_are() {
        let form = Form::of(VERSION);
        for table in Table::ALL {
            for place in [0, 1, 63, 64, 4_097] {
                assert_eq!(form.place(*table, place), place, "{table:?}");
            }
        }
    }
}
