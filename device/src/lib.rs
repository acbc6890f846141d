//! The device runtime on Linux: one package, one process per privilege.
#![deny(unsafe_code)]

pub mod apps;
pub mod auth;
pub mod believed;
pub mod crash;
pub mod folder;
pub mod installed;
pub mod ipc;
pub mod link;
pub mod monitor;
pub mod roles;
pub mod rot;
pub mod slot_file;
pub mod stopped;
pub mod succession;
#[allow(unsafe_code)]
pub mod sys;
#[cfg(test)]
mod tests;
pub mod tpm;
pub mod trace;
pub mod transfer;
pub mod update;
