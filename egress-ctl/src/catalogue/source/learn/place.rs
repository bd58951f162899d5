//! Clouds, regions and scale units, which pages name in headings, cells and free text.

/// The cloud that a heading stands for, by the words of its slug.
pub(super) fn cloud_of_heading(slug: &str) -> Option<&'static str> {
    let words: Vec<_> = slug.split('-').collect();
    let has = |word: &str| words.contains(&word);
    if has("global") || has("worldwide") {
        return Some("global");
    }
    if has("public") || has("commercial") {
        return Some("public");
    }
    clouds_in(&slug.replace('-', " ")).first().copied()
}

/// The clouds of which a text says that it is for them.
pub(super) fn clouds_in(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    // What a row is not for does not make it that cloud's.
    let cut = ["outside", "except", "excluding", "isn't"];
    let end = cut
        .iter()
        .filter_map(|word| text.find(word))
        .min()
        .unwrap_or(text.len());
    let text = text
        .get(..end)
        .unwrap_or_default()
        .replace("gcc high", "gcch")
        .replace("gcc-high", "gcch");
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let has = |word: &str| words.contains(&word);
    let mut clouds = Vec::new();
    let mut add = |is: bool, cloud| {
        if is {
            clouds.push(cloud);
        }
    };
    add(has("gcc"), "gcc");
    add(has("gcch"), "gcc-high");
    add(has("dod"), "dod");
    let government = [
        "us government",
        "u.s. government",
        "u s government",
        "government cloud",
        "us gov",
    ];
    let named = !(has("gcc") || has("gcch") || has("dod"));
    add(
        named && government.iter().any(|name| text.contains(name)),
        "us-gov",
    );
    add(
        text.contains("china")
            || text.contains("21via")
            || text.contains("21 via")
            || text.contains("21vina")
            || has("mooncake"),
        "china",
    );
    add(text.contains("public cloud"), "public");
    clouds
}

/// The clouds of a row: what its text says narrows what its heading says.
pub(super) fn clouds(path: &str, text: &str) -> Vec<String> {
    let said = clouds_in(text);
    let heading = path.split('/').find(|part| CLOUDS.contains(part));
    let mut all: Vec<&str> = match heading {
        Some("us-gov") if said.iter().any(|cloud| US_GOV.contains(cloud)) => Vec::new(),
        Some(cloud) => vec![cloud],
        None => Vec::new(),
    };
    for cloud in said {
        if !all.contains(&cloud) {
            all.push(cloud);
        }
    }
    all.into_iter().map(str::to_owned).collect()
}

/// Every cloud by name.
const CLOUDS: [&str; 7] = [
    "global", "public", "us-gov", "gcc", "gcc-high", "dod", "china",
];
/// The clouds that `us-gov` stands for.
const US_GOV: [&str; 3] = ["gcc", "gcc-high", "dod"];

/// A region by any of its names.
pub(super) fn region(text: &str) -> Option<&'static str> {
    match super::section::slug(text).as_str() {
        "na" | "north-america" | "nordamerika" => Some("north-america"),
        "eu" | "europe" | "europa" => Some("europe"),
        "ap" | "apac" | "asia-pacific" | "asia-pacific-region" => Some("asia-pacific"),
        _ => None,
    }
}

/// The region for which names are made that begin `naprod..`, `euprod..` or `approd..`.
pub(super) fn region_of_names<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Option<&'static str> {
    let short = |name: &String| {
        let head = name.split_once("prod").map(|(head, _)| head.to_owned())?;
        (head.len() == 2).then(|| region(&head)).flatten()
    };
    names.into_iter().find_map(short)
}

/// Whether a word is the name of a scale unit, such as `AMSUA0601`.
pub(super) fn is_scale_unit(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = word.len() - digits.len();
    (4..=8).contains(&letters) && digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_found_in_free_text() {
        let table: [(&str, &[&str]); 9] = [
            ("APIs (U.S. Government - GCC only)", &["gcc"]),
            ("APIs (U.S. Government - GCC High only)", &["gcc-high"]),
            (
                "for US government cloud (GCC and GCCH)",
                &["gcc", "gcc-high"],
            ),
            ("for US government cloud (DOD)", &["dod"]),
            ("for US government cloud", &["us-gov"]),
            ("(21Vinaet - China only)", &["china"]),
            ("the Mooncake region", &["china"]),
            ("users outside of EMEA, U.S. government and China", &[]),
            ("Dataverse tables", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(clouds_in(text), expected, "{text}");
        }
    }

    #[test]
    fn a_row_narrows_the_cloud_of_its_heading() {
        let table: [(&str, &str, &[&str]); 4] = [
            ("desktop-flows/us-gov", "GCC only", &["gcc"]),
            ("desktop-flows/us-gov", "telemetry", &["us-gov"]),
            (
                "desktop-flows/public",
                "also valid for GCC",
                &["public", "gcc"],
            ),
            ("core", "", &[]),
        ];
        for (path, text, expected) in table {
            assert_eq!(clouds(path, text), expected, "{path} {text}");
        }
    }

    #[test]
    fn scale_units_are_told_from_names() {
        for (word, expected) in [
            ("AMSUA0601", true),
            ("naprodimedatapri", false),
            ("TCP443", false),
        ] {
            assert_eq!(is_scale_unit(word), expected, "{word}");
        }
    }
}
