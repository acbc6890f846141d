//! What one check-in costs the database, with a thousand and with a million registered devices.
//!
//! The work is what `cloud::app::check_in` does with rows of the device itself: its row read, then
//! one commit with its row and its outcome. Each check-in is of a device drawn from all that are
//! registered.

use crate::Size;
use crate::cpu::{median, process_us};
use crate::report::Report;
use anyhow::{Context as _, Result};
use craton_api::operator::{CatalogId, DeploymentId, DeviceId, ImageSetId};
use craton_cloud::rollout::Outcome;
use craton_cloud::store::{CheckInRecord, OutcomeRecord, Store, StoreError};
use craton_fleet::{Seed, Stream};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const CATALOG: CatalogId = CatalogId([0xca; 32]);
const DEPLOYMENT: DeploymentId = DeploymentId([0xde; 16]);

/// Registered devices of the small database.
const FEW: u64 = 1_000;

/// Check-ins at once, as connections that are open.
const LANES: u64 = 16;

/// Check-ins of a lane in a round, for each of the size's loops.
const EACH: u64 = 5;

/// A database with this many registered devices that have all checked in before.
struct Registered {
    _folder: TempDir,
    store: Arc<Store>,
    devices: u64,
    draws: Stream,
    check_in: u64,
}

/// The id of a device: in no order, as digests of keys are.
fn id_of(number: u64) -> [u8; 32] {
    let mut id = [0; 32];
    Seed(7).stream("registered", number).fill(&mut id);
    id
}

/// A serial: another one at each check-in, in no order.
fn serial_of(check_in: u64, id: DeviceId) -> String {
    let mut serial = [0; 16];
    Seed(check_in).stream(&id.to_string(), 0).fill(&mut serial);
    serial.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Registered {
    fn fill(devices: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        drop(Store::open(folder.path())?);
        fill(folder.path(), devices)?;
        let store = Arc::new(Store::open(folder.path())?);
        let draws = Seed(8).stream("check-ins", devices);
        Ok(Self { _folder: folder, store, devices, draws, check_in: 1 })
    }

    /// One round; microseconds of CPU for one check-in, all threads.
    async fn round(&mut self, each: u64) -> Result<f64> {
        self.check_in += 1;
        let check_in = self.check_in;
        let mut lanes: Vec<Vec<[u8; 32]>> = Vec::new();
        for _ in 0..LANES {
            lanes.push((0..each).map(|_| id_of(self.draws.below(self.devices))).collect());
        }
        let before = process_us();
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|ids| {
                let store = self.store.clone();
                tokio::spawn(async move {
                    for id in ids {
                        one(&store, DeviceId(id), check_in).await?;
                    }
                    Ok::<_, anyhow::Error>(())
                })
            })
            .collect();
        for lane in lanes {
            lane.await??;
        }
        Ok((process_us() - before) / (LANES * each) as f64)
    }
}

/// The database's part of one check-in.
async fn one(store: &Store, id: DeviceId, check_in: u64) -> Result<()> {
    let row = store.read::<_, StoreError>(|db| db.device(CATALOG, id))?;
    let row = row.context("a device that is registered")?.device;
    let before = row.last_boot.zip(row.last_check_in);
    let set = ImageSetId([3; 32]);
    let record = CheckInRecord {
        at_s: 1_900_000_000 + check_in,
        epoch: 1,
        boot: 1,
        check_in,
        store: craton_cloud::attest::StoreVersions { platform: 1, owner: 1 },
        programs: vec![craton_api::operator::ComponentId([9; 16])],
        certificate_serial: Some(serial_of(check_in, id)),
        attested_set: Some(set),
        assigned_set: Some(set),
        isolation: Some("full".into()),
        storage: Some("unpacked".into()),
        mode: Some("normal".into()),
        trial: None,
        renamed: None,
    };
    let (outcome, at_s) = (Outcome::Confirmed, record.at_s);
    let outcome = OutcomeRecord { device: id, wave: 0, outcome, at_s };
    let work = move |db: &craton_cloud::store::WriteTx<'_>| {
        db.device_check_in(CATALOG, id, before, &record)?;
        db.deployment_outcome_record(CATALOG, DEPLOYMENT, &outcome).map(|_| ())
    };
    Ok(store.write::<_, StoreError, _>(work).await?)
}

/// Rows as check-ins leave them, put there in the order of their numbers.
fn fill(folder: &Path, devices: u64) -> Result<()> {
    let db = Connection::open(folder.join("craton.db"))?;
    db.pragma_update(None, "cache_size", -1_000_000)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    let all = db.unchecked_transaction()?;
    {
        let mut device = all.prepare(
            "INSERT INTO devices (catalog, device, state, endorsement, identity_key, class, \
             product, device_group, epoch, created_s, last_seen_s, last_boot, last_check_in, \
             certificate_serial, attested_set, assigned_set, isolation, storage, mode, cloned) \
             VALUES (?1, ?2, 1, ?3, ?4, 0, 'Meter', 'Production', 1, 1800000000, \
             1899000000, 1, 1, ?5, ?6, ?6, 'full', 'unpacked', 'normal', 0)",
        )?;
        let mut outcome = all.prepare(
            "INSERT INTO deployment_outcomes (catalog, device, deployment, place, failed, at_s) \
             VALUES (?1, ?2, ?3, ?4, 0, 1899000000)",
        )?;
        for number in 0..devices {
            let id = id_of(number);
            let serial = serial_of(1, DeviceId(id));
            let row = params![CATALOG.0, id, [7u8; 250], [8u8; 77], serial, [3u8; 32]];
            device.execute(row)?;
            outcome.execute(params![CATALOG.0, id, DEPLOYMENT.0, number as i64])?;
        }
    }
    all.commit()?;
    Ok(())
}

/// Rounds on both databases, in turns. Returns what a check-in costs more with many devices,
/// microseconds of CPU, if that was measured.
pub fn measure(report: &mut Report, size: Size, many: bool) -> Result<Option<f64>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let each = EACH * size.loops as u64 / 4;
    let mut few = Registered::fill(FEW.min(size.many))?;
    let mut large = many.then(|| Registered::fill(size.many)).transpose()?;
    let (mut costs, mut large_costs, mut ratios) = (vec![], vec![], vec![]);
    runtime.block_on(few.round(each))?;
    for _ in 0..size.rounds {
        let cost = runtime.block_on(few.round(each))?;
        costs.push(cost);
        if let Some(large) = &mut large {
            let with_many = runtime.block_on(large.round(each))?;
            large_costs.push(with_many);
            ratios.push(with_many / cost);
        }
    }
    let few_us = median(costs);
    let what = format!("CPU of one check-in's database work, {} registered devices", few.devices);
    report.add("store-few", what, few_us, "us");
    let Some(large) = large else { return Ok(None) };
    let many_us = median(large_costs);
    let what = format!("the same with {} registered devices", large.devices);
    report.add("store-many", what, many_us, "us");
    let what = "the database's part with many / with few";
    report.add("store-ratio", what, median(ratios), "x");
    Ok(Some(many_us - few_us))
}
