//! What the bare-metal programs share: the map of the board and its driver.
//!
//! The board is QEMU's `mps2-an505`: one Cortex-M33 with TrustZone, and 32 KiB of internal SRAM,
//! which is what a root of trust may use. (`mps2-an521` adds a second core, and nothing here needs
//! it.) Another board is another `board`, `map`, `partition` and `uart`: `rp2350/` has those of one
//! that was only ever compiled.
#![no_std]
#![deny(unsafe_code)]

#[cfg(not(target_os = "none"))]
#[macro_use]
extern crate std;

#[cfg(target_os = "none")]
#[allow(unsafe_code)]
#[cfg_attr(feature = "rp2350", path = "rp2350/board.rs")]
pub mod board;
pub mod failure;
pub mod gate;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod handover;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod landing;
mod layout;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod leave;
#[cfg_attr(feature = "rp2350", path = "rp2350/map.rs")]
pub mod map;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
mod memory;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "rp2350", path = "rp2350/partition.rs")]
pub mod partition;
#[cfg(not(target_os = "none"))]
pub mod program;
#[cfg(target_os = "none")]
mod random;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod register;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod slot;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod stack;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod start;
#[cfg(target_os = "none")]
#[allow(unsafe_code)]
pub mod table;
#[cfg(target_os = "none")]
pub mod timer;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "rp2350", path = "rp2350/uart.rs")]
pub mod uart;
#[cfg(target_os = "none")]
#[cfg_attr(feature = "rp2350", path = "rp2350/watchdog.rs")]
pub mod watchdog;
#[cfg(target_os = "none")]
pub mod whole;
#[cfg(target_os = "none")]
mod words;
