//! Evidence verification alone: what `cloud::attest` does with one check-in's evidence.

use crate::Size;
use crate::cpu::{each_us, median};
use crate::report::Report;
use anyhow::Result;
use craton_cloud::attest::{Asked, Known, References, StoreVersions, appraise};
use craton_cloud::crypto::AwsLc;
use craton_fleet::{CLASS, Plan, Scene, Seed};
use craton_trust::endorsement::RotClass;
use craton_trust::{ComponentId, Digest, SetId, Signed};
use std::hint::black_box;
use std::sync::Arc;

/// Reference values that are in memory: looking them up is not measured here.
struct Everything;

impl References for Everything {
    fn trust_store(&self, _: Digest) -> Option<StoreVersions> {
        Some(StoreVersions { platform: 1, owner: 1 })
    }

    fn admitted_set(&self, _: SetId) -> Option<Arc<[u8]>> {
        None
    }

    fn runtime(&self, _: ComponentId, _: Digest, _: Digest) -> Option<u64> {
        Some(1)
    }
}

pub fn measure(report: &mut Report, size: Size) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut scene = runtime.block_on(Scene::open(Plan { seed: Seed(1), devices: 1 }))?;
    runtime.block_on(scene.day())?;
    let freshness = [9; 32];
    let platform = Signed::parse(&scene.maker.platform_section()?)?.digest(&AwsLc);
    let device = &mut scene.devices[0];
    let prepared = device.prepare(&freshness)?;
    let epoch = prepared.address.epoch;
    let known = Known {
        catalog: prepared.address.catalog,
        identity: prepared.identity,
        rot: RotClass::Software,
        least_rot: RotClass::Software,
        epoch,
        last: None,
        class: CLASS,
        platform,
        store: None,
        dev: true,
    };
    let client_key = prepared.client_key();
    let asked = Asked { freshness, request: prepared.address.request, client_key, epoch };
    let once = || appraise(&known, &asked, &prepared.evidence, &Everything);
    once()?;
    let work = || {
        let _ = black_box(once());
    };
    let rounds: Vec<f64> = (0..size.rounds).map(|_| each_us(size.loops, work)).collect();
    let each = median(rounds);
    let what = "evidence verified and appraised, on one core";
    report.add("appraisals", what, 1e6 / each, "/s");
    runtime.block_on(scene.close());
    Ok(())
}
