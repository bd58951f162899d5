//! How deeply JSON is nested, found without reading it as JSON.

/// Deepest nesting that is read; an answer of the service has three levels.
pub const DEEPEST: usize = 32;

/// Whether brackets nest deeper than [`DEEPEST`].
pub fn is_too_deep(json: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut in_text = false;
    let mut escaped = false;
    for byte in json {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let table = [
            (nested(DEEPEST), false),
            (nested(DEEPEST + 1), true),
            ("{\"a\":".repeat(DEEPEST + 1), true),
            (format!("[\"{}\"]", "[".repeat(99)), false),
            (format!("[\"\\\"{}\"]", "[".repeat(99)), false),
            ("[{}],".repeat(99), false),
        ];
        for (json, expected) in table {
            assert_eq!(is_too_deep(json.as_bytes()), expected, "{json}");
        }
    }
}
