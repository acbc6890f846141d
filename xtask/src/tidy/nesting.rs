//! How deep control flow is nested in a function.
//!
//! Counted: `if`, `match`, `for`, `while`, `loop`, `else` and the blocks of closures. Not counted:
//! a match arm's braces, struct literals, `unsafe`, plain blocks.

use super::source::words;

struct Brace {
    counts: bool,
}

/// The deepest nesting in `body`, the text between a function's braces with the braces.
pub fn deepest(body: &str) -> usize {
    let keywords: Vec<(usize, &str)> = words(body).filter(|(_, w)| opens_block(w)).collect();
    let mut next = keywords.iter().peekable();
    let (mut braces, mut parens, mut deepest) = (Vec::<Brace>::new(), 0usize, 0);
    // Parenthesis depths at which a keyword still waits for its block.
    let mut waiting: Vec<usize> = Vec::new();
    for (i, byte) in body.bytes().enumerate() {
        if let Some((_, word)) = next.next_if(|(at, _)| *at == i) {
            let chained = *word == "else"
                && words(&body[i + 4..])
                    .next()
                    .is_some_and(|(at, w)| w == "if" && body[i + 4..i + 4 + at].trim().is_empty());
            if !chained {
                waiting.push(parens);
            }
        }
        match byte {
            b'(' | b'[' => parens += 1,
            b')' | b']' => {
                parens = parens.saturating_sub(1);
                waiting.retain(|depth| *depth <= parens);
            }
            // The guard of a match arm has no block of its own.
            b'>' if i > 0 && body.as_bytes()[i - 1] == b'=' => drop(pop_at(&mut waiting, parens)),
            b'{' => {
                let counts = pop_at(&mut waiting, parens) || closure(&body[..i]);
                braces.push(Brace { counts });
                deepest = deepest.max(braces.iter().filter(|b| b.counts).count());
            }
            b'}' => drop(braces.pop()),
            _ => {}
        }
    }
    deepest
}

fn opens_block(word: &str) -> bool {
    matches!(word, "if" | "else" | "match" | "for" | "while" | "loop")
}

fn pop_at(waiting: &mut Vec<usize>, parens: usize) -> bool {
    let found = waiting.last() == Some(&parens);
    if found {
        waiting.pop();
    }
    found
}

fn closure(before: &str) -> bool {
    before.trim_end().ends_with('|') && !before.trim_end().ends_with("||")
        || before.trim_end().ends_with("||") && before.trim_end().ends_with("(||")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_flow_counts() {
        assert_eq!(deepest("{ x(); }"), 0);
        assert_eq!(deepest("{ for a in b { if c { d } } }"), 2);
        assert_eq!(deepest("{ if a { } else if b { } else if c { x } else { y } }"), 1);
        assert_eq!(deepest("{ for a in b { while c { match d { e => { if f { g } } } } } }"), 4);
        assert_eq!(deepest("{ list.map(|x| { if x { y } }) }"), 2);
    }

    #[test]
    fn literals_arms_and_guards_do_not_count() {
        assert_eq!(deepest("{ let a = A { b: B { c: C {} } }; }"), 0);
        assert_eq!(deepest("{ match a { X if y => B { c }, _ => { D { e } } } }"), 1);
        assert_eq!(deepest("{ if matches!(a, B if c) { d } let e = E { f }; }"), 1);
        assert_eq!(deepest("{ let Some(a) = b else { return }; }"), 1);
    }
}
