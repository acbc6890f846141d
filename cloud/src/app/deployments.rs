//! Deployments: start, pause, resume, advance, revert, and what devices made of them.

use craton_api::operator::{
    CatalogId, Deployment, DeploymentCreate, DeploymentId, DeploymentList, DeploymentState, Digest,
    ImageSetState, PauseRule, Wave,
};

use super::{AppError, Core, log};
use crate::audit::{Leaf, LeafKind};
use crate::catalog::{CatalogError, split_group};
use crate::crypto::sha256;
use crate::keys::Keys;
use crate::rollout::{self, Outcome, RolloutError};
use crate::store::{DeploymentRow, OutcomeRecord, ReadTx, WriteTx};
use crate::tenancy::{Deploy, Permit, ReadCatalog};

/// Bytes that a reason may have.
const REASON_MAX: usize = 500;

/// Starts to offer an admitted set to a group. The group's earlier deployment is superseded;
/// devices outside the first wave keep what that one offered, or what it fell back to if it was
/// paused.
///
/// # Errors
/// `GroupPathInvalid`, `GroupUnknown`, `SetUnknown`, `SetNotAdmitted`, `SetPurposeMismatch`,
/// `WavesInvalid`, `PauseRuleInvalid`.
pub async fn start(
    core: &Core,
    permit: Permit<Deploy>,
    asked: DeploymentCreate,
) -> Result<Deployment, AppError> {
    let waves = rollout::checked_waves(asked.waves)?;
    let pause_rule = rollout::checked_rule(asked.pause_rule)?;
    let (now_s, keys) = (core.clock.now_s(), core.keys.clone());
    let id = DeploymentId(crate::crypto::drawn(&*core.random));
    split_group(&asked.group)?;
    let work = move |db: &WriteTx<'_>| {
        let catalog = permit.catalog();
        let (product, name) = split_group(&asked.group)?;
        let group = db.device_group(catalog, product, name)?;
        let group = group.ok_or(CatalogError::GroupUnknown)?;
        let set = db.image_set(catalog, asked.image_set)?.ok_or(CatalogError::SetUnknown)?.set;
        if set.state != ImageSetState::Admitted {
            return Err(RolloutError::SetNotAdmitted.into());
        }
        rollout::check_purpose(set.purpose, group.development)?;
        let before = db.deployment_current(catalog, product, name)?.map(|row| row.deployment);
        let previous_set = before.and_then(|before| match before.state {
            DeploymentState::Active if before.image_set != set.id => Some(before.image_set),
            _ => before.previous_set,
        });
        let deployment = Deployment {
            id,
            group: asked.group.clone(),
            image_set: set.id,
            previous_set,
            state: DeploymentState::Active,
            reason: None,
            waves,
            wave: 0,
            pause_rule,
            confirmed: 0,
            failed: 0,
            created_s: now_s,
        };
        keep(db, &permit, &keys, deployment, now_s)
    };
    core.store.write(work).await
}

/// Goes back: a new deployment offers the set before to the whole group. A person's act.
///
/// # Errors
/// `DeploymentUnknown`, `NothingToRevert`.
pub async fn revert(
    core: &Core,
    permit: Permit<Deploy>,
    id: DeploymentId,
) -> Result<Deployment, AppError> {
    let (now_s, keys) = (core.clock.now_s(), core.keys.clone());
    let fresh = DeploymentId(crate::crypto::drawn(&*core.random));
    let work = move |db: &WriteTx<'_>| {
        let bad = known(db, permit.catalog(), id)?.deployment;
        let back = bad.previous_set.filter(|_| bad.state != DeploymentState::Superseded);
        let deployment = Deployment {
            id: fresh,
            group: bad.group,
            image_set: back.ok_or(RolloutError::NothingToRevert)?,
            previous_set: None,
            state: DeploymentState::Active,
            reason: None,
            waves: vec![Wave { percent: 100, soak_s: 0 }],
            wave: 0,
            pause_rule: PauseRule { failures: 0, outcomes: 0 },
            confirmed: 0,
            failed: 0,
            created_s: now_s,
        };
        keep(db, &permit, &keys, deployment, now_s)
    };
    core.store.write(work).await
}

/// Pauses an active deployment.
///
/// # Errors
/// `DeploymentUnknown`, `DeploymentNotActive`, `ReasonTooLong`.
pub async fn pause(
    core: &Core,
    permit: Permit<Deploy>,
    id: DeploymentId,
    reason: String,
) -> Result<Deployment, AppError> {
    if reason.len() > REASON_MAX {
        return Err(RolloutError::ReasonTooLong.into());
    }
    let work = move |db: &WriteTx<'_>| {
        known(db, permit.catalog(), id)?;
        let said = if reason.is_empty() { "no reason given" } else { &reason };
        if !db.deployment_pause(&permit, id, &format!("{said} ({})", permit.by()))? {
            return Err(RolloutError::DeploymentNotActive.into());
        }
        Ok(known(db, permit.catalog(), id)?.deployment)
    };
    core.store.write(work).await
}

/// Makes a paused deployment active again; its pause rule counts from here.
///
/// # Errors
/// `DeploymentUnknown`, `DeploymentNotPaused`.
pub async fn resume(
    core: &Core,
    permit: Permit<Deploy>,
    id: DeploymentId,
) -> Result<Deployment, AppError> {
    let work = move |db: &WriteTx<'_>| {
        known(db, permit.catalog(), id)?;
        if !db.deployment_resume(&permit, id)? {
            return Err(RolloutError::DeploymentNotPaused.into());
        }
        Ok(known(db, permit.catalog(), id)?.deployment)
    };
    core.store.write(work).await
}

/// Begins the next wave.
///
/// # Errors
/// `DeploymentUnknown`, `DeploymentNotActive`, `LastWave`.
pub async fn advance(
    core: &Core,
    permit: Permit<Deploy>,
    id: DeploymentId,
) -> Result<Deployment, AppError> {
    let now_s = core.clock.now_s();
    let work = move |db: &WriteTx<'_>| {
        let deployment = known(db, permit.catalog(), id)?.deployment;
        if deployment.state != DeploymentState::Active {
            return Err(RolloutError::DeploymentNotActive.into());
        }
        if deployment.wave as usize + 1 >= deployment.waves.len() {
            return Err(RolloutError::LastWave.into());
        }
        db.deployment_advance(permit.catalog(), id, deployment.wave, now_s)?;
        Ok(known(db, permit.catalog(), id)?.deployment)
    };
    core.store.write(work).await
}

/// Deployments, newest first, of one group if given.
///
/// # Errors
/// `GroupPathInvalid`.
pub fn list(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    group: Option<&str>,
) -> Result<DeploymentList, AppError> {
    let group = group.map(split_group).transpose()?;
    let items = core.store.read(|db| db.deployments(permit.catalog(), group))?;
    Ok(DeploymentList { items })
}

/// One deployment.
///
/// # Errors
/// `DeploymentUnknown`.
pub fn show(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    id: DeploymentId,
) -> Result<Deployment, AppError> {
    core.store.read(|db| Ok(known(db, permit.catalog(), id)?.deployment))
}

/// Records how a deployment went on a device, and pauses it if its rule says so. It is part of the
/// commit that the check-in makes (GATE-3): what the device reports and what follows from it are on
/// the disk together, before anybody else is offered the set. Returns the reason if it paused now.
///
/// # Errors
/// Those of the store.
pub fn record_outcome(
    db: &WriteTx<'_>,
    catalog: CatalogId,
    id: DeploymentId,
    record: &OutcomeRecord,
) -> Result<Option<String>, AppError> {
    let news = db.deployment_outcome_record(catalog, id, record)?;
    // Good news never makes the failures more.
    if news && record.outcome == Outcome::Failed {
        return apply_pause_rule(db, catalog, id);
    }
    Ok(None)
}

/// Pauses an active deployment if its rule says so; the reason if it did.
///
/// # Errors
/// Those of the store.
pub fn apply_pause_rule(
    db: &WriteTx<'_>,
    catalog: CatalogId,
    id: DeploymentId,
) -> Result<Option<String>, AppError> {
    let Some(rule) = db.deployment_rule(catalog, id)? else { return Ok(None) };
    let count = db.deployment_outcomes(catalog, id, rule.outcomes)?;
    let Some(reason) = rollout::pause_reason(rule, count.outcomes, count.failures) else {
        return Ok(None);
    };
    let paused = db.deployment_pause_by_rule(catalog, id, &reason)?;
    Ok(paused.then_some(reason))
}

fn known(db: &ReadTx<'_>, catalog: CatalogId, id: DeploymentId) -> Result<DeploymentRow, AppError> {
    db.deployment(catalog, id)?.ok_or_else(|| RolloutError::DeploymentUnknown.into())
}

fn keep(
    db: &WriteTx<'_>,
    permit: &Permit<Deploy>,
    keys: &Keys,
    deployment: Deployment,
    now_s: u64,
) -> Result<Deployment, AppError> {
    let row = DeploymentRow { deployment, wave_since_s: now_s };
    db.deployment_create(permit, &row)?;
    let deployment = row.deployment;
    let mut said = deployment.id.0.to_vec();
    said.extend_from_slice(&deployment.image_set.0);
    said.extend_from_slice(deployment.group.as_bytes());
    let leaf = Leaf { kind: LeafKind::Deployment, fact: Digest(sha256(&said).0) };
    log::append(db, &*keys.log, permit.catalog(), leaf, now_s)?;
    Ok(deployment)
}
