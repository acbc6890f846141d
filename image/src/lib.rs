//! image
#![forbid(unsafe_code)]

pub mod delta;
pub mod erofs;
pub mod verity;
