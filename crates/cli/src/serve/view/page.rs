//! The page: its files are embedded and served as one, with a policy that lets nothing else run.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const HTML: &str = include_str!("../../view/index.html");
const CSS: &str = include_str!("../../view/view.css");
const SCRIPT: &str = concat!(
    include_str!("../../view/filter.js"),
    include_str!("../../view/list.js"),
    include_str!("../../view/view.js")
);
/// The page's icon, which is the same for everybody.
pub(crate) const ICON: &str = include_str!("../../view/icon.svg");

/// Where the others stand in the first.
const CSS_PLACE: &str = "/* view.css */";
const SCRIPT_PLACE: &str = "/* view.js */";

/// The page and its content security policy.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) html: String,
    pub(crate) policy: String,
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The page, made when somebody looks for the first time.
pub(crate) static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
    html: HTML.replacen(CSS_PLACE, CSS, 1).replacen(SCRIPT_PLACE, SCRIPT, 1),
    // No markup can be made of a record: neither by a script, which would have to pass a type that nothing makes.
    policy: format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(CSS)
    ),
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between two marks.
    fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
        let (_, rest) = text.split_once(begin).unwrap();
        rest.split_once(end).unwrap().0
    }

    #[test]
    fn the_policy_has_the_hashes_of_what_stands_in_the_page_and_nothing_else_can_run() {
        let Page { html, policy } = &*PAGE;
        for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
            assert_eq!(html.matches(begin).count(), 1, "{begin}");
            assert!(policy.contains(&hash(between(html, begin, end))), "{begin}");
        }
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(!policy.contains("unsafe"));
        // Not even where the policy is not obeyed.
        for never in [
            " onclick=",
            " onload=",
            " style=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http://",
            "https://",
            "//cdn",
        ] {
            assert!(!html.contains(never), "{never}");
        }
    }

    #[test]
    fn each_file_stays_readable() {
        let scripts = [
            include_str!("../../view/filter.js"),
            include_str!("../../view/list.js"),
            include_str!("../../view/view.js"),
        ];
        for text in [HTML, CSS].into_iter().chain(scripts) {
            assert!(text.lines().count() <= 800, "{}", text.lines().count());
            let long = text.lines().find(|line| line.len() > 200);
            assert_eq!(long, None);
        }
    }
}
