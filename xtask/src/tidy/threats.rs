//! The table of threats: each test and each file that it names is there.

use super::refusals;
use super::{Finding, Tree, finding};
use std::collections::BTreeSet;

const PAGE: &str = "THREATS.md";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let names: BTreeSet<String> = refusals::tests(tree).into_iter().map(|(_, name)| name).collect();
    let mut findings = Vec::new();
    for (i, line) in tree.text(PAGE).lines().enumerate() {
        let lost = line.split('`').skip(1).step_by(2).filter(|word| is_lost(word, tree, &names));
        findings.extend(lost.map(|word| finding(PAGE, i + 1, format!("{word} is not there"))));
    }
    findings
}

/// Whether a word in backticks names a test or a file, and there is none.
fn is_lost(word: &str, tree: &Tree, names: &BTreeSet<String>) -> bool {
    let (word, begins) = word.strip_suffix('…').map_or((word, false), |begin| (begin, true));
    if let Some((path, name)) = word.split_once("::") {
        return !refusals::tests(tree).contains(&(path.to_string(), name.to_string()));
    }
    if word.contains('/') {
        let below = format!("{}/", word.trim_end_matches('/'));
        return !tree.texts.keys().any(|path| path == word || path.starts_with(&below));
    }
    let snake = word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let is_test = snake && word.contains('_');
    is_test && !names.iter().any(|name| name == word || (begins && name.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(cell: &str) -> Vec<String> {
        let page = format!("| a | b | c | {cell} |\n");
        let code = "#[test]\nfn sig_1_no_object_passes() {}\nfn helper_of_tests() {}\n";
        let files = [(PAGE, page.as_str()), ("a/tests/b.rs", code)];
        check(&Tree::fixture(&files)).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn tests_and_files_that_are_there_are_kept() {
        let good = "`sig_1_…`, `sig_1_no_object_passes` in `a/tests`, `a/tests/b.rs`; `offline`, \
            `a/tests/b.rs::sig_1_no_object_passes`, `tamper-evident`";
        assert_eq!(says(good), Vec::<String>::new());
    }

    #[test]
    fn a_lost_test_or_file_is_found() {
        for lost in ["sig_2_…", "sig_1_no", "helper_of_tests", "a/tests/c.rs", "b/tests/b.rs::x"]
        {
            assert_eq!(says(&format!("`{lost}`")).len(), 1, "{lost}");
        }
    }
}
