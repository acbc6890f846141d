//! Numbered rules: each one cited exists, and each one that exists has a test named for it.

use super::source::words;
use super::{Finding, Tree, finding};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const PATH: &str = "spec/rules.toml";

/// Names of standards that look like the id of a rule.
const STANDARDS: &[&str] = &[
    "SHA", "UTF", "AES", "DSA", "ML", "ISO", "RFC", "CRC", "FIPS", "CVE", "TLS", "HMAC", "GCM",
    "EC", "RS", "ES", "PS", "HS", "RSA", "ECDSA", "CTR", "COSE", "IP", "CFI", "LEB", "ARM",
];

#[derive(Deserialize)]
struct Rules {
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    says: String,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let (known, mut findings) = known(tree);
    for source in &tree.sources {
        for (i, line) in source.comments.lines().enumerate() {
            for id in ids(line).into_iter().filter(|id| !known.contains_key(id)) {
                let says = format!("{id} is cited, and {PATH} does not have it");
                findings.push(finding(&source.path, i + 1, says));
            }
        }
    }
    let tests = test_names(tree);
    for (id, path) in &known {
        let prefix = id.to_lowercase().replace('-', "_");
        let named = |t: &String| *t == prefix || t.starts_with(&format!("{prefix}_"));
        if !tests.iter().any(named) {
            findings.push(finding(path, 0, format!("{id} has no test named {prefix}_...")));
        }
    }
    findings
}

/// Every rule's id and the file that states it.
fn known(tree: &Tree) -> (BTreeMap<String, String>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut known = BTreeMap::new();
    match toml::from_str::<Rules>(tree.text(PATH)) {
        Err(why) => findings.push(finding(PATH, 0, format!("is not readable: {why}"))),
        Ok(rules) => {
            for Rule { id, says } in rules.rule {
                if ids(&id) != [id.clone()] || says.trim().is_empty() {
                    findings.push(finding(
                        PATH,
                        0,
                        format!("{id}: wants an id like IMG-7 and says"),
                    ));
                }
                if known.insert(id.clone(), PATH.to_string()).is_some() {
                    findings.push(finding(PATH, 0, format!("{id} stands twice")));
                }
            }
        }
    }
    let pages = tree.texts.iter().filter(|(p, _)| p.starts_with("spec/") && p.ends_with(".md"));
    for (path, text) in pages {
        for heading in text.lines().filter(|line| line.starts_with('#')) {
            let first = heading.trim_start_matches('#').split_whitespace().next().unwrap_or("");
            let id = first.trim_end_matches([':', '.']).to_string();
            if ids(&id) == [id.clone()] {
                known.insert(id, path.clone());
            }
        }
    }
    (known, findings)
}

/// Every area and number joined by a hyphen in a line whose area is no standard.
fn ids(line: &str) -> Vec<String> {
    let parts: Vec<(usize, &str)> = words(line).collect();
    let pairs = parts.windows(2).filter_map(|pair| {
        let [(at, area), (next, number)] = pair else { return None };
        let joined = at + area.len() + 1 == *next && line[..*next].ends_with('-');
        let is_area = area.len() >= 2 && area.chars().all(|c| c.is_ascii_uppercase());
        let is_number = number.len() <= 3 && number.chars().all(|c| c.is_ascii_digit());
        let alone = !line[..*at].ends_with('-') && !line[next + number.len()..].starts_with('-');
        let ours = joined && is_area && is_number && alone && !STANDARDS.contains(area);
        ours.then(|| format!("{area}-{number}"))
    });
    pairs.collect()
}

/// The names of the functions in tests.
fn test_names(tree: &Tree) -> BTreeSet<String> {
    let with_tests = tree.sources.iter().filter(|s| !s.test_ranges().is_empty());
    let inside = |s: &super::Source| {
        let functions = s.functions().into_iter();
        functions.filter(|f| s.in_test(f.body.0)).map(|f| f.name).collect::<Vec<_>>()
    };
    with_tests.flat_map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "[[rule]]\nid = \"IMG-7\"\nsays = \"s\"\n";
    const TEST: &str = "fn img_7_refuses_older_security_version() {}";

    fn says(rules: &str, code: &str, test: &str) -> Vec<String> {
        let files = [(PATH, rules), ("image/src/a.rs", code), ("image/tests/a.rs", test)];
        check(&Tree::fixture(&files)).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_cited_rule_that_does_not_exist_is_found() {
        assert_eq!(says(RULE, "// IMG-7, by SHA-256 as UTF-8\n", TEST), vec![""; 0]);
        assert!(says(RULE, "// see (IMG-8)\n", TEST)[0].contains("IMG-8 is cited"));
    }

    #[test]
    fn a_rule_without_a_test_is_found() {
        assert_eq!(says(RULE, "", ""), ["IMG-7 has no test named img_7_..."]);
        assert_eq!(says(RULE, "", "fn img_70_x() {}").len(), 1);
    }

    #[test]
    fn a_rule_may_stand_as_a_heading() {
        let files = [("spec/image.md", "## IMG-9: x\n"), ("image/src/a.rs", "// IMG-9\n")];
        let found = check(&Tree::fixture(&files));
        assert_eq!(found.len(), 1);
        assert!(found[0].says.contains("img_9_"));
    }

    #[test]
    fn a_rule_that_stands_twice_is_found() {
        assert_eq!(says(&format!("{RULE}{RULE}"), "", TEST), ["IMG-7 stands twice"]);
    }
}
