//! How many instructions the chip needs, counted one by one in the emulator: the same number in
//! every run.

use super::board::{Board, Psram, address, chip, package_of_size, package_with, patience};
use super::board::{PROGRAM_ROM, PROGRAM_RUNTIME, root_of_trust};
use super::steps::report;
use super::world::{APP, PLATFORM_PUBLISHER, RUNTIME, measured, set};
use craton_firmware::map;
use craton_rot::mailbox::client::Mailbox;
use craton_rot::{NextLayer, RootOfTrust as _};

/// Promises of `spec/promises.toml`, in instructions.
const SELECT_MAX: u64 = 19_000_000;
const LAYER_MAX: u64 = 40_000_000;
const TOKEN_MAX: u64 = 10_000_000;
const RESET_MAX: u64 = 60_000_000;

/// The first instruction of the gate that the emulator counts: it has `sg` done before.
const ENTERED: usize = map::GATE + 4;

/// The counts at which the chip came to a place.
fn at(board: &Board, place: usize) -> Vec<u64> {
    let here = format!("{place:08x}");
    let lines = board.counted();
    let lines = lines.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(place, _)| *place == here).map(|(_, count)| count.parse().unwrap()).collect()
}

#[test]
fn the_rom_verifies_and_derives_within_its_promises() {
    let [select, derive, hand_over] = ["rom::select", "Layer0::derive", "Layer0::hand_over"]
        .map(|name| address(PROGRAM_ROM, name));
    let psram = Psram::of(&chip(), &package_of_size(64 * 1024));
    let mut board = psram.power_on_counting(&[select, derive, hand_over]);
    drop(board.line());
    let first = |place| at(&board, place)[0];
    let selected = first(derive) - first(select);
    let derived = first(hand_over) - first(derive);
    println!("figure: verify and select 64 KiB: {selected} instructions");
    println!("figure: one DICE layer: {derived} instructions");
    assert!(selected < SELECT_MAX && derived < LAYER_MAX);
}

#[test]
fn a_token_and_the_way_to_the_application_keep_their_promises() {
    let program = root_of_trust();
    let psram = Psram::of(&chip(), &package_with(PLATFORM_PUBLISHER, &program, |_| ()));
    let [leave, end] = ["leave", "gate_end"].map(|name| address(PROGRAM_RUNTIME, name));
    let mut board = psram.power_on_counting(&[leave, ENTERED, end]);
    let mut rot = Mailbox::open(board.line(), patience()).unwrap();
    let started = at(&board, leave)[0];
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    let next = NextLayer { runtime: measured(RUNTIME, 1), set: Some(&set), images: &images };
    let last = |board: &Board| {
        // The gate is entered once more when the reply is on the line.
        let (entered, left) = (at(board, ENTERED), at(board, end));
        let calls: Vec<u64> = entered.iter().zip(&left).map(|(from, to)| to - from).collect();
        calls.into_iter().rev().find(|count| *count > 1000).unwrap()
    };
    rot.boot(&next).unwrap();
    let booted = last(&board);
    report(&mut rot).unwrap();
    let first = last(&board);
    report(&mut rot).unwrap();
    let later = last(&board);
    println!("figure: reset to the non-secure program: {started} instructions");
    println!("figure: a boot command: {booted} instructions");
    println!("figure: one evidence token: {first} instructions, a later one {later}");
    assert!(started < RESET_MAX && first < TOKEN_MAX && later < TOKEN_MAX);
}
