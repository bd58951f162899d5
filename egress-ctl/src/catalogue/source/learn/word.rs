//! Words of cells that mean a category, a need, or yes and no, in languages of Learn.

use crate::catalogue::set::Category;

/// Whether a service fails without a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// `Allow`, `Zulassen`, ..
pub(super) fn category(text: &str) -> Option<Category> {
    const OPTIMIZE: [&str; 9] = [
        "optimize",
        "optimise",
        "optimier",
        "optimis",
        "optimiz",
        "otimiz",
        "ottimizz",
        "最適化",
        "优化",
    ];
    const ALLOW: [&str; 9] = [
        "allow",
        "zulassen",
        "autoriser",
        "permitir",
        "consenti",
        "toestaan",
        "許可",
        "允许",
        "разреш",
    ];
    const DEFAULT: [&str; 10] = [
        "default",
        "standard",
        "par défaut",
        "défaut",
        "predeterminad",
        "padrão",
        "impostazione predef",
        "既定",
        "默认",
        "по умолчанию",
    ];
    let text = text.trim().to_lowercase();
    let begins = |stems: &[&str]| stems.iter().any(|stem| text.starts_with(stem));
    if begins(&OPTIMIZE) {
        Some(Category::Optimize)
    } else if begins(&ALLOW) {
        Some(Category::Allow)
    } else if begins(&DEFAULT) {
        Some(Category::Default)
    } else {
        None
    }
}

/// `Required`, `Erforderlich`, ..
pub(super) fn need(text: &str) -> Option<Need> {
    const REQUIRED: [&str; 14] = [
        "required",
        "erforderlich",
        "requis",
        "obligatoire",
        "obligator",
        "necesari",
        "requerid",
        "necessári",
        "obrigat",
        "obbligator",
        "vereist",
        "必須",
        "必需",
        "обязательно",
    ];
    const OPTIONAL: [&str; 6] = [
        "optional",
        "facultati",
        "opcional",
        "opzional",
        "省略可能",
        "可选",
    ];
    let text = text.trim().to_lowercase();
    // A sentence that begins so is a remark.
    let short = text.split_whitespace().count() <= 2;
    let begins = |stems: &[&str]| short && stems.iter().any(|stem| text.starts_with(stem));
    if begins(&REQUIRED) {
        Some(Need::Required)
    } else if begins(&OPTIONAL) {
        Some(Need::Optional)
    } else {
        None
    }
}

/// `True`, `Yes`, ..; anything else is no.
pub(super) fn yes(text: &str) -> bool {
    const YES: [&str; 12] = [
        "true", "yes", "ja", "oui", "sí", "si", "sì", "sim", "wahr", "はい", "是", "да",
    ];
    YES.contains(&text.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_several_languages() {
        let table = [
            ("Allow", Some(Category::Allow)),
            ("Standard", Some(Category::Default)),
            ("Optimieren", Some(Category::Optimize)),
            ("Required", None),
        ];
        for (text, expected) in table {
            assert_eq!(category(text), expected, "{text}");
        }
        let table = [
            ("Erforderlich", Some(Need::Required)),
            ("Optional", Some(Need::Optional)),
            ("Required for all kinds of devices", None),
            ("Default", None),
        ];
        for (text, expected) in table {
            assert_eq!(need(text), expected, "{text}");
        }
        assert!(yes("Ja") && yes("True") && !yes("False") && !yes(""));
    }
}
