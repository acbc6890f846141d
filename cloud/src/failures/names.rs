//! Function names: from what the linker wrote to what a person reads, and to what stays the
//! same from build to build.

use std::fmt::{self, Write};

const NAME_MAX: usize = 512;

/// A mangled name made readable: demangled, without hash, printable, bounded.
pub fn readable(mangled: &[u8]) -> String {
    let name = String::from_utf8_lossy(mangled.get(..4 * NAME_MAX).unwrap_or(mangled));
    let mut text = Bounded { text: String::new(), length_max: NAME_MAX };
    // An error here means that the bound is reached: what there is stays.
    write!(text, "{:#}", rustc_demangle::demangle(&name)).ok();
    text.text
}

/// Printable text of at most `length_max` bytes. Names reach terminals and logs, so control
/// characters do not.
pub fn bounded(text: &str, length_max: usize) -> String {
    let mut bounded = Bounded { text: String::new(), length_max };
    bounded.write_str(text).ok();
    bounded.text
}

struct Bounded {
    text: String,
    length_max: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            if self.text.len() + letter.len_utf8() > self.length_max {
                return Err(fmt::Error);
            }
            self.text.push(if letter.is_control() { '?' } else { letter });
        }
        Ok(())
    }
}

/// What of a readable name stays from build to build: no type arguments, no numbers of
/// closures and impls, no suffixes that the optimiser adds.
pub fn stable(name: &str) -> String {
    let name = name.split_once(".llvm.").map_or(name, |(name, _)| name);
    let name = [".cold", ".part.", ".constprop.", ".isra.", "@"]
        .into_iter()
        .fold(name, |name, mark| name.split_once(mark).map_or(name, |(name, _)| name));
    without_brace_numbers(&without_self_brackets(&without_type_arguments(name)))
}

/// `<app::Lamp>::dim`, as the newer mangling writes it, becomes `app::Lamp::dim`.
fn without_self_brackets(name: &str) -> String {
    let inherent = name.strip_prefix('<').and_then(|rest| rest.split_once(">::"));
    match inherent {
        Some((path, method)) if path.chars().all(|c| c.is_alphanumeric() || "_:".contains(c)) => {
            format!("{path}::{method}")
        }
        _ => name.to_owned(),
    }
}

/// Leaves out `<…>` after a name or a `::`, but keeps it where a path begins with it, as in
/// `<app::Lamp as core::fmt::Debug>::fmt`.
fn without_type_arguments(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut depth = 0u32;
    let mut before = ' ';
    for letter in name.chars() {
        let arrow = before == '-' && letter == '>';
        before = letter;
        match letter {
            '<' if depth > 0 => depth += 1,
            '<' if kept.ends_with(|last: char| last.is_alphanumeric() || "_:".contains(last)) => {
                depth = 1;
            }
            '>' if depth > 0 && !arrow => depth -= 1,
            _ if depth > 0 => {}
            ':' if kept.ends_with("::") => {}
            _ => kept.push(letter),
        }
    }
    kept.trim_end_matches("::").to_owned()
}

/// `{closure#3}` and `{{closure}}` become `{closure}`.
fn without_brace_numbers(name: &str) -> String {
    let name = name.replace("{{", "{").replace("}}", "}");
    let mut kept = String::with_capacity(name.len());
    let mut in_number = false;
    for letter in name.chars() {
        in_number = letter == '#' || (in_number && letter.is_ascii_digit());
        if !in_number {
            kept.push(letter);
        }
    }
    kept
}

/// C functions that only carry a crash or were handed the bad value.
const CARRIERS: [&str; 21] = [
    "abort",
    "raise",
    "gsignal",
    "kill",
    "tgkill",
    "syscall",
    "_start",
    "start_thread",
    "clone",
    "clone3",
    "malloc",
    "calloc",
    "realloc",
    "free",
    "cfree",
    "printf",
    "vfprintf",
    "fwrite",
    "fputs",
    "qsort",
    "bsearch",
];

/// How the C library's other such functions begin. No Rust path begins so.
const CARRIER_BEGINNINGS: [&str; 9] =
    ["__", "_IO_", "pthread_", "mem", "str", "wcs", "rust_", "_Unwind_", "_dl_"];

/// The crates whose functions say nothing about whose mistake it is.
const CARRIER_CRATES: [&str; 6] =
    ["core::", "std::", "alloc::", "panic_abort::", "panic_unwind::", "__rustc::"];

/// Whether a function (stable name) is one that failures of any cause pass through: panic and
/// abort machinery, the standard library, the C library.
pub fn is_carrier(name: &str) -> bool {
    if let Some((of, rest)) = name.strip_prefix('<').and_then(|path| path.split_once(" as ")) {
        // Only the standard library can implement its own traits for its own and basic types.
        return (is_standard(of) || !of.contains("::")) && is_standard(rest);
    }
    let in_c = !name.contains("::");
    is_standard(name)
        || in_c && CARRIERS.contains(&name)
        || in_c && CARRIER_BEGINNINGS.iter().any(|begin| name.starts_with(begin))
}

/// Whether a path, or the type it is a reference or slice of, is the standard library's.
fn is_standard(path: &str) -> bool {
    let path = path.trim_start_matches(['<', '&', '*', '(', '[']);
    let path = path.trim_start_matches("mut ").trim_start_matches("dyn ");
    CARRIER_CRATES.iter().any(|begin| path.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_manglings_give_the_same_stable_name() {
        let cases = [
            ("_ZN5blink4tick17h0123456789abcdefE", "blink::tick"),
            ("_ZN4core9panicking9panic_fmt17hb965fda0a5f25f9dE", "core::panicking::panic_fmt"),
            (
                "_ZN5blink4main28_$u7b$$u7b$closure$u7d$$u7d$17hc9d746b3b076ead4E.llvm.15",
                "blink::main::{closure}",
            ),
            ("_RNvNtCsjrHSEGnQ3l9_3std2rt19lang_start_internal", "std::rt::lang_start_internal"),
            ("raise", "raise"),
            ("memcpy@plt", "memcpy"),
            ("parse.part.0", "parse"),
            ("parse.cold", "parse"),
        ];
        for (mangled, name) in cases {
            assert_eq!(stable(&readable(mangled.as_bytes())), name);
        }
    }

    #[test]
    fn type_arguments_go_and_qualified_selves_stay() {
        let cases = [
            ("app::list::<u32>::push::<&str>", "app::list::push"),
            ("<app::Lamp<u8> as core::fmt::Debug>::fmt", "<app::Lamp as core::fmt::Debug>::fmt"),
            ("app::call::<fn(u8) -> u8>::run", "app::call::run"),
            ("<app::Lamp>::dim::{closure#3}", "app::Lamp::dim::{closure}"),
            ("<[T] as app::Sum>::sum", "<[T] as app::Sum>::sum"),
        ];
        for (name, expected) in cases {
            assert_eq!(stable(name), expected);
        }
    }

    #[test]
    fn carriers_are_told_from_the_app() {
        for name in [
            "core::panicking::panic_fmt",
            "<core::option::Option as core::fmt::Debug>::fmt",
            "<usize as core::slice::index::SliceIndex>::index",
            "<[T] as alloc::slice::Join>::join",
            "<alloc::vec::Vec as core::ops::index::Index>::index",
            "__pthread_kill_implementation",
            "raise",
            "rust_begin_unwind",
            "__memcpy_avx_unaligned_erms",
            "strlen",
        ] {
            assert!(is_carrier(name), "{name}");
        }
        for name in [
            "blink::tick",
            "<blink::Lamp as core::fmt::Debug>::fmt",
            "<&mut blink::Lamp as core::fmt::Debug>::fmt",
            "<u32 as blink::Dim>::dim",
            "tick",
            "strap::on",
        ] {
            assert!(!is_carrier(name), "{name}");
        }
    }

    #[test]
    fn names_are_printable_and_bounded() {
        assert_eq!(readable(b"evil\x1b[2Jname"), "evil?[2Jname");
        assert_eq!(readable(&[b'a'; 5000]).len(), NAME_MAX);
        assert_eq!(readable(&[0xff; 3]), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(bounded("ééé", 3), "é");
    }
}
