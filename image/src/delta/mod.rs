//! Deltas: how to rebuild a new payload from an old one, as an untrusted hint.
//!
//! A delta is never believed. It is refused before any output if it is for another base or another
//! result than the signed manifest says; memory is bounded whatever it claims; and the result's
//! digest decides. Whoever cannot apply a delta fetches the whole payload.
//!
//! ```text
//! header (96 bytes, integers little-endian):
//!   magic "CRATONDL" · version u32 = 1 · window bytes u32 = 1 MiB
//!   · old SHA-256, 32 bytes · old size u64 · new SHA-256, 32 bytes · new size u64
//! address map (see `address.rs`):
//!   frame bytes u32 · map bytes u32 · one zstd frame of that many bytes
//! then for each MiB of the new payload:
//!   frame bytes u32 · control bytes u32 · copied bytes u32 · one zstd frame of that many bytes
//! ```
//!
//! A window's frame holds bsdiff's three streams (see `window.rs`), made after the addresses in
//! old machine code were corrected by the map: most changed bytes of an update are addresses that
//! moved. Each window stands alone, so that an interrupted update goes on where it stopped.

mod address;
mod apply;
mod error;
mod header;
mod make;
mod matching;
mod program;
mod varint;
mod window;

pub use apply::{Applier, Base, apply, apply_verified};
pub use error::DeltaError;
pub use header::{Header, Payload};
pub use make::make;

/// Bytes of output that a window gives; the last may give fewer.
pub const WINDOW_BYTES: usize = 1 << 20;
pub use crate::package::PAYLOAD_BYTES_MAX;
/// Bytes of a window's control stream, at most. An operation stands for 9 bytes of output or more
/// and takes 7 when it is that short, so what [`make`] writes stays below.
const CONTROL_BYTES_MAX: usize = 1 << 20;
/// Bytes of a window's compressed frame, at most: zstd adds less than 1 in 256 to what it cannot
/// compress.
const FRAME_BYTES_MAX: usize = (CONTROL_BYTES_MAX + WINDOW_BYTES) / 256 * 257;
/// The decoder's window, as a power of two: one frame's contents.
const ZSTD_WINDOW_LOG_MAX: u32 = 21;
