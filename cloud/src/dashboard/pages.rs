//! One function per page: read one snapshot, make the view, render it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use craton_api::operator::{Catalog, DeploymentId, DeviceId, Failure, Fingerprint};
use craton_api::problem::{Fault, Problem};
use serde::Deserialize;

use super::fleet::{OFFLINE_AFTER_S, Tally, offline};
use super::names::Names;
use super::view::{
    CapabilityLine, CatalogLine, CatalogsPage, CheckpointView, DevicePage, EntryLine,
    FailureGroupPage, FailureLine, FailuresPage, FleetPage, Frame, LogPage, Moment, RefusalPage,
    RolloutLine, RolloutPage, RolloutsPage, Shown, register_lines,
};
use super::{DashboardError, rollouts};
use crate::app::{App, AppError, boots};

/// Devices read at once.
const BATCH: u32 = 1_000;

/// Rows of a table of failures or log entries.
const LINES_MAX: u32 = 50;

/// Failures looked at to name what paused a rollout.
const CAUSES_FROM: u32 = 1_000;

/// The shortest time after which a page may ask again by itself, seconds.
const REFRESH_S_MIN: u32 = 5;

type Page = Result<Response, DashboardError>;

#[derive(Deserialize)]
pub(super) struct FleetQuery {
    show: Option<String>,
    after: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RolloutQuery {
    refresh: Option<String>,
}

pub(super) async fn unknown() -> Page {
    Err(DashboardError::PageUnknown)
}

/// The list of catalogs; the only one is shown at once.
pub(super) async fn catalogs(State(app): State<App>) -> Page {
    reading(move || {
        let found = app.store.read(|db| db.catalogs()).map_err(AppError::from)?;
        if let [only] = found.as_slice() {
            return Ok(Redirect::to(&format!("/catalogs/{}/fleet", only.name)).into_response());
        }
        let line = |catalog: Catalog| CatalogLine {
            name: catalog.name,
            dev: catalog.dev,
            devices: catalog.devices,
            created: Moment(catalog.created_s),
        };
        let catalogs = found.into_iter().map(line).collect();
        shown(&CatalogsPage { now: Moment(app.clock.now_s()), catalogs })
    })
    .await
}

pub(super) async fn fleet(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<FleetQuery>,
) -> Page {
    let show = query.show.as_deref().and_then(Shown::from_query).unwrap_or(Shown::All);
    let after = query.after.as_deref().and_then(|id| id.parse::<DeviceId>().ok());
    reading(move || {
        let frame = frame(&app, &name)?;
        let mut tally = Tally::new(frame.now, show, after);
        let names = app.store.read(|db| {
            let mut last = None;
            loop {
                let batch = db.devices(frame.id, None, None, last, BATCH)?;
                last = batch.last().map(|device| device.id);
                let full = batch.len() == BATCH as usize;
                batch.into_iter().for_each(|device| tally.take(device));
                if !full {
                    break;
                }
            }
            let (sets, images) = (db.image_sets(frame.id)?, db.images(frame.id, None)?);
            Ok::<_, AppError>(Names::new(sets, images))
        })?;
        let (sets, without_set) = tally.shares(&names);
        let next = tally.kept.last().filter(|_| tally.more).map(|device| device.id);
        shown(&FleetPage {
            counts: tally.counts,
            offline_after_s: OFFLINE_AFTER_S,
            sets,
            without_set,
            shown: show,
            devices: tally.lines(&names),
            next,
            frame,
        })
    })
    .await
}

pub(super) async fn device(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Page {
    let id: DeviceId = id.parse().map_err(|_| DashboardError::PageUnknown)?;
    reading(move || {
        let frame = frame(&app, &name)?;
        let (device, failures, lost, capabilities, names, boot) = app.store.read(|db| {
            let device = db.device(frame.id, id)?;
            let failures = db.failures(frame.id, None, Some(id), 0, LINES_MAX)?;
            let names = Names::new(db.image_sets(frame.id)?, db.images(frame.id, None)?);
            let lost = db.failures_lost(frame.id, id)?;
            let boot = boots::seen(db, (frame.id, id))?;
            Ok::<_, AppError>((device, failures, lost, db.capabilities(frame.id, id)?, names, boot))
        })?;
        let device = device.ok_or(DashboardError::PageUnknown)?.device;
        let capability = |capability: craton_api::operator::Capability| CapabilityLine {
            permits: capability.permits,
            approved: capability.approved,
            created: Moment(capability.created_s),
        };
        shown(&DevicePage {
            id,
            state: device.state,
            offline: offline(&device, frame.now),
            offline_after_s: OFFLINE_AFTER_S,
            group: device.group,
            listed: Moment(device.created_s),
            last_seen: device.last_seen_s.map(Moment),
            cloned: device.cloned,
            boot_changed: device.boot_changed_s.map(Moment),
            registers: boot.map(register_lines).unwrap_or_default(),
            rot: device.rot,
            storage: device.storage,
            isolation: device.isolation,
            mode: device.mode,
            mode_seen: device.mode_s.map(Moment),
            epoch: device.epoch,
            boot: device.last_boot,
            check_in: device.last_check_in,
            certificate_serial: device.certificate_serial,
            attested: device.attested_set.map(|set| names.set(set)),
            assigned: device.assigned_set.map(|set| names.set(set)),
            components: names.components(device.attested_set),
            trial: device.trial,
            capabilities: capabilities.into_iter().map(capability).collect(),
            failures: failures.into_iter().map(|failure| failure_line(failure, &names)).collect(),
            failures_lost: lost,
            frame,
        })
    })
    .await
}

pub(super) async fn rollouts(State(app): State<App>, Path(name): Path<String>) -> Page {
    reading(move || {
        let frame = frame(&app, &name)?;
        let (deployments, names) = app.store.read(|db| {
            let names = Names::new(db.image_sets(frame.id)?, db.images(frame.id, None)?);
            Ok::<_, AppError>((db.deployments(frame.id, None)?, names))
        })?;
        let line = |deployment: craton_api::operator::Deployment| RolloutLine {
            id: deployment.id,
            set: names.set(deployment.image_set),
            wave: (deployment.wave + 1, deployment.waves.len() as u32),
            group: deployment.group,
            state: deployment.state,
            reason: deployment.reason,
            confirmed: deployment.confirmed,
            failed: deployment.failed,
            created: Moment(deployment.created_s),
        };
        let rollouts = deployments.into_iter().map(line).collect();
        shown(&RolloutsPage { frame, rollouts })
    })
    .await
}

pub(super) async fn rollout(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
    Query(query): Query<RolloutQuery>,
) -> Page {
    let id: DeploymentId = id.parse().map_err(|_| DashboardError::PageUnknown)?;
    let wish_s = query.refresh.and_then(|text| text.parse::<u32>().ok());
    let refresh_s = wish_s.map(|wish_s| wish_s.max(REFRESH_S_MIN));
    reading(move || {
        let frame = frame(&app, &name)?;
        let read = app.store.read(|db| {
            let Some(found) = db.deployment(frame.id, id)? else { return Ok(None) };
            let found = found.deployment;
            let mut devices = Vec::new();
            let group = found.group.split_once('/');
            loop {
                let last = devices.last().map(|device: &craton_api::operator::Device| device.id);
                let batch = db.devices(frame.id, group, None, last, BATCH)?;
                let full = batch.len() == BATCH as usize;
                devices.extend(batch);
                if !full {
                    break;
                }
            }
            let failures = db.failures(frame.id, None, None, found.created_s, CAUSES_FROM)?;
            let names = Names::new(db.image_sets(frame.id)?, db.images(frame.id, None)?);
            let groups = db.failure_groups(frame.id)?;
            Ok::<_, AppError>(Some((found, devices, failures, groups, names)))
        })?;
        let (found, devices, failures, groups, names) = read.ok_or(DashboardError::PageUnknown)?;
        let ours = names.images_of(found.image_set);
        let failures: Vec<Failure> =
            failures.into_iter().filter(|f| f.image.is_some_and(|id| ours.contains(&id))).collect();
        shown(&RolloutPage {
            id,
            set: names.set(found.image_set),
            previous: found.previous_set.map(|set| names.set(set)),
            causes: rollouts::causes(&failures, &groups),
            funnel: rollouts::funnel(&found, &devices),
            waves: rollouts::waves(&found),
            commands: rollouts::commands(frame.id, &found),
            pause_failures: u64::from(found.pause_rule.failures),
            pause_outcomes: u64::from(found.pause_rule.outcomes),
            created: Moment(found.created_s),
            state: found.state,
            group: found.group,
            reason: found.reason,
            refresh_s,
            frame,
        })
    })
    .await
}

pub(super) async fn failures(State(app): State<App>, Path(name): Path<String>) -> Page {
    reading(move || {
        let frame = frame(&app, &name)?;
        let (groups, ungrouped) = app.store.read(|db| {
            let ungrouped = db.failures_ungrouped_count(frame.id)?;
            Ok::<_, AppError>((db.failure_groups(frame.id)?, ungrouped))
        })?;
        let groups = groups.iter().map(rollouts::group_line).collect();
        shown(&FailuresPage { frame, groups, ungrouped })
    })
    .await
}

pub(super) async fn failure_group(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Page {
    let id: Fingerprint = id.parse().map_err(|_| DashboardError::PageUnknown)?;
    reading(move || {
        let frame = frame(&app, &name)?;
        let (group, failures, names) = app.store.read(|db| {
            let failures = db.failures(frame.id, Some(id), None, 0, LINES_MAX)?;
            let names = Names::new(db.image_sets(frame.id)?, db.images(frame.id, None)?);
            Ok::<_, AppError>((db.failure_group(frame.id, id)?, failures, names))
        })?;
        let group = group.ok_or(DashboardError::PageUnknown)?;
        let mut versions: Vec<String> =
            failures.iter().filter_map(|failure| failure.image).map(|id| names.image(id)).collect();
        versions.sort();
        versions.dedup();
        shown(&FailureGroupPage {
            frame,
            group: rollouts::group_line(&group),
            versions,
            frames: group.frames,
            failures: failures.into_iter().map(|failure| failure_line(failure, &names)).collect(),
        })
    })
    .await
}

pub(super) async fn log(State(app): State<App>, Path(name): Path<String>) -> Page {
    reading(move || {
        let frame = frame(&app, &name)?;
        let (newest, entries) = app.store.read(|db| {
            let start = db.log_size(frame.id)?.saturating_sub(u64::from(LINES_MAX));
            let entries = db.log_entries(frame.id, start, LINES_MAX)?;
            Ok::<_, AppError>((db.checkpoint(frame.id, false)?, entries))
        })?;
        let checkpoint = newest.map(|newest| CheckpointView {
            origin: format!("craton/{}", frame.id),
            size: newest.size,
            root: newest.root,
            cosigned: newest.cosigned,
            created: Moment(newest.created_s),
        });
        let line = |entry: craton_api::operator::LogEntry| EntryLine {
            index: entry.index,
            kind: entry.kind,
            hash: entry.hash,
            created: Moment(entry.created_s),
        };
        let entries = entries.into_iter().rev().map(line).collect();
        shown(&LogPage { frame, checkpoint, entries })
    })
    .await
}

fn failure_line(failure: Failure, names: &Names) -> FailureLine {
    FailureLine {
        device: failure.device,
        image: failure.image.map(|id| names.image(id)),
        received: Moment(failure.received_s),
        fingerprint: failure.fingerprint,
        title: failure.title,
        lost_before: failure.lost_before,
    }
}

fn frame(app: &App, name: &str) -> Result<Frame, DashboardError> {
    let catalogs = app.store.read(|db| db.catalogs()).map_err(AppError::from)?;
    let found = catalogs.into_iter().find(|catalog| catalog.name == name);
    let Catalog { id, name, dev, .. } = found.ok_or(DashboardError::PageUnknown)?;
    Ok(Frame { catalog: name, id, dev, now: Moment(app.clock.now_s()) })
}

/// A snapshot is read on a thread that may wait for the disk.
async fn reading(work: impl FnOnce() -> Page + Send + 'static) -> Page {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(DashboardError::PageUnmade))
}

fn shown(page: &impl Template) -> Page {
    let html = page.render().map_err(|_| DashboardError::PageUnmade)?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

impl IntoResponse for DashboardError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        let said = Problem::from_text(code, status.as_u16(), Fault::Caller, &self.to_string());
        let page = RefusalPage { code, title: said.title, detail: said.detail };
        match shown(&page) {
            Ok(page) => (status, page).into_response(),
            Err(_) => status.into_response(),
        }
    }
}
