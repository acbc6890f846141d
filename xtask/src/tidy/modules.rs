//! DESIGN §4, inside a package: `http → app → {rules, store, blobs}` in cloud, and device roles
//! that do not know each other.

use super::source::words;
use super::{Finding, Tree, finding};

const RULES: &[&str] =
    &["attest", "authority", "catalog", "rollout", "failures", "tenancy", "audit"];
const OTHERS: &[&str] = &["http", "app", "dashboard", "work", "store", "blobs"];
const ROLES: &[&str] = &["monitor", "auth", "update", "apps", "crash"];

/// What a rule may not touch: it decides on values that were passed in.
const OUTSIDE: &[&str] = &["rusqlite", "axum", "hyper", "tokio"];
const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now"];

/// A rule that may name another's types: nothing is issued but to what was appraised, and only
/// `attest` can make that proof.
const PROOFS: &[(&str, &str)] = &[("authority", "attest")];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let Some((krate, home)) = home(&source.path) else { continue };
        let code = source.production(&source.code);
        for (at, wanted) in imports(&code, depth(&source.path)) {
            if !may_import(krate, home, &wanted) {
                let says = format!("{krate}::{home} may not import {krate}::{wanted}");
                findings.push(finding(&source.path, source.line_of(at), says));
            }
        }
        if krate == "cloud" && RULES.contains(&home) {
            let outside = words(&code).filter(|(_, word)| OUTSIDE.contains(word));
            let clocks = CLOCKS.iter().flat_map(|clock| code.match_indices(*clock));
            for (at, word) in outside.chain(clocks) {
                let says = format!("a rule decides on values passed in; it may not use {word}");
                findings.push(finding(&source.path, source.line_of(at), says));
            }
        }
    }
    findings
}

/// (crate, first module) of a file inside cloud or device.
fn home(path: &str) -> Option<(&str, &str)> {
    let (krate, module) = path.split_once("/src/")?;
    let first = module.split('/').next()?;
    let known = matches!(krate, "cloud" | "device");
    known.then_some((krate, first.trim_end_matches(".rs")))
}

fn may_import(krate: &str, home: &str, wanted: &str) -> bool {
    if home == wanted {
        return true;
    }
    if krate == "device" {
        return !(ROLES.contains(&home) && ROLES.contains(&wanted));
    }
    let wanted_is_layer = RULES.contains(&wanted) || OTHERS.contains(&wanted);
    match home {
        "http" | "dashboard" | "work" => !wanted_is_layer || wanted == "app",
        "app" => !matches!(wanted, "http" | "dashboard" | "work"),
        // What is stored is said in the rules' own types.
        "store" | "blobs" => !OTHERS.contains(&wanted),
        rule if RULES.contains(&rule) => !wanted_is_layer || PROOFS.contains(&(rule, wanted)),
        _ => true,
    }
}

/// How many `super` lead from a file's own module to the crate's root.
fn depth(path: &str) -> usize {
    let module = path.split_once("/src/").map_or("", |(_, module)| module);
    let parts = module.split('/').count();
    if module.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// First path segments taken from the crate's root, with their offsets.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let ups = "super::".repeat(depth);
    let mut found = Vec::new();
    for (at, word) in words(code) {
        let rest = match word {
            "crate" => code[at..].strip_prefix("crate::"),
            "super" if !code[..at].ends_with("super::") => code[at..].strip_prefix(ups.as_str()),
            _ => None,
        };
        let Some(rest) = rest.map(str::trim_start) else { continue };
        let names = if rest.starts_with('{') { group(rest) } else { first_word(rest) };
        found.extend(names.into_iter().map(|name| (at, name)));
    }
    found
}

fn first_word(text: &str) -> Vec<String> {
    words(text).take(1).map(|(_, word)| word.to_string()).collect()
}

/// The first segment of each member of `{a::b, c::{d, e}}`.
fn group(text: &str) -> Vec<String> {
    let (mut depth, mut start, mut members) = (0, 1, Vec::new());
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => members.push(&text[std::mem::replace(&mut start, i + 1)..i]),
            _ => {}
        }
        if depth == 0 {
            members.push(&text[start..i]);
            break;
        }
    }
    members.into_iter().flat_map(first_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Tree::fixture(&[(path, text)]))
    }

    #[test]
    fn http_reaches_only_app() {
        assert_eq!(findings("cloud/src/http/device.rs", "use crate::app::check_in;"), vec![]);
        let found = findings("cloud/src/http/device.rs", "use crate::{app, store::Db};");
        assert_eq!(found.len(), 1);
        assert!(found[0].says.contains("cloud::http may not import cloud::store"));
    }

    #[test]
    fn a_rule_reaches_no_store_no_other_rule_and_no_clock() {
        assert_eq!(findings("cloud/src/rollout/gate.rs", "use crate::store::Db;").len(), 1);
        assert_eq!(findings("cloud/src/rollout.rs", "fn f() { super::audit::leaf() }").len(), 1);
        assert_eq!(findings("cloud/src/rollout/a.rs", "use super::super::blobs;").len(), 1);
        assert_eq!(findings("cloud/src/rollout/a.rs", "use super::gate;"), vec![]);
        assert_eq!(findings("cloud/src/audit.rs", "fn f() { SystemTime::now() }").len(), 1);
        assert_eq!(findings("cloud/src/authority.rs", "use crate::attest::Appraised;"), vec![]);
        assert_eq!(findings("cloud/src/attest.rs", "use crate::authority::Issued;").len(), 1);
    }

    #[test]
    fn the_store_does_not_know_who_calls_it() {
        assert_eq!(findings("cloud/src/store/mod.rs", "use crate::rollout::Wave;"), vec![]);
        assert_eq!(findings("cloud/src/store/mod.rs", "use crate::app::X;").len(), 1);
    }

    #[test]
    fn a_device_role_imports_no_other_role() {
        assert_eq!(findings("device/src/apps/mod.rs", "use crate::sys::Fd;"), vec![]);
        assert_eq!(findings("device/src/apps/mod.rs", "use crate::update::Slot;").len(), 1);
        let test = "#[cfg(test)]\nmod tests { use crate::update::Slot; }";
        assert_eq!(findings("device/src/apps/mod.rs", test), vec![]);
    }
}
