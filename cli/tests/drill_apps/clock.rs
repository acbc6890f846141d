//! A preloaded library that shifts the wall clock by `DRILL_CLOCK_SHIFT_S` seconds, never below
//! 1970. Clocks that only measure how long things take are left alone, as on a device whose battery
//! is empty.

use std::ffi::{c_int, c_long};
use std::sync::OnceLock;

#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

// SAFETY: libc's own, with its own signature.
unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

const REALTIME: c_int = 0;
const REALTIME_COARSE: c_int = 5;

fn shift_s() -> i64 {
    static SHIFT: OnceLock<i64> = OnceLock::new();
    *SHIFT.get_or_init(|| {
        let text = std::env::var("DRILL_CLOCK_SHIFT_S").unwrap_or_default();
        text.parse().unwrap_or(0)
    })
}

/// What libc gives, shifted.
///
/// # Safety
/// As libc's: `time` is the place of one value.
// SAFETY: the name is libc's own, to be found before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    // SAFETY: the arguments are the caller's, who promised what libc asks.
    let status = unsafe { syscall(CLOCK_GETTIME, clock as c_long, time) } as c_int;
    if status == 0 && matches!(clock, REALTIME | REALTIME_COARSE) {
        // SAFETY: the kernel has just written one value there.
        let time = unsafe { &mut *time };
        time.seconds = time.seconds.saturating_add(shift_s()).max(0);
    }
    status
}
