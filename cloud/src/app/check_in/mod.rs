//! A check-in: evidence in; certificate, time and assignment out, in one signed answer.
//!
//! The service reads the device's row and the view of its catalog, appraises, decides, signs, and
//! commits once: last seen, counters, certificate serial and assignment together or not at all. An
//! identical request on the same connection gets the same bytes; another one is refused.

mod commit;
mod view;

pub use view::Views;

use super::{AppError, Core};
use crate::attest::{Appraised, Asked, AttestError, Known, appraise};
use crate::authority::{Answer, IssuingCa, assignment};
use crate::catalog::CatalogError;
use crate::crypto::AwsLc;
use crate::rollout::{Position, offered_set, wave_of};
use crate::store::{DeviceRow, WriteTx};
use craton_api::device::{CheckIn, Request};
use craton_api::operator::{CatalogId, DeploymentId, DeviceId, ImageSetId, RotClass, UpdatePolicy};
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::endorsement::Endorsement;
use craton_trust::{Digest, PublicKey, Signed, endorsement};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use view::{LoggedSet, View};

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

/// The one check-in of a connection (DESIGN §7), once it was answered. A retry is the same request
/// on the same connection: on another one it is a replay. So the reply need not outlive it.
#[derive(Clone, Default)]
pub struct LastReply(Arc<Mutex<Option<Replied>>>);

/// The request's digest, and the reply.
type Replied = (Digest, Vec<u8>);

impl LastReply {
    /// The reply, if this is the same request again.
    fn to(&self, request: Digest) -> Result<Option<Vec<u8>>, AttestError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            None => Ok(None),
            Some((to, reply)) if *to == request => Ok(Some(reply.clone())),
            Some(_) => Err(AttestError::ConnectionUsed),
        }
    }

    fn keep(&self, request: Digest, reply: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((request, reply.to_vec()));
    }
}

/// The connection that a check-in came on.
pub struct Connection<'c> {
    /// Its exporter.
    pub exporter: [u8; 32],
    /// Its last check-in.
    pub last: &'c LastReply,
}

/// Answers one check-in.
///
/// # Errors
/// `DeviceUnknown`, one of [`AttestError`] for each way in which evidence is wrong, and those of
/// the store.
pub async fn check_in(
    core: &Core,
    issuer: &Issuer,
    connection: &Connection<'_>,
    body: &[u8],
) -> Result<Vec<u8>, AppError> {
    let outcome = answer(core, issuer, connection, body).await;
    let counter = match &outcome {
        Ok(_) => &core.counted.check_ins,
        Err(_) => &core.counted.check_ins_refused,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    outcome
}

/// What was read and the rules decided.
struct Decided {
    appraised: Appraised,
    target: Option<Arc<LoggedSet>>,
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

async fn answer(
    core: &Core,
    issuer: &Issuer,
    connection: &Connection<'_>,
    body: &[u8],
) -> Result<Vec<u8>, AppError> {
    let check_in = CheckIn::parse(body).map_err(AttestError::Evidence)?;
    let request = Request::parse(check_in.request).map_err(AttestError::Evidence)?;
    let seen = AwsLc.sha256(&[body]);
    if let Some(reply) = connection.last.to(seen)? {
        return Ok(reply);
    }
    let digest = AwsLc.sha256(&[check_in.request]);
    let (catalog, device) = (CatalogId(request.catalog.0), DeviceId(request.device.0));
    let asked = Asked {
        freshness: connection.exporter,
        request: digest,
        client_key: request.client_key,
        epoch: request.epoch,
    };
    let decided = decide(core, catalog, device, &asked, check_in.evidence);
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
        target: decided.target.as_ref().map(|set| set.target()).transpose()?,
    };
    let reply = assignment(&decided.appraised, &certificate.der, answer, &*core.keys.online)?;
    commit::commit(core, &request, decided, certificate, now_s).await?;
    connection.last.keep(seen, &reply);
    Ok(reply)
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

fn decide(
    core: &Core,
    catalog: CatalogId,
    id: DeviceId,
    asked: &Asked,
    evidence: &[u8],
) -> Result<Decided, AppError> {
    let store = &core.store;
    let row = store.read(|db| db.device(catalog, id))?.ok_or(CatalogError::DeviceUnknown)?;
    let view = core.views.of(store, catalog)?;
    let group = row.device.group.as_deref().map(|path| view.group(store, path)).transpose()?;
    let rules = group.as_ref().and_then(|group| group.rules);
    let known = known(&view, &row, rules.map(|rules| rules.least_class), asked.epoch)?;
    let appraised = appraise(&known, asked, evidence, &view.references(core))?;
    let updates = rules.is_some_and(|rules| rules.update_policy == UpdatePolicy::UpdateAll);
    let deployment = group.as_ref().filter(|_| updates).and_then(|g| g.deployment.as_ref());
    let Some(deployment) = deployment else {
        return Ok(Decided { appraised, target: None, row, offer: None });
    };
    let release = deployment.image_set;
    let runs = appraised.set().map(|set| ImageSetId(set.0));
    let position = Position::of(&view.wave_secret, release, id);
    let target = match offered_set(deployment, position, runs) {
        Some(set) => view.logged(store, set)?,
        None => None,
    };
    let wave = wave_of(&deployment.waves, position);
    let offer = Some(Offer { deployment: deployment.id, release, wave });
    Ok(Decided { appraised, target, row, offer })
}

fn known(
    view: &View,
    row: &DeviceRow,
    least: Option<RotClass>,
    asked_epoch: u64,
) -> Result<Known, AppError> {
    let device = &row.device;
    let identity = row.identity_key.as_deref().ok_or(CatalogError::DeviceUnknown)?;
    // The claim verified it.
    let endorsed = Signed::parse(&row.endorsement)
        .and_then(|signed| Endorsement::parse(signed.unchecked_payload()));
    let class = endorsed.map_err(AttestError::Evidence)?.class;
    Ok(Known {
        catalog: view.catalog.into(),
        identity: PublicKey::from_cose(identity).map_err(AttestError::Evidence)?,
        rot: trust_class(device.rot),
        least_rot: trust_class(least),
        // A pending device tells its epoch by its first evidence; from then on it is held to it.
        epoch: if device.last_seen_s.is_none() { asked_epoch } else { device.epoch },
        last: device.last_boot.zip(device.last_check_in),
        class,
        platform: view.platform,
        store: row.store,
        dev: view.dev,
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
