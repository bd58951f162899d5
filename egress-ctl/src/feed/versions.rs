//! The answer to `/version`: one object, or one for each instance.

use serde::Deserialize;

use super::{refusal::Refusal, version::Version};

#[derive(Deserialize)]
struct Offer {
    instance: String,
    latest: Version,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Offers {
    One(Offer),
    All(Vec<Offer>),
}

/// The newest version of an instance, which is named in any case.
///
/// # Errors
/// The answer is another one.
pub fn latest(json: &[u8], instance: &str) -> Result<Version, Refusal> {
    // Of an untagged enum the reason is not told, so what is no JSON at all is found first.
    serde_json::from_slice::<serde::de::IgnoredAny>(json)?;
    let offers = match serde_json::from_slice(json) {
        Ok(Offers::One(offer)) => vec![offer],
        Ok(Offers::All(offers)) => offers,
        Err(_) => {
            let form = "no object with `instance` and a `latest` of exactly 10 digits";
            return Err(Refusal::Schema(form.to_owned()));
        }
    };
    let mut mine = offers.into_iter();
    let mine = mine.find(|offer| offer.instance.eq_ignore_ascii_case(instance));
    mine.map(|offer| offer.latest)
        .ok_or_else(|| Refusal::Schema(format!("there is no version of the instance {instance:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_s_version_is_found_or_the_reason_told() {
        const ALL: &str = r#"[{"instance": "Worldwide", "latest": "2026053100", "versions": []},
            {"instance": "China", "latest": "2026043000"}]"#;
        let table = [
            (ALL, "china", "2026043000"),
            (
                r#"{"instance": "worldwide", "latest": "2026053100"}"#,
                "Worldwide",
                "2026053100",
            ),
            (ALL, "Germany", "schema"),
            (
                r#"{"instance": "Worldwide", "latest": 2026053100}"#,
                "Worldwide",
                "schema",
            ),
            (
                r#"{"instance": "Worldwide", "latest": "20260531"}"#,
                "Worldwide",
                "schema",
            ),
            ("[]", "Worldwide", "schema"),
            ("<html>503</html>", "Worldwide", "not-json"),
            (r#"{"instance": "World"#, "Worldwide", "not-json"),
            ("", "Worldwide", "not-json"),
        ];
        for (json, instance, expected) in table {
            let found = latest(json.as_bytes(), instance);
            let found = found.map_or_else(|refusal| refusal.name().to_owned(), |v| v.to_string());
            assert_eq!(found, expected, "{json} for {instance}");
        }
    }
}
