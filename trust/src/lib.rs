//! Every byte Craton signs or believes.
//!
//! What is true of this crate: it allocates nothing, has no `unsafe`, and never panics on its
//! input. Bytes become a parsed value only if they are canonical CBOR (CBOR-1), and a parsed value
//! becomes [`Verified`] only by the signatures that its kind demands. Algorithms come in through
//! [`crypto::Crypto`], time and state through arguments.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod assignment;
pub mod capability;
pub mod cbor;
#[cfg(feature = "compact")]
pub mod compact;
mod copy;
pub mod cose;
pub mod crypto;
pub mod dice;
pub mod endorsement;
pub mod error;
pub mod event_log;
pub mod evidence;
pub mod failure;
#[cfg(any(feature = "soft", feature = "compact"))]
mod hash;
pub mod id;
pub mod key;
pub mod lms;
pub mod lot;
pub mod merkle;
pub mod quote;
pub mod quoted;
pub mod rollback;
pub mod set;
pub mod signed;
pub mod slots;
#[cfg(feature = "soft")]
pub mod soft;
pub mod store;
pub mod suit;

pub use copy::{copy, join};
pub use error::Error;
pub use id::{CatalogId, ClassId, ComponentId, DeviceId, Digest, ImageId, SetId};
pub use key::PublicKey;
pub use signed::{Signed, Verified};
