//! What the TPMs of devices showed of their boots.

use craton_api::operator::{CatalogId, DeviceId};
use rusqlite::params;

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError, WriteTx};
use crate::attest::baseline::{Boots, decode, encode};

const TABLE: &str = "device_boots";

impl ReadTx<'_> {
    /// What the registers of a device showed; `None` if it never showed any.
    pub fn device_boots(
        &self,
        catalog: CatalogId,
        device: DeviceId,
    ) -> Result<Option<Boots>, StoreError> {
        let sql = "SELECT baseline, baseline_s, registers, registers_s, boot_changed_s \
                   FROM device_boots JOIN devices USING (catalog, device) \
                   WHERE catalog = ?1 AND device = ?2";
        let row = self.one(sql, params![Bytes(catalog), Bytes(device)], |row| {
            let registers = |at| row.get::<_, Vec<u8>>(at);
            let number = |at| row.get::<_, Number>(at).map(|number| number.0);
            let changed_s = row.get::<_, Option<Number>>(4)?.map(|at_s| at_s.0);
            Ok(((registers(0)?, number(1)?), (registers(2)?, number(3)?), changed_s))
        })?;
        let Some(((baseline, baseline_s), (shown, shown_s), changed_s)) = row else {
            return Ok(None);
        };
        let read =
            |bytes: &[u8]| decode(bytes).map_err(|_| StoreError::RowUnreadable { table: TABLE });
        let (baseline, shown) = (read(&baseline)?, read(&shown)?);
        Ok(Some(Boots { baseline, baseline_s, shown, shown_s, changed_s }))
    }
}

impl WriteTx<'_> {
    /// Keeps what the registers of a device showed; a log of another boot goes.
    pub fn device_boots_put(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        boots: &Boots,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO device_boots (catalog, device, baseline, baseline_s, registers, \
                   registers_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (catalog, device) DO UPDATE SET baseline = excluded.baseline, \
                   baseline_s = excluded.baseline_s, registers_s = excluded.registers_s, \
                   boot_log = CASE WHEN registers = excluded.registers THEN boot_log END, \
                   registers = excluded.registers";
        let row = params![
            Bytes(catalog),
            Bytes(device),
            encode(&boots.baseline),
            Number(boots.baseline_s),
            encode(&boots.shown),
            Number(boots.shown_s),
        ];
        self.change(sql, row)?;
        let sql = "UPDATE devices SET boot_changed_s = ?3 WHERE catalog = ?1 AND device = ?2";
        let row = params![Bytes(catalog), Bytes(device), boots.changed_s.map(Number)];
        self.change(sql, row).map(|_| ())
    }
}
