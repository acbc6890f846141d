//! One check-in: evidence for this connection and this request, and a reply that is believed by its
//! signature.

use super::{Auth, AuthError};
use crate::link::{self, Link, Peer};
use crate::roles::{AuthAnswer, CheckedIn, CredentialBytes, PeerBytes, StatusBytes};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use craton_api::device::{CHECK_IN_PATH, CheckIn, Isolation, Request, Status, Storage};
use craton_rot::{Ask, For};
use craton_trust::assignment::{Address, Assignment};
use craton_trust::crypto::Crypto as _;
use craton_trust::evidence::{EVIDENCE_MAX, check_in_nonce};
use craton_trust::soft::Soft;
use craton_trust::store::{KeptSection, Role};
use craton_trust::{CatalogId, Digest, PublicKey, SetId, Signed};
use std::time::{Duration, Instant};

/// A reply counts within this time of its one request.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// The largest reply, bytes.
const REPLY_MAX: usize = 16 * 1024;

/// What a reply must be, and what it is judged by.
pub(super) struct Expected {
    pub section: KeptSection<Vec<u8>>,
    pub address: Address,
    /// The size of the last checkpoint that was believed.
    pub checkpoint: u64,
}

impl Auth {
    pub(super) fn check_in(
        &mut self,
        service: &str,
        status: StatusBytes,
        kept: Option<&[[u8; 32]]>,
    ) -> Result<AuthAnswer, AuthError> {
        let now = self.rot.status()?;
        let catalog = now.owner.ok_or(AuthError::DeviceUnowned)?;
        let section = self.owner_section()?;
        let keys = section.section().role(Role::Service).keys().collect();
        let peer = Peer { address: service.to_owned(), keys };
        let (key, client_key) = client_key()?;
        let device = self.rot.device();
        let trial = status.trial;
        let status = status_of(status, now.checkpoint_size);
        let request = Request { catalog, device, epoch: now.epoch, client_key, status }.encode()?;
        let digest = Soft.sha256(&[&request]);
        let address = Address { catalog, device, epoch: now.epoch, request: digest };
        let expected = Expected { section, address, checkpoint: now.checkpoint_size };
        let answered = link::runtime()?.block_on(async {
            let mut link = Link::connect(&peer, None).await?;
            let taken = self.successors(&mut link, catalog, kept).await?;
            if taken > 0 {
                return Ok(Err(taken));
            }
            let sent = Instant::now();
            let freshness = *link.exporter();
            let evidence = self.evidence(catalog, &freshness, &digest, client_key)?;
            let body = CheckIn { request: &request, evidence: &evidence }.encode()?;
            let reply = link.post(CHECK_IN_PATH, body, REPLY_MAX).await?;
            Ok::<_, AuthError>(Ok((reply, sent)))
        })?;
        let (reply, sent) = match answered {
            Ok(reply) => reply,
            Err(taken) => return Ok(AuthAnswer::Succeeded(taken)),
        };
        let believed = believe(&reply, &expected, sent.elapsed())?;
        self.rot.accept_reply(&reply, &digest)?;
        if !trial {
            self.confirm_program();
        }
        Ok(AuthAnswer::CheckedIn(CheckedIn {
            credential: CredentialBytes { certificate: believed.certificate, key },
            time: believed.time,
            next_s: believed.next_s,
            target: believed.target.map(|set| set.0),
            peer: PeerBytes::from(&peer),
        }))
    }

    /// A program of the root of trust itself that is on trial holds once it checked in, in a boot
    /// of a confirmed set; the trial of a set confirms both when it ends. One that could not be
    /// confirmed falls back, which costs an update and no check-in.
    fn confirm_program(&mut self) {
        if !self.rot.programs().is_ok_and(|programs| programs.is_unconfirmed()) {
            return;
        }
        match self.rot.confirm() {
            Ok(()) => eprintln!("auth: the root of trust's program is confirmed"),
            Err(error) => eprintln!("auth: the root of trust's program stays on trial: {error}"),
        }
    }

    fn evidence(
        &mut self,
        audience: CatalogId,
        freshness: &[u8; 32],
        request: &Digest,
        client_key: PublicKey,
    ) -> Result<Vec<u8>, AuthError> {
        let nonce = check_in_nonce(&Soft, &audience, freshness, request);
        let ask = Ask { purpose: For::CheckIn(&self.role), audience, nonce, client_key };
        let mut room = vec![0u8; EVIDENCE_MAX];
        Ok(self.rot.attest(&ask, &mut room)?.to_vec())
    }
}

/// What a verified reply says.
#[derive(Debug)]
pub(super) struct Reply {
    time: u64,
    certificate: Vec<u8>,
    next_s: u64,
    target: Option<SetId>,
}

/// Believes a reply that came `after` its request: signed by the online role, addressed to this
/// request, in time, its set logged.
pub(super) fn believe(
    reply: &[u8],
    expected: &Expected,
    after: Duration,
) -> Result<Reply, AuthError> {
    if after > REPLY_WITHIN {
        return Err(AuthError::ReplyLate);
    }
    let Expected { section, address, checkpoint } = expected;
    let section = section.section();
    let assignment = Assignment::verify(&Soft, &section, address, &Signed::parse(reply)?)?;
    let online = *assignment.online_for(true)?.ok_or(AuthError::ReplyOffline)?; // ASG-2
    if let Some(target) = &assignment.target {
        target.verify_logged(&Soft, &section, address.catalog, *checkpoint)?; // ASG-3
    }
    Ok(Reply {
        time: online.time,
        certificate: online.certificate.to_vec(),
        next_s: assignment.next_check_in_s,
        target: assignment.target.as_ref().map(|target| target.set),
    })
}

/// A fresh key for the certificate: PKCS#8, and its public half.
fn client_key() -> Result<(Vec<u8>, PublicKey), AuthError> {
    // The library has no way to fail here that we could provoke; if it ever does, there is no key.
    let failed = |_| craton_trust::Error::KeyInvalid;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref());
    let pair = pair.map_err(|_| craton_trust::Error::KeyInvalid)?;
    let public = PublicKey::from_sec1(pair.public_key().as_ref())?;
    Ok((pkcs8.as_ref().to_vec(), public))
}

fn status_of(status: StatusBytes, checkpoint: u64) -> Status {
    Status {
        running: status.running.map(SetId),
        trial: status.trial,
        failed: status.failed.map(SetId),
        isolation: match status.isolation {
            1 => Isolation::Full,
            2 => Isolation::Reduced,
            _ => Isolation::Idle,
        },
        storage: Storage::Unpacked,
        checkpoint,
    }
}
