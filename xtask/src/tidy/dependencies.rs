//! Each direct dependency has its reason in `deny.toml`, on a line `# name: reason`.

use super::{Finding, Tree, finding};
use std::collections::BTreeMap;

const PATH: &str = "deny.toml";
const SECTIONS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let reasons = reasons(tree.text(PATH));
    let wanted = direct(tree);
    let missing = wanted.iter().filter(|(name, _)| !reasons.contains_key(name.as_str()));
    let mut findings: Vec<Finding> = missing
        .map(|(name, path)| finding(path, 0, format!("{name} has no reason in {PATH}")))
        .collect();
    for (name, line) in reasons.iter().filter(|(name, _)| !wanted.contains_key(**name)) {
        findings.push(finding(PATH, *line, format!("{name} is no dependency any more")));
    }
    findings
}

/// Dependency and the line that gives its reason.
fn reasons(text: &str) -> BTreeMap<&str, usize> {
    let start = text.lines().position(|line| line.starts_with("# Why each"));
    let table = text.lines().enumerate().skip(start.map_or(usize::MAX, |at| at + 1));
    let comments = table.take_while(|(_, line)| line.starts_with('#'));
    let entries = comments.filter_map(|(i, line)| {
        let (name, reason) = line.trim_start_matches('#').trim().split_once(": ")?;
        (!reason.trim().is_empty() && !name.contains(' ')).then_some((name, i + 1))
    });
    entries.collect()
}

/// Every dependency that a manifest of ours names, and one manifest that names it.
fn direct(tree: &Tree) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let manifests = tree.texts.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    for (path, text) in manifests {
        let Ok(manifest) = text.parse::<toml::Table>() else { continue };
        let workspace = manifest.get("workspace").and_then(|w| w.as_table());
        let by_target = manifest.get("target").and_then(|t| t.as_table()).into_iter();
        let by_target = by_target.flat_map(|t| t.values()).filter_map(|t| t.as_table());
        for table in [Some(&manifest), workspace].into_iter().flatten().chain(by_target) {
            for section in SECTIONS.iter().filter_map(|s| table.get(*s)?.as_table()) {
                let names = section.keys().filter(|name| !name.starts_with("craton-"));
                found.extend(names.map(|name| (name.clone(), path.clone())));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "# Why each dependency is here\n#\n# serde: reads files\n[bans]\n";

    #[test]
    fn a_dependency_of_one_target_needs_its_reason_too() {
        let manifest =
            "[target.'cfg(target_os = \"none\")'.dependencies]\nserde = \"1\"\nx = \"1\"";
        let found = check(&Tree::fixture(&[("firmware/Cargo.toml", manifest), (PATH, DENY)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].says.starts_with("x has no reason"));
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\nserde = \"1\"\ntoml = \"1\"\ncraton-x = \"1\"";
        let found = check(&Tree::fixture(&[("Cargo.toml", manifest), (PATH, DENY)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].says.contains("toml has no reason"));
    }

    #[test]
    fn a_reason_without_a_dependency_is_found() {
        let found = check(&Tree::fixture(&[("Cargo.toml", "[package]"), (PATH, DENY)]));
        assert_eq!(found[0].says, "serde is no dependency any more");
    }
}
