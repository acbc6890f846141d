//! What a check-in reads beside the device's row: reference values, and whose certificate a serial
//! is.

use craton_api::operator::{CatalogId, ComponentId, DeviceId, Digest};
use rusqlite::params;

use super::rows::Bytes;
use super::{ReadTx, StoreError};

impl ReadTx<'_> {
    /// Whether this catalog published an image of the component with this payload: a reference
    /// value.
    pub fn image_is_reference(
        &self,
        catalog: CatalogId,
        component: ComponentId,
        payload: Digest,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM images WHERE catalog = ?1 AND component = ?2 AND payload = ?3";
        let row = params![Bytes(catalog), Bytes(component), Bytes(payload)];
        Ok(self.one(sql, row, |_| Ok(()))?.is_some())
    }

    /// Whether this catalog admitted the set: only an admitted one is a reference value.
    pub fn image_set_is_reference(
        &self,
        catalog: CatalogId,
        set: Digest,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM image_sets WHERE catalog = ?1 AND image_set = ?2 \
                   AND log_index IS NOT NULL";
        Ok(self.one(sql, params![Bytes(catalog), Bytes(set)], |_| Ok(()))?.is_some())
    }

    /// The digests of all versions of a section of the trust store.
    pub fn trust_store_digests(
        &self,
        catalog: CatalogId,
        section: i64,
    ) -> Result<Vec<Digest>, StoreError> {
        let sql = "SELECT digest FROM trust_store_sections WHERE catalog = ?1 AND section = ?2";
        let row = params![Bytes(catalog), section];
        self.all(sql, row, |row| Ok(row.get::<_, Bytes<Digest>>(0)?.0))
    }

    /// The device whose newest certificate has this serial.
    pub fn device_by_serial(
        &self,
        serial: &str,
    ) -> Result<Option<(CatalogId, DeviceId)>, StoreError> {
        let sql = "SELECT catalog, device FROM devices WHERE certificate_serial = ?1";
        self.one(sql, [serial], |row| {
            Ok((row.get::<_, Bytes<_>>(0)?.0, row.get::<_, Bytes<_>>(1)?.0))
        })
    }
}
