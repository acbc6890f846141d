//! Which blobs catalogs hold, who names them, and who may fetch them.

use craton_api::operator::{CatalogId, DeviceId, Digest, ImageSetId};
use rusqlite::params;

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError, WriteTx};

/// Nothing of the catalog names the blob `b`: no image, no set, no delta, no symbols.
const UNNAMED: &str = "\
     NOT EXISTS (SELECT 1 FROM image_set_blobs n \
        WHERE n.catalog = b.catalog AND n.sha256 = b.sha256) \
     AND NOT EXISTS (SELECT 1 FROM images n \
        WHERE n.catalog = b.catalog AND n.envelope = b.sha256) \
     AND NOT EXISTS (SELECT 1 FROM images n WHERE n.catalog = b.catalog AND n.payload = b.sha256) \
     AND NOT EXISTS (SELECT 1 FROM deltas n WHERE n.catalog = b.catalog AND n.blob = b.sha256) \
     AND NOT EXISTS (SELECT 1 FROM symbols n WHERE n.catalog = b.catalog AND n.sha256 = b.sha256)";

/// Sets that a device has to do with: assigned, attested, or offered to its group.
const SETS_OF_DEVICE: &str = "\
     SELECT assigned_set FROM devices WHERE catalog = ?1 AND device = ?2 \
     UNION SELECT attested_set FROM devices WHERE catalog = ?1 AND device = ?2 \
     UNION SELECT y.image_set FROM devices d JOIN deployments y ON y.catalog = d.catalog \
        AND y.product = d.product AND y.device_group = d.device_group AND y.state <> 2 \
        WHERE d.catalog = ?1 AND d.device = ?2 \
     UNION SELECT y.previous_set FROM devices d JOIN deployments y ON y.catalog = d.catalog \
        AND y.product = d.product AND y.device_group = d.device_group AND y.state <> 2 \
        WHERE d.catalog = ?1 AND d.device = ?2";

impl ReadTx<'_> {
    /// Bytes that a catalog holds.
    pub fn blobs_size(&self, catalog: CatalogId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(size), 0) FROM blobs WHERE catalog = ?1";
        self.number(sql, [Bytes(catalog)])
    }

    /// Whether any catalog holds the blob.
    pub fn blob_held(&self, sha256: Digest) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM blobs WHERE sha256 = ?1 LIMIT 1";
        Ok(self.one(sql, [Bytes(sha256)], |_| Ok(()))?.is_some())
    }

    /// Blobs noted before a time that nothing of their catalog names.
    pub fn blobs_unnamed(
        &self,
        before_s: u64,
        limit: u32,
    ) -> Result<Vec<(CatalogId, Digest)>, StoreError> {
        let sql = format!(
            "SELECT b.catalog, b.sha256 FROM blobs b WHERE b.created_s < ?1 AND {UNNAMED} LIMIT ?2"
        );
        self.all(&sql, params![Number(before_s), limit], |row| {
            Ok((row.get::<_, Bytes<_>>(0)?.0, row.get::<_, Bytes<_>>(1)?.0))
        })
    }

    /// Whether a device has to do with a set.
    pub fn device_knows_set(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        set: ImageSetId,
    ) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 WHERE ?3 IN ({SETS_OF_DEVICE})");
        let row = params![Bytes(catalog), Bytes(device), Bytes(set)];
        Ok(self.one(&sql, row, |_| Ok(()))?.is_some())
    }

    /// Whether a set that the device has to do with names a blob that the catalog holds.
    pub fn device_knows_blob(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        sha256: Digest,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1 FROM image_set_blobs n JOIN blobs b ON b.catalog = n.catalog \
             AND b.sha256 = n.sha256 WHERE n.catalog = ?1 AND n.sha256 = ?3 \
             AND n.image_set IN ({SETS_OF_DEVICE}) LIMIT 1"
        );
        let row = params![Bytes(catalog), Bytes(device), Bytes(sha256)];
        Ok(self.one(&sql, row, |_| Ok(()))?.is_some())
    }

    /// Sets whose blobs are not noted, with their signed objects.
    pub fn image_sets_without_blobs(
        &self,
    ) -> Result<Vec<(CatalogId, ImageSetId, Vec<u8>)>, StoreError> {
        let sql = "SELECT s.catalog, s.image_set, s.signed FROM image_sets s WHERE NOT EXISTS \
                   (SELECT 1 FROM image_set_blobs n WHERE n.catalog = s.catalog \
                      AND n.image_set = s.image_set)";
        self.all(sql, [], |row| {
            Ok((row.get::<_, Bytes<_>>(0)?.0, row.get::<_, Bytes<_>>(1)?.0, row.get(2)?))
        })
    }
}

impl WriteTx<'_> {
    /// Notes the blobs that a set names.
    pub fn image_set_blobs_put(
        &self,
        catalog: CatalogId,
        set: ImageSetId,
        blobs: &[Digest],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO image_set_blobs (catalog, sha256, image_set) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (catalog, sha256, image_set) DO NOTHING";
        for sha256 in blobs {
            self.change(sql, params![Bytes(catalog), Bytes(*sha256), Bytes(set)])?;
        }
        Ok(())
    }

    /// Takes the note of a blob back, if still nothing names it and it was noted before a time;
    /// whether it was so.
    pub fn blob_unname(
        &self,
        catalog: CatalogId,
        sha256: Digest,
        before_s: u64,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "DELETE FROM blobs AS b WHERE b.catalog = ?1 AND b.sha256 = ?2 \
             AND b.created_s < ?3 AND {UNNAMED}"
        );
        let row = params![Bytes(catalog), Bytes(sha256), Number(before_s)];
        Ok(self.change(&sql, row)? > 0)
    }
}

#[cfg(test)]
impl WriteTx<'_> {
    pub(crate) fn image_set_blobs_clear_for_test(&self) -> Result<(), StoreError> {
        self.change("DELETE FROM image_set_blobs", []).map(|_| ())
    }
}
