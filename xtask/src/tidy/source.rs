//! A Rust file split into its code and its comments, without parsing it.
//!
//! Both halves keep the file's length and line breaks, so that a line number found in one is a line
//! number of the file. Contents of strings and characters are blanked in `code`.

/// What one Rust file says, in two halves of equal shape.
pub struct Source {
    pub path: String,
    pub raw: String,
    /// Everything that is not code is a space.
    pub code: String,
    /// Everything that is not a comment is a space.
    pub comments: String,
}

/// How an attribute begins that keeps an item for tests.
const TEST_ONLY: &[&str] = &["#[cfg(test)]", "#[cfg(all(test,"];

/// One function: its name and its first and last line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first: usize,
    pub last: usize,
    /// Byte range of the body in `code`, braces included.
    pub body: (usize, usize),
}

impl Source {
    pub fn read(path: &str, raw: &str) -> Source {
        let (code, comments) = split(raw);
        Source { path: path.to_string(), raw: raw.to_string(), code, comments }
    }

    /// The line number (from 1) of a byte offset.
    pub fn line_of(&self, offset: usize) -> usize {
        1 + self.raw.as_bytes()[..offset.min(self.raw.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    }

    /// True where the whole file is tests: a `tests` folder, `tests.rs`, benches, fuzz targets.
    pub fn is_test_file(&self) -> bool {
        let mut parts = self.path.split('/').rev();
        let file = parts.next().unwrap_or("");
        file == "tests.rs"
            || file.ends_with("_tests.rs")
            || parts.any(|p| matches!(p, "tests" | "benches" | "fuzz" | "vectors"))
    }

    /// Byte ranges of items under an attribute of [`TEST_ONLY`], or the whole file if it is a test
    /// file.
    pub fn test_ranges(&self) -> Vec<(usize, usize)> {
        if self.is_test_file() {
            return vec![(0, self.code.len())];
        }
        let mut ranges = Vec::new();
        let mut from = 0;
        let next = |from: usize| TEST_ONLY.iter().filter_map(|a| self.code[from..].find(a)).min();
        while let Some(at) = next(from).map(|i| i + from) {
            let end = item_end(&self.code, at);
            ranges.push((at, end));
            from = end;
        }
        ranges
    }

    pub fn in_test(&self, offset: usize) -> bool {
        self.test_ranges().iter().any(|(from, to)| (*from..*to).contains(&offset))
    }

    /// `half` (code, comments or raw) with the test items blanked, line breaks kept.
    pub fn production(&self, half: &str) -> String {
        self.keep(half, false)
    }

    /// `half` with everything but the test items blanked, line breaks kept.
    pub fn tests(&self, half: &str) -> String {
        self.keep(half, true)
    }

    fn keep(&self, half: &str, tests: bool) -> String {
        let ranges = self.test_ranges();
        let mut out = half.as_bytes().to_vec();
        for (at, byte) in out.iter_mut().enumerate() {
            let inside = ranges.iter().any(|(from, to)| (*from..*to).contains(&at));
            if inside != tests && *byte != b'\n' {
                *byte = b' ';
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Every function with a body, in order.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, word) in words(&self.code) {
            if word != "fn" {
                continue;
            }
            let Some((_, name)) = words(&self.code[at + 2..]).next() else { continue };
            let Some(open) = body_start(&self.code, at) else { continue };
            let close = matching_brace(&self.code, open);
            found.push(Function {
                name: name.to_string(),
                first: self.line_of(at),
                last: self.line_of(close),
                body: (open, close + 1),
            });
        }
        found
    }
}

/// Identifiers and keywords with their offsets.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(is_word)?;
        let len = text[start..].find(|c| !is_word(c)).unwrap_or(text.len() - start);
        rest = start + len;
        Some((start, &text[start..start + len]))
    })
}

/// Offset of the `{` that opens the body of the function at `at`, none for a bare declaration.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (i, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(i),
            b';' if depth == 0 => return None,
            _ if depth < 0 => return None,
            _ => {}
        }
    }
    None
}

/// Offset of the brace that closes the one at `open`, or of the end of the file.
pub fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0i32;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return i;
        }
    }
    code.len().saturating_sub(1)
}

/// Where the item whose attribute stands at `at` ends: past its `;` or its closing brace.
fn item_end(code: &str, at: usize) -> usize {
    let mut depth = 0i32;
    for (i, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' | b',' if depth == 0 => return i + 1,
            b'{' if depth == 0 => return matching_brace(code, i) + 1,
            _ => {}
        }
    }
    code.len()
}

enum State {
    Code,
    Line,
    Block(u32),
    Text { hashes: Option<usize> },
}

/// (code, comments): each of the same length as `raw`.
fn split(raw: &str) -> (String, String) {
    let bytes = raw.as_bytes();
    let (mut code, mut comments) = (vec![b' '; bytes.len()], vec![b' '; bytes.len()]);
    let mut state = State::Code;
    let mut i = 0;
    while i < bytes.len() {
        let step = match &mut state {
            State::Code => in_code(bytes, i, &mut state),
            State::Line => in_line(bytes, i, &mut state),
            State::Block(_) => in_block(bytes, i, &mut state),
            State::Text { .. } => in_text(bytes, i, &mut state),
        };
        for at in i..(i + step.len).min(bytes.len()) {
            match (bytes[at], &step.goes_to) {
                (b'\n', _) => (code[at], comments[at]) = (b'\n', b'\n'),
                (byte, Half::Code) => code[at] = byte,
                (byte, Half::Comments) => comments[at] = byte,
                (_, Half::Neither) => {}
            }
        }
        i += step.len;
    }
    (lossless(code), lossless(comments))
}

enum Half {
    Code,
    Comments,
    Neither,
}

struct Step {
    len: usize,
    goes_to: Half,
}

fn step(len: usize, goes_to: Half) -> Step {
    Step { len, goes_to }
}

fn in_code(bytes: &[u8], i: usize, state: &mut State) -> Step {
    let rest = &bytes[i..];
    if rest.starts_with(b"//") {
        *state = State::Line;
        return step(2, Half::Comments);
    }
    if rest.starts_with(b"/*") {
        *state = State::Block(1);
        return step(2, Half::Comments);
    }
    let word_before = i > 0 && (bytes[i - 1].is_ascii_alphanumeric() || bytes[i - 1] == b'_');
    if let Some(len) = raw_string_start(rest).filter(|_| !word_before) {
        let hashes = rest[..len].iter().filter(|b| **b == b'#').count();
        *state = State::Text { hashes: Some(hashes) };
        return step(len, Half::Code);
    }
    match rest[0] {
        b'"' => {
            *state = State::Text { hashes: None };
            step(1, Half::Code)
        }
        b'\'' => step(char_len(rest).unwrap_or(1), Half::Neither),
        _ => step(1, Half::Code),
    }
}

fn in_line(bytes: &[u8], i: usize, state: &mut State) -> Step {
    if bytes[i] == b'\n' {
        *state = State::Code;
    }
    step(1, Half::Comments)
}

fn in_block(bytes: &[u8], i: usize, state: &mut State) -> Step {
    let State::Block(depth) = state else { return step(1, Half::Comments) };
    if bytes[i..].starts_with(b"/*") {
        *depth += 1;
        return step(2, Half::Comments);
    }
    if bytes[i..].starts_with(b"*/") {
        *depth -= 1;
        if *depth == 0 {
            *state = State::Code;
        }
        return step(2, Half::Comments);
    }
    step(1, Half::Comments)
}

fn in_text(bytes: &[u8], i: usize, state: &mut State) -> Step {
    let State::Text { hashes } = *state else { return step(1, Half::Neither) };
    match (bytes[i], hashes) {
        (b'\\', None) => step(2, Half::Neither),
        (b'"', None) => {
            *state = State::Code;
            step(1, Half::Code)
        }
        (b'"', Some(n)) if bytes[i + 1..].iter().take_while(|b| **b == b'#').count() >= n => {
            *state = State::Code;
            step(1 + n, Half::Code)
        }
        _ => step(1, Half::Neither),
    }
}

/// Length of `r#"`, `br"` and the like, up to and with the quote.
fn raw_string_start(rest: &[u8]) -> Option<usize> {
    let prefix = if rest.starts_with(b"br") || rest.starts_with(b"cr") { 2 } else { 1 };
    if prefix == 1 && rest[0] != b'r' {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    (rest.get(prefix + hashes) == Some(&b'"')).then_some(prefix + hashes + 1)
}

/// Length of a character literal; none where the quote starts a lifetime.
fn char_len(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).take(12).position(|b| *b == b'\'')?;
        return Some(close + 4);
    }
    let first = std::str::from_utf8(&rest[1..rest.len().min(5)]).map_or_else(
        |e| std::str::from_utf8(&rest[1..1 + e.valid_up_to()]).unwrap_or("").chars().next(),
        |text| text.chars().next(),
    )?;
    let close = 1 + first.len_utf8();
    (rest.get(close) == Some(&b'\'')).then_some(close + 1)
}

/// Blanking keeps or drops whole characters, so this only repairs what a split could have torn.
fn lossless(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|torn| {
        torn.into_bytes().iter().map(|b| if b.is_ascii() { *b as char } else { ' ' }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_no_code() {
        let text =
            "let a = \"unsafe // x\"; // unsafe\nlet b = r#\"un\"safe\"#; /* a /* b */ c */ d";
        let source = Source::read("a.rs", text);
        assert!(!source.code.contains("unsafe") && !source.code.contains("safe"));
        assert!(source.comments.contains("// unsafe") && source.comments.contains("c */"));
        assert!(source.code.ends_with(" d"));
        assert_eq!(source.code.len(), text.len());
    }

    #[test]
    fn lifetimes_are_no_characters() {
        let source = Source::read("a.rs", "fn f<'a>(x: &'a str) { g('\\'', '{', 'é', '\\u{7f}') }");
        assert_eq!(source.functions().len(), 1);
        assert!(source.code.contains("<'a>") || source.code.contains("< a>"));
        assert!(!source.code.contains("'{"));
    }

    #[test]
    fn functions_have_first_and_last_line() {
        let source = Source::read("a.rs", "trait T { fn a(&self); }\nfn b() {\n  if x {\n }\n}\n");
        let found = source.functions();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].first, found[0].last), ("b", 2, 5));
    }

    #[test]
    fn test_items_are_told_from_production() {
        let source =
            Source::read("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn t() {} }\nfn b() {}\n");
        let production = source.production(&source.code);
        assert!(production.contains("fn b") && !production.contains("fn t"));
        assert!(source.tests(&source.code).contains("fn t"));
        assert!(Source::read("x/tests/a.rs", "fn a() {}").is_test_file());
        let by_feature = "fn a() {}\n#[cfg(all(test, feature = \"x\"))]\nmod tests { fn t() {} }\n";
        assert_eq!(Source::read("a.rs", by_feature).test_ranges().len(), 1);
    }
}
