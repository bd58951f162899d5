//! The web services that are followed: whether they answer.

use std::time::Duration;

use super::finding::Finding;

/// A source that follows a web service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub source: String,
    /// Who is asked.
    pub url: String,
    /// The newest version and how long the answer took, or why there was none.
    pub answer: Result<(String, Duration), String>,
    /// Why the last answer was refused, where it was.
    pub refusal: Option<String>,
}

/// Judges all.
pub fn judge(feeds: &[Feed]) -> Vec<Finding> {
    match feeds {
        [] => vec![Finding::skipped(CHECK, "no source follows the web service")],
        feeds => feeds.iter().map(Feed::judge).collect(),
    }
}

const CHECK: &str = "feed";

impl Feed {
    fn judge(&self) -> Finding {
        let Self {
            source,
            url,
            answer,
            refusal,
        } = self;
        let finding = match (answer, refusal) {
            (Err(why), _) => Finding::warn(
                CHECK,
                format!("no answer, so that what is approved stays as it is: {why}"),
                format!(
                    "let this machine reach {url}, or name a mirror: source.{source}.url = \"https://mirror.example/m365\""
                ),
            ),
            (Ok(_), Some(why)) => Finding::warn(
                CHECK,
                format!("what it answered last was refused: {why}"),
                format!("egress-ctl feed status {source}"),
            ),
            (Ok((version, took)), None) => Finding::ok(
                CHECK,
                format!(
                    "{url} has version {version}, and said so in {} ms",
                    took.as_millis()
                ),
            ),
        };
        finding.about(source.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn feeds_are_judged() {
        assert_eq!(judge(&[])[0].outcome, Outcome::Skipped);
        let feed = |answer, refusal: Option<&str>| Feed {
            source: "m365".to_owned(),
            url: "https://x".to_owned(),
            answer,
            refusal: refusal.map(str::to_owned),
        };
        let answer = || Ok(("2026053100".to_owned(), Duration::from_millis(40)));
        let silent = || Err("timed out".to_owned());
        let table = [
            (feed(answer(), None), Outcome::Ok, "in 40 ms"),
            (feed(answer(), Some("halved")), Outcome::Warn, "halved"),
            (feed(silent(), None), Outcome::Warn, "timed out"),
        ];
        for (feed, outcome, seen) in table {
            let finding = feed.judge();
            assert_eq!(finding.outcome, outcome, "{finding}");
            assert!(finding.seen.contains(seen), "{finding}");
        }
    }
}
