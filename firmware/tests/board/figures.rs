//! How many instructions the chip needs, counted one by one in the emulator: the same number in
//! every run.

use super::bench::by_lms;
use super::board::{Board, Psram, address, chip, chip_of, elf, package_of_size};
use super::board::{PROGRAM_ROM, PROGRAM_RUNTIME, package_with, patience, root_of_trust};
use super::lms::hybrid_section;
use super::steps::{manufacture, report};
use super::update;
use super::world::{APP, CODE, OWNER_ROOT, PLATFORM_PUBLISHER, RUNTIME, STRANGER, approved};
use super::world::{
    capability, catalog, digest, envelope, measured, order, owner_section, owner_section_of,
};
use super::world::{platform_section, reply, set, successor};
use craton_firmware::map;
use craton_rot::engine::HANDOVER_MAX;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::platform::SECTOR_SIZE;
use craton_rot::programs::install;
use craton_rot::{Action, NextLayer, RootOfTrust as _, Start};
use craton_trust::assignment::Address;
use craton_trust::{ComponentId, Digest};
use object::elf::SHF_ALLOC;
use object::{Object as _, ObjectSection as _, SectionFlags, SectionKind};
use std::time::Instant;

/// Promises of `spec/promises.toml`, in instructions.
const SELECT_MAX: u64 = 19_000_000;
/// By LMS beside ES256: of one chip or another 0.1 M more or less.
const SELECT_HYBRID_MAX: u64 = 21_000_000;
const LAYER_MAX: u64 = 40_000_000;
const TOKEN_MAX: u64 = 10_000_000;
const RESET_MAX: u64 = 60_000_000;

/// As above, in bytes: all statics, and the deepest stack of each side.
const RAM_MAX: u64 = 32 * 1024;

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

/// Under a hybrid platform: one verification by LMS more, and a longer envelope, read twice.
#[test]
fn the_rom_verifies_both_algorithms_within_its_promises() {
    let section = hybrid_section();
    let chip = chip_of(&section, &by_lms(&package_of_size(1024)));
    let [select, derive] = ["rom::select", "Layer0::derive"].map(|name| address(PROGRAM_ROM, name));
    let psram = Psram::of(&chip, &by_lms(&package_of_size(64 * 1024)));
    let mut board = psram.power_on_counting(&[select, derive]);
    drop(board.line());
    let selected = at(&board, derive)[0] - at(&board, select)[0];
    println!("figure: verify and select 64 KiB by both algorithms: {selected} instructions");
    assert!(selected < SELECT_HYBRID_MAX);
    drop(board);
    let stack = address(PROGRAM_ROM, "__sheap")..address(PROGRAM_ROM, "_stack_start");
    let size = stack.len() as u64;
    let rom = address(PROGRAM_ROM, "Reset");
    let wipes = ["rom_wipe", "rom_wipe_again"].map(|name| address(PROGRAM_ROM, name));
    let mut board =
        psram.power_on_watching(stack, &wipes, &[rom, address(PROGRAM_RUNTIME, "Reset")]);
    drop(board.line());
    let used = deepest(&board, rom);
    println!("figure: the ROM under a hybrid platform: stack of {size}, used {used}");
    assert!(used + 1024 <= size);
}

/// Bytes of code and constants, and of static RAM, of a program.
fn sizes(program: &str) -> (u64, u64) {
    let bytes = elf(program);
    let file = object::File::parse(&*bytes).unwrap();
    let of = |wanted: &dyn Fn(SectionKind) -> bool| -> u64 {
        let loaded = |section: &object::Section<'_, '_>| match section.flags() {
            SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(SHF_ALLOC),
            _ => false,
        };
        let sections = file.sections().filter(loaded).filter(|section| wanted(section.kind()));
        sections.map(|section| section.size()).sum()
    };
    let zeroed = |kind| kind == SectionKind::UninitializedData;
    (of(&|kind| !zeroed(kind)), of(&|kind| zeroed(kind) || kind == SectionKind::Data))
}

#[test]
fn what_the_programs_weigh() {
    let weighed = [PROGRAM_ROM, PROGRAM_RUNTIME, "mailbox"].map(|program| {
        let (code, ram) = sizes(program);
        println!("figure: {program}: {code} bytes of code and constants, {ram} of static RAM");
        code
    });
    println!("figure: all: {} bytes of code and constants", weighed.iter().sum::<u64>());
    assert!(weighed[0] <= 48 * 1024);
}

/// The deepest stack so far, bytes, of the program that begins at a place.
fn deepest(board: &Board, program: usize) -> u64 {
    let (lines, mut runs, mut deepest) = (board.counted(), 0, 0);
    for line in lines.lines() {
        match line.split_once(' ') {
            Some(("stack", depth)) if runs == program => {
                deepest = depth.parse::<u64>().unwrap().max(deepest);
            }
            Some(("stack", _)) | None => {}
            Some((place, _)) => runs = usize::from_str_radix(place, 16).unwrap(),
        }
    }
    deepest
}

/// The whole life of a device on a board where the stack of a program is watched; what it needed at
/// most until each step is printed. Gives the deepest.
fn lived(program: &str, except: &[usize]) -> u64 {
    let package = package_with(PLATFORM_PUBLISHER, &root_of_trust(), |_| ());
    let psram = Psram::blank(&package);
    let stack = address(program, "__sheap")..address(program, "_stack_start");
    let (size, place) = (stack.len(), address(program, "Reset"));
    // ROM and runtime use the same memory, one after the other.
    let secure = [PROGRAM_ROM, PROGRAM_RUNTIME].map(|name| address(name, "Reset"));
    let places = if program == "mailbox" { &[place][..] } else { &secure };
    let mut board = psram.power_on_watching(stack, except, places);
    live(&mut board, |board, step| {
        let used = deepest(board, place);
        println!("figure: {program}: stack of {size}, used until {step}: {used}");
    });
    let used = deepest(&board, place);
    assert!(used + 1024 <= size as u64, "{program}: {used} of {size}");
    used
}

/// The whole life of a device on a blank board; `said` hears which step is done.
fn live(board: &mut Board, said: impl Fn(&Board, &str)) {
    let mut line = Line::open(board.line(), patience()).unwrap();
    let said = |step: &str| said(board, step);
    said("hello");
    let section = platform_section(false);
    line.manufacture(&manufacture(&section)).unwrap();
    said("manufacture");
    let mut rot = Mailbox::of(line).unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    said("claim");
    let mut rot = rot.restart(Start::Normal).unwrap();
    said("resume");
    let apps: Vec<(ComponentId, u64)> = (1..16).map(|id| (ComponentId([id; 16]), 1)).collect();
    let (set, images) = (set(&apps), apps.iter().map(|(id, v)| measured(*id, *v)));
    let images: Vec<_> = images.collect();
    let next = NextLayer { runtime: measured(RUNTIME, 1), set: Some(&set), images: &images };
    rot.boot(&next).unwrap();
    said("boot of 15 apps");
    rot.confirm().unwrap();
    report(&mut rot).unwrap();
    said("a token");
    let request = Digest([9; 32]);
    let address = Address { catalog: catalog(false), device: rot.device(), epoch: 1, request };
    rot.accept_reply(&reply(address, 5, Some(7)), &request).unwrap();
    said("a reply");
    let envelopes: Vec<Vec<u8>> = apps.iter().map(|(id, v)| envelope(*id, *v)).collect();
    let envelopes: Vec<&[u8]> = envelopes.iter().map(Vec::as_slice).collect();
    let successor = successor(&owner_section(false), OWNER_ROOT, |_| {});
    rot.replace(&successor, &[&set], &envelopes).unwrap();
    said("a successor with 15 apps");
    let package = package_with(PLATFORM_PUBLISHER, &update::program(2), |_| ());
    install(&mut rot, &package, Some(&approved(&package))).unwrap();
    let mut rot = rot.restart(Start::Normal).unwrap();
    rot.boot(&next).unwrap();
    rot.confirm().unwrap();
    said("an update of its own program");
    let request = rot.challenge().unwrap();
    rot.apply(&capability(Address { request, ..address })).unwrap();
    said("a capability");
    let next = owner_section_of(STRANGER, false);
    let going = Action::NewEpoch(Some(digest(&next)));
    rot.new_epoch(&order(rot.device(), 1, going, OWNER_ROOT), Some(&next)).unwrap();
    said("a transfer");
}

/// A figure of the clock, which no test holds: it is the emulator's.
#[test]
fn a_token_through_the_mailbox_takes_its_time() {
    const TOKENS: u32 = 20;
    let psram = Psram::of(&chip(), &package_with(PLATFORM_PUBLISHER, &root_of_trust(), |_| ()));
    let mut board = psram.power_on();
    let mut rot = Mailbox::of(Line::open(board.line(), patience()).unwrap()).unwrap();
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    rot.boot(&NextLayer { runtime: measured(RUNTIME, 1), set: Some(&set), images: &images })
        .unwrap();
    let begun = Instant::now();
    for _ in 0..TOKENS {
        report(&mut rot).unwrap();
    }
    let rate = f64::from(TOKENS) / begun.elapsed().as_secs_f64();
    assert!(board.is_silent(), "it was reset");
    println!("figure: {rate:.1} evidence tokens a second through the mailbox");
}

/// What the watchdog waits for, in instructions, if the chip does one in each clock of its 20 MHz.
const WATCHDOG: u64 = 20 * 20_000_000;

#[test]
fn fail_4_no_command_comes_near_the_time_of_the_watchdog() {
    let package = package_with(PLATFORM_PUBLISHER, &root_of_trust(), |_| ());
    let psram = Psram::blank(&package);
    let end = address(PROGRAM_RUNTIME, "gate_end");
    let mut board = psram.power_on_counting(&[ENTERED, end]);
    let longest = |board: &Board| {
        let (entered, left) = (at(board, ENTERED), at(board, end));
        // A reset ends a call without its end: each end belongs to the last entry before it.
        let entry = |end: &u64| entered.iter().rev().find(|from| *from < end).copied();
        left.iter().filter_map(|end| Some(end - entry(end)?)).max().unwrap()
    };
    live(&mut board, |board, step| {
        println!("figure: the longest command until {step}: {} instructions", longest(board));
    });
    let longest = longest(&board);
    assert!(longest > 20_000_000 && 5 * longest < 2 * WATCHDOG);
}

#[test]
fn no_stack_comes_near_its_end() {
    let own = ["gate_wipe", "leave_wipe"].map(|name| address(PROGRAM_RUNTIME, name));
    let roms = ["rom_wipe", "rom_wipe_again"].map(|name| address(PROGRAM_ROM, name));
    let wipes = [own[0], own[1], roms[0], roms[1]];
    let [rom, runtime, mailbox] =
        [PROGRAM_ROM, PROGRAM_RUNTIME, "mailbox"].map(|program| lived(program, &wipes));
    let with_static = |program: &str, stack: u64| sizes(program).1 + stack;
    let secure = with_static(PROGRAM_RUNTIME, runtime);
    let other = with_static("mailbox", mailbox);
    let places = (HANDOVER_MAX + SECTOR_SIZE) as u64; // its landing is as large as a sector
    let rom = with_static(PROGRAM_ROM, rom) + places; // alone, before both
    println!("figure: RAM: {secure} of the secure side, {other} of the mailbox; the ROM {rom}");
    println!("figure: RAM in all: {} bytes", secure + other);
    assert!(secure + other <= RAM_MAX && rom <= RAM_MAX);
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
        // The gate is entered once more when the reply is on the line, which only wipes the stack.
        let (entered, left) = (at(board, ENTERED), at(board, end));
        let calls: Vec<u64> = entered.iter().zip(&left).map(|(from, to)| to - from).collect();
        calls.into_iter().rev().find(|count| *count > 100_000).unwrap()
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
