//! The operator's commands, as people type them: the real program against a real service.

mod board;
mod development;
mod hybrid;
mod lots;
mod mailbox;
mod memory;
mod production;
mod refusals;
mod rotation;
mod station;
mod threshold;
mod tpm;
mod world;
