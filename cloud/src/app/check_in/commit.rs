//! What a check-in changes: together or not at all.

use super::{Decided, mode_name};
use crate::app::{AppError, Core, boots, deployments};
use crate::attest::AttestError;
use crate::authority::ClientCertificate;
use crate::catalog::CatalogError;
use crate::rollout::{Outcome, Seen, outcome_of};
use crate::store::{CheckInRecord, OutcomeRecord, WriteTx};
use craton_api::device::Request;
use craton_api::operator::{CatalogId, DeviceId, ImageSetId, TrialOutcome};

/// Commits; after it the reply may leave.
pub(super) async fn commit(
    core: &Core,
    request: &Request,
    decided: Decided,
    certificate: ClientCertificate,
    at_s: u64,
) -> Result<(), AppError> {
    let (catalog, id) = (CatalogId(request.catalog.0), DeviceId(request.device.0));
    let before = decided.row.device.last_boot.zip(decided.row.device.last_check_in);
    let outcome = outcome(request, &decided);
    let (registers, keys) = (decided.appraised.registers().copied(), core.keys.clone());
    let record = record(request, decided, outcome.map(|(_, outcome)| outcome), certificate, at_s);
    let work = move |db: &WriteTx<'_>| {
        if !db.device_check_in(catalog, id, before, &record)? {
            // Another check-in of this device was committed since it was read, or it was retired.
            let known = db.device(catalog, id)?.is_some();
            let stale = || AttestError::CountersStale.into();
            return Err(if known { stale() } else { CatalogError::DeviceUnknown.into() });
        }
        if let Some(registers) = registers {
            boots::note(db, &*keys.log, (catalog, id), registers, at_s)?;
        }
        if let Some((offer, outcome)) = outcome {
            let record = OutcomeRecord { device: id, wave: offer.wave, outcome, at_s };
            deployments::record_outcome(db, catalog, offer.deployment, &record)?;
        }
        Ok::<_, AppError>(())
    };
    core.store.write(work).await
}

fn outcome(request: &Request, decided: &Decided) -> Option<(super::Offer, Outcome)> {
    let says = Seen {
        assigned_before: decided.row.device.assigned_set,
        attested: attested(decided),
        trial: request.status.trial,
        failed: request.status.failed.map(|set| ImageSetId(set.0)),
    };
    decided.offer.and_then(|offer| Some((offer, outcome_of(offer.release, says)?)))
}

fn attested(decided: &Decided) -> Option<ImageSetId> {
    decided.appraised.set().map(|set| ImageSetId(set.0))
}

fn record(
    request: &Request,
    decided: Decided,
    outcome: Option<Outcome>,
    certificate: ClientCertificate,
    at_s: u64,
) -> CheckInRecord {
    let trial = match (request.status.trial, outcome) {
        (true, _) => Some(TrialOutcome::OnTrial),
        (false, Some(Outcome::Failed)) => Some(TrialOutcome::FellBack),
        (false, Some(Outcome::Confirmed)) => Some(TrialOutcome::Confirmed),
        (false, None) => decided.row.device.trial,
    };
    let (boot, check_in) = decided.appraised.counters();
    CheckInRecord {
        at_s,
        epoch: decided.appraised.epoch(),
        boot,
        check_in,
        store: decided.appraised.store(),
        programs: decided.appraised.programs().iter().map(|it| (*it).into()).collect(),
        renamed: Some(certificate.name).filter(|name| decided.row.client_name != Some(*name)),
        certificate_serial: Some(certificate.serial),
        attested_set: attested(&decided),
        assigned_set: decided.target.map(|target| target.set()),
        isolation: Some(request.status.isolation.name().to_owned()),
        storage: Some(request.status.storage.name().to_owned()),
        mode: Some(mode_name(decided.appraised.mode()).to_owned()),
        trial,
    }
}
