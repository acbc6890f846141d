//! `spec/errors.toml` against the source: every number once, in range, in the code and in a test.

use super::source::{Source, words};
use super::{Finding, Tree, finding, top};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const PATH: &str = "spec/errors.toml";
/// Its `untested` lists the refusals that no test provokes yet. It may only get shorter.
const RATCHET: &str = "spec/ratchet.toml";
const FAULTS: &[&str] = &["peer", "caller", "environment", "us"];

/// Package, first number, last number.
const RANGES: &[(&str, u16, u16)] = &[
    ("trust", 1000, 1999),
    ("image", 2000, 2999),
    ("rot", 3000, 3999),
    ("cloud", 4000, 4999),
    ("api", 4000, 4999),
    ("device", 5000, 5999),
    ("cli", 6000, 6999),
];

#[derive(Deserialize)]
struct Untested {
    #[serde(default)]
    untested: BTreeSet<String>,
}

fn untested(tree: &Tree) -> BTreeSet<String> {
    toml::from_str::<Untested>(tree.text(RATCHET)).map(|list| list.untested).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registry {
    #[serde(default)]
    error: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: u16,
    name: String,
    #[serde(rename = "crate")]
    krate: String,
    fault: String,
    says: String,
    #[serde(rename = "do")]
    action: String,
}

/// One number that the source gives out, and the variants that stand before it.
struct Arm {
    path: String,
    line: usize,
    code: u16,
    names: Vec<String>,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let registry: Registry = match toml::from_str(tree.text(PATH)) {
        Ok(registry) => registry,
        Err(why) => return vec![finding(PATH, 0, format!("is not readable: {why}"))],
    };
    let lines = entry_lines(tree.text(PATH));
    let place = |i: usize| lines.get(i).copied().unwrap_or(0);
    let mut findings = Vec::new();
    let (mut codes, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (i, entry) in registry.error.iter().enumerate() {
        let mut says = own_faults(entry);
        if !codes.insert(entry.code) {
            says.push(format!("{} is registered twice", entry.code));
        }
        if !names.insert(entry.name.as_str()) {
            says.push(format!("{} is registered twice", entry.name));
        }
        findings.extend(says.into_iter().map(|says| finding(PATH, place(i), says)));
    }
    findings.extend(unregistered(tree, &registry.error));
    findings.extend(shown_unregistered(tree, &codes));
    let used = Used::of(tree);
    for (i, entry) in registry.error.iter().enumerate() {
        let says = used.faults(entry);
        findings.extend(says.into_iter().map(|says| finding(PATH, place(i), says)));
    }
    findings
}

fn entry_lines(text: &str) -> Vec<usize> {
    let headers = text.lines().enumerate().filter(|(_, l)| l.trim() == "[[error]]");
    headers.map(|(i, _)| i + 1).collect()
}

fn own_faults(entry: &Entry) -> Vec<String> {
    let mut says = Vec::new();
    match RANGES.iter().find(|(krate, ..)| *krate == entry.krate) {
        None => says.push(format!("{}: {} has no range of numbers", entry.code, entry.krate)),
        Some((krate, low, high)) if !(*low..=*high).contains(&entry.code) => {
            says.push(format!("{} is outside {low}-{high} of {krate}", entry.code));
        }
        Some(_) => {}
    }
    if !FAULTS.contains(&entry.fault.as_str()) {
        says.push(format!("{}: fault is one of {}", entry.code, FAULTS.join(", ")));
    }
    if entry.says.trim().is_empty() || entry.action.trim().is_empty() {
        says.push(format!("{}: says and do may not be empty", entry.code));
    }
    says
}

/// Numbers in the source that the registry does not have under that name.
fn unregistered(tree: &Tree, registry: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sources = tree.sources.iter().filter(|s| is_ours(&s.path));
    for arm in sources.flat_map(arms) {
        let says = match registry.iter().find(|entry| entry.code == arm.code) {
            None => format!("{} is not registered in {PATH}", arm.code),
            Some(entry) if !arm.names.contains(&entry.name) => {
                format!("{} is registered as {}, not {:?}", arm.code, entry.name, arm.names)
            }
            Some(_) => continue,
        };
        findings.push(finding(&arm.path, arm.line, says));
    }
    findings
}

/// Numbers in the words of production code, such as `E6101: there is …`, that nobody registered.
fn shown_unregistered(tree: &Tree, registered: &BTreeSet<u16>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|s| is_ours(&s.path)) {
        let (raw, comments) = (source.production(&source.raw), source.production(&source.comments));
        for (i, (line, comment)) in raw.lines().zip(comments.lines()).enumerate() {
            let said = words(line).filter(|(at, _)| comment.get(*at..=*at) == Some(" "));
            let fresh = said.filter_map(|(_, word)| shown_code(word));
            let unknown = fresh.filter(|code| !registered.contains(code));
            let says = |code| format!("E{code} is shown, and not registered in {PATH}");
            findings.extend(unknown.map(|code| finding(&source.path, i + 1, says(code))));
        }
    }
    findings
}

/// The number in a word such as `E6101`.
fn shown_code(word: &str) -> Option<u16> {
    let digits = word.strip_prefix('E').filter(|digits| digits.len() == 4)?;
    digits.parse().ok()
}

fn is_ours(path: &str) -> bool {
    RANGES.iter().any(|(krate, ..)| *krate == top(path))
}

/// `Self::Name { .. } => 2101` in each `fn code`, and lines of the form `Name = 1101,`.
fn arms(source: &Source) -> Vec<Arm> {
    let code = source.production(&source.code);
    let mut found = Vec::new();
    for function in source.functions().iter().filter(|f| f.name == "code") {
        let (mut from, to) = function.body;
        while let Some(at) = code[from..to].find("=>").map(|i| i + from) {
            let arm = (number(&code[at + 2..to]), variants(&code[from..at]));
            if let (Some(number), names) = arm {
                let line = source.line_of(at);
                found.push(Arm { path: source.path.clone(), line, code: number, names });
            }
            from = at + 2;
        }
    }
    for (i, line) in code.lines().enumerate() {
        let Some((name, value)) = line.trim().split_once(" = ") else { continue };
        let variant = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        if let Some(number) = number(value).filter(|_| variant && line.ends_with(',')) {
            let names = vec![name.to_string()];
            found.push(Arm { path: source.path.clone(), line: i + 1, code: number, names });
        }
    }
    found
}

/// The four digits that `text` starts with.
fn number(text: &str) -> Option<u16> {
    let (_, word) = words(text).next().filter(|(at, _)| text[..*at].trim().is_empty())?;
    (word.len() == 4).then(|| word.parse().ok()).flatten()
}

/// The capitalised words of a pattern, after the value of the arm before it.
fn variants(pattern: &str) -> Vec<String> {
    let names = words(pattern).map(|(_, word)| word).filter(|w| *w != "Self");
    let capital = |w: &&str| w.starts_with(|c: char| c.is_ascii_uppercase());
    names.filter(capital).map(str::to_string).collect()
}

/// Every word of each package's production code, every number its code gives out, and every word of
/// a test anywhere.
struct Used {
    production: BTreeMap<String, BTreeSet<String>>,
    codes: BTreeSet<u16>,
    tests: BTreeSet<String>,
    /// Names in the ratchet's `untested`.
    untested: BTreeSet<String>,
}

impl Used {
    fn of(tree: &Tree) -> Used {
        let mut used = Used {
            production: BTreeMap::new(),
            codes: BTreeSet::new(),
            tests: BTreeSet::new(),
            untested: untested(tree),
        };
        for source in &tree.sources {
            let all = |text: &str| words(text).map(|(_, w)| w.to_string()).collect::<Vec<_>>();
            let production = used.production.entry(top(&source.path).to_string()).or_default();
            production.extend(all(&source.production(&source.code)));
            used.tests.extend(all(&source.tests(&source.raw)));
            used.codes.extend(arms(source).iter().map(|arm| arm.code));
        }
        used
    }

    fn faults(&self, entry: &Entry) -> Vec<String> {
        let (code, name, krate) = (entry.code, &entry.name, &entry.krate);
        let mut says = Vec::new();
        let in_source = self.production.get(krate).is_some_and(|words| words.contains(name));
        if !in_source || !self.codes.contains(&code) {
            says.push(format!("{code} {name}: the source of {krate} never gives it out"));
        }
        match (self.tests.contains(name), self.untested.contains(name)) {
            (false, false) => says.push(format!("{code} {name}: no test provokes it by name")),
            (true, true) => {
                says.push(format!("{code} {name}: has a test by now; take it out of {RATCHET}"));
            }
            _ => {}
        }
        says
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[error]]\ncode = 2101\nname = \"FieldUnknown\"\ncrate = \"image\"\n\
        fault = \"caller\"\nsays = \"s\"\ndo = \"d\"\n";
    const CODE: &str = "impl E { fn code(&self) -> u16 {\n match self {\n\
        Self::FieldUnknown { .. } => 2101,\n Self::Other(e) => e.code(),\n } } }\n";
    const TEST: &str = "fn t() { assert!(matches!(e, E::FieldUnknown { .. })) }";

    fn says(registry: &str, code: &str, test: &str) -> Vec<String> {
        let files = [(PATH, registry), ("image/src/error.rs", code), ("image/tests/a.rs", test)];
        check(&Tree::fixture(&files)).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_registered_number_with_code_and_test_is_kept() {
        assert_eq!(says(ENTRY, CODE, TEST), Vec::<String>::new());
        assert_eq!(says(ENTRY, "pub enum E {\n    FieldUnknown = 2101,\n}", TEST), vec![""; 0]);
    }

    #[test]
    fn a_number_given_out_unregistered_is_found() {
        let more = CODE.replace("Self::Other(e) => e.code()", "Self::Other => 2102");
        assert_eq!(says(ENTRY, &more, TEST), ["2102 is not registered in spec/errors.toml"]);
        let other = CODE.replace("FieldUnknown", "FieldOdd");
        assert!(says(ENTRY, &other, TEST).iter().any(|s| s.contains("never gives it out")));
        assert!(says(ENTRY, &other, TEST).iter().any(|s| s.contains("registered as FieldUnknown")));
    }

    #[test]
    fn a_number_shown_and_not_registered_is_found() {
        let text = |number: u16| format!("{CODE}// E2199\nfn f() {{ bail!(\"E{number}: no\") }}\n");
        assert_eq!(says(ENTRY, &text(2101), TEST), Vec::<String>::new());
        let unknown = "E2198 is shown, and not registered in spec/errors.toml";
        assert_eq!(says(ENTRY, &text(2198), TEST), [unknown]);
        let in_test =
            format!("{CODE}#[cfg(test)]\nmod tests {{ {TEST} const A: &str = \"E2198\"; }}");
        assert_eq!(says(ENTRY, &in_test, ""), Vec::<String>::new());
    }

    #[test]
    fn a_listed_untested_number_passes_until_it_has_a_test() {
        let list = "untested = [\"FieldUnknown\"]";
        let findings = |test: &str| {
            let files = [
                (PATH, ENTRY),
                (RATCHET, list),
                ("image/src/error.rs", CODE),
                ("image/tests/a.rs", test),
            ];
            check(&Tree::fixture(&files)).len()
        };
        assert_eq!((findings(""), findings(TEST)), (0, 1));
    }

    #[test]
    fn a_number_without_a_test_is_found() {
        assert_eq!(says(ENTRY, CODE, ""), ["2101 FieldUnknown: no test provokes it by name"]);
        let inside = format!("{CODE}#[cfg(test)]\nmod tests {{ {TEST} }}");
        assert_eq!(says(ENTRY, &inside, ""), vec![""; 0]);
    }

    #[test]
    fn a_number_registered_twice_or_out_of_range_is_found() {
        assert!(
            says(&format!("{ENTRY}{ENTRY}"), CODE, TEST)
                .contains(&"2101 is registered twice".into())
        );
        let wrong = ENTRY.replace("\"image\"", "\"rot\"");
        assert!(says(&wrong, CODE, TEST).iter().any(|s| s.contains("outside 3000-3999")));
        let fault = ENTRY.replace("caller", "nobody");
        assert_eq!(says(&fault, CODE, TEST).len(), 1);
        let empty = ENTRY.replace("\"d\"", "\"\"");
        assert_eq!(says(&empty, CODE, TEST).len(), 1);
    }
}
