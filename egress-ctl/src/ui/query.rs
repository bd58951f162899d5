//! What a request asks in detail: the part of its URI behind the question mark.

use std::{collections::BTreeMap, str::FromStr};

use anyhow::{Context as _, Result, bail};

/// Values by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads it.
    ///
    /// # Errors
    /// A name comes twice: nobody could know which is meant.
    pub fn read(text: &str) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            if values.insert(name.clone(), value).is_some() {
                bail!("`{name}` is given twice");
            }
        }
        Ok(Self(values))
    }

    /// A value; none where it is not there or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// A value that is of some form, if it is there.
    ///
    /// # Errors
    /// It is of another form.
    pub fn maybe<T: FromStr<Err: Into<anyhow::Error>>>(&self, name: &str) -> Result<Option<T>> {
        let parse = |text: &str| {
            let value = text.parse().map_err(Into::into);
            value.with_context(|| format!("`{name}`"))
        };
        self.text(name).map(parse).transpose()
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// It is not, or of another form.
    pub fn one<T: FromStr<Err: Into<anyhow::Error>>>(&self, name: &str) -> Result<T> {
        self.maybe(name)?
            .with_context(|| format!("`{name}` is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_named_once() {
        let query = Query::read("a=1&b=x%26y+%3C&c=&d").unwrap();
        assert_eq!(query.one::<u16>("a").unwrap(), 1);
        assert_eq!(query.text("b"), Some("x&y <"));
        assert_eq!(
            (query.text("c"), query.text("d"), query.text("e")),
            (None, None, None)
        );
        assert!(query.one::<u16>("c").is_err() && query.one::<u16>("b").is_err());
        assert_eq!(query.maybe::<u16>("e").unwrap(), None);
        let twice = Query::read("a=1&a=2").unwrap_err().to_string();
        assert_eq!(twice, "`a` is given twice");
    }
}
