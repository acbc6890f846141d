//! A TPM 2.0 as a root of trust: the engine over a chip whose keys stay in the TPM, and whose state
//! counts only together with it.
//!
//! Reading order: `state` (which record counts), `chip` (what lies in the TPM and the file),
//! `platform` (the same for the engine), `keys`, `policy` (who may open the state), `generation`
//! (how that is taken back); below them, in safe Rust, `command`, `template`, `wire`, `transport`,
//! `address`.
//!
//! What a TPM adds to the engine in a process: the identity and the device-auth key never leave it;
//! who has the disk alone reads nothing and puts nothing back; who boots something that the
//! platform's publisher did not approve does not open the state. What it does not add stands in
//! [`platform::LIMITS`]: the engine runs in the host that it speaks for.

mod address;
pub mod chip;
pub mod command;
pub mod enrol;
mod generation;
mod keys;
mod making;
pub mod platform;
pub mod policy;
pub mod state;
pub mod template;
pub mod transport;
pub mod wire;

pub use address::Address;
pub use generation::generations_of;
pub use platform::TpmPlatform;
pub use policy::BootApproval;
pub use transport::Transport;
