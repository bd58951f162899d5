//! One kind of JSON, and its schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::json;

use super::words;

/// What objects that name it in `schema` look like.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What they say in `schema`: `egress.status/1`.
    pub name: &'static str,
    /// What prints them.
    pub printed_by: &'static str,
    root: fn(SchemaGenerator) -> Schema,
}

impl Kind {
    /// Objects of this type.
    pub(crate) const fn of<T: JsonSchema>(name: &'static str, printed_by: &'static str) -> Self {
        Self {
            name,
            printed_by,
            root: SchemaGenerator::into_root_schema_for::<T>,
        }
    }

    /// Name of the file that holds its schema in packages.
    pub fn file(&self) -> String {
        format!("{}.json", self.name.replace('/', "."))
    }

    /// Its JSON Schema.
    pub fn schema(&self) -> Schema {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with_transform(words::Plain);
        let mut schema = (self.root)(settings.into_generator());
        schema.insert("title".to_owned(), json!(self.name));
        if let Some(property) = schema.pointer_mut("/properties/schema") {
            *property = json!({"const": self.name, "type": "string"});
        }
        schema
    }
}
