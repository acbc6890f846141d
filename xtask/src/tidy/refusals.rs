//! The page that says what bad input gets: nothing that was promised is left out, each row names
//! tests that exist, and each number is the registry's.

use super::source::{Function, Source};
use super::{Finding, Tree, finding};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = "docs/src/refusals.md";
const REGISTRY: &str = "spec/errors.toml";

/// Every kind of bad input for which a refusal was promised. It may only get longer.
const PROMISED: &[&str] = &[
    "a flipped bit in a package",
    "a flipped bit in an envelope",
    "a flipped bit in a trust store",
    "an unknown signer",
    "one of two approvals",
    "one key counted twice",
    "a wrong algorithm for a key",
    "an object replayed as another type",
    "an older security version",
    "another device class",
    "a truncated file",
    "an LMS key file that was copied, restored, moved, damaged or used up",
    "a hybrid role whose second key is not here",
    "an over-long file",
    "an unknown capability in a manifest",
    "an assignment replayed",
    "an assignment for another device",
    "an assignment for another epoch",
    "an assignment for another catalog",
    "an assignment for another request",
    "evidence with a wrong nonce",
    "evidence with a wrong purpose",
    "evidence with a wrong audience",
    "evidence with a wrong measurement",
    "evidence with a wrong lifecycle",
    "evidence with a wrong chain",
    "evidence with an old (boot, check-in) pair",
    "an expired certificate",
    "a foreign certificate",
    "a successor without the old root's threshold",
    "a successor that would orphan the running set",
    "an unlogged deployment",
    "a delta against the wrong base",
    "a decompression bomb",
    "a path like `../../etc/passwd` in a package",
    "links in a package",
    "device nodes in a package",
    "setuid bits in a package",
    "a full disk",
    "`kill -9` at any write of an update or a confirm",
    "the service killed during a check-in",
    "the service killed during an upload",
    "the service killed during a rollout",
    "a device clock at 1970 or 2100",
    "the service unreachable during a trial",
    "10 000 malformed requests",
    "a capability for another device",
    "a capability for another boot",
    "a capability for another epoch",
];

#[derive(Deserialize, Default)]
struct Registry {
    #[serde(default)]
    error: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: u16,
    name: String,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(PAGE);
    let rows = rows(text);
    let named: BTreeSet<&str> = rows.iter().map(|(_, cells)| cells[0]).collect();
    let missing = PROMISED.iter().filter(|item| !named.contains(*item));
    let mut findings: Vec<Finding> =
        missing.map(|item| finding(PAGE, 0, format!("no row says what {item} gets"))).collect();
    let tests = tests(tree);
    for (line, cells) in &rows {
        let says = faults(cells[2], &tests);
        findings.extend(says.into_iter().map(|says| finding(PAGE, *line, says)));
    }
    let registry: Registry = toml::from_str(tree.text(REGISTRY)).unwrap_or_default();
    let names: BTreeMap<u16, String> =
        registry.error.into_iter().map(|entry| (entry.code, entry.name)).collect();
    for (i, line) in text.lines().enumerate() {
        let wrong = numbers(line)
            .into_iter()
            .filter(|(code, name)| names.get(code).map(String::as_str) != Some(*name));
        let says = |(code, name)| format!("{REGISTRY} has no E{code} with the name {name:?}");
        findings.extend(wrong.map(|pair| finding(PAGE, i + 1, says(pair))));
    }
    findings
}

/// Rows of three cells below the header, with their lines.
fn rows(text: &str) -> Vec<(usize, [&str; 3])> {
    let all = text.lines().enumerate().filter_map(|(i, line)| Some((i + 1, cells(line)?)));
    all.filter(|(_, cells)| cells[0] != "bad input").collect()
}

fn cells(line: &str) -> Option<[&str; 3]> {
    let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
    line.split(" | ").collect::<Vec<_>>().try_into().ok()
}

/// What is wrong with a cell of `path::test` references.
fn faults(cell: &str, tests: &BTreeSet<(String, String)>) -> Vec<String> {
    let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return vec!["the row names no test".into()];
    }
    let unknown = named.iter().filter(|reference| {
        let pair = reference.split_once("::");
        !pair.is_some_and(|(path, name)| tests.contains(&(path.into(), name.into())))
    });
    unknown.map(|reference| format!("{reference} is no test")).collect()
}

/// (path, name) of every test.
pub fn tests(tree: &Tree) -> BTreeSet<(String, String)> {
    let of = |source: &Source| {
        let lines: Vec<&str> = source.raw.lines().collect();
        let inside = |f: &Function| source.in_test(f.body.0) && is_test(&lines, f.first);
        let functions = source.functions().into_iter().filter(inside);
        functions.map(|f| (source.path.clone(), f.name)).collect::<Vec<_>>()
    };
    tree.sources.iter().flat_map(of).collect()
}

/// Whether the function that begins at `line` (from 1) bears a test's attribute.
fn is_test(lines: &[&str], line: usize) -> bool {
    let above = lines[..line.saturating_sub(1).min(lines.len())].iter().rev();
    let mut attributes = above.map(|line| line.trim()).take_while(|line| line.starts_with("#["));
    attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// Each `E1234` of a line, with the name in backticks that follows it.
fn numbers(line: &str) -> Vec<(u16, &str)> {
    let places = line.match_indices('E');
    places.filter_map(|(at, _)| number(line.get(at + 1..)?)).collect()
}

/// The number that `text` starts with, and its name; an empty one if none follows.
fn number(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let code = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    let name = rest.strip_prefix(" `").and_then(|name| name.split('`').next());
    Some((code, name.unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERRORS: &str = "[[error]]\ncode = 1103\nname = \"SignerUnknown\"\n";
    const CODE: &str = "#[test]\nfn shown() {}\nfn helper() {}\n";

    fn says(row: &str) -> Vec<String> {
        let others = PROMISED.iter().skip(1);
        let mut page: String =
            others.map(|p| format!("| {p} | x | `a/tests/a.rs::shown` |\n")).collect();
        page.push_str(row);
        let files = [(PAGE, page.as_str()), (REGISTRY, ERRORS), ("a/tests/a.rs", CODE)];
        check(&Tree::fixture(&files)).into_iter().map(|f| f.says).collect()
    }

    fn row(gets: &str, tests: &str) -> String {
        format!("| {} | {gets} | {tests} |\n", PROMISED[0])
    }

    #[test]
    fn a_complete_page_with_existing_tests_is_kept() {
        let good = row("E1103 `SignerUnknown`", "`a/tests/a.rs::shown`");
        assert_eq!(says(&good), Vec::<String>::new());
    }

    #[test]
    fn a_row_that_is_missing_is_found() {
        assert_eq!(says(""), ["no row says what a flipped bit in a package gets"]);
    }

    #[test]
    fn a_test_that_is_not_there_or_is_no_test_is_found() {
        for gone in ["a/tests/a.rs::gone", "a/tests/b.rs::shown", "a/tests/a.rs::helper", "shown"] {
            assert_eq!(says(&row("x", &format!("`{gone}`"))), [format!("{gone} is no test")]);
        }
        assert_eq!(says(&row("x", "some test")), ["the row names no test"]);
    }

    #[test]
    fn a_number_under_another_name_is_found() {
        assert_eq!(says(&row("E1104 `SignerUnknown`", "`a/tests/a.rs::shown`")).len(), 1);
        assert_eq!(says(&row("E1103", "`a/tests/a.rs::shown`")).len(), 1);
    }
}
