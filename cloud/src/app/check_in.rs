//! A check-in: evidence in; certificate, time and assignment out, in one signed answer.
//!
//! The service reads one snapshot, appraises, decides, signs, and commits once: last seen,
//! counters, certificate serial and assignment together or not at all. An identical request on the
//! same connection gets the same bytes.

use super::{AppError, Core, deployments, log, newest_section};
use crate::attest::{Appraised, Asked, AttestError, Known, References, appraise};
use crate::authority::{Answer, ClientCertificate, IssuingCa, assignment};
use crate::catalog::CatalogError;
use crate::crypto::AwsLc;
use crate::rollout::{Outcome, Position, Seen, offered_set, outcome_of, wave_of};
use crate::store::{CheckInRecord, DeviceRow, OutcomeRecord, ReadTx, WriteTx};
use craton_api::device::{CheckIn, Request};
use craton_api::operator::{
    CatalogId, DeploymentId, DeviceId, ImageSetId, RotClass, Section, TrialOutcome, UpdatePolicy,
};
use craton_trust::assignment::Target;
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::trust_store_digest;
use craton_trust::store::Role;
use craton_trust::{ComponentId, Digest, PublicKey, SetId, Signed, endorsement};
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

/// How long certificates live, and how often devices come.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// From issue to expiry (DESIGN §7: 1 h to 90 d).
    pub certificate: Duration,
    /// From one check-in to the next.
    pub check_in_every: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { certificate: day, check_in_every: day }
    }
}

/// What a check-in needs beside the core.
pub struct Issuer {
    /// The CA of client certificates.
    pub ca: IssuingCa,
    /// How long, how often.
    pub policy: Policy,
}

/// Answers one check-in. `exporter` is of the connection it came on.
///
/// # Errors
/// `DeviceUnknown`, one of [`AttestError`] for each way in which evidence is wrong, and those of
/// the store.
pub async fn check_in(
    core: &Core,
    issuer: &Issuer,
    exporter: [u8; 32],
    body: &[u8],
) -> Result<Vec<u8>, AppError> {
    let outcome = answer(core, issuer, exporter, body).await;
    let counter = match &outcome {
        Ok(_) => &core.counted.check_ins,
        Err(_) => &core.counted.check_ins_refused,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    outcome
}

/// What the snapshot showed and the rules decided.
struct Decided {
    appraised: Appraised,
    target: Option<OwnedTarget>,
    row: DeviceRow,
    offer: Option<Offer>,
}

/// The deployment of the device's group.
#[derive(Clone, Copy)]
struct Offer {
    deployment: DeploymentId,
    release: ImageSetId,
    /// The step that reaches the device.
    wave: u32,
}

/// [`Target`] without a borrow.
struct OwnedTarget {
    set: ImageSetId,
    proof: log::LoggedProof,
}

async fn answer(
    core: &Core,
    issuer: &Issuer,
    exporter: [u8; 32],
    body: &[u8],
) -> Result<Vec<u8>, AppError> {
    let check_in = CheckIn::parse(body).map_err(AttestError::Evidence)?;
    let request = Request::parse(check_in.request).map_err(AttestError::Evidence)?;
    let digest = AwsLc.sha256(&[check_in.request]);
    // The connection is part of it: the same bytes on another one are a replay.
    let seen = AwsLc.sha256(&[&exporter, body]);
    let (catalog, device) = (CatalogId(request.catalog.0), DeviceId(request.device.0));
    let kept = core.store.read(|db| db.check_in_reply(catalog, device, op_digest(seen)))?;
    if let Some(reply) = kept {
        return Ok(reply);
    }
    let asked = Asked {
        freshness: exporter,
        request: digest,
        client_key: request.client_key,
        epoch: request.epoch,
    };
    let decided = core.store.read(|db| decide(db, &request, &asked, check_in.evidence));
    if let Err(AppError::Attest(refusal)) = &decided {
        note(core, catalog, device, *refusal).await?;
    }
    let decided = decided?;
    let now_s = core.clock.now_s();
    let now = UNIX_EPOCH + Duration::from_secs(now_s);
    let certificate = issuer.ca.issue(&decided.appraised, now, issuer.policy.certificate)?;
    let answer = Answer {
        request: digest,
        now_s,
        next_check_in_s: issuer.policy.check_in_every.as_secs(),
        target: decided.target.as_ref().map(target).transpose()?,
    };
    let reply = assignment(&decided.appraised, &certificate.der, answer, &*core.keys.online)?;
    commit(core, &request, decided, certificate, seen, reply).await
}

/// Notes what authentic evidence for this very connection showed of a device, though it got
/// nothing for it.
async fn note(
    core: &Core,
    catalog: CatalogId,
    device: DeviceId,
    refusal: AttestError,
) -> Result<(), AppError> {
    let at_s = core.clock.now_s();
    let work = move |db: &WriteTx<'_>| match refusal {
        // An old pair: two devices have one identity.
        AttestError::CountersStale => db.device_mark_cloned(catalog, device),
        AttestError::ModeNotNormal(mode) => {
            db.device_mode_seen(catalog, device, mode_name(mode), at_s)
        }
        _ => Ok(()),
    };
    match refusal {
        AttestError::CountersStale | AttestError::ModeNotNormal(_) => {
            Ok(core.store.write(work).await?)
        }
        _ => Ok(()),
    }
}

/// The word that tables and pages show.
const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::Debug => "debug",
        Mode::Recovery => "recovery",
    }
}

fn op_digest(digest: Digest) -> craton_api::operator::Digest {
    craton_api::operator::Digest(digest.0)
}

fn target(owned: &OwnedTarget) -> Result<Target<'_>, AppError> {
    let path: Vec<Digest> = owned.proof.path.iter().map(|digest| Digest(digest.0)).collect();
    let set = craton_trust::SetId(owned.set.0);
    let target = Target::new(set, owned.proof.index, &owned.proof.checkpoint, &path);
    Ok(target.map_err(AttestError::Evidence)?)
}

fn decide(
    db: &ReadTx<'_>,
    request: &Request,
    asked: &Asked,
    evidence: &[u8],
) -> Result<Decided, AppError> {
    let (catalog, id) = (CatalogId(request.catalog.0), DeviceId(request.device.0));
    let row = db.device(catalog, id)?.ok_or(CatalogError::DeviceUnknown)?;
    let owner = newest_section(db, catalog, Section::Owner)?;
    let group = match split(&row) {
        Some((product, group)) => db.device_group(catalog, product, group)?,
        None => None,
    };
    let least = group.as_ref().map(|group| group.least_class);
    let references = Published::read(db, catalog)?;
    let known = known(catalog, &row, least, owner.dev, asked.epoch, references.platform)?;
    let appraised = appraise(&known, asked, evidence, &references)?;
    let updates = group.is_some_and(|group| group.update_policy == UpdatePolicy::UpdateAll);
    let deployment = match split(&row) {
        Some((product, group)) if updates => db.deployment_current(catalog, product, group)?,
        _ => None,
    };
    let Some(deployment) = deployment else {
        return Ok(Decided { appraised, target: None, row, offer: None });
    };
    let secret = db.wave_secret(catalog)?.ok_or(CatalogError::DeviceUnknown)?;
    let release = deployment.deployment.image_set;
    let runs = appraised.set().map(|set| ImageSetId(set.0));
    let position = Position::of(&secret, release, id);
    let offered = offered_set(&deployment.deployment, position, runs);
    let witnessed = !owner.role(Role::Witness).keys().is_empty();
    let target = match offered {
        Some(set) => logged(db, catalog, set, witnessed)?,
        None => None,
    };
    let deployment = deployment.deployment;
    let wave = wave_of(&deployment.waves, position);
    let offer = Some(Offer { deployment: deployment.id, release, wave });
    Ok(Decided { appraised, target, row, offer })
}

fn split(row: &DeviceRow) -> Option<(&str, &str)> {
    row.device.group.as_deref()?.split_once('/')
}

fn known(
    catalog: CatalogId,
    row: &DeviceRow,
    least: Option<RotClass>,
    dev: bool,
    asked_epoch: u64,
    platform: Digest,
) -> Result<Known, AppError> {
    let device = &row.device;
    let identity = row.identity_key.as_deref().ok_or(CatalogError::DeviceUnknown)?;
    // The claim verified it.
    let endorsed = Signed::parse(&row.endorsement)
        .and_then(|signed| Endorsement::parse(signed.unchecked_payload()));
    let class = endorsed.map_err(AttestError::Evidence)?.class;
    Ok(Known {
        catalog: craton_trust::CatalogId(catalog.0),
        identity: PublicKey::from_cose(identity).map_err(AttestError::Evidence)?,
        rot: trust_class(device.rot),
        least_rot: trust_class(least),
        // A pending device tells its epoch by its first evidence; from then on it is held to it.
        epoch: if device.last_seen_s.is_none() { asked_epoch } else { device.epoch },
        last: device.last_boot.zip(device.last_check_in),
        class,
        platform,
        dev,
    })
}

fn trust_class(class: Option<RotClass>) -> endorsement::RotClass {
    match class {
        None | Some(RotClass::Software) => endorsement::RotClass::Software,
        Some(RotClass::Firmware) => endorsement::RotClass::Firmware,
        Some(RotClass::Tpm) => endorsement::RotClass::Tpm,
        Some(RotClass::Silicon) => endorsement::RotClass::Silicon,
    }
}

/// What of this catalog may be measured on a device (ATT-2), from one snapshot.
struct Published<'db> {
    db: &'db ReadTx<'db>,
    catalog: CatalogId,
    /// The first version of the platform section.
    platform: Digest,
    trust_stores: Vec<Digest>,
}

impl<'db> Published<'db> {
    /// Every pair of section versions that a device may have: they arrive one by one.
    fn read(db: &'db ReadTx<'db>, catalog: CatalogId) -> Result<Self, AppError> {
        let platforms = db.trust_store_digests(catalog, 0)?;
        let owner = db.trust_store_digests(catalog, 1)?;
        let pairs = platforms.iter().flat_map(|p| owner.iter().map(move |o| (p, o)));
        let trust_stores = pairs
            .map(|(p, o)| trust_store_digest(&AwsLc, (*p).into(), Some((*o).into())))
            .collect();
        let platform = platforms.first().copied().ok_or(CatalogError::SectionUnknown)?.into();
        Ok(Self { db, catalog, platform, trust_stores })
    }
}

impl References for Published<'_> {
    fn has_trust_store(&self, digest: Digest) -> bool {
        self.trust_stores.contains(&digest)
    }

    fn admitted_set(&self, set: SetId) -> Option<Vec<u8>> {
        // A database that does not answer is no reason to believe.
        self.db.image_set_admitted(self.catalog, ImageSetId(set.0)).ok().flatten()
    }

    fn runtime(&self, component: ComponentId, payload: Digest) -> Option<u64> {
        let component = craton_api::operator::ComponentId(component.0);
        self.db.runtime_version(self.catalog, component, op_digest(payload)).ok().flatten()
    }
}

fn logged(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    set: ImageSetId,
    witnessed: bool,
) -> Result<Option<OwnedTarget>, AppError> {
    let row = db.image_set(catalog, set)?.ok_or(CatalogError::SetUnknown)?;
    let Some(index) = row.set.log_index else { return Ok(None) };
    let proof = log::logged_proof(db, catalog, index, witnessed)?;
    Ok(proof.map(|proof| OwnedTarget { set, proof }))
}

async fn commit(
    core: &Core,
    request: &Request,
    decided: Decided,
    certificate: ClientCertificate,
    seen: Digest,
    reply: Vec<u8>,
) -> Result<Vec<u8>, AppError> {
    let (catalog, id) = (CatalogId(request.catalog.0), DeviceId(request.device.0));
    let Decided { appraised, target, row, offer } = decided;
    let attested = appraised.set().map(|set| ImageSetId(set.0));
    let says = Seen {
        assigned_before: row.device.assigned_set,
        attested,
        trial: request.status.trial,
        failed: request.status.failed.map(|set| ImageSetId(set.0)),
    };
    let outcome = offer.and_then(|offer| Some((offer, outcome_of(offer.release, says)?)));
    let trial = match (request.status.trial, outcome) {
        (true, _) => Some(TrialOutcome::OnTrial),
        (false, Some((_, Outcome::Failed))) => Some(TrialOutcome::FellBack),
        (false, Some((_, Outcome::Confirmed))) => Some(TrialOutcome::Confirmed),
        (false, None) => row.device.trial,
    };
    let (boot, check_in) = appraised.counters();
    let at_s = core.clock.now_s();
    let record = CheckInRecord {
        at_s,
        epoch: appraised.epoch(),
        boot,
        check_in,
        certificate_serial: Some(certificate.serial),
        attested_set: attested,
        assigned_set: target.map(|target| target.set),
        isolation: Some(request.status.isolation.name().to_owned()),
        storage: Some(request.status.storage.name().to_owned()),
        mode: Some(mode_name(appraised.mode()).to_owned()),
        trial,
        request: op_digest(seen),
        reply: reply.clone(),
    };
    let before = row.device.last_boot.zip(row.device.last_check_in);
    let work = move |db: &WriteTx<'_>| {
        // Another check-in of this device may have been committed since the snapshot.
        let now = db.device(catalog, id)?.ok_or(CatalogError::DeviceUnknown)?.device;
        if now.last_boot.zip(now.last_check_in) != before {
            return Err(AttestError::CountersStale.into());
        }
        db.device_check_in(catalog, id, &record)?;
        if let Some((offer, outcome)) = outcome {
            let record = OutcomeRecord { device: id, wave: offer.wave, outcome, at_s };
            deployments::record_outcome(db, catalog, offer.deployment, &record)?;
        }
        Ok::<_, AppError>(())
    };
    core.store.write(work).await?;
    Ok(reply)
}
