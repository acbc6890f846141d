//! Failures as they were received, and their groups.

use craton_api::operator::{
    CatalogId, DeviceId, Digest, Failure, FailureGroup, Fingerprint, ImageId,
};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError, WriteTx};

/// Seconds of a day.
const DAY_S: u64 = 86_400;

const GROUP_COLUMNS: &str = "g.fingerprint, g.title, g.kind, g.frames, g.count, g.first_s, \
     g.last_s, (SELECT count(DISTINCT f.device) FROM failures f WHERE f.catalog = g.catalog \
        AND f.fingerprint = g.fingerprint)";

/// A failure on its way in.
pub struct ReceivedFailure {
    /// The failure record, byte for byte.
    pub record: Vec<u8>,
    /// SHA-256 of it: the same record twice from a device is one failure.
    pub sha256: Digest,
    /// The image that failed, where the record names one.
    pub image: Option<ImageId>,
    /// The record's number on its device (FAIL-2).
    pub number: Option<u64>,
    /// Unix seconds.
    pub received_s: u64,
}

/// A failure that waits for its group.
pub struct FailureRow {
    /// Whose.
    pub catalog: CatalogId,
    /// Its number in the catalog.
    pub failure: u64,
    /// The device.
    pub device: DeviceId,
    /// The failure record, byte for byte.
    pub record: Vec<u8>,
    /// Unix seconds.
    pub received_s: u64,
}

/// What grouping found out about a failure.
pub struct Grouped {
    /// What makes it the same as others.
    pub fingerprint: Fingerprint,
    /// One line that says what failed and where.
    pub title: String,
    /// What kind of failure.
    pub kind: String,
    /// Frames, innermost first.
    pub frames: Vec<String>,
}

impl ReadTx<'_> {
    /// Groups of a catalog, most recent first.
    pub fn failure_groups(&self, catalog: CatalogId) -> Result<Vec<FailureGroup>, StoreError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM failure_groups g WHERE g.catalog = ?1 \
             ORDER BY g.last_s DESC, g.fingerprint LIMIT 1000"
        );
        self.all(&sql, [Bytes(catalog)], read_group)
    }

    /// One group.
    pub fn failure_group(
        &self,
        catalog: CatalogId,
        fingerprint: Fingerprint,
    ) -> Result<Option<FailureGroup>, StoreError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM failure_groups g \
             WHERE g.catalog = ?1 AND g.fingerprint = ?2"
        );
        self.one(&sql, params![Bytes(catalog), Bytes(fingerprint)], read_group)
    }

    /// Failures of a catalog, most recent first; each condition counts only if given.
    pub fn failures(
        &self,
        catalog: CatalogId,
        fingerprint: Option<Fingerprint>,
        device: Option<DeviceId>,
        since_s: u64,
        limit: u32,
    ) -> Result<Vec<Failure>, StoreError> {
        let sql = "SELECT f.failure, f.device, f.image, f.received_s, f.fingerprint, g.title, \
                   f.number, coalesce((SELECT max(p.number) FROM failures p \
                      WHERE p.catalog = f.catalog AND p.device = f.device \
                      AND p.number < f.number), 0) \
                   FROM failures f LEFT JOIN failure_groups g \
                   ON g.catalog = f.catalog AND g.fingerprint = f.fingerprint \
                   WHERE f.catalog = ?1 AND (?2 IS NULL OR f.fingerprint = ?2) \
                   AND (?3 IS NULL OR f.device = ?3) AND f.received_s >= ?4 \
                   ORDER BY f.failure DESC LIMIT ?5";
        let row = params![
            Bytes(catalog),
            fingerprint.map(Bytes),
            device.map(Bytes),
            Number(since_s),
            limit,
        ];
        self.all(sql, row, read_failure)
    }

    /// Failures of a catalog without a group.
    pub fn failures_ungrouped_count(&self, catalog: CatalogId) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM failures WHERE catalog = ?1 AND fingerprint IS NULL";
        self.number(sql, [Bytes(catalog)])
    }

    /// Failures of every catalog, with a group or not.
    pub fn failures_count(&self) -> Result<u64, StoreError> {
        self.number("SELECT count(*) FROM failures", [])
    }

    /// Catalogs after `after` that have failures without a group, by id.
    pub fn failures_waiting_catalogs(
        &self,
        after: Option<CatalogId>,
        limit: u32,
    ) -> Result<Vec<CatalogId>, StoreError> {
        let sql = "SELECT c.catalog FROM catalogs c WHERE c.catalog > ?1 \
                   AND EXISTS (SELECT 1 FROM failures f WHERE f.catalog = c.catalog \
                      AND f.fingerprint IS NULL) ORDER BY c.catalog LIMIT ?2";
        let after = after.map_or_else(Vec::new, |id| id.0.to_vec());
        self.all(sql, params![after, limit], |row| Ok(row.get::<_, Bytes<_>>(0)?.0))
    }

    /// Failures of a catalog that wait for their group, oldest first.
    pub fn failures_to_group(
        &self,
        catalog: CatalogId,
        limit: u32,
    ) -> Result<Vec<FailureRow>, StoreError> {
        let sql = "SELECT failure, device, record, received_s FROM failures \
                   WHERE catalog = ?1 AND fingerprint IS NULL ORDER BY failure LIMIT ?2";
        self.all(sql, params![Bytes(catalog), limit], |row| {
            Ok(FailureRow {
                catalog,
                failure: row.get::<_, Number>(0)?.0,
                device: row.get::<_, Bytes<_>>(1)?.0,
                record: row.get(2)?,
                received_s: row.get::<_, Number>(3)?.0,
            })
        })
    }

    /// How many failures of a device were kept in the day of `now_s`.
    pub fn failures_of_day(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        now_s: u64,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT today FROM failure_counts \
                   WHERE catalog = ?1 AND device = ?2 AND day = ?3";
        self.number(sql, params![Bytes(catalog), Bytes(device), Number(now_s / DAY_S)])
    }

    /// How many numbered records of a device never arrived. It holds for the numbers up to the
    /// highest that did.
    pub fn failures_lost(&self, catalog: CatalogId, device: DeviceId) -> Result<u64, StoreError> {
        let sql = "SELECT max(number_max - kept, 0) FROM failure_counts \
                   WHERE catalog = ?1 AND device = ?2";
        self.number(sql, params![Bytes(catalog), Bytes(device)])
    }

    /// The record of one failure, byte for byte.
    pub fn failure_record(
        &self,
        catalog: CatalogId,
        failure: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT record FROM failures WHERE catalog = ?1 AND failure = ?2";
        self.one(sql, params![Bytes(catalog), Number(failure)], |row| row.get(0))
    }
}

impl WriteTx<'_> {
    /// Keeps a failure that a device reported; whether it is new.
    pub fn failure_receive(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        failure: &ReceivedFailure,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO failures \
                   (catalog, failure, device, record, record_sha256, image, received_s, number) \
                   SELECT ?1, coalesce(max(failure) + 1, 1), ?2, ?3, ?4, ?5, ?6, ?7 \
                   FROM failures WHERE catalog = ?1 \
                   ON CONFLICT (catalog, device, record_sha256) DO NOTHING";
        let row = params![
            Bytes(catalog),
            Bytes(device),
            failure.record,
            Bytes(failure.sha256),
            failure.image.map(Bytes),
            Number(failure.received_s),
            failure.number.map(Number),
        ];
        let new = self.change(sql, row)? > 0;
        if new {
            self.failure_count(catalog, device, failure)?;
        }
        Ok(new)
    }

    fn failure_count(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        failure: &ReceivedFailure,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO failure_counts (catalog, device, kept, number_max, day, today) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT (catalog, device) DO UPDATE SET \
                   kept = kept + excluded.kept, \
                   number_max = max(number_max, excluded.number_max), \
                   today = iif(day = excluded.day, today + 1, 1), day = excluded.day";
        let row = params![
            Bytes(catalog),
            Bytes(device),
            failure.number.is_some(),
            Number(failure.number.unwrap_or(0)),
            Number(failure.received_s / DAY_S),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Puts a failure into its group; one that has a group already stays there.
    pub fn failure_group_join(&self, row: &FailureRow, into: &Grouped) -> Result<(), StoreError> {
        let sql = "UPDATE failures SET fingerprint = ?3 \
                   WHERE catalog = ?1 AND failure = ?2 AND fingerprint IS NULL";
        let key = params![Bytes(row.catalog), Number(row.failure), Bytes(into.fingerprint)];
        if self.change(sql, key)? == 0 {
            return Ok(());
        }
        let sql = "INSERT INTO failure_groups \
                   (catalog, fingerprint, title, kind, frames, count, first_s, last_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) \
                   ON CONFLICT (catalog, fingerprint) DO UPDATE SET count = count + 1, \
                   first_s = min(first_s, excluded.first_s), \
                   last_s = max(last_s, excluded.last_s)";
        let values = params![
            Bytes(row.catalog),
            Bytes(into.fingerprint),
            into.title,
            into.kind,
            into.frames.join("\n"),
            Number(row.received_s),
        ];
        self.change(sql, values).map(|_| ())
    }
}

fn read_group(row: &Row<'_>) -> rusqlite::Result<FailureGroup> {
    let frames: String = row.get(3)?;
    Ok(FailureGroup {
        fingerprint: row.get::<_, Bytes<_>>(0)?.0,
        title: row.get(1)?,
        kind: row.get(2)?,
        frames: frames.lines().map(str::to_owned).collect(),
        count: row.get::<_, Number>(4)?.0,
        first_s: row.get::<_, Number>(5)?.0,
        last_s: row.get::<_, Number>(6)?.0,
        devices: row.get::<_, Number>(7)?.0,
    })
}

fn read_failure(row: &Row<'_>) -> rusqlite::Result<Failure> {
    let number = row.get::<_, Option<Number>>(6)?.map(|number| number.0);
    let before = row.get::<_, Number>(7)?.0;
    Ok(Failure {
        id: row.get::<_, Number>(0)?.0,
        device: row.get::<_, Bytes<_>>(1)?.0,
        image: row.get::<_, Option<Bytes<_>>>(2)?.map(|id| id.0),
        received_s: row.get::<_, Number>(3)?.0,
        fingerprint: row.get::<_, Option<Bytes<_>>>(4)?.map(|id| id.0),
        title: row.get(5)?,
        number,
        lost_before: number.map_or(0, |number| number.saturating_sub(before + 1)),
    })
}
