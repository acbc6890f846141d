//! What must hold after every step, whatever happens.

use crate::device::{Device, Event};
use crate::house::House;
use anyhow::{Context as _, Result, ensure};
use craton_api::operator::{CatalogId, DeploymentState, DeviceId, ImageSetId};
use craton_cloud::rollout::{Position, percent_now};
use craton_trust::rollback::Floors;
use craton_trust::{Digest, SetId};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered to compare with.
#[derive(Default)]
pub struct Watch {
    /// Every set that was admitted and logged.
    pub admitted: BTreeSet<SetId>,
    floors: BTreeMap<u64, Floors>,
    pairs: BTreeMap<u64, (u64, u64)>,
}

/// How things were before a step.
pub struct Before {
    confirmed: Option<SetId>,
    failed: Option<SetId>,
    attested: Option<ImageSetId>,
    rollout: Option<Rollout>,
}

/// The group's rollout, as the step finds it.
struct Rollout {
    set: ImageSetId,
    state: DeploymentState,
    within: bool,
}

impl Watch {
    /// Looks before a step.
    ///
    /// # Errors
    /// Those of the store.
    pub fn before(&self, device: &Device, house: &House, catalog: CatalogId) -> Result<Before> {
        let (mut attested, mut rollout) = (None, None);
        if house.is_up() {
            let (row, current) = seen(device, house, catalog)?;
            (attested, rollout) = (row, current);
        }
        let slots = device.slots();
        Ok(Before { confirmed: slots.confirmed(), failed: slots.failed, attested, rollout })
    }

    /// Looks after it.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn after(
        &mut self,
        before: Before,
        device: &Device,
        event: &Event,
        house: &House,
        catalog: CatalogId,
    ) -> Result<()> {
        let number = device.number;
        if let Some(run) = device.run() {
            let known = self.admitted.contains(&run.set);
            ensure!(known, "device {number} runs {}, which was not admitted", run.set);
            let measured = device.measured_set();
            ensure!(measured == Some(Digest(run.set.0)), "device {number} measured another set");
        }
        self.floors_rise(device)?;
        if let Some(rollout) = &before.rollout {
            assigned_rightly(&before, rollout, device, event)?;
        }
        if house.is_up() {
            self.pair_rises(device, house, catalog)?;
        } else {
            let slots = device.slots();
            let kept = slots.confirmed() == before.confirmed;
            let fine = kept || matches!(event, Event::Refused(..));
            ensure!(fine, "an outage changed what device {number} has confirmed");
            let blamed = slots.failed != before.failed && !matches!(event, Event::FellBack(_));
            ensure!(!blamed, "an outage made device {number} blame a set");
        }
        Ok(())
    }

    fn floors_rise(&mut self, device: &Device) -> Result<()> {
        let Some(status) = device.status() else { return Ok(()) };
        if let Some(before) = self.floors.get(&device.number) {
            for (component, floor) in before.iter() {
                let now = status.floors.of(component);
                ensure!(now >= floor, "device {}: a floor fell: {floor} to {now}", device.number);
            }
        }
        self.floors.insert(device.number, status.floors);
        Ok(())
    }

    fn pair_rises(&mut self, device: &Device, house: &House, catalog: CatalogId) -> Result<()> {
        let id = DeviceId(device.id.0);
        let row = house.service()?.app().store.read(|db| db.device(catalog, id))?;
        let row = row.context("the service forgot a device")?.device;
        ensure!(!row.cloned, "device {} was taken for a clone", device.number);
        let Some(pair) = row.last_boot.zip(row.last_check_in) else { return Ok(()) };
        let before = self.pairs.insert(device.number, pair);
        ensure!(before.is_none_or(|before| pair >= before), "device {}: a pair fell", row.id);
        Ok(())
    }
}

/// The set last attested by a device, and the rollout of its group.
fn seen(
    device: &Device,
    house: &House,
    catalog: CatalogId,
) -> Result<(Option<ImageSetId>, Option<Rollout>)> {
    let id = DeviceId(device.id.0);
    let (product, group) = crate::GROUP.split_once('/').context("a group")?;
    let store = &house.service()?.app().store;
    let (row, current, secret) = store.read(|db| {
        let row = db.device(catalog, id)?;
        let current = db.deployment_current(catalog, product, group)?;
        Ok::<_, craton_cloud::store::StoreError>((row, current, db.wave_secret(catalog)?))
    })?;
    let attested = row.and_then(|row| row.device.attested_set);
    let Some(deployment) = current.map(|row| row.deployment) else { return Ok((attested, None)) };
    let (set, state) = (deployment.image_set, deployment.state);
    let position = Position::of(&secret.context("a wave secret")?, set, id);
    let within = position.within(percent_now(&deployment));
    Ok((attested, Some(Rollout { set, state, within })))
}

/// A paused rollout is for nobody new, and an active one for nobody outside its wave.
fn assigned_rightly(
    before: &Before,
    rollout: &Rollout,
    device: &Device,
    event: &Event,
) -> Result<()> {
    let Event::CheckedIn(Some(target)) = event else { return Ok(()) };
    if target.0 != rollout.set.0 || before.attested == Some(rollout.set) {
        return Ok(());
    }
    let runs_it = device.run().is_some_and(|run| run.set == *target);
    let active = rollout.state == DeploymentState::Active && rollout.within;
    ensure!(active || runs_it, "device {} was assigned a set out of its turn", device.number);
    Ok(())
}
