//! The queries of one connection that nobody answered yet.
//!
//! In: messages of the client, as bytes, and answers of the resolver. Out: whether an answer belongs to a
//! query, which it then has answered.

use std::collections::VecDeque;

use hickory_proto::{
    op::{Header, Message, MessageType, OpCode, Query},
    serialize::binary::{BinDecodable as _, BinDecoder},
};

/// Queries that are remembered; of a client that asks more at once, the oldest are forgotten.
const QUERIES: usize = 256;

/// Queries that wait for their answers, by id and question.
#[derive(Debug, Default)]
pub(super) struct Asked(VecDeque<(u16, Query)>);

impl Asked {
    /// Notes a query; anything else teaches nothing later.
    pub(super) fn note(&mut self, message: &[u8]) {
        let Some(query) = query(message) else {
            return;
        };
        if self.0.len() == QUERIES {
            self.0.pop_front();
        }
        self.0.push_back(query);
    }

    /// Whether it answers a query that waits; that one waits no longer.
    pub(super) fn take(&mut self, answer: &Message) -> bool {
        let [question] = &answer.queries[..] else {
            return false;
        };
        let is_answer = answer.metadata.message_type == MessageType::Response;
        let id = answer.metadata.id;
        let mut waiting = self.0.iter();
        let place = waiting.position(|(asked, query)| *asked == id && query == question);
        match place.filter(|_| is_answer) {
            Some(place) => self.0.remove(place).is_some(),
            None => false,
        }
    }
}

/// Id and question of a query.
fn query(message: &[u8]) -> Option<(u16, Query)> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).ok()?;
    if header.message_type != MessageType::Query
        || header.op_code != OpCode::Query
        || header.counts.queries != 1
    {
        return None;
    }
    let query = Query::read(&mut decoder).ok()?;
    Some((header.id, query))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    fn question(name: &str, kind: RecordType) -> Query {
        Query::query(Name::from_ascii(name).unwrap(), kind)
    }

    fn asks(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.add_query(question(name, kind));
        message.to_vec().unwrap()
    }

    fn answers(id: u16, name: &str, kind: RecordType) -> Message {
        let mut message = Message::response(id, OpCode::Query);
        message.add_query(question(name, kind));
        message
    }

    #[test]
    fn an_answer_belongs_to_its_query_alone_and_once() {
        use RecordType::{A, AAAA};
        let table = [
            ("the same", answers(7, "x.example.", A), true),
            ("in another case", answers(7, "X.Example.", A), true),
            ("another id", answers(8, "x.example.", A), false),
            ("another name", answers(7, "y.example.", A), false),
            ("another type", answers(7, "x.example.", AAAA), false),
            ("no question", Message::response(7, OpCode::Query), false),
            (
                "a query",
                Message::from_vec(&asks(7, "x.example.", A)).unwrap(),
                false,
            ),
        ];
        for (what, answer, expected) in table {
            let mut asked = Asked::default();
            asked.note(&asks(7, "x.example.", A));
            assert_eq!(asked.take(&answer), expected, "{what}");
            assert!(!asked.take(&answer), "{what}, replayed");
        }
    }

    #[test]
    fn what_is_no_query_is_not_noted() {
        let mut asked = Asked::default();
        let answer = answers(7, "x.example.", RecordType::A);
        asked.note(&answer.to_vec().unwrap());
        asked.note(&[]);
        asked.note(&[0; 11]);
        let mut two = Message::new(7, MessageType::Query, OpCode::Query);
        two.add_query(question("x.example.", RecordType::A));
        two.add_query(question("y.example.", RecordType::A));
        asked.note(&two.to_vec().unwrap());
        assert!(!asked.take(&answer));
    }

    #[test]
    fn out_of_order_and_with_equal_ids() {
        let mut asked = Asked::default();
        for name in ["a.example.", "b.example.", "c.example."] {
            asked.note(&asks(1, name, RecordType::A));
        }
        for name in ["c.example.", "a.example.", "b.example."] {
            assert!(asked.take(&answers(1, name, RecordType::A)), "{name}");
        }
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut asked = Asked::default();
        for id in 0..=QUERIES as u16 {
            asked.note(&asks(id, "x.example.", RecordType::A));
        }
        assert!(!asked.take(&answers(0, "x.example.", RecordType::A)));
        assert!(asked.take(&answers(1, "x.example.", RecordType::A)));
    }
}
