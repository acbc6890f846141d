//! What may not stay in the tree: work left open, ignored tests, dead code in comments, paths of
//! one machine, conflict markers.

use super::source::{Source, words};
use super::{Finding, Tree, finding};

const OPEN_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];
const OPEN_MACROS: &[&str] = &["todo", "unimplemented"];
const CONFLICTS: &[&str] = &["<<<<<<< ", ">>>>>>> ", "||||||| "];

/// Homes and build folders that exist on one machine only. In halves, so that this file is clean.
const MACHINE_PATHS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/fa", "rm/")];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.sources.iter().flat_map(in_rust).collect();
    for (path, text) in &tree.texts {
        for (i, line) in text.lines().enumerate() {
            findings.extend(in_text(line).map(|says| finding(path, i + 1, says)));
        }
        if !path.ends_with(".rs") {
            findings.extend(open_words(path, text));
        }
    }
    findings
}

fn in_rust(source: &Source) -> Vec<Finding> {
    let mut findings = open_words(&source.path, &source.code);
    findings.extend(open_words(&source.path, &source.comments));
    for (at, word) in words(&source.code) {
        let after = &source.code[at + word.len()..];
        let macro_left = OPEN_MACROS.contains(&word) && after.starts_with('!');
        let ignored = word == "ignore" && source.code[..at].ends_with("#[");
        if macro_left || ignored {
            let says = format!("`{word}` leaves work open: finish it or remove it");
            findings.push(finding(&source.path, source.line_of(at), says));
        }
    }
    for (i, line) in source.comments.lines().enumerate() {
        if is_dead_code(line.trim()) {
            findings.push(finding(&source.path, i + 1, "commented-out code: remove it"));
        }
    }
    findings
}

fn open_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for (_, word) in words(line).filter(|(_, word)| OPEN_WORDS.contains(word)) {
            findings.push(finding(path, i + 1, format!("{word} leaves work open")));
        }
    }
    findings
}

fn in_text(line: &str) -> Option<String> {
    if CONFLICTS.iter().any(|marker| line.starts_with(marker)) {
        return Some("a conflict marker".into());
    }
    let machine = MACHINE_PATHS.iter().find(|(a, b)| is_absolute(line, &format!("{a}{b}")));
    machine.map(|(a, b)| format!("{a}{b} is a path of one machine"))
}

/// `needle` stands in `line` as the start of a path, not as the middle of one.
fn is_absolute(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~*}>/$".contains(c))
    })
}

/// A plain `//` comment that starts and ends like a statement.
fn is_dead_code(comment: &str) -> bool {
    let Some(text) = comment.strip_prefix("//").filter(|t| !t.starts_with(['/', '!'])) else {
        return false;
    };
    let text = text.trim();
    let starts = ["let ", "use ", "fn ", "pub ", "return ", "if ", "for ", "match ", "while "];
    let statement = starts.iter().any(|start| text.starts_with(start)) || text.contains('(');
    let ends = text.ends_with(");") || text.ends_with("};") || text.ends_with("?;");
    let binding = text.starts_with("let ") && text.ends_with(';');
    let import = text.starts_with("use ") && text.ends_with(';') && text.contains("::");
    let block = text.ends_with(" {") && statement;
    statement && ends || binding || import || block || text == "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: &str) -> usize {
        check(&Tree::fixture(&[("a/src/a.rs", text)])).len()
    }

    #[test]
    fn work_left_open_is_found() {
        assert_eq!(rust("// TODO: later"), 1);
        assert_eq!(rust("fn a() { todo!() }"), 1);
        assert_eq!(rust("fn a() { unimplemented!(\"x\") }"), 1);
        assert_eq!(rust("#[ignore = \"slow\"]\nfn a() {}"), 1);
        assert_eq!(rust("let a = \"TODO\"; // a mastodon\n"), 0);
        assert_eq!(check(&Tree::fixture(&[("README.md", "FIXME")])).len(), 1);
    }

    #[test]
    fn commented_out_code_is_found() {
        assert_eq!(rust("// let a = b;\n// call(a);\n// if x {\n// }\n"), 4);
        assert_eq!(
            rust("// If the slot is empty (see above), nothing boots;\n/// let a = b;\n"),
            0
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let tree = |text: &str| check(&Tree::fixture(&[("a.md", text)])).len();
        assert_eq!(tree(&format!("see {}x", concat!("/wo", "rk/"))), 1);
        assert_eq!(tree("cloud/src/work/mod.rs"), 0);
    }

    #[test]
    fn a_conflict_marker_is_found() {
        assert_eq!(check(&Tree::fixture(&[("a.toml", "<<<<<<< ours\n")])).len(), 1);
    }
}
