//! Rollouts: waves that are due begin, and pause rules that are met pause.

use super::{App, AppError, deployments};
use crate::rollout::next_wave_due;
use crate::store::WriteTx;

/// Looks at every active deployment once.
pub(super) async fn advance_and_pause(app: &App) -> Result<(), AppError> {
    let now_s = app.clock.now_s();
    for (catalog, row) in app.store.read(|db| db.deployments_active())? {
        let due = next_wave_due(&row.deployment, row.wave_since_s, now_s);
        let rule = row.deployment.pause_rule;
        let counted = app
            .store
            .read(|db| db.deployment_outcomes(catalog, row.deployment.id, rule.outcomes))?;
        let paused = rule.failures > 0 && counted.failures >= u64::from(rule.failures);
        if !due && !paused {
            continue;
        }
        let work = move |db: &WriteTx<'_>| {
            // The pause comes first: a wave must not begin on the failures of the one before.
            let reason = deployments::apply_pause_rule(db, catalog, &row.deployment)?;
            if reason.is_none() && due {
                let deployment = &row.deployment;
                db.deployment_advance(catalog, deployment.id, deployment.wave, now_s)?;
            }
            Ok::<_, AppError>(())
        };
        app.store.write(work).await?;
    }
    Ok(())
}
