//! Symbol files, good and bad.

use std::path::Path;
use std::process::Command;

use craton_cloud::failures::{SYMBOLS_LEN_MAX, SymbolError, Symbols};
use object::{Object, ObjectSymbol};

use crate::corpus::corpus;

fn tool(program: &str, arguments: &[&str], from: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    std::fs::write(&before, from).unwrap();
    let done = Command::new(program).args(arguments).args([&before, &after]).status();
    assert!(done.unwrap().success());
    std::fs::read(after).unwrap()
}

fn refused(bytes: &[u8]) -> SymbolError {
    Symbols::read(bytes).err().unwrap()
}

#[test]
fn a_function_is_found_with_its_file_and_line() {
    let bytes = &corpus().builds[0];
    let file = object::File::parse(&**bytes).unwrap();
    let give_up = file.symbols().find(|s| s.name().unwrap().contains("give_up")).unwrap();
    let symbols = Symbols::read(bytes).unwrap();
    let places = symbols.places(give_up.address());
    assert_eq!(places[0].function, "mistakes::give_up");
    assert!(places[0].file.as_ref().unwrap().ends_with("mistakes.rs"));
    assert!(places[0].line.unwrap() > 100);
    assert!(symbols.places(0).is_empty() && symbols.places(u64::MAX).is_empty());
}

#[test]
fn functions_without_debug_information_are_named_too() {
    let bytes = &corpus().builds[0];
    let file = object::File::parse(&**bytes).unwrap();
    let abort = file.symbols().find(|s| s.name() == Ok("abort")).unwrap();
    let symbols = Symbols::read(bytes).unwrap();
    let names: Vec<String> =
        symbols.places(abort.address() + 1).into_iter().map(|place| place.function).collect();
    assert_eq!(names, ["abort"]);
}

#[test]
fn symbols_of_other_when_the_build_id_differs() {
    let bytes = &corpus().builds[0];
    let error = Symbols::open(bytes, &[0; 20]).err().unwrap();
    assert_eq!((error, error.code()), (SymbolError::SymbolsOfOther, 4704));
    let id = Symbols::read(bytes).unwrap().build_id().to_vec();
    assert!(Symbols::open(bytes, &id).is_ok());
}

#[test]
fn symbols_too_large_above_64_mib() {
    let error = refused(&vec![0; SYMBOLS_LEN_MAX + 1]);
    assert_eq!((error, error.code()), (SymbolError::SymbolsTooLarge, 4701));
}

#[test]
fn symbols_unreadable_when_no_elf() {
    for bytes in [&b""[..], b"MZ", b"\x7fELF", &[0; 64]] {
        assert_eq!(refused(bytes), SymbolError::SymbolsUnreadable);
    }
    assert_eq!(SymbolError::SymbolsUnreadable.code(), 4702);
}

#[test]
fn symbols_unnamed_without_build_id() {
    let bytes = tool("objcopy", &["-R", ".note.gnu.build-id"], &corpus().builds[0]);
    let error = refused(&bytes);
    assert_eq!((error, error.code()), (SymbolError::SymbolsUnnamed, 4703));
}

#[test]
fn symbols_compressed_are_refused() {
    let bytes = tool("objcopy", &["--compress-debug-sections"], &corpus().builds[0]);
    let error = refused(&bytes);
    assert_eq!((error, error.code()), (SymbolError::SymbolsCompressed, 4705));
}

#[test]
fn symbols_stripped_are_refused() {
    let bytes = tool("objcopy", &["--strip-all"], &corpus().builds[0]);
    let error = refused(&bytes);
    assert_eq!((error, error.code()), (SymbolError::SymbolsStripped, 4706));
}

#[test]
fn a_damaged_file_never_ends_the_service() {
    let bytes = &corpus().builds[0];
    let pcs = &corpus().crash("parse", 0).pcs;
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..40 {
        let mut damaged = bytes.clone();
        for _ in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 20) as usize % damaged.len();
            damaged[at] ^= (seed >> 11) as u8;
        }
        damaged.truncate(damaged.len() - (seed >> 40) as usize % 4096);
        if let Ok(symbols) = Symbols::read(&damaged) {
            pcs.iter().for_each(|pc| drop(symbols.places(*pc)));
        }
    }
}

#[test]
fn a_file_cut_anywhere_in_its_headers_is_refused_or_read() {
    let bytes = &corpus().builds[0];
    for length in (0..4096).step_by(7) {
        if let Ok(symbols) = Symbols::read(&bytes[..length]) {
            drop(symbols.places(0x1000));
        }
    }
    assert!(Path::new(env!("CARGO_TARGET_TMPDIR")).exists());
}
