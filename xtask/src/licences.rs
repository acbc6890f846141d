//! Every package that is built has a licence that `deny.toml` allows, and none is banned.
//!
//! The same file serves cargo-deny; this check needs nothing but cargo.

use crate::step;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

/// Each package that the workspace builds, tests included.
const TREE: &str = "cargo tree --workspace --locked --target all \
    --edges normal,build,dev --prefix none --no-dedupe";

pub fn check(root: &Path) -> Result<()> {
    let deny = std::fs::read_to_string(root.join("deny.toml")).context("deny.toml")?;
    let deny: Deny = toml::from_str(&deny).context("deny.toml")?;
    let done = step::command(root, TREE)?.args(["--format", "{p}\t{l}"]).output()?;
    anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let tree = String::from_utf8_lossy(&done.stdout).into_owned();
    let packages: BTreeSet<&str> = tree.lines().collect();
    let refused = refused(&packages, &deny);
    if !refused.is_empty() {
        bail!("packages that deny.toml refuses:\n  {}", refused.join("\n  "));
    }
    println!("xtask: licences: {} packages, all allowed", packages.len());
    Ok(())
}

fn refused(packages: &BTreeSet<&str>, deny: &Deny) -> Vec<String> {
    let mut refused = Vec::new();
    for (package, licence) in packages.iter().filter_map(|line| line.split_once('\t')) {
        let name = package.split(' ').next().unwrap_or(package);
        if deny.bans.deny.iter().any(|banned| banned.name == name) {
            refused.push(format!("{package} is banned"));
        }
        if !allowed(licence, &deny.licenses.allow) {
            refused.push(format!("{package} has the licence `{licence}`"));
        }
    }
    refused
}

/// An SPDX expression holds if one side of an OR, and both sides of an AND, are allowed.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let expression = expression.trim();
    if let Some((left, right)) = split_outside(expression, " AND ") {
        return allowed(left, allow) && allowed(right, allow);
    }
    if let Some((left, right)) = split_outside(expression, " OR ") {
        return allowed(left, allow) || allowed(right, allow);
    }
    if let Some(inner) = expression.strip_prefix('(').and_then(|e| e.strip_suffix(')')) {
        return allowed(inner, allow);
    }
    // `/` is how old manifests wrote OR.
    expression.split('/').any(|id| allow.iter().any(|a| a == id.trim()))
}

/// Splits at the first `word` that stands in no parentheses.
fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let outside = |at: usize| text[..at].matches('(').count() == text[..at].matches(')').count();
    let (at, _) = text.match_indices(word).find(|(at, _)| outside(*at))?;
    Some((&text[..at], &text[at + word.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny() -> Deny {
        let text = "[licenses]\nallow = [\"MIT\", \"ISC\"]\n[bans]\ndeny = [{ crate = \"ring\" }]";
        toml::from_str(text).expect("a small deny.toml")
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_refused() {
        let allow = deny().licenses.allow;
        assert!(allowed("MIT", &allow) && allowed("GPL-3.0 OR MIT", &allow));
        assert!(
            allowed("(MIT OR Apache-2.0) AND ISC", &allow) && allowed("MIT/Apache-2.0", &allow)
        );
        assert!(!allowed("GPL-3.0", &allow) && !allowed("MIT AND GPL-3.0", &allow));
        assert!(!allowed("", &allow));
    }

    #[test]
    fn a_banned_package_is_refused() {
        let packages = BTreeSet::from(["ring v0.17.14\tMIT", "rung v1.0.0\tISC"]);
        assert_eq!(refused(&packages, &deny()), ["ring v0.17.14 is banned"]);
    }
}
