//! Deployments and how they went.

use craton_api::operator::{
    CatalogId, Deployment, DeploymentId, DeploymentState, DeviceId, ImageSetId, PauseRule, Wave,
};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number, place_of, value_at};
use super::{ReadTx, StoreError, WriteTx};
use crate::rollout::Outcome;
use crate::tenancy::{Deploy, Permit};

const STATES: [DeploymentState; 3] =
    [DeploymentState::Active, DeploymentState::Paused, DeploymentState::Superseded];

const COLUMNS: &str = "y.deployment, y.product, y.device_group, y.image_set, y.previous_set, \
     y.state, y.reason, y.waves, y.wave, y.wave_since_s, y.pause_failures, y.pause_outcomes, \
     y.created_s";

/// Confirmed and failed devices; a check-in does not read these.
const COUNTS: &str = "\
     (SELECT count(*) FROM deployment_outcomes o WHERE o.catalog = y.catalog \
        AND o.deployment = y.deployment AND o.failed = 0), \
     (SELECT count(*) FROM deployment_outcomes o WHERE o.catalog = y.catalog \
        AND o.deployment = y.deployment AND o.failed = 1)";

/// A deployment with when its step began.
#[derive(Clone)]
pub struct DeploymentRow {
    /// What an operator sees.
    pub deployment: Deployment,
    /// When the step in force began, Unix seconds.
    pub wave_since_s: u64,
}

/// The newest outcomes of a deployment, each device once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCount {
    /// Outcomes looked at.
    pub outcomes: u64,
    /// Of those, failures.
    pub failures: u64,
}

/// How a deployment went on a device, to be kept.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeRecord {
    /// The device.
    pub device: DeviceId,
    /// The step that reached it.
    pub wave: u32,
    /// How it went.
    pub outcome: Outcome,
    /// When, Unix seconds.
    pub at_s: u64,
}

impl ReadTx<'_> {
    /// Deployments of a catalog, newest first, of one group if given.
    pub fn deployments(
        &self,
        catalog: CatalogId,
        group: Option<(&str, &str)>,
    ) -> Result<Vec<Deployment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {COUNTS} FROM deployments y WHERE y.catalog = ?1 \
             AND (?2 IS NULL OR (y.product = ?2 AND y.device_group = ?3)) \
             ORDER BY y.created_s DESC, y.state"
        );
        let (product, name) = group.unzip();
        let rows = self.all(&sql, params![Bytes(catalog), product, name], read_deployment)?;
        rows.into_iter().map(|row| row.map(|row| row.deployment)).collect()
    }

    /// One deployment.
    pub fn deployment(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {COUNTS} FROM deployments y \
             WHERE y.catalog = ?1 AND y.deployment = ?2"
        );
        self.one(&sql, params![Bytes(catalog), Bytes(id)], read_deployment)?.transpose()
    }

    /// The deployment of a group that is not superseded, without its counts.
    pub fn deployment_current(
        &self,
        catalog: CatalogId,
        product: &str,
        group: &str,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, 0, 0 FROM deployments y WHERE y.catalog = ?1 AND y.product = ?2 \
             AND y.device_group = ?3 AND y.state <> 2"
        );
        self.one(&sql, params![Bytes(catalog), product, group], read_deployment)?.transpose()
    }

    /// Every active deployment, of every catalog, without its counts.
    pub fn deployments_active(&self) -> Result<Vec<(CatalogId, DeploymentRow)>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, 0, 0, y.catalog FROM deployments y WHERE y.state = 0");
        let rows = self.all(&sql, [], |row| {
            Ok((row.get::<_, Bytes<CatalogId>>(15)?.0, read_deployment(row)?))
        })?;
        rows.into_iter().map(|(catalog, row)| Ok((catalog, row?))).collect()
    }

    /// The pause rule of an active deployment.
    pub fn deployment_rule(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
    ) -> Result<Option<PauseRule>, StoreError> {
        let sql = "SELECT pause_failures, pause_outcomes FROM deployments \
                   WHERE catalog = ?1 AND deployment = ?2 AND state = 0";
        self.one(sql, params![Bytes(catalog), Bytes(id)], |row| {
            Ok(PauseRule { failures: row.get(0)?, outcomes: row.get(1)? })
        })
    }

    /// Counts the newest `most` outcomes of a deployment since it was started or last resumed
    /// (GATE-2).
    pub fn deployment_outcomes(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
        most: u32,
    ) -> Result<OutcomeCount, StoreError> {
        let sql = "SELECT count(*), coalesce(sum(failed), 0) FROM (SELECT failed \
                   FROM deployment_outcomes WHERE catalog = ?1 AND deployment = ?2 \
                   AND place >= (SELECT pause_from FROM deployments \
                      WHERE catalog = ?1 AND deployment = ?2) \
                   ORDER BY place DESC LIMIT ?3)";
        let counts = self.one(sql, params![Bytes(catalog), Bytes(id), most], |row| {
            let (outcomes, failures) = (row.get::<_, Number>(0)?.0, row.get::<_, Number>(1)?.0);
            Ok(OutcomeCount { outcomes, failures })
        })?;
        Ok(counts.unwrap_or_default())
    }

    /// Whether a device that step `wave` added has confirmed the deployment's set.
    pub fn deployment_wave_confirmed(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
        wave: u32,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM deployment_outcomes WHERE catalog = ?1 AND deployment = ?2 \
                   AND wave = ?3 AND failed = 0 LIMIT 1";
        let key = params![Bytes(catalog), Bytes(id), wave];
        Ok(self.one(sql, key, |_| Ok(()))?.is_some())
    }

    /// Whether a group has claimed devices, and whether one of them is `wanted`. Reads no further
    /// than the first that is.
    pub fn group_claimed(
        &self,
        catalog: CatalogId,
        group: (&str, &str),
        wanted: impl Fn(DeviceId) -> bool,
    ) -> Result<(bool, bool), StoreError> {
        let sql = "SELECT device FROM devices WHERE catalog = ?1 AND product = ?2 \
                   AND device_group = ?3 AND state = 1";
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(params![Bytes(catalog), group.0, group.1])?;
        let mut any = false;
        while let Some(row) = rows.next()? {
            any = true;
            if wanted(row.get::<_, Bytes<DeviceId>>(0)?.0) {
                return Ok((true, true));
            }
        }
        Ok((any, false))
    }
}

impl WriteTx<'_> {
    /// Starts a deployment; the group's earlier one is superseded.
    pub fn deployment_create(
        &self,
        permit: &Permit<Deploy>,
        row: &DeploymentRow,
    ) -> Result<(), StoreError> {
        let deployment = &row.deployment;
        let (product, group) = super::devices::split_group(Some(&deployment.group));
        let sql = "UPDATE deployments SET state = 2 \
                   WHERE catalog = ?1 AND product = ?2 AND device_group = ?3 AND state <> 2";
        self.change(sql, params![Bytes(permit.catalog()), product, group])?;
        let sql = "INSERT INTO deployments (catalog, deployment, product, device_group, image_set, \
                   previous_set, state, reason, waves, wave, wave_since_s, pause_failures, \
                   pause_outcomes, pause_from, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14)";
        let values = params![
            Bytes(permit.catalog()),
            Bytes(deployment.id),
            product,
            group,
            Bytes(deployment.image_set),
            deployment.previous_set.map(Bytes),
            place_of(&STATES, &deployment.state),
            deployment.reason,
            write_waves(&deployment.waves),
            deployment.wave,
            Number(row.wave_since_s),
            deployment.pause_rule.failures,
            deployment.pause_rule.outcomes,
            Number(deployment.created_s),
        ];
        self.change(sql, values).map(|_| ())
    }

    /// Pauses a deployment at a person's word.
    pub fn deployment_pause(
        &self,
        permit: &Permit<Deploy>,
        id: DeploymentId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.deployment_pause_by_rule(permit.catalog(), id, reason)
    }

    /// Makes a paused deployment active again. Its rule counts from here: whoever resumes has seen
    /// the failures before.
    pub fn deployment_resume(
        &self,
        permit: &Permit<Deploy>,
        id: DeploymentId,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE deployments SET state = 0, reason = NULL, pause_from = \
                   (SELECT coalesce(max(place) + 1, 0) FROM deployment_outcomes \
                      WHERE catalog = ?1 AND deployment = ?2) \
                   WHERE catalog = ?1 AND deployment = ?2 AND state = 1";
        Ok(self.change(sql, params![Bytes(permit.catalog()), Bytes(id)])? > 0)
    }

    /// Pauses an active deployment by itself; whether it was active.
    pub fn deployment_pause_by_rule(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE deployments SET state = 1, reason = ?3 \
                   WHERE catalog = ?1 AND deployment = ?2 AND state = 0";
        Ok(self.change(sql, params![Bytes(catalog), Bytes(id), reason])? > 0)
    }

    /// Moves an active deployment from step `from` to the next; whether it was there.
    pub fn deployment_advance(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
        from: u32,
        now_s: u64,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE deployments SET wave = wave + 1, wave_since_s = ?4 \
                   WHERE catalog = ?1 AND deployment = ?2 AND wave = ?3 AND state = 0";
        let row = params![Bytes(catalog), Bytes(id), from, Number(now_s)];
        Ok(self.change(sql, row)? > 0)
    }

    /// Records how a deployment went on a device; whether it is news. Each device counts once, with
    /// its newest outcome; news takes the newest place, so that a failure after a confirmation is
    /// among the last outcomes (GATE-2).
    pub fn deployment_outcome_record(
        &self,
        catalog: CatalogId,
        id: DeploymentId,
        record: &OutcomeRecord,
    ) -> Result<bool, StoreError> {
        let failed = record.outcome == Outcome::Failed;
        // Nearly every check-in says what is known: it reads, and writes nothing.
        let sql = "SELECT failed FROM deployment_outcomes \
                   WHERE catalog = ?1 AND device = ?2 AND deployment = ?3";
        let key = params![Bytes(catalog), Bytes(record.device), Bytes(id)];
        if self.one(sql, key, |row| row.get::<_, bool>(0))? == Some(failed) {
            return Ok(false);
        }
        let sql = "INSERT INTO deployment_outcomes \
                   (catalog, device, deployment, place, failed, at_s, wave) \
                   SELECT ?1, ?2, ?3, coalesce(max(place) + 1, 0), ?4, ?5, ?6 \
                   FROM deployment_outcomes WHERE catalog = ?1 AND deployment = ?3 \
                   ON CONFLICT (catalog, device, deployment) DO UPDATE SET \
                   place = excluded.place, failed = excluded.failed, at_s = excluded.at_s, \
                   wave = excluded.wave WHERE failed <> excluded.failed";
        let row = params![
            Bytes(catalog),
            Bytes(record.device),
            Bytes(id),
            failed,
            Number(record.at_s),
            record.wave,
        ];
        Ok(self.change(sql, row)? > 0)
    }
}

/// `percent:soak` pairs, such as `5:3600 100:0`.
fn write_waves(waves: &[Wave]) -> String {
    let words: Vec<String> =
        waves.iter().map(|wave| format!("{}:{}", wave.percent, wave.soak_s)).collect();
    words.join(" ")
}

fn read_waves(text: &str) -> Option<Vec<Wave>> {
    let wave = |word: &str| {
        let (percent, soak_s) = word.split_once(':')?;
        Some(Wave { percent: percent.parse().ok()?, soak_s: soak_s.parse().ok()? })
    };
    text.split_whitespace().map(wave).collect()
}

fn read_deployment(row: &Row<'_>) -> rusqlite::Result<Result<DeploymentRow, StoreError>> {
    let (product, group): (String, String) = (row.get(1)?, row.get(2)?);
    let state = value_at(&STATES, row.get(5)?, "deployments");
    let waves = read_waves(&row.get::<_, String>(7)?);
    let mut deployment = Deployment {
        id: row.get::<_, Bytes<_>>(0)?.0,
        group: format!("{product}/{group}"),
        image_set: row.get::<_, Bytes<_>>(3)?.0,
        previous_set: row.get::<_, Option<Bytes<ImageSetId>>>(4)?.map(|id| id.0),
        state: DeploymentState::Paused,
        reason: row.get(6)?,
        waves: Vec::new(),
        wave: row.get(8)?,
        pause_rule: PauseRule { failures: row.get(10)?, outcomes: row.get(11)? },
        confirmed: row.get::<_, Number>(13)?.0,
        failed: row.get::<_, Number>(14)?.0,
        created_s: row.get::<_, Number>(12)?.0,
    };
    let wave_since_s = row.get::<_, Number>(9)?.0;
    Ok(state.and_then(|state| {
        let unreadable = StoreError::RowUnreadable { table: "deployments" };
        (deployment.state, deployment.waves) = (state, waves.ok_or(unreadable)?);
        Ok(DeploymentRow { deployment, wave_since_s })
    }))
}
