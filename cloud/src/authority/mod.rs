//! The service's keys, and what they sign: client certificates, assignments, checkpoints.
//!
//! What is true here: a certificate or an assignment leaves only for a device that was
//! [`Appraised`](crate::attest::Appraised); time and keys are handed in; no key of a publisher or a
//! root is ever here.

mod assign;
mod error;
mod issue;
mod key;
mod keyring;

pub use assign::{Answer, assignment};
pub use error::AuthorityError;
pub use issue::{ClientCertificate, ClientName, IssuingCa, name_in, service_certificate};
pub use key::FileKey;
pub use keyring::Keyring;
