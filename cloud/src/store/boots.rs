//! What the TPMs of devices showed of their boots.

use craton_api::operator::{CatalogId, DeviceId, Digest};
use craton_trust::quoted::Registers;
use rusqlite::params;

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError, WriteTx};
use crate::attest::baseline::{Boots, decode, encode, name};

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

/// What is known of a log without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootLogRow {
    /// SHA-256 of the log.
    pub sha256: Digest,
    /// When it came, Unix seconds.
    pub received_s: u64,
    /// A bit for each register that it leads to.
    pub explains: u32,
}

impl ReadTx<'_> {
    /// About the log that a device sent for these registers.
    pub fn boot_log_known(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        registers: &Registers,
    ) -> Result<Option<BootLogRow>, StoreError> {
        let sql = "SELECT sha256, received_s, explains FROM boot_logs \
                   WHERE catalog = ?1 AND device = ?2 AND registers = ?3";
        let key = params![Bytes(catalog), Bytes(device), &name(registers).0[..]];
        self.one(sql, key, |row| {
            let sha256 = row.get::<_, Bytes<Digest>>(0)?.0;
            let received_s = row.get::<_, Number>(1)?.0;
            Ok(BootLogRow { sha256, received_s, explains: row.get(2)? })
        })
    }

    /// That log itself.
    pub fn boot_log(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        registers: &Registers,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT log FROM boot_logs WHERE catalog = ?1 AND device = ?2 AND registers = ?3";
        let key = params![Bytes(catalog), Bytes(device), &name(registers).0[..]];
        self.one(sql, key, |row| row.get(0))
    }

    /// By which error the log of what a device shows was refused.
    pub fn boot_log_refused(
        &self,
        catalog: CatalogId,
        device: DeviceId,
    ) -> Result<Option<u16>, StoreError> {
        let sql = "SELECT log_refused FROM device_boots WHERE catalog = ?1 AND device = ?2";
        let refused = self.one(sql, params![Bytes(catalog), Bytes(device)], |row| row.get(0))?;
        Ok(refused.flatten())
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
                   log_refused = CASE WHEN registers = excluded.registers THEN log_refused END, \
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
        self.change(sql, row)?;
        let sql = "DELETE FROM boot_logs WHERE catalog = ?1 AND device = ?2 \
                   AND registers NOT IN (?3, ?4)";
        let kept = [&boots.baseline, &boots.shown].map(name);
        let row = params![Bytes(catalog), Bytes(device), &kept[0].0[..], &kept[1].0[..]];
        self.change(sql, row).map(|_| ())
    }

    /// Keeps a log beside the registers that it was judged by, instead of the one before.
    pub fn boot_log_put(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        registers: &Registers,
        (about, log): (&BootLogRow, &[u8]),
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO boot_logs (catalog, device, registers, sha256, received_s, \
                   explains, log) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                   ON CONFLICT (catalog, device, registers) DO UPDATE SET \
                   sha256 = excluded.sha256, received_s = excluded.received_s, \
                   explains = excluded.explains, log = excluded.log";
        let row = params![
            Bytes(catalog),
            Bytes(device),
            &name(registers).0[..],
            Bytes(about.sha256),
            Number(about.received_s),
            about.explains,
            log,
        ];
        self.change(sql, row)?;
        self.boot_log_refused_put(catalog, device, None)
    }

    /// Notes by which error the log of what a device shows was refused.
    pub fn boot_log_refused_put(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        code: Option<u16>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE device_boots SET log_refused = ?3 WHERE catalog = ?1 AND device = ?2 \
                   AND log_refused IS NOT ?3";
        self.change(sql, params![Bytes(catalog), Bytes(device), code]).map(|_| ())
    }
}
