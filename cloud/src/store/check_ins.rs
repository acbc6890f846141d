//! What a check-in reads beside the device's row: reference values, and whose certificates have a
//! name.

use craton_api::operator::{CatalogId, ComponentId, DeviceId, Digest, ImageSetId};
use rusqlite::params;
use std::collections::BTreeSet;

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError};
use crate::authority::ClientName;

impl ReadTx<'_> {
    /// The runtimes of this catalog with this payload: security version and envelope of each, the
    /// highest version first.
    pub fn runtimes(
        &self,
        catalog: CatalogId,
        component: ComponentId,
        payload: Digest,
    ) -> Result<Vec<(u64, Digest)>, StoreError> {
        let sql = "SELECT security_version, envelope FROM images WHERE catalog = ?1 \
                   AND component = ?2 AND payload = ?3 AND runtime = 1 \
                   ORDER BY security_version DESC";
        let row = params![Bytes(catalog), Bytes(component), Bytes(payload)];
        self.all(sql, row, |row| Ok((row.get::<_, Number>(0)?.0, row.get::<_, Bytes<_>>(1)?.0)))
    }

    /// The envelopes of all runtimes of this catalog, each with its component.
    pub fn runtime_envelopes(
        &self,
        catalog: CatalogId,
    ) -> Result<Vec<(ComponentId, Digest)>, StoreError> {
        let sql = "SELECT component, envelope FROM images WHERE catalog = ?1 AND runtime = 1";
        self.all(sql, [Bytes(catalog)], |row| {
            Ok((row.get::<_, Bytes<_>>(0)?.0, row.get::<_, Bytes<_>>(1)?.0))
        })
    }

    /// The components of programs that devices of this catalog showed at their last check-in. It
    /// looks at every device of the catalog: for what an owner does once a year.
    pub fn programs_shown(&self, catalog: CatalogId) -> Result<BTreeSet<ComponentId>, StoreError> {
        let sql = "SELECT DISTINCT programs FROM devices \
                   WHERE catalog = ?1 AND programs IS NOT NULL";
        let rows = self.all(sql, [Bytes(catalog)], |row| row.get::<_, Vec<u8>>(0))?;
        let components = rows.iter().flat_map(|row| row.as_chunks().0);
        Ok(components.map(|id| ComponentId(*id)).collect())
    }

    /// A set as it was signed, if this catalog admitted it: only an admitted one is a reference
    /// value.
    pub fn image_set_admitted(
        &self,
        catalog: CatalogId,
        set: ImageSetId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT signed FROM image_sets WHERE catalog = ?1 AND image_set = ?2 \
                   AND log_index IS NOT NULL";
        self.one(sql, params![Bytes(catalog), Bytes(set)], |row| row.get(0))
    }

    /// The digests of all versions of a section of the trust store, the first version first.
    pub fn trust_store_digests(
        &self,
        catalog: CatalogId,
        section: i64,
    ) -> Result<Vec<Digest>, StoreError> {
        let sql = "SELECT digest FROM trust_store_sections WHERE catalog = ?1 AND section = ?2 \
                   ORDER BY version";
        let row = params![Bytes(catalog), section];
        self.all(sql, row, |row| Ok(row.get::<_, Bytes<Digest>>(0)?.0))
    }

    /// The device whose certificates have this name, and the serial of its newest one.
    pub fn device_by_client_name(
        &self,
        name: ClientName,
    ) -> Result<Option<(CatalogId, DeviceId, Option<String>)>, StoreError> {
        let sql = "SELECT catalog, device, certificate_serial FROM devices WHERE client_name = ?1";
        self.one(sql, [name], |row| {
            Ok((row.get::<_, Bytes<_>>(0)?.0, row.get::<_, Bytes<_>>(1)?.0, row.get(2)?))
        })
    }
}
