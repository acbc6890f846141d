//! The device API: bytes in, bytes out; who asks is known by evidence or by certificate.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use craton_api::device::{
    BLOBS_PATH, BOOT_LOG_PATH, BOOT_LOG_SIZE_MAX, CHECK_IN_MAX, CHECK_IN_PATH, FAILURES_PATH,
    MEDIA_TYPE, REPORTS_SIZE_MAX, SETS_PATH, TRUST_STORE_PATH, boot_log_wanted,
};
use craton_api::operator::{CatalogId, Digest, ImageSetId, Section};
use serde::Deserialize;

use super::{Exporter, Named, PeerCertificate, Refusal, Wanted, blob_response, read_body};
use crate::app::check_in::{Connection, Issuer, LastReply, check_in};
use crate::app::{App, AppError, boot_logs, device_requests};

/// The device API's routes, for the TLS listener.
pub fn router(issuer: Arc<Issuer>) -> Router<App> {
    Router::new()
        .route(CHECK_IN_PATH, post(answer_check_in))
        .route(&format!("{SETS_PATH}{{set}}"), get(give_set))
        .route(&format!("{BLOBS_PATH}{{digest}}"), get(give_blob))
        .route(FAILURES_PATH, post(take_failures))
        .route(BOOT_LOG_PATH, post(take_boot_log))
        .route(&format!("{BOOT_LOG_PATH}/{{digest}}"), get(want_boot_log))
        .route(&format!("{TRUST_STORE_PATH}{{section}}/{{version}}"), get(give_section))
        .layer(Extension(issuer))
}

fn bytes(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

async fn answer_check_in(
    State(app): State<App>,
    Extension(issuer): Extension<Arc<Issuer>>,
    Extension(exporter): Extension<Exporter>,
    Extension(last): Extension<LastReply>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read_body(body, CHECK_IN_MAX).await?;
    let connection = Connection { exporter: exporter.0, last: &last };
    Ok(bytes(check_in(&app, &issuer, &connection, &body).await?))
}

#[derive(Deserialize)]
struct OfCatalog {
    catalog: CatalogId,
}

async fn give_section(
    State(app): State<App>,
    Named((section, version)): Named<(Section, u64)>,
    Wanted(of): Wanted<OfCatalog>,
) -> Result<Response, Refusal> {
    Ok(match device_requests::section(&app, of.catalog, section, version)? {
        Some(signed) => bytes(signed),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn give_set(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    Named(set): Named<ImageSetId>,
) -> Result<Response, Refusal> {
    let holder = device_requests::holder(&app, peer.0.as_deref())?;
    Ok(bytes(device_requests::signed_set(&app, holder, set)?))
}

async fn give_blob(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    Named(digest): Named<Digest>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let holder = device_requests::holder(&app, peer.0.as_deref())?;
    device_requests::check_blob(&app, holder, digest)?;
    let place = app.blobs.place(holder.stream_owner()).map_err(AppError::from)?;
    blob_response(&app.blobs, digest, &headers, place)
}

async fn take_failures(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    body: Body,
) -> Result<Response, Refusal> {
    let holder = device_requests::holder(&app, peer.0.as_deref())?;
    let body = read_body(body, REPORTS_SIZE_MAX).await?;
    device_requests::report(&app, holder, &body).await?;
    Ok(bytes(Vec::new()))
}

async fn want_boot_log(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    Named(digest): Named<Digest>,
) -> Result<Response, Refusal> {
    let holder = device_requests::holder(&app, peer.0.as_deref())?;
    Ok(bytes(boot_log_wanted(boot_logs::is_wanted(&app, holder, digest)?)))
}

async fn take_boot_log(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    body: Body,
) -> Result<Response, Refusal> {
    let holder = device_requests::holder(&app, peer.0.as_deref())?;
    let body = read_body(body, BOOT_LOG_SIZE_MAX).await?;
    boot_logs::take(&app, holder, &body).await?;
    Ok(bytes(Vec::new()))
}
