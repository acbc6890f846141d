//! The contract: what a device may say, what a person may ask, and how a refusal reads.
#![forbid(unsafe_code)]

pub mod device;
pub mod operator;
pub mod problem;
