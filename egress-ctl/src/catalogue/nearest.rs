//! Proposals for misspelt words.
//!
//! In: a word and the things that could have been meant. Out: those things, most alike first.

/// Orders `candidates` by the edits between `wanted` and the text of each, in any case.
pub(crate) fn nearest<T>(
    wanted: &str,
    candidates: impl IntoIterator<Item = T>,
    text: impl Fn(&T) -> String,
) -> impl Iterator<Item = T> {
    let wanted = wanted.to_lowercase();
    let mut ranked: Vec<_> = candidates
        .into_iter()
        .map(|candidate| {
            let text = text(&candidate).to_lowercase();
            (strsim::osa_distance(&wanted, &text), candidate)
        })
        .collect();
    ranked.sort_by_key(|(edits, _)| *edits);
    ranked.into_iter().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_edits_come_first() {
        let table = [
            ("intun", ["intune", "m365", "corp"]),
            ("M356", ["m365", "corp", "intune"]),
            ("crop", ["corp", "m365", "intune"]),
        ];
        for (wanted, expected) in table {
            let found: Vec<_> =
                nearest(wanted, ["m365", "corp", "intune"], ToString::to_string).collect();
            assert_eq!(found, expected, "{wanted}");
        }
    }
}
