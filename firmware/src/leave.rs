//! Out of the secure side: nothing of it stays in a register, and nothing on its stack.

use crate::map;
use crate::register::write_register;
use core::ptr;

core::arch::global_asm!(
    ".section .text.leave, \"ax\", %progbits", // of its own: the ROM leaves otherwise
    ".thumb",
    ".global leave",
    ".type leave, %function",
    ".thumb_func",
    "leave:",
    "mov lr, r0",
    // ROT-23: whoever called this comes not back, and what was started left copies of its keys.
    "mrs r1, msplim",
    "ldr r2, =_stack_start",
    "mov sp, r2",
    "movs r0, #0",
    "0:",
    ".global leave_wipe",
    "leave_wipe:",
    "str r0, [r1], #4",
    "cmp r1, r2",
    "blo 0b",
    // A seal: no return to a secure exception or function begins at this stack as it is at rest.
    "movw r1, #0xeda5",
    "movt r1, #0xfef5",
    "mov r2, r1",
    "push {{r1, r2}}",
    "mov r1, r0",
    "mov r2, r0",
    "mov r3, r0",
    "mov r4, r0",
    "mov r5, r0",
    "mov r6, r0",
    "mov r7, r0",
    "mov r8, r0",
    "mov r9, r0",
    "mov r10, r0",
    "mov r11, r0",
    "mov r12, r0",
    "msr apsr_nzcvq, r0",
    ".global leave_end",
    "leave_end:",
    "bxns lr",
    ".ltorg",
    ".section .text.wipe_below, \"ax\", %progbits",
    ".thumb",
    ".global wipe_below",
    ".type wipe_below, %function",
    ".thumb_func",
    "wipe_below:",
    "mrs r1, msplim",
    "mov r2, sp",
    "movs r0, #0",
    "0:",
    "cmp r1, r2",
    "it hs",
    "bxhs lr",
    "str r0, [r1], #4",
    "b 0b",
    "udf #0", // whoever missed the way back
);

/// Wipes what calls left on the stack below the caller (ROT-23).
pub fn wipe_stack() {
    // SAFETY: below the stack pointer nothing is in use, down to the limit, which was set.
    unsafe extern "C" {
        safe fn wipe_below();
    }
    wipe_below();
}

/// Runs the non-secure program; its vector table stands first in its code.
pub fn start_other_side() -> ! {
    // SAFETY: `leave` is a function of this type.
    unsafe extern "C" {
        fn leave(entry: u32) -> !;
    }
    // VTOR of the other side.
    write_register(0xe002_ed08, map::NON_SECURE_CODE as u32);
    // SAFETY: the program was signed together with this one, and `divide` made its place
    // non-secure; as the hardware does after a reset, its stack and its first instruction come from
    // its vector table.
    unsafe {
        let table = ptr::with_exposed_provenance::<u32>(map::NON_SECURE_CODE);
        cortex_m::register::msp::write_ns(table.read_volatile());
        leave(table.add(1).read_volatile() & !1)
    }
}
