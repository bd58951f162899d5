//! From tokens to what they say: `or` joins what `and` joins, and `not` stands before one.

use std::ops::Range;

use super::{
    error::Fault,
    expr::Expr,
    field::Field,
    known::{Asked, Kind},
    lex::{Placed, Token, tokens},
    term::Term,
    value::Value,
};
use crate::catalogue::nearest::nearest;

/// How deep parentheses and `not`s may stand within each other.
pub const DEPTH_MAX: usize = 64;
/// The longest text, in bytes.
pub const TEXT_MAX: usize = 4096;

type Wrong = (Range<usize>, Fault);

/// Reads a whole filter; an empty one means everything.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Asked>), Wrong> {
    if text.len() > TEXT_MAX {
        return Err((0..0, Fault::Long));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        place: 0,
        depth: 0,
        asked: Vec::new(),
    };
    if parser.token() == &Token::End {
        return Ok((Expr::default(), Vec::new()));
    }
    let expr = parser.any()?;
    match parser.token() {
        Token::End => Ok((expr, parser.asked)),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser {
    /// The last one is the end, and is never passed.
    tokens: Vec<Placed>,
    place: usize,
    depth: usize,
    asked: Vec<Asked>,
}

impl Parser {
    fn any(&mut self) -> Result<Expr, Wrong> {
        let mut of = vec![self.all()?];
        while self.takes(&Token::Or) {
            of.push(self.all()?);
        }
        Ok(Expr::any(of))
    }

    fn all(&mut self) -> Result<Expr, Wrong> {
        let mut of = vec![self.one()?];
        while self.takes(&Token::And) {
            of.push(self.one()?);
        }
        Ok(Expr::all(of))
    }

    fn one(&mut self) -> Result<Expr, Wrong> {
        if self.takes(&Token::Not) {
            return Ok(Expr::not(self.deeper(Self::one)?));
        }
        if !self.takes(&Token::Open) {
            return self.term();
        }
        let expr = self.deeper(Self::any)?;
        match self.takes(&Token::Close) {
            true => Ok(expr),
            false => Err(self.expected("`and`, `or` or `)`")),
        }
    }

    /// Reads what stands behind a `not` or a parenthesis.
    fn deeper(&mut self, read: impl Fn(&mut Self) -> Result<Expr, Wrong>) -> Result<Expr, Wrong> {
        if self.depth == DEPTH_MAX {
            return Err((self.at(), Fault::Deep));
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    fn term(&mut self) -> Result<Expr, Wrong> {
        let field = self.field()?;
        let differs = match self.token() {
            Token::Equals => false,
            Token::Differs => true,
            _ => return Err(self.expected(&format!("`=` or `!=` behind `{field}`"))),
        };
        self.place += 1;
        let mut values = vec![self.value(field)?];
        while self.takes(&Token::Comma) {
            values.push(self.value(field)?);
        }
        let term = Expr::Term(Term::new(values));
        Ok(match differs {
            true => Expr::not(term),
            false => term,
        })
    }

    fn field(&mut self) -> Result<Field, Wrong> {
        let (Token::Word(word), at) = self.placed().clone() else {
            return Err(self.expected("a field, `not` or `(`"));
        };
        self.place += 1;
        if let Some(field) = Field::named(&word) {
            return Ok(field);
        }
        let before = word.split_once(':').map(|(before, _)| before);
        if let Some(before) = before.filter(|before| Field::named(before).is_some()) {
            let colon = at.start + before.len();
            let what = format!("`=` behind `{before}`");
            return Err((colon..colon + 1, Fault::Expected(what)));
        }
        let near = nearest(&word, Field::ALL, |field| field.name().to_owned());
        let known = near.map(|field| field.name().to_owned()).collect();
        let (what, asked) = ("field", word);
        Err((at, Fault::Unknown { what, asked, known }))
    }

    fn value(&mut self, field: Field) -> Result<Value, Wrong> {
        let (Token::Word(word), at) = self.placed().clone() else {
            return Err(self.expected(&field.values()));
        };
        let value = Value::new(field, &word).map_err(|fault| (at.clone(), fault))?;
        self.place += 1;
        let asked = match &value {
            Value::Group(glob) => Some((Kind::Group, glob)),
            Value::Set(glob) => Some((Kind::Set, glob)),
            _ => None,
        };
        self.asked.extend(asked.map(|(kind, glob)| Asked {
            at,
            kind,
            glob: glob.clone(),
        }));
        Ok(value)
    }

    /// Passes a token where it is next.
    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.token() == token;
        self.place += usize::from(is_next);
        is_next
    }

    fn token(&self) -> &Token {
        &self.placed().0
    }

    fn at(&self) -> Range<usize> {
        self.placed().1.clone()
    }

    fn placed(&self) -> &Placed {
        static END: Placed = (Token::End, 0..0);
        self.tokens.get(self.place).unwrap_or(&END)
    }

    fn expected(&self, what: &str) -> Wrong {
        (self.at(), Fault::Expected(what.to_owned()))
    }
}
