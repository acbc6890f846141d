//! One check-in: evidence for this connection and this request, and a reply that is believed by its
//! signature and its proof.

use super::{Device, Rot};
use crate::house::key_as_pkcs8;
use anyhow::{Context as _, Result};
use craton_api::device::{CHECK_IN_PATH, CheckIn, Isolation, Request, Status, Storage};
use craton_device::believed::{Believed, section_payload};
use craton_device::link::{Credential, Link, LinkError, Peer};
use craton_rot::{Ask, For, RootOfTrust as _, SECTION_MAX};
use craton_trust::assignment::{Address, Assignment};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::evidence::{EVIDENCE_MAX, check_in_nonce};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{KeptSection, Section, SectionKind};
use craton_trust::{Digest, PublicKey, SetId, Signed};

/// The largest reply, bytes.
const REPLY_MAX: usize = 16 * 1024;

/// A reply that was believed.
pub struct Believing {
    /// The service's time.
    pub time_s: u64,
    /// What to run.
    pub target: Option<SetId>,
    /// The certificate, and its key.
    pub credential: Credential,
}

/// A request with its evidence, and what its reply must answer.
pub struct Prepared {
    /// The request, encoded.
    pub request: Vec<u8>,
    /// The evidence, encoded.
    pub evidence: Vec<u8>,
    /// Whom a reply must address.
    pub address: Address,
    /// The device's identity key.
    pub identity: PublicKey,
    /// The key that the certificate will be for.
    key: SoftKey,
}

impl Prepared {
    /// What is posted.
    ///
    /// # Errors
    /// None in practice.
    pub fn body(&self) -> Result<Vec<u8>> {
        Ok(CheckIn { request: &self.request, evidence: &self.evidence }.encode()?)
    }

    /// The public half of the key that the certificate will be for.
    #[must_use]
    pub fn client_key(&self) -> PublicKey {
        self.key.public_key()
    }
}

/// Why there was no reply to believe.
pub enum Missed {
    /// Nobody answered.
    Unreachable,
    /// The service said no.
    Refused(String),
}

impl Device {
    pub(super) fn believed(&self, rot: &Rot) -> Result<Believed> {
        let status = rot.status()?;
        let owner = owner_section(rot)?;
        let catalog = status.owner.context("the device has no owner")?;
        let development = owner.section().dev;
        let (class, floors) = (status.class, status.floors);
        Ok(Believed { owner, catalog, class, development, debug: false, floors })
    }

    /// Checks in once.
    ///
    /// # Errors
    /// A reply that is not to be believed, or a root of trust that does not attest: in a simulation
    /// both are defects.
    pub async fn check_in(&mut self, peer: &Peer) -> Result<Result<Believing, Missed>> {
        let link = match Link::connect(peer, None).await {
            Ok(link) => link,
            Err(error) => return Ok(Err(error.into())),
        };
        let prepared = self.prepare(link.exporter())?;
        let reply = match link.post(CHECK_IN_PATH, prepared.body()?, REPLY_MAX).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(error.into())),
        };
        let powered = self.powered.as_mut().context("the device is off")?;
        let section = owner_section(&powered.rot)?;
        let checkpoint = powered.rot.status()?.checkpoint_size;
        let believed = believe(&reply, &section.section(), &prepared, checkpoint)?;
        powered.rot.accept_reply(&reply, &prepared.address.request)?;
        Ok(Ok(believed))
    }

    /// The request and its evidence for a connection with this exporter.
    ///
    /// # Errors
    /// The root of trust's.
    pub fn prepare(&mut self, freshness: &[u8; 32]) -> Result<Prepared> {
        let key = self.fresh_key();
        let (device, slots, run) = (self.id, self.slots, self.run());
        let powered = self.powered.as_mut().context("the device is off")?;
        let now = powered.rot.status()?;
        let catalog = now.owner.context("the device has no owner")?;
        let status = Status {
            running: run.map(|run| run.set),
            trial: run.is_some_and(|run| run.trial),
            failed: slots.failed,
            isolation: Isolation::Full,
            storage: Storage::Unpacked,
            checkpoint: now.checkpoint_size,
        };
        let client_key = key.public_key();
        let request = Request { catalog, device, epoch: now.epoch, client_key, status }.encode()?;
        let digest = Soft.sha256(&[&request]);
        let nonce = check_in_nonce(&Soft, &catalog, freshness, &digest);
        let purpose = For::CheckIn(&powered.role);
        let mut room = vec![0u8; EVIDENCE_MAX];
        let ask = Ask { purpose, audience: catalog, nonce, client_key };
        let evidence = powered.rot.attest(&ask, &mut room)?.to_vec();
        let address = Address { catalog, device, epoch: now.epoch, request: digest };
        let identity = powered.rot.identity();
        Ok(Prepared { request, evidence, address, identity, key })
    }

    /// A fresh key for the certificate, drawn from the device's own stream.
    fn fresh_key(&mut self) -> SoftKey {
        self.draws += 1;
        let label = format!("client-key-{}", self.draws);
        let mut stream = self.seed.stream(&label, self.number);
        loop {
            let mut secret = [0; 32];
            stream.fill(&mut secret);
            if let Ok(key) = SoftKey::from_bytes(&secret) {
                return key;
            }
        }
    }
}

impl Missed {
    /// The refusal's words, if it was one.
    #[must_use]
    pub fn why(self) -> Option<String> {
        match self {
            Self::Unreachable => None,
            Self::Refused(why) => Some(why),
        }
    }
}

impl From<LinkError> for Missed {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::ServiceUnreachable(..) => Self::Unreachable,
            other => Self::Refused(other.to_string()),
        }
    }
}

fn owner_section(rot: &Rot) -> Result<KeptSection<Vec<u8>>> {
    let mut room = vec![0u8; SECTION_MAX];
    let signed = rot.section(SectionKind::Owner, &mut room)?;
    Ok(KeptSection::parse(section_payload(signed)?.to_vec())?)
}

fn believe(
    reply: &[u8],
    section: &Section<'_>,
    prepared: &Prepared,
    checkpoint: u64,
) -> Result<Believing> {
    let Prepared { address, key, .. } = prepared;
    let signed = Signed::parse(reply)?;
    let assignment = Assignment::verify(&Soft, section, address, &signed)?;
    let online = assignment.online_for(true)?.context("the reply has no certificate")?; // ASG-2
    if let Some(target) = &assignment.target {
        target.verify_logged(&Soft, section, address.catalog, checkpoint)?; // ASG-3
    }
    Ok(Believing {
        time_s: online.time,
        target: assignment.target.as_ref().map(|target| target.set),
        credential: Credential { certificate: online.certificate.to_vec(), key: key_as_pkcs8(key) },
    })
}

/// The digest under which a set is measured, for whoever compares.
impl Device {
    /// The set that this boot measured, as evidence quotes it.
    #[must_use]
    pub fn measured_set(&self) -> Option<Digest> {
        let rot = &self.powered.as_ref()?.rot;
        let events = (0..).map_while(|place| rot.event(place).ok().flatten());
        let measured = events.filter_map(|event| match event {
            craton_rot::Event::Measured(measured) => Some(measured),
            craton_rot::Event::Booted { .. } => None,
        });
        measured
            .into_iter()
            .find(|m| m.component == craton_trust::evidence::IMAGE_SET)
            .map(|m| m.digest)
    }
}
