//! From the ROM to the program: what the ROM left in RAM and registers goes first (ROT-16).
//!
//! A register that is not loaded is 0, where nothing is mapped, or leads to where a chip waits;
//! what wipes is there twice (ROT-18). Nothing here uses a stack.

use crate::map;

core::arch::global_asm!(
    ".section .text.start, \"ax\", %progbits", // of its own: the ROM has it alone
    ".thumb",
    ".macro load register, value",
    "movw \\register, #\\value & 0xffff",
    "movt \\register, #\\value >> 16",
    ".endm",
    // Copies of keys that no destructor reaches, and what a reset does not keep.
    ".macro wipe label",
    "mov r0, r5",
    "load r0, {first}",
    "mov r1, r5",
    "load r1, {end}",
    ".global \\label",
    "\\label:",
    "str r5, [r0], #4",
    "cmp r0, r1",
    "blo \\label",
    ".endm",
    "udf #0", // whoever missed the end of what lies before
    // (doubt): all ones if there is one, and 0 if not.
    ".global rom_start",
    ".type rom_start, %function",
    ".thumb_func",
    "rom_start:",
    "movs r5, #0",
    "movs r5, #0",
    "asr r9, r0, #31",
    "asr r9, r9, #31",
    "mov r4, r5",
    "load r4, {code}",
    "orr r4, r4, r9",
    // A doubted address faults here, while the vector table is still this stage's: its handler
    // wipes the RAM (FAIL-3).
    "mov r2, r5",
    "movw r3, #:lower16:refused",
    "movt r3, #:upper16:refused",
    "ldr r2, [r4]",
    "ldr r3, [r4, #4]",
    "msr msplim, r5",
    "wipe rom_wipe",
    "wipe rom_wipe_again",
    // From here on a fault is the program's.
    "mov r8, r5",
    "load r8, {vtor}",
    "str r4, [r8]",
    "dsb",
    "isb",
    "msr msp, r2",
    "msr msp, r2",
    "mov r0, r5",
    "mov r1, r5",
    "mov r2, r5",
    "mov r4, r5",
    "mov r6, r5",
    "mov r7, r5",
    "mov r8, r5",
    "mov r9, r5",
    "mov r10, r5",
    "mov r11, r5",
    "mov r12, r5",
    "mov lr, r5",
    "bx r3",
    "b refused", // without it the next function would be this one's end
    ".size rom_start, . - rom_start",
    ".purgem wipe",
    ".purgem load",
    code = const map::CODE,
    first = const map::RAM_FIRST,
    end = const map::HANDOVER,
    vtor = const VTOR,
);

/// Where the address of the vector table is set.
const VTOR: usize = 0xe000_ed08;

/// Starts the program in code memory, whose vector table is its first bytes. A doubt (all ones, or
/// 0 for none) makes its address one where nothing is.
///
/// # Safety
/// That program was signed for this place, or the chip is blank; nothing of the ROM is used again.
#[inline(always)] // whoever falls into it finds no return address (ROT-18)
pub unsafe fn start(doubt: u32) -> ! {
    // SAFETY: as the caller says; what is called never returns.
    unsafe {
        core::arch::asm!("bl rom_start", "udf #0", in("r0") doubt, options(noreturn));
    }
}
