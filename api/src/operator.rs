//! What a person may ask the service: the JSON bodies of the operator API, under `/v1`.
//!
//! Signed objects never travel inside JSON, except where two must arrive together (the genesis
//! of a catalog): they are `application/cbor` bodies. Times are Unix seconds, sizes bytes.

mod audit;
mod catalog;
mod device;
mod failure;
mod id;
mod image;
mod rollout;
mod token;

pub use audit::*;
pub use catalog::*;
pub use device::*;
pub use failure::*;
pub use id::*;
pub use image::*;
pub use rollout::*;
pub use token::*;
