//! The page: HTML, style and script in one text, and the policy under which a browser takes it.
//!
//! Nothing is fetched from elsewhere, and nothing runs that does not carry this answer's nonce. Whatever comes from
//! the network is data, which the script puts into text nodes alone.

use uuid::Uuid;

/// What a browser is sent.
pub struct Page {
    /// The text.
    pub html: String,
    /// Its Content-Security-Policy.
    pub policy: String,
}

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// From what is used to what uses it.
const SCRIPT: &str = concat!(
    include_str!("page/dom.js"),
    include_str!("page/words.js"),
    include_str!("page/link.js"),
    include_str!("page/plot.js"),
    include_str!("page/overview.js"),
    include_str!("page/drops.js"),
    include_str!("page/feeds.js"),
    include_str!("page/catalogue.js"),
    include_str!("page/main.js"),
);

impl Page {
    /// A page with a nonce that was never used before.
    pub fn new() -> Self {
        Self::with(&Uuid::new_v4().simple().to_string())
    }

    fn with(nonce: &str) -> Self {
        let [head, middle, end] = parts();
        Self {
            html: format!(
                "{head}<style nonce=\"{nonce}\">\n{STYLE}</style>{middle}<script nonce=\"{nonce}\">\n'use strict';\n{SCRIPT}</script>{end}"
            ),
            policy: format!(
                "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
            ),
        }
    }
}

/// What stands around style and script.
fn parts() -> [&'static str; 3] {
    let (head, rest) = HTML.split_once("<!--style-->").unwrap_or((HTML, ""));
    let (middle, end) = rest.split_once("<!--script-->").unwrap_or((rest, ""));
    [head, middle, end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_in_one_text_and_runs_by_its_nonce() {
        let page = Page::with("N0NCE");
        assert_eq!(page.html.matches("nonce=\"N0NCE\"").count(), 2);
        assert_eq!(page.html.matches("<script").count(), 1);
        assert_eq!(page.html.matches("<style").count(), 1);
        assert!(page.html.ends_with("</html>\n"), "no part is missing");
        assert!(!page.policy.contains("unsafe"), "{}", page.policy);
        assert!(page.policy.contains("script-src 'nonce-N0NCE';"));
        assert_ne!(Page::new().policy, Page::new().policy);
    }

    #[test]
    fn nothing_is_fetched_and_no_text_becomes_markup() {
        let page = Page::with("N0NCE").html;
        // The namespace of SVG is a name, and no place.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for never in [
            "http://",
            "https://",
            "//cdn",
            "@import",
            "url(",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "eval(",
            "new Function",
            "onclick=",
            "onload=",
            "style=\"",
            "javascript:",
        ] {
            assert!(!page.contains(never), "{never}");
        }
    }
}
