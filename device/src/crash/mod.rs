//! The crash role: keeps failure records until the service has them.
//!
//! It has a bounded folder and the link, and sees no app's memory: records have no place for any
//! (FAIL-1).

mod spool;

pub use spool::{SPOOL_MAX, Spool, SpoolError};

use crate::ipc::{Fault, Refusal, serve};
use crate::link::{self, Credential, Link, LinkError, Peer};
use crate::roles::CrashQuestion;
use craton_api::device::{FAILURES_PATH, Reports};
use std::path::Path;

/// The role's main.
pub fn main(device: &Path) {
    let mut spool = Spool::open(&device.join("spool"));
    serve(|question: CrashQuestion| {
        let spool = spool.as_mut().map_err(|error| Refusal::new(error.code(), error))?;
        match question {
            CrashQuestion::Keep(record) => {
                spool.keep(&record).map_err(|error| Refusal::new(error.code(), error))
            }
            CrashQuestion::Send { peer, credential } => {
                send(spool, &peer.into(), &credential.into())
            }
        }
    });
}

/// Sends all records, and forgets those that the service has taken. Returns how many.
fn send(spool: &mut Spool, peer: &Peer, credential: &Credential) -> Result<u64, Refusal> {
    let waiting = spool.waiting();
    if waiting.is_empty() {
        return Ok(0);
    }
    let records: Vec<&[u8]> = waiting.iter().map(|(_, record)| &record[..]).collect();
    let body = Reports(records).encode().map_err(SpoolError::SpoolRecord);
    let body = body.map_err(|error| Refusal::new(error.code(), error))?;
    post(peer, credential, body)
        .map_err(|error| Refusal { fault: Fault::Service, ..Refusal::new(error.code(), error) })?;
    // A record is forgotten only here: a power cut before sends it twice, and the service takes it
    // once.
    Ok(spool.forget(&waiting))
}

fn post(peer: &Peer, credential: &Credential, body: Vec<u8>) -> Result<(), LinkError> {
    link::runtime()?.block_on(async {
        let mut link = Link::connect(peer, Some(credential)).await?;
        link.post(FAILURES_PATH, body, 4096).await.map(|_| ())
    })
}
