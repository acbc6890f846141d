//! The numbers of `shape`, against their limits and the exceptions in `spec/ratchet.toml`.
//!
//! An exception holds the exact number of today: it fails when the file grows, and it fails when
//! the file shrinks until the entry is lowered or removed. So the list can only get shorter.

use super::shape::{self, Worst};
use super::{Finding, Tree, finding};
use serde::Deserialize;

const PATH: &str = "spec/ratchet.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    #[serde(default)]
    allowed: Vec<Allowed>,
    /// Read by `errors`.
    #[serde(default, rename = "untested")]
    _untested: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    path: String,
    what: String,
    number: usize,
    reason: String,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let ratchet: Ratchet = match toml::from_str(tree.text(PATH)) {
        Ok(ratchet) => ratchet,
        Err(why) => return vec![finding(PATH, 0, format!("is not readable: {why}"))],
    };
    let measured = shape::measure(tree);
    let mut findings: Vec<Finding> =
        measured.iter().filter_map(|worst| over(worst, &ratchet)).collect();
    findings.extend(ratchet.allowed.iter().filter_map(|entry| stale(entry, &measured)));
    findings
}

/// The file breaks its limit, or its exception.
fn over(worst: &Worst, ratchet: &Ratchet) -> Option<Finding> {
    let entry = ratchet.allowed.iter().find(|a| a.path == worst.path && a.what == worst.what);
    let limit = shape::limit(worst.what)?.max(entry.map_or(0, |a| a.number));
    let says = format!("{} is {}, at most {limit} is allowed", worst.what, worst.number);
    (worst.number > limit).then(|| finding(&worst.path, worst.line, says))
}

/// The exception is larger than what it excuses.
fn stale(entry: &Allowed, measured: &[Worst]) -> Option<Finding> {
    if shape::limit(&entry.what).is_none() || entry.reason.trim().is_empty() {
        let says = format!("{}: an exception needs a kind and a reason", entry.path);
        return Some(finding(PATH, 0, says));
    }
    let now = measured.iter().find(|w| w.path == entry.path && w.what == entry.what);
    let now = now.map_or(0, |w| w.number);
    let says = format!("{}: {} is {now} by now; lower or remove it", entry.path, entry.what);
    (now < entry.number).then(|| finding(PATH, 0, says))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "fn a() { if a { if b { if c { if d { if e { f } } } } } }";

    fn with(entry: &str) -> Vec<Finding> {
        check(&Tree::fixture(&[("a/src/a.rs", LONG), (PATH, entry)]))
    }

    fn entry(number: usize) -> String {
        let rest = "what = \"nesting\"\nreason = \"r\"";
        format!("[[allowed]]\npath = \"a/src/a.rs\"\nnumber = {number}\n{rest}")
    }

    #[test]
    fn a_number_over_its_limit_is_found() {
        let found = with("");
        assert_eq!(found.len(), 1);
        assert!(found[0].says.contains("nesting is 5, at most 4"));
    }

    #[test]
    fn an_exception_excuses_exactly_its_number() {
        assert_eq!(with(&entry(5)), vec![]);
    }

    #[test]
    fn the_ratchet_may_only_shrink() {
        assert!(with(&entry(6))[0].says.contains("lower or remove it"));
        let gone = entry(5).replace("a/src/a.rs", "a/src/b.rs");
        assert_eq!(with(&gone).len(), 2);
    }
}
