//! Where the stack of the secure side ends.

use core::ptr;
use cortex_m::register::msplim;

/// A stack's limit is a multiple of so many bytes (Armv8-M, MSPLIM).
const STEP: u32 = 8;

/// From here on a stack below the last static is a fault. Whoever wipes the stack wipes from this
/// limit on: the register rounds down, so one within the last static would have that wiped, too.
pub fn limit() {
    // SAFETY: cortex-m-rt's linker script has this symbol.
    unsafe extern "C" {
        static __sheap: u32;
    }
    let end = ptr::addr_of!(__sheap).expose_provenance() as u32;
    // SAFETY: the linker puts `__sheap` above all statics; only its address is taken, and the limit
    // is far below the stack in use.
    unsafe { msplim::write(end.next_multiple_of(STEP)) }
}
