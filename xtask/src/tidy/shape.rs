//! STYLE's numbers: line, function, file, nesting; and the comment share, which only advises.

use super::source::Source;
use super::{Tree, nesting, top};
use std::collections::BTreeMap;

pub const LINE_COLUMNS_MAX: usize = 100;
pub const FUNCTION_LINES_MAX: usize = 70;
pub const FILE_LINES_MAX: usize = 500;
pub const NESTING_MAX: usize = 4;

/// The worst number of one kind in one file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worst {
    pub path: String,
    pub what: &'static str,
    pub line: usize,
    pub number: usize,
}

pub fn limit(what: &str) -> Option<usize> {
    match what {
        "line" => Some(LINE_COLUMNS_MAX),
        "function" => Some(FUNCTION_LINES_MAX),
        "file" => Some(FILE_LINES_MAX),
        "nesting" => Some(NESTING_MAX),
        _ => None,
    }
}

/// The four numbers of every Rust file.
pub fn measure(tree: &Tree) -> Vec<Worst> {
    tree.sources.iter().flat_map(|s| [line(s), function(s), file(s), nested(s)]).collect()
}

fn worst(source: &Source, what: &'static str, all: impl Iterator<Item = (usize, usize)>) -> Worst {
    let (line, number) = all.max_by_key(|(_, number)| *number).unwrap_or((0, 0));
    Worst { path: source.path.clone(), what, line, number }
}

fn line(source: &Source) -> Worst {
    let columns = source.raw.lines().enumerate().map(|(i, l)| (i + 1, l.chars().count()));
    worst(source, "line", columns)
}

fn function(source: &Source) -> Worst {
    let lines = source.functions().into_iter().map(|f| (f.first, f.last + 1 - f.first));
    worst(source, "function", lines)
}

/// Lines of production code: without test items; a test file or a table has none to count.
fn file(source: &Source) -> Worst {
    let stem = source.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs");
    let table = stem.ends_with("table") || stem.ends_with("tables");
    let text = source.production(&source.raw);
    let lines = text.trim_end().lines().count();
    let counted = if source.is_test_file() || table { 0 } else { lines - test_lines(source) };
    worst(source, "file", std::iter::once((counted, counted)))
}

fn test_lines(source: &Source) -> usize {
    let kept = source.production(&source.raw);
    let length = kept.trim_end().len();
    let before_end = source.test_ranges().into_iter().filter(|(from, _)| *from < length);
    before_end.map(|(from, to)| source.raw[from..to].lines().count()).sum()
}

fn nested(source: &Source) -> Worst {
    let depths = source.functions().into_iter().map(|f| {
        let (from, to) = f.body;
        (f.first, nesting::deepest(&source.code[from..to]))
    });
    worst(source, "nesting", depths)
}

/// `trust 31 %, cloud 12 %`: comment lines over lines that are not blank, per package.
pub fn comment_shares(tree: &Tree) -> String {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for source in tree.sources.iter().filter(|s| s.path.contains("/src/")) {
        let entry = counts.entry(top(&source.path)).or_default();
        let comments = source.production(&source.comments);
        entry.0 += comments.lines().filter(|l| !l.trim().is_empty()).count();
        entry.1 += source.production(&source.raw).lines().filter(|l| !l.trim().is_empty()).count();
    }
    let share = |(name, (part, all)): (&&str, &(usize, usize))| {
        let wanted = if matches!(*name, "trust" | "rot") { "25-35" } else { "10-20" };
        format!("{name} {} % (aim {wanted})", part * 100 / (*all).max(1))
    };
    counts.iter().map(share).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(path: &str, text: &str, what: &str) -> usize {
        let tree = Tree::fixture(&[(path, text)]);
        measure(&tree).into_iter().find(|w| w.what == what).map_or(0, |w| w.number)
    }

    #[test]
    fn a_long_line_is_measured_in_characters() {
        assert_eq!(number("a/src/a.rs", &format!("// {}", "ü".repeat(100)), "line"), 103);
    }

    #[test]
    fn a_long_function_is_measured_with_its_braces() {
        let text = format!("fn a() {{\n{}}}\n", "x();\n".repeat(70));
        assert_eq!(number("a/src/a.rs", &text, "function"), 72);
    }

    #[test]
    fn a_long_file_is_measured_without_its_tests() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(600));
        let text = format!("{}{tests}", "fn a() {}\n".repeat(501));
        assert_eq!(number("a/src/a.rs", &text, "file"), 501);
        assert_eq!(number("a/src/word_table.rs", &text, "file"), 0);
        let middle = format!("{tests}{}", "fn a() {}\n".repeat(20));
        assert_eq!(number("a/src/a.rs", &middle, "file"), 20);
    }

    #[test]
    fn deep_nesting_is_measured() {
        let text = "fn a() { if a { if b { if c { if d { if e { f } } } } } }";
        assert_eq!(number("a/src/a.rs", text, "nesting"), 5);
    }
}
