//! Which code of the programs can panic: what `spec/panics.toml` lists, and nothing else.

use super::board::{PROGRAM_ROM, PROGRAM_RUNTIME, elf};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use std::collections::BTreeSet;

/// What panics call, in parts of their symbols.
const PANICS: [&str; 5] =
    ["9panicking", "13unwrap_failed", "13expect_failed", "mismatch_fail", "rust_begin_unwind"];

/// Where a branch at `at` with link (BL) or without (B.W) goes (Armv8-M, C2.4.26, C2.4.23).
fn branch(at: u64, instruction: &[u8; 4]) -> Option<u64> {
    let [first, second] = [[instruction[0], instruction[1]], [instruction[2], instruction[3]]]
        .map(|half| u32::from(u16::from_le_bytes(half)));
    if first >> 11 != 0b11110 || second >> 12 & 1 == 0 || second >> 15 == 0 {
        return None;
    }
    let sign = first >> 10 & 1;
    let [one, two] = [13, 11].map(|bit| u32::from((second >> bit & 1) == sign));
    let bits = sign << 24 | one << 23 | two << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
    let offset = i64::from((bits << 7).cast_signed() >> 7);
    (at + 4).checked_add_signed(offset)
}

/// The functions of a program that call a panic and are none.
fn callers(program: &str) -> Vec<String> {
    let bytes = elf(program);
    let file = object::File::parse(&*bytes).unwrap();
    let functions: Vec<(u64, u64, &str)> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .map(|symbol| (symbol.address() & !1, symbol.size(), symbol.name().unwrap()))
        .collect();
    let within =
        |at: u64| functions.iter().find(|(from, size, _)| (*from..from + size).contains(&at));
    let panics = |name: &str| PANICS.iter().any(|part| name.contains(part));
    let text = file.section_by_name(".text").unwrap();
    let code = text.data().unwrap();
    let mut found = Vec::new();
    for place in (0..code.len() - 4).step_by(2) {
        let at = text.address() + place as u64;
        let target = branch(at, code[place..place + 4].try_into().unwrap()).and_then(within);
        let caller = within(at).map_or("?", |(_, _, name)| name);
        if target.is_some_and(|(_, _, name)| panics(name)) && !panics(caller) {
            found.push(caller.to_owned());
        }
    }
    found
}

/// Program and function of each site that the list has.
fn listed() -> Vec<(String, String)> {
    let list = include_str!("../../../spec/panics.toml").parse::<toml::Table>().unwrap();
    let sites = list.get("site").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let word = |site: &toml::Value, name: &str| site[name].as_str().unwrap().to_owned();
    sites.iter().map(|site| (word(site, "program"), word(site, "within"))).collect()
}

#[test]
fn only_listed_code_can_panic_and_none_of_ours() {
    let list = listed();
    let mut seen = BTreeSet::new();
    for program in [PROGRAM_ROM, PROGRAM_RUNTIME, "mailbox"] {
        for caller in callers(program) {
            let is = |(of, within): &(String, String)| of == program && caller.contains(within);
            let place = list.iter().position(is);
            let place = place.unwrap_or_else(|| panic!("{program}: {caller} can panic"));
            assert!(seen.insert(place), "{program}: {caller} can panic twice");
        }
    }
    assert_eq!(seen.len(), list.len(), "a site that is listed is gone: take it from the list");
}

#[test]
fn a_branch_is_read_as_the_assembler_wrote_it() {
    // bl +0x1e70 and b.w -0x4, as llvm-objdump shows them.
    assert_eq!(branch(0x1008_af08, &[0x01, 0xf0, 0x38, 0xff]), Some(0x1008_cd7c));
    assert_eq!(branch(0x100, &[0xff, 0xf7, 0xfe, 0xbf]), Some(0x100));
    assert_eq!(branch(0x100, &[0x00, 0xbf, 0x00, 0xbf]), None);
}
