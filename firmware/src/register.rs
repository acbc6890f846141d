//! Registers of devices.

use core::ptr;

/// Reads a register.
#[must_use]
pub fn read_register(address: usize) -> u32 {
    // SAFETY: every caller in this crate passes an aligned register of a device that is there.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

/// Writes a register.
pub fn write_register(address: usize, value: u32) {
    // SAFETY: as above; no device of ours writes to memory.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}
