//! DESIGN §4: which package may depend on which of ours.

use super::{Finding, Tree, finding};
use std::collections::BTreeMap;

/// Layer, folder, and what its code may depend on.
const TABLE: &[(u8, &str, &[&str])] = &[
    (0, "trust", &[]),
    (1, "rot", &["trust"]),
    (1, "mcu", &["trust"]),
    (1, "api", &["trust"]),
    (1, "image", &["trust"]),
    (1, "sdk", &[]),
    (2, "device", &["trust", "rot", "api", "sdk"]),
    (2, "cloud", &["trust", "api"]),
    (2, "firmware", &["rot", "mcu", "trust"]),
    (3, "cli", &["trust", "rot", "mcu", "api", "image", "sdk", "device", "cloud"]),
    (3, "fleet", &["trust", "rot", "mcu", "api", "image", "sdk", "device", "cloud", "cli"]),
    (3, "xtask", &[]),
    (3, "fuzz", &["trust", "rot", "mcu", "api", "image", "device", "cloud"]),
];

/// Edges that the table does not have, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("device", "image", "one strict reader of EROFS, delta and manifest, not a second one")];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.texts {
        let Some(folder) = path.strip_suffix("/Cargo.toml").filter(|f| !f.contains('/')) else {
            continue;
        };
        match text.parse::<toml::Table>() {
            Ok(manifest) => findings.extend(check_package(path, folder, text, &manifest)),
            Err(why) => findings.push(finding(path, 0, format!("is no TOML: {why}"))),
        }
    }
    findings.extend(unused_exceptions(tree));
    findings
}

fn check_package(path: &str, folder: &str, text: &str, manifest: &toml::Table) -> Vec<Finding> {
    let Some((layer, _, allowed)) = TABLE.iter().find(|(_, name, _)| *name == folder) else {
        return match manifest.contains_key("package") && folder != "samples" {
            true => vec![finding(path, 0, "a package that DESIGN's layer table does not have")],
            false => Vec::new(),
        };
    };
    let mut findings = Vec::new();
    for (wanted, section) in ours(manifest) {
        let line = 1 + text.lines().position(|l| l.contains(&wanted)).unwrap_or(0);
        let short = wanted.trim_start_matches("craton-");
        let excepted = EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (folder, short));
        let other = TABLE.iter().find(|(_, name, _)| *name == short);
        // Tests may wire a layer to its neighbours; code may not.
        let kept = match (section, other) {
            (_, None) => false,
            ("dev-dependencies", Some((below, _, _))) => below <= layer,
            _ => allowed.contains(&short) || excepted,
        };
        if !kept {
            let says = format!("{folder} may not depend on {short} (DESIGN section 4)");
            findings.push(finding(path, line, says));
        }
    }
    findings
}

/// (package, section) of every dependency that is one of ours.
fn ours(manifest: &toml::Table) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for section in ["dev-dependencies", "build-dependencies", "dependencies"] {
        let direct = manifest.get(section).and_then(|s| s.as_table());
        let by_target = manifest.get("target").and_then(|s| s.as_table());
        let targets = by_target.into_iter().flat_map(|t| t.values());
        let tables = targets.filter_map(|t| t.get(section)?.as_table()).chain(direct);
        for name in tables.flat_map(|t| t.keys()).filter(|name| name.starts_with("craton-")) {
            found.insert(name.clone(), section);
        }
    }
    found
}

/// An exception that nothing needs any more must go.
fn unused_exceptions(tree: &Tree) -> Vec<Finding> {
    let unused = EXCEPTIONS.iter().filter(|(from, to, _)| {
        let manifest = tree.text(&format!("{from}/Cargo.toml"));
        !manifest.is_empty() && !manifest.contains(&format!("craton-{to}"))
    });
    let says = |from: &str, to: &str| format!("the exception {from} on {to} is unused: remove it");
    unused.map(|(from, to, _)| finding("xtask/src/tidy/layers.rs", 0, says(from, to))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Tree::fixture(&[(path, text)]))
    }

    #[test]
    fn an_arrow_upward_is_found() {
        let bad = "[package]\n[dependencies]\nserde = \"1\"\ncraton-cloud.workspace = true\n";
        let found = findings("api/Cargo.toml", bad);
        assert_eq!((found.len(), found[0].line), (1, 4));
        assert!(found[0].says.contains("api may not depend on cloud"));
        let target = "[package]\n[target.'cfg(unix)'.dependencies]\ncraton-rot.workspace = true";
        assert_eq!(findings("trust/Cargo.toml", target).len(), 1);
    }

    #[test]
    fn tests_reach_neighbours_but_nothing_above() {
        let sideways = "[package]\n[dev-dependencies]\ncraton-rot.workspace = true\n";
        assert_eq!(findings("cloud/Cargo.toml", sideways), Vec::new());
        let upward = "[package]\n[dev-dependencies]\ncraton-cli.workspace = true\n";
        assert_eq!(findings("cloud/Cargo.toml", upward).len(), 1);
    }

    #[test]
    fn a_package_outside_the_table_is_found() {
        assert_eq!(findings("common/Cargo.toml", "[package]\nname = \"x\"\n").len(), 1);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_found() {
        assert_eq!(findings("device/Cargo.toml", "[package]\n").len(), 1);
    }
}
