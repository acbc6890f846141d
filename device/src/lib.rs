//! device

pub mod trace;
