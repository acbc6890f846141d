//! The device runtime on Linux: one package, one process per privilege.

pub mod trace;
pub mod apps;
pub mod sys;
pub mod link;
pub mod auth;
pub mod believed;
pub mod crash;
pub mod installed;
pub mod ipc;
pub mod roles;
pub mod slot_file;
pub mod update;
pub mod monitor;
