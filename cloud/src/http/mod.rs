//! HTTP: requests become callers, callers permits, and permits uses of `app`.

mod blob_body;
mod body;
pub mod device;
mod error;
mod extract;
pub mod listener;
pub mod operator;
mod outcome;
mod patient;
mod service;

pub use blob_body::{blob_response, file_response};
pub use body::read_body;
pub use error::HttpError;
pub use extract::{Allowed, Asked, Authenticated, Named, Object, Octets, ServiceOwner, Wanted};
pub use outcome::Refusal;
pub use service::{api_router, local_router, openapi, openapi_json};

/// The certificate that the peer showed in TLS, DER; the handshake has proved that it holds the
/// key.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Option<Vec<u8>>);

/// The exporter of the TLS connection (RFC 8446 section 7.5) under `device::EXPORTER_LABEL`.
#[derive(Clone, Copy)]
pub struct Exporter(pub [u8; craton_api::device::EXPORTER_SIZE]);

#[cfg(test)]
mod tests;
