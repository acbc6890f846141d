//! The mailbox: a root of trust on another chip, asked over a line that nobody trusts.
//!
//! A command is a [`Call`], its answer an [`Answer`] beside some bytes; both are flat (an
//! operation, numbers, byte strings). On the chip, everything that reads a line byte by byte and
//! everything that parses CBOR ([`frame`], [`call`], [`post`]) runs where no secret is; only the
//! flat call goes on to [`serve`], which checks each field again. What is believed is believed by
//! its own signature: the line may lose, repeat, change and invent, and then a command is refused
//! or not done, never done in part.
//!
//! Rules: MBX-1 after any garbage the next whole frame is read; MBX-2 a repeated request is
//! answered again and not done again; MBX-3 what crosses into the root of trust is flat, and each
//! field of it is checked there; MBX-4 a refusal comes back as the same refusal.
//!
//! Reading order: [`frame`], [`call`], [`post`], [`serve`], [`chip`], [`client`].

#[cfg(feature = "std")]
pub mod board;
pub mod call;
pub mod chip;
#[cfg(feature = "std")]
pub mod client;
pub mod frame;
pub mod post;
pub mod recovery;
pub mod serve;

pub use call::{Answer, Call, Operation, Reply};
pub use chip::{Chip, EngineChip, Place, Runs};
pub use post::Post;
pub use serve::serve;

/// The version of the messages.
pub const PROTOCOL: u64 = 1;
/// The largest frame of any mailbox, bytes before they are stuffed: a signed section of 8 KiB, or
/// evidence of as much, with room for what goes with it. A chip may take less, and says so in its
/// answer to `Hello`.
pub const FRAME_MAX: usize = 12 * 1024;
/// Bytes of randomness that a host gives to a chip without a source of its own.
pub const ENTROPY_SIZE: usize = 64;
/// Bytes of a measurement in a call: component, digest.
pub const MEASURED_SIZE: usize = 48;
/// Bytes of a floor in an answer: component, version.
pub const FLOOR_SIZE: usize = 24;
