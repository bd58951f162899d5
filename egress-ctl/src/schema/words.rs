//! Words of rustdoc, for who reads a schema.

use schemars::{Schema, transform::Transform};
use serde_json::{Value, json};

/// Descriptions without what only rustdoc makes something of: links, and lines of a file's width.
#[derive(Clone, Debug)]
pub(super) struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get("description") {
            let plain = plain(text);
            schema.insert("description".to_owned(), json!(plain));
        }
        schemars::transform::transform_subschemas(self, schema);
    }
}

fn plain(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_rustdoc_knows_is_gone() {
        for (said, expected) in [
            ("How many.", "How many."),
            ("[`HISTORY`].", "`HISTORY`."),
            (
                "The name\nof a [`Set`], or\n\nnone.",
                "The name of a `Set`, or none.",
            ),
        ] {
            assert_eq!(plain(said), expected);
        }
    }
}
