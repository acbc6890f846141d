//! A hostile non-secure side at the private peripheral bus: it loads and stores every word of the
//! pages where the processor's own registers are. Most of them are there twice, so that an access
//! need not fault: what counts is that no setting of the secure side is another, and that none was
//! read.

use super::board::PROGRAM_RUNTIME;
use super::failures::{PROGRAM_MAILBOX, whole};
use super::probe::{Probe, entry, place};
use craton_firmware::map;
use std::ops::Range;

/// Pages of it, as the non-secure side names them.
const PAGES: [(&str, u32); 7] = [
    ("trace (ITM)", 0xe000_0000),
    ("watchpoints (DWT)", 0xe000_1000),
    ("breakpoints (FPB)", 0xe000_2000),
    ("system control: SysTick, NVIC, SCB, MPU, SAU, debug", 0xe000_e000),
    ("its non-secure alias", 0xe002_e000),
    ("trace port (TPIU)", 0xe004_0000),
    ("table of components", 0xe00f_f000),
];
const PAGE_SIZE: u32 = 0x1000;
/// What is stored: nothing, all, and the key with a request for a reset (AIRCR).
const WORDS: [u32; 3] = [0, u32::MAX, 0x05fa_0004];

/// `cpsid i; 0: ldr r2, [r0]; str r2, [r4]; adds r4, #4; str r1, [r0]; adds r0, #4; cmp r0, r3;
/// bne 0b; blx r5; b .`
const STORES: [u16; 10] =
    [0xb672, 0x6802, 0x6022, 0x3404, 0x6001, 0x3004, 0x4298, 0xd1f8, 0x47a8, 0xe7fe];
/// Where `str r1, [r0]` stands in it, and what leaves it out.
const STORE_AT: usize = 4;
const NOP: u16 = 0xbf00;

/// Settings of the secure side: VTOR, AIRCR, SCR, CCR, SHCSR, CPACR, NSACR, MPU_CTRL, MAIR0, SAU
/// control; whose the interrupts are.
const SETTINGS: [u32; 12] = [
    0xe000_ed08,
    0xe000_ed0c,
    0xe000_ed10,
    0xe000_ed14,
    0xe000_ed24,
    0xe000_ed88,
    0xe000_ed8c,
    0xe000_ed94,
    0xe000_edc0,
    0xe000_edd0,
    0xe000_e380,
    0xe000_e384,
];
/// The debug monitor's exception is the other side's as long as DEMCR.SDME is 0, which it is.
const SHCSR: u32 = 0xe000_ed24;
const MONITOR_ACTIVE: u32 = 1 << 8;
/// MPU and SAU: number, base and limit of a region.
const REGIONS: [[u32; 3]; 2] =
    [[0xe000_ed98, 0xe000_ed9c, 0xe000_eda0], [0xe000_edd8, 0xe000_eddc, 0xe000_ede0]];
const REGION_COUNT: u32 = 8;

/// All settings of the secure side, which stands.
fn settings(probe: &mut Probe) -> Vec<(u32, u32)> {
    let word = |probe: &mut Probe, at: u32| {
        u32::from_le_bytes(probe.read(at as usize, 4).try_into().unwrap())
    };
    let mut found: Vec<(u32, u32)> = SETTINGS.map(|at| (at, word(probe, at))).into();
    found.iter_mut().filter(|(at, _)| *at == SHCSR).for_each(|(_, it)| *it &= !MONITOR_ACTIVE);
    for [number, base, limit] in REGIONS {
        for region in 0..REGION_COUNT {
            probe.store(number, region);
            found.extend([base, limit].map(|at| (at + 0x100 * region, word(probe, at))));
        }
    }
    found
}

/// Accesses every word of a page; says how many faulted.
fn attack(page: u32, word: Option<u32>) -> Result<usize, String> {
    let mut code = STORES;
    code[STORE_AT] = word.map_or(NOP, |_| STORES[STORE_AT]);
    let code: Vec<u8> = code.iter().flat_map(|half| half.to_le_bytes()).collect();
    let psram = whole();
    let (room, at) = (map::NON_SECURE_RAM as u32 + 0x1000, entry(PROGRAM_MAILBOX));
    let [fault, entered] = ["HardFault", "gate_body"].map(|name| place(PROGRAM_RUNTIME, name));
    let (mut from, mut faults) = (page, 0);
    while from < page + PAGE_SIZE {
        let mut probe = Probe::power_on(&psram);
        probe.come(place(PROGRAM_RUNTIME, "leave_end"));
        let before = settings(&mut probe);
        probe.come(at);
        probe.debugger.write(at, &code).unwrap();
        let registers = [from, word.unwrap_or(0), 0, page + PAGE_SIZE, room, map::GATE as u32 | 1];
        for (number, value) in registers.into_iter().enumerate() {
            probe.debugger.set_register(number, value).unwrap();
        }
        [fault, entered].iter().for_each(|at| probe.debugger.watch(*at).unwrap());
        let stop = probe.next_stop(|| false).unwrap();
        let reached = probe.debugger.register(0).unwrap();
        if ![fault, entered].contains(&stop) {
            return Err(format!("it came to {stop:x}"));
        }
        let after = settings(&mut probe);
        if let Some(changed) = before.iter().zip(&after).find(|(before, after)| before != after) {
            return Err(format!("a setting changed: {changed:x?}"));
        }
        let loaded = probe.read(room as usize, PAGE_SIZE as usize);
        let loaded = loaded.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let hidden = &before[MPU_REGIONS];
        let secret = |word: &u32| *word > 0xffff && hidden.iter().any(|(_, it)| it == word);
        if let Some(word) = loaded.into_iter().find(secret) {
            return Err(format!("it read {word:x}, of a region of the secure side"));
        }
        if stop == entered {
            assert_eq!(reached, page + PAGE_SIZE, "it came through all of them");
            break;
        }
        (from, faults) = (reached + 4, faults + 1);
    }
    Ok(faults)
}

/// The settings that are of regions of the MPU: their values are those of no other register. The
/// SAU's are no secret: they are where the other side is.
const MPU_REGIONS: Range<usize> = SETTINGS.len()..SETTINGS.len() + 2 * REGION_COUNT as usize;

#[test]
fn mbx_5_a_hostile_other_side_changes_no_setting_of_the_secure_one() {
    let mut bad = Vec::new();
    println!("| page | loads that fault | stores that fault |\n|---|---|---|");
    for (name, page) in PAGES {
        let tries = std::iter::once(None).chain(WORDS.map(Some)).map(|word| {
            attack(page, word).unwrap_or_else(|why| {
                bad.push(format!("{name}, {word:x?}: {why}"));
                0
            })
        });
        let tries: Vec<usize> = tries.collect();
        println!("| {name} | {} | {:?} |", tries[0], &tries[1..]);
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
