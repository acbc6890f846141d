//! Devices, what their evidence showed last, and their capabilities.

use craton_api::operator::{
    Capability, CapabilityId, CatalogId, ComponentId, Device, DeviceId, DeviceState, ImageSetId,
    RotClass, TrialOutcome,
};
use rusqlite::{Row, params};

use super::catalogs::CLASSES;
use super::rows::{Bytes, Number, place_of, value_at};
use super::{ReadTx, StoreError, WriteTx};
use crate::attest::StoreVersions;
use crate::authority::ClientName;
use crate::tenancy::{ManageDevices, Permit};

pub(super) const STATES: [DeviceState; 2] = [DeviceState::Pending, DeviceState::Claimed];
const TRIALS: [TrialOutcome; 3] =
    [TrialOutcome::OnTrial, TrialOutcome::Confirmed, TrialOutcome::FellBack];

const COLUMNS: &str = "device, state, class, product, device_group, epoch, created_s, \
     last_seen_s, last_boot, last_check_in, certificate_serial, attested_set, assigned_set, \
     isolation, storage, mode, trial, cloned, mode_s, endorsement, identity_key, client_name, \
     boot_changed_s, platform_version, owner_version";

/// A device with what only the service needs of it.
pub struct DeviceRow {
    /// What an operator may see.
    pub device: Device,
    /// The manufacturer's signed endorsement.
    pub endorsement: Vec<u8>,
    /// Its identity key as a COSE_Key, if the endorsement was verified.
    pub identity_key: Option<Vec<u8>>,
    /// The name in its certificates, from its first check-in on.
    pub client_name: Option<ClientName>,
    /// Which sections its trust store had at its last check-in.
    pub store: Option<StoreVersions>,
}

/// What one check-in changes, together or not at all.
pub struct CheckInRecord {
    /// When, Unix seconds.
    pub at_s: u64,
    /// Its epoch of ownership.
    pub epoch: u64,
    /// Boot count of the evidence.
    pub boot: u64,
    /// Number of the check-in.
    pub check_in: u64,
    /// Which sections its trust store has: none is older than before (ATT-10).
    pub store: StoreVersions,
    /// The components of its programs by the platform's publisher, in order.
    pub programs: Vec<ComponentId>,
    /// Serial of the certificate issued, hexadecimal.
    pub certificate_serial: Option<String>,
    /// Set that the evidence shows.
    pub attested_set: Option<ImageSetId>,
    /// Set assigned.
    pub assigned_set: Option<ImageSetId>,
    /// `full` or `reduced`.
    pub isolation: Option<String>,
    /// `verity` or `unpacked`.
    pub storage: Option<String>,
    /// Boot mode.
    pub mode: Option<String>,
    /// How the last update ended.
    pub trial: Option<TrialOutcome>,
    /// The name in its certificates, if it is a new one.
    pub renamed: Option<ClientName>,
}

impl ReadTx<'_> {
    /// One device.
    pub fn device(
        &self,
        catalog: CatalogId,
        id: DeviceId,
    ) -> Result<Option<DeviceRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM devices WHERE catalog = ?1 AND device = ?2");
        self.one(&sql, params![Bytes(catalog), Bytes(id)], read_device)?.transpose()
    }

    /// A page of devices after `after`, of one group and state if given, in the order of ids.
    pub fn devices(
        &self,
        catalog: CatalogId,
        group: Option<(&str, &str)>,
        state: Option<DeviceState>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM devices WHERE catalog = ?1 AND device > ?2 \
             AND (?3 IS NULL OR (product = ?3 AND device_group = ?4)) \
             AND (?5 IS NULL OR state = ?5) ORDER BY device LIMIT ?6"
        );
        let row = params![
            Bytes(catalog),
            after.map_or_else(Vec::new, |id| id.0.to_vec()),
            group.map(|(product, _)| product),
            group.map(|(_, group)| group),
            state.map(|state| place_of(&STATES, &state)),
            limit,
        ];
        let rows = self.all(&sql, row, read_device)?;
        rows.into_iter().map(|row| row.map(|row| row.device)).collect()
    }

    /// How many devices there are: of every catalog, then those claimed, then those cloned.
    pub fn device_counts(&self) -> Result<(u64, u64, u64), StoreError> {
        let sql = "SELECT count(*), coalesce(sum(state = 1), 0), coalesce(sum(cloned), 0) \
                   FROM devices";
        let counts = self.one(sql, [], |row| {
            let count = |at| row.get::<_, Number>(at).map(|count| count.0);
            Ok((count(0)?, count(1)?, count(2)?))
        })?;
        Ok(counts.unwrap_or_default())
    }

    /// Capabilities of a device, newest first.
    pub fn capabilities(
        &self,
        catalog: CatalogId,
        device: DeviceId,
    ) -> Result<Vec<Capability>, StoreError> {
        let sql = "SELECT capability, device, permits, approved, created_s FROM capabilities \
                   WHERE catalog = ?1 AND device = ?2 ORDER BY created_s DESC";
        self.all(sql, params![Bytes(catalog), Bytes(device)], read_capability)
    }

    /// One capability, with its signed object.
    pub fn capability(
        &self,
        catalog: CatalogId,
        device: DeviceId,
        id: CapabilityId,
    ) -> Result<Option<(Capability, Vec<u8>)>, StoreError> {
        let sql = "SELECT capability, device, permits, approved, created_s, signed \
                   FROM capabilities WHERE catalog = ?1 AND device = ?2 AND capability = ?3";
        let row = params![Bytes(catalog), Bytes(device), Bytes(id)];
        self.one(sql, row, |row| Ok((read_capability(row)?, row.get(5)?)))
    }
}

impl WriteTx<'_> {
    /// Lists a device as pending.
    pub fn device_claim(
        &self,
        permit: &Permit<ManageDevices>,
        row: &DeviceRow,
    ) -> Result<(), StoreError> {
        let device = &row.device;
        let (product, group) = split_group(device.group.as_deref());
        let sql = "INSERT INTO devices (catalog, device, state, endorsement, identity_key, class, \
                   product, device_group, epoch, created_s, cloned) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)";
        let row = params![
            Bytes(permit.catalog()),
            Bytes(device.id),
            place_of(&STATES, &device.state),
            row.endorsement,
            row.identity_key,
            device.rot.map(|class| place_of(&CLASSES, &class)),
            product,
            group,
            Number(device.epoch),
            Number(device.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }

    /// Moves a device to another group; whether there was such a device.
    pub fn device_move(
        &self,
        permit: &Permit<ManageDevices>,
        id: DeviceId,
        group: (&str, &str),
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE devices SET product = ?3, device_group = ?4 \
                   WHERE catalog = ?1 AND device = ?2";
        let row = params![Bytes(permit.catalog()), Bytes(id), group.0, group.1];
        Ok(self.change(sql, row)? > 0)
    }

    /// Forgets a device; whether there was one.
    pub fn device_delete(
        &self,
        permit: &Permit<ManageDevices>,
        id: DeviceId,
    ) -> Result<bool, StoreError> {
        let from = |table: &str| {
            let sql = format!("DELETE FROM {table} WHERE catalog = ?1 AND device = ?2");
            self.change(&sql, params![Bytes(permit.catalog()), Bytes(id)])
        };
        from("failure_counts")?;
        from("device_boots")?;
        from("boot_logs")?;
        Ok(from("devices")? > 0)
    }

    /// Records one check-in of an appraised device: it is claimed from now on. `before` is the pair
    /// (boot, check-in) that the appraisal saw; `false` if the device is gone or another check-in
    /// came between.
    pub fn device_check_in(
        &self,
        catalog: CatalogId,
        id: DeviceId,
        before: Option<(u64, u64)>,
        seen: &CheckInRecord,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE devices SET state = 1, last_seen_s = ?3, epoch = ?4, last_boot = ?5, \
                   last_check_in = ?6, certificate_serial = coalesce(?7, certificate_serial), \
                   attested_set = ?8, assigned_set = ?9, isolation = ?10, storage = ?11, \
                   mode = ?12, trial = ?13, mode_s = ?3, platform_version = ?16, \
                   owner_version = ?17, programs = ?18 WHERE catalog = ?1 AND device = ?2 \
                   AND last_boot IS ?14 AND last_check_in IS ?15";
        let (boot, check_in) = before.unzip();
        let row = params![
            Bytes(catalog),
            Bytes(id),
            Number(seen.at_s),
            Number(seen.epoch),
            Number(seen.boot),
            Number(seen.check_in),
            seen.certificate_serial,
            seen.attested_set.map(Bytes),
            seen.assigned_set.map(Bytes),
            seen.isolation,
            seen.storage,
            seen.mode,
            seen.trial.map(|trial| place_of(&TRIALS, &trial)),
            boot.map(Number),
            check_in.map(Number),
            Number(seen.store.platform),
            Number(seen.store.owner),
            seen.programs.iter().flat_map(|it| it.0).collect::<Vec<u8>>(),
        ];
        let known = self.change(sql, row)? > 0;
        if let Some(name) = seen.renamed.filter(|_| known) {
            // A statement of its own: one that names an indexed column rewrites its index entry,
            // and a name changes once in an epoch.
            let sql = "UPDATE devices SET client_name = ?3 WHERE catalog = ?1 AND device = ?2";
            self.change(sql, params![Bytes(catalog), Bytes(id), name])?;
        }
        Ok(known)
    }

    /// Notes the mode that authentic evidence showed, of a device that got nothing for it.
    pub fn device_mode_seen(
        &self,
        catalog: CatalogId,
        id: DeviceId,
        mode: &str,
        at_s: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE devices SET mode = ?3, mode_s = ?4 WHERE catalog = ?1 AND device = ?2";
        self.change(sql, params![Bytes(catalog), Bytes(id), mode, Number(at_s)]).map(|_| ())
    }

    /// Forgets that two were seen of a device; whether there is such a device.
    pub fn device_clear_cloned(
        &self,
        permit: &Permit<ManageDevices>,
        id: DeviceId,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE devices SET cloned = 0 WHERE catalog = ?1 AND device = ?2";
        Ok(self.change(sql, params![Bytes(permit.catalog()), Bytes(id)])? > 0)
    }

    /// Marks a device of which two were seen.
    pub fn device_mark_cloned(&self, catalog: CatalogId, id: DeviceId) -> Result<(), StoreError> {
        let sql = "UPDATE devices SET cloned = 1 WHERE catalog = ?1 AND device = ?2";
        self.change(sql, params![Bytes(catalog), Bytes(id)]).map(|_| ())
    }

    /// Adds a capability, or replaces its signed object by one with more signatures.
    pub fn capability_put(
        &self,
        permit: &Permit<ManageDevices>,
        capability: &Capability,
        signed: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO capabilities (catalog, device, capability, permits, signed, \
                   approved, created_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                   ON CONFLICT (catalog, device, capability) DO UPDATE SET \
                   signed = excluded.signed, approved = excluded.approved";
        let row = params![
            Bytes(permit.catalog()),
            Bytes(capability.device),
            Bytes(capability.id),
            capability.permits.join(" "),
            signed,
            capability.approved,
            Number(capability.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }
}

/// `product/group` as its two names; what has no slash is no group.
pub(super) fn split_group(path: Option<&str>) -> (Option<&str>, Option<&str>) {
    path.and_then(|path| path.split_once('/')).unzip()
}

fn read_device(row: &Row<'_>) -> rusqlite::Result<Result<DeviceRow, StoreError>> {
    let number = |at| row.get::<_, Option<Number>>(at).map(|n| n.map(|n| n.0));
    let set = |at| row.get::<_, Option<Bytes<ImageSetId>>>(at).map(|id| id.map(|id| id.0));
    let group = Option::zip(row.get::<_, Option<String>>(3)?, row.get::<_, Option<String>>(4)?);
    let mut device = Device {
        id: row.get::<_, Bytes<_>>(0)?.0,
        state: DeviceState::Pending,
        rot: None,
        group: group.map(|(product, group)| format!("{product}/{group}")),
        epoch: row.get::<_, Number>(5)?.0,
        created_s: row.get::<_, Number>(6)?.0,
        last_seen_s: number(7)?,
        last_boot: number(8)?,
        last_check_in: number(9)?,
        certificate_serial: row.get(10)?,
        attested_set: set(11)?,
        assigned_set: set(12)?,
        isolation: row.get(13)?,
        storage: row.get(14)?,
        mode: row.get(15)?,
        trial: None,
        cloned: row.get(17)?,
        failures_lost: None,
        mode_s: number(18)?,
        boot_changed_s: number(22)?,
    };
    let (state, class): (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
    let trial: Option<i64> = row.get(16)?;
    let (endorsement, identity_key, client_name) = (row.get(19)?, row.get(20)?, row.get(21)?);
    let store = number(23)?.zip(number(24)?);
    let store = store.map(|(platform, owner)| StoreVersions { platform, owner });
    let words = || -> Result<(DeviceState, Option<RotClass>, Option<TrialOutcome>), StoreError> {
        let class = class.map(|class| value_at(&CLASSES, class, "devices")).transpose()?;
        let trial = trial.map(|trial| value_at(&TRIALS, trial, "devices")).transpose()?;
        Ok((value_at(&STATES, state, "devices")?, class, trial))
    };
    Ok(words().map(|words| {
        (device.state, device.rot, device.trial) = words;
        DeviceRow { device, endorsement, identity_key, client_name, store }
    }))
}

fn read_capability(row: &Row<'_>) -> rusqlite::Result<Capability> {
    let permits: String = row.get(2)?;
    Ok(Capability {
        id: row.get::<_, Bytes<_>>(0)?.0,
        device: row.get::<_, Bytes<_>>(1)?.0,
        permits: permits.split_whitespace().map(str::to_owned).collect(),
        approved: row.get(3)?,
        created_s: row.get::<_, Number>(4)?.0,
    })
}
