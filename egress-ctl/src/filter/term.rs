//! A field and the values of which a subject must have one: `port=80,443`.

use std::fmt;

use super::{error::Fault, field::Field, lex::quoted, subject::Subject, value::Value};

/// Values of one field, of which there is one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term(Vec<Value>);

impl Term {
    /// Of values of one field, each counted once.
    pub(super) fn new(values: impl IntoIterator<Item = Value>) -> Self {
        let mut once: Vec<Value> = Vec::new();
        for value in values {
            if !once.contains(&value) {
                once.push(value);
            }
        }
        Self(once)
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.iter().any(|value| value.matches(subject))
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.iter().map(Value::field)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            match i {
                0 => write!(f, "{}=", value.field())?,
                _ => f.write_str(",")?,
            }
            f.write_str(&quoted(&value.to_string()))?;
        }
        Ok(())
    }
}

/// The text of a term for one value, as an option of a command gives it.
///
/// # Errors
/// It is no value of the field.
pub fn term(field: Field, value: &str) -> Result<String, Fault> {
    let value = Value::new(field, value)?;
    Ok(Term::new([value]).to_string())
}
