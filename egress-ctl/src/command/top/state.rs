//! What somebody chose to see.
//!
//! In: commands, as keys give them. Out: the view, its order and place, and what is beyond the screen to do.

use std::time::Duration;

use super::view::View;

/// Rows that a page moves by.
const PAGE: usize = 10;
/// How often the screen may be asked to be new, from most to least often, in ms.
const PACES: [u64; 8] = [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// In which order rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Place among the orders of the table.
    pub(super) place: usize,
    pub(super) is_reversed: bool,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Quit,
    Suspend,
    Redraw,
    Help,
    Pause,
    See(View),
    Next,
    Previous,
    Sort,
    Reverse,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Faster,
    Slower,
    /// To write a filter: its end, a letter more, one less, none.
    Edit,
    Type(char),
    Erase,
    Clear,
    Accept,
    Cancel,
}

/// What is to be done beside showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    /// Into the background, until somebody fetches it back.
    Suspend,
    /// All of the screen anew: something else wrote on it.
    Redraw,
    /// To look so often.
    Pace(Duration),
    /// Nothing moves from now on, or all goes on.
    Pause,
    /// To take this text as the filter, or to say what is wrong with it.
    Narrow(String),
}

/// A filter that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) text: String,
    /// What is wrong with it, in lines.
    pub(super) fault: Vec<String>,
}

/// What is chosen.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) view: View,
    orders: [Order; View::ALL.len()],
    selected: [usize; View::ALL.len()],
    /// Whether the keys are listed.
    pub(super) helps: bool,
    pub(super) is_paused: bool,
    pub(super) every: Duration,
    /// The filter's text; empty where there is none.
    pub(super) filter: String,
    pub(super) draft: Option<Draft>,
}

impl State {
    pub(super) fn new(view: View, every: Duration) -> Self {
        Self {
            view,
            orders: Default::default(),
            selected: Default::default(),
            helps: false,
            is_paused: false,
            every,
            filter: String::new(),
            draft: None,
        }
    }

    pub(super) fn order(&self, view: View) -> Order {
        self.orders.get(view.place()).copied().unwrap_or_default()
    }

    /// The selected row of so many.
    pub(super) fn selected(&self, rows: usize) -> usize {
        let selected = self.selected.get(self.view.place());
        selected.copied().unwrap_or(0).min(rows.saturating_sub(1))
    }

    /// Does what is asked for, in front of a table of so many rows and orders.
    pub(super) fn obey(&mut self, command: Command, rows: usize, orders: usize) -> Option<Effect> {
        let at = self.selected(rows);
        match command {
            Command::Quit if self.helps => self.helps = false,
            Command::Quit => return Some(Effect::Quit),
            Command::Suspend => return Some(Effect::Suspend),
            Command::Redraw => return Some(Effect::Redraw),
            Command::Help => self.helps = !self.helps,
            Command::Pause => {
                self.is_paused = !self.is_paused;
                return Some(Effect::Pause);
            }
            Command::See(view) => self.see(view),
            Command::Next => self.see(self.view.moved(1)),
            Command::Previous => self.see(self.view.moved(View::ALL.len() - 1)),
            Command::Sort => self.sort(|order| Order {
                place: (order.place + 1) % orders.max(1),
                is_reversed: false,
            }),
            Command::Reverse => self.sort(|order| Order {
                is_reversed: !order.is_reversed,
                ..order
            }),
            Command::Up => self.select(at.saturating_sub(1)),
            Command::Down => self.select(at.saturating_add(1)),
            Command::PageUp => self.select(at.saturating_sub(PAGE)),
            Command::PageDown => self.select(at.saturating_add(PAGE)),
            Command::First => self.select(0),
            Command::Last => self.select(rows),
            Command::Faster => return Some(self.pace(|pace, now| pace < now, true)),
            Command::Slower => return Some(self.pace(|pace, now| pace > now, false)),
            Command::Edit => {
                let text = self.filter.clone();
                let fault = Vec::new();
                self.draft = Some(Draft { text, fault });
            }
            Command::Type(letter) => self.write(|text| text.push(letter)),
            Command::Erase => self.write(|text| {
                text.pop();
            }),
            Command::Clear => self.write(String::clear),
            Command::Accept => {
                let draft = self.draft.as_ref();
                return draft.map(|draft| Effect::Narrow(draft.text.clone()));
            }
            Command::Cancel => self.draft = None,
        }
        None
    }

    /// Takes in what became of a draft.
    pub(super) fn narrowed(&mut self, by: Result<String, String>) {
        match (by, &mut self.draft) {
            (Ok(filter), draft) => {
                self.filter = filter;
                *draft = None;
            }
            (Err(fault), Some(draft)) => draft.fault = fault.lines().map(str::to_owned).collect(),
            (Err(_), None) => {}
        }
    }

    fn write(&mut self, change: impl FnOnce(&mut String)) {
        if let Some(draft) = &mut self.draft {
            change(&mut draft.text);
            draft.fault.clear();
        }
    }

    fn see(&mut self, view: View) {
        self.view = view;
        self.helps = false;
    }

    fn sort(&mut self, next: impl FnOnce(Order) -> Order) {
        let order = next(self.order(self.view));
        if let Some(place) = self.orders.get_mut(self.view.place()) {
            *place = order;
        }
        self.select(0);
    }

    fn select(&mut self, row: usize) {
        if let Some(place) = self.selected.get_mut(self.view.place()) {
            *place = row;
        }
    }

    /// The nearest pace beyond the one that is chosen; that one again where there is none.
    fn pace(&mut self, is_beyond: impl Fn(Duration, Duration) -> bool, last: bool) -> Effect {
        let paces = PACES.map(Duration::from_millis);
        let mut beyond = paces
            .into_iter()
            .filter(|pace| is_beyond(*pace, self.every));
        let next = match last {
            true => beyond.last(),
            false => beyond.next(),
        };
        self.every = next.unwrap_or(self.every);
        Effect::Pace(self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(View::Overview, Duration::from_secs(1))
    }

    #[test]
    fn each_view_has_its_own_order_and_place() {
        let mut state = state();
        let commands = [
            Command::See(View::Sets),
            Command::Sort,
            Command::Reverse,
            Command::Down,
            Command::Down,
            Command::Next,
            Command::Down,
        ];
        for command in commands {
            assert_eq!(state.obey(command, 2, 3), None, "{command:?}");
        }
        let order = Order {
            place: 1,
            is_reversed: true,
        };
        assert_eq!(state.view, View::Drops);
        assert_eq!(state.order(View::Sets), order);
        assert_eq!(state.order(View::Drops), Order::default());
        state.obey(Command::Previous, 2, 3);
        assert_eq!(state.selected(2), 1, "no further than the last row");
        assert_eq!(state.selected(0), 0);
        for _ in 0..2 {
            state.obey(Command::Sort, 2, 3);
        }
        assert_eq!(state.order(View::Sets), Order::default(), "around the end");
    }

    #[test]
    fn paces_go_from_most_to_least_often() {
        let mut state = state();
        let ms = |state: &mut State, command| match state.obey(command, 0, 0) {
            Some(Effect::Pace(every)) => every.as_millis(),
            other => panic!("{other:?}"),
        };
        for paced in [500, 200, 200] {
            assert_eq!(ms(&mut state, Command::Faster), paced);
        }
        for paced in [500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 60_000] {
            assert_eq!(ms(&mut state, Command::Slower), paced);
        }
    }

    #[test]
    fn a_draft_becomes_the_filter_once_it_is_one() {
        let mut state = state();
        state.obey(Command::Edit, 0, 0);
        for letter in "port=x1".chars() {
            state.obey(Command::Type(letter), 0, 0);
        }
        let asked = state.obey(Command::Accept, 0, 0);
        assert_eq!(asked, Some(Effect::Narrow("port=x1".to_owned())));
        state.narrowed(Err("no\nport".to_owned()));
        assert_eq!(state.draft.as_ref().unwrap().fault, ["no", "port"]);
        state.obey(Command::Erase, 0, 0);
        assert_eq!(state.draft.as_ref().unwrap().fault, [""; 0]);
        state.narrowed(Ok("port=1".to_owned()));
        assert_eq!((state.filter.as_str(), &state.draft), ("port=1", &None));
        state.obey(Command::Edit, 0, 0);
        state.obey(Command::Clear, 0, 0);
        state.obey(Command::Cancel, 0, 0);
        assert_eq!(state.filter, "port=1");
    }

    #[test]
    fn the_key_that_ends_leaves_help_first() {
        let mut state = state();
        state.obey(Command::Help, 0, 0);
        assert_eq!(state.obey(Command::Quit, 0, 0), None);
        assert_eq!(state.obey(Command::Quit, 0, 0), Some(Effect::Quit));
    }
}
