//! From the ROM to the program: what the ROM left in RAM and registers goes first (ROT-16).
//!
//! A register that is not loaded is 0, where nothing is mapped, or leads to where a chip waits;
//! what wipes is there twice (ROT-18). Nothing here uses a stack.
//!
//! What makes the program executable is a word that is computed here of the [`TOKEN`] and of the
//! chip's own word, and that is the right one under the right token alone. So it does not help to
//! come in later, whatever registers hold (ROT-25): before the token is loaded it decides, and
//! behind it a register must hold what only it makes.

use crate::map;
use core::sync::atomic::AtomicU32;
use craton_rot::engine::rom::GO;

/// What was decided: [`GO`] mixed with the chip's own word, if nothing speaks against the program.
pub static TOKEN: AtomicU32 = AtomicU32::new(0);
/// What a chip's words are mixed with that say that it is blank, or that its device secret is
/// hidden: a register that was left says neither.
pub const BLANK: u32 = 0x35b6_a9cc;
/// As above.
pub const HIDDEN: u32 = 0xc6a9_5d33;
/// A word that this chip alone has, in no frame of the stack.
pub static OWN_WORD: AtomicU32 = AtomicU32::new(0);

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
    ".global rom_start",
    ".type rom_start, %function",
    ".thumb_func",
    "rom_start:",
    "load r6, {number}",
    "load r7, {base}",
    "movs r4, #{region}",
    "str r4, [r6]",
    "load r4, {opens}",
    "movw r5, #:lower16:{token}",
    "movt r5, #:upper16:{token}",
    "ldr r5, [r5]",
    "eors r4, r5",
    "movw r5, #:lower16:{own}",
    "movt r5, #:upper16:{own}",
    "ldr r5, [r5]",
    "eors r4, r5",
    "load r5, {opened}",
    "cmp r4, r5",
    "bne refused",
    "str r4, [r7]",
    "dsb",
    "isb",
    "bic r4, r4, #0x1f",
    "bic r4, r4, #0x1f",
    "movs r5, #0",
    "movs r5, #0",
    // An address that is not the program's faults here, while the vector table is still this
    // stage's: its handler wipes the RAM (FAIL-3).
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
    number = const MPU_NUMBER,
    base = const MPU_BASE,
    region = const CODE_REGION,
    opens = const OPENED ^ GO,
    opened = const OPENED,
    token = sym TOKEN,
    own = sym OWN_WORD,
    first = const map::RAM_FIRST,
    end = const map::HANDOVER,
    vtor = const VTOR,
);

/// Where the address of the vector table is set.
const VTOR: usize = 0xe000_ed08;
/// Where a region of the MPU is chosen, and where it begins (Armv8-M manual, MPU_RNR, MPU_RBAR).
const MPU_NUMBER: u32 = 0xe000_ed98;
const MPU_BASE: u32 = MPU_NUMBER + 4;
/// The region of code memory, of every board.
pub(crate) const CODE_REGION: u32 = 1;
/// Read and written by privileged and other code, and executed.
pub(crate) const EXECUTABLE: u32 = 0b01 << 1;
/// That region's beginning, when the program may be executed.
const OPENED: u32 = map::CODE as u32 | EXECUTABLE;

/// Starts the program in code memory, whose vector table is its first bytes, if the [`TOKEN`] is
/// right.
///
/// # Safety
/// A right token means that the program was signed for this place, or that the chip is blank;
/// nothing of the ROM is used again.
#[inline(always)] // whoever falls into it finds no return address (ROT-18)
pub unsafe fn start() -> ! {
    // SAFETY: as the caller says; what is called never returns.
    unsafe {
        core::arch::asm!("bl rom_start", "udf #0", options(noreturn));
    }
}
