//! Rollouts: waves that are due and have shown something begin, and pause rules that are met pause.

use craton_api::operator::{CatalogId, Deployment};

use super::{App, AppError, deployments};
use crate::catalog::split_group;
use crate::rollout::{Position, WaveSeen, next_wave_due, wave_has_shown, wave_of};
use crate::store::{ReadTx, WriteTx};
use crate::tenancy::TenancyError;

/// Looks at every active deployment once.
pub(super) async fn advance_and_pause(app: &App) -> Result<(), AppError> {
    let now_s = app.clock.now_s();
    for (catalog, row) in app.store.read(|db| db.deployments_active())? {
        let deployment = row.deployment;
        let rule = deployment.pause_rule;
        let (due, failures) = app.store.read(|db| {
            let timely = next_wave_due(&deployment, row.wave_since_s, now_s);
            let due = timely && wave_has_shown(wave_seen(db, catalog, &deployment)?);
            let counted = db.deployment_outcomes(catalog, deployment.id, rule.outcomes)?;
            Ok::<_, AppError>((due, counted.failures))
        })?;
        let paused = rule.failures > 0 && failures >= u64::from(rule.failures);
        if !due && !paused {
            continue;
        }
        let work = move |db: &WriteTx<'_>| {
            // The pause comes first: a wave must not begin on the failures of the one before.
            let reason = deployments::apply_pause_rule(db, catalog, deployment.id)?;
            if reason.is_none() && due {
                db.deployment_advance(catalog, deployment.id, deployment.wave, now_s)?;
            }
            Ok::<_, AppError>(())
        };
        app.store.write(work).await?;
    }
    Ok(())
}

/// What the step in force has shown. The group is read only if nobody has confirmed, and no further
/// than to the first device that the step added.
fn wave_seen(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    deployment: &Deployment,
) -> Result<WaveSeen, AppError> {
    let wave = deployment.wave;
    if db.deployment_wave_confirmed(catalog, deployment.id, wave)? {
        return Ok(WaveSeen { confirmed: true, devices: true, adds_one: true });
    }
    let secret = db.wave_secret(catalog)?.ok_or(TenancyError::CatalogUnknown)?;
    let added = |device| {
        let position = Position::of(&secret, deployment.image_set, device);
        wave_of(&deployment.waves, position) == wave
    };
    let group = split_group(&deployment.group)?;
    let (devices, adds_one) = db.group_claimed(catalog, group, added)?;
    Ok(WaveSeen { confirmed: false, devices, adds_one })
}
