//! The crash role: keeps failure records until the service has them, and tells it what firmware
//! says that it measured.
//!
//! It has a bounded folder and the link, and sees no app's memory: records have no place for any
//! (FAIL-1).

mod boot_log;
mod spool;

pub use boot_log::BootLogError;
pub use spool::{SPOOL_MAX, Spool, SpoolError};

use crate::ipc::{Fault, Refusal, serve};
use crate::link::{self, Credential, Link, LinkError, Peer};
use crate::roles::CrashQuestion;
use craton_api::device::{FAILURES_PATH, Reports};
use std::path::Path;

/// The role's main.
pub fn main(device: &Path) {
    let mut spool = Spool::open(&device.join("spool"));
    serve(|question: CrashQuestion| match question {
        CrashQuestion::Keep(record) => {
            let number = opened(&mut spool)?.keep(&record);
            number.map_err(|error| Refusal::new(error.code(), error))
        }
        CrashQuestion::Send { peer, credential } => {
            send(opened(&mut spool)?, &peer.into(), &credential.into())
        }
        CrashQuestion::OfferBootLog { peer, credential } => {
            boot_log::offer(device, &peer.into(), &credential.into())
        }
    });
}

fn opened(spool: &mut Result<Spool, SpoolError>) -> Result<&mut Spool, Refusal> {
    spool.as_mut().map_err(|error| Refusal::new(error.code(), error))
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
        let link = Link::connect(peer, Some(credential)).await?;
        link.post(FAILURES_PATH, body, 4096).await.map(|_| ())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Server, answer};
    use craton_api::problem::{self, Problem};
    use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};
    use craton_trust::{ComponentId, Digest, ImageId};

    #[test]
    fn a_service_that_takes_no_more_today_loses_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        let (component, image) = (ComponentId([1; 16]), ImageId([2; 32]));
        let failure = Failure::new(FailureKind::Exit, component, image, Digest([3; 32]));
        for _ in 0..2 {
            spool.keep(failure.encode(&mut [0; RECORD_MAX]).unwrap()).unwrap();
        }
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
        let certificate = certificate.der().to_vec();
        let credential = Credential { certificate, key: pair.serialize_der() };
        let said = "E4179: a device may report 1000 failures a day. Send them tomorrow";
        let problem =
            serde_json::to_vec(&Problem::from_text(4179, 429, problem::Fault::Caller, said));
        let busy = answer(429, &problem.unwrap());
        let busy = Server::start(move |_| busy.clone());
        let refused = send(&mut spool, &busy.peer(), &credential).err().unwrap();
        assert!(matches!(refused.fault, Fault::Service), "no fault of a set's");
        assert!(refused.text.contains("E4179"), "{}", refused.text);
        assert_eq!(spool.waiting().len(), 2, "kept, and sent later");
        let taking = Server::start(|_| answer(200, b""));
        assert_eq!(send(&mut spool, &taking.peer(), &credential).ok(), Some(2));
        assert!(spool.waiting().is_empty());
    }
}
