//! The device API: bytes in, bytes out; who asks is known by evidence or by certificate.

use super::{Exporter, PeerCertificate, Refusal, blob_response};
use crate::app::check_in::{Issuer, check_in};
use crate::app::{App, AppError, failures};
use crate::attest::AttestError;
use crate::catalog::CatalogError;
use crate::crypto::AwsLc;
use crate::store::ReceivedFailure;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use craton_api::device::{
    BLOBS_PATH, CHECK_IN_MAX, CHECK_IN_PATH, FAILURES_PATH, MEDIA_TYPE, REPORTS_SIZE_MAX, Reports,
    SETS_PATH,
};
use craton_api::operator::{CatalogId, DeviceId, Digest, ImageId, ImageSetId};
use craton_trust::crypto::Crypto as _;
use craton_trust::failure::Failure;
use std::sync::Arc;

/// The device API's routes, for the TLS listener.
pub fn router(issuer: Arc<Issuer>) -> Router<App> {
    Router::new()
        .route(CHECK_IN_PATH, post(answer_check_in).layer(DefaultBodyLimit::max(CHECK_IN_MAX)))
        .route(&format!("{SETS_PATH}{{set}}"), get(give_set))
        .route(&format!("{BLOBS_PATH}{{digest}}"), get(give_blob))
        .route(FAILURES_PATH, post(take_failures).layer(DefaultBodyLimit::max(REPORTS_SIZE_MAX)))
        .layer(Extension(issuer))
}

fn bytes(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

async fn answer_check_in(
    State(app): State<App>,
    Extension(issuer): Extension<Arc<Issuer>>,
    Extension(exporter): Extension<Exporter>,
    body: Bytes,
) -> Result<Response, Refusal> {
    Ok(bytes(check_in(&app, &issuer, exporter.0, &body).await?))
}

/// The device that holds the certificate of this connection. TLS has proved that it holds the key,
/// and that our CA issued it and it has not expired.
fn device_of(app: &App, peer: &PeerCertificate) -> Result<(CatalogId, DeviceId), AppError> {
    let der = peer.0.as_deref().ok_or(AttestError::CertificateMissing)?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(der).map_err(|_| AttestError::CertificateMissing)?;
    let serial: String =
        certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    let device = app.store.read(|db| db.device_by_serial(&serial))?;
    Ok(device.ok_or(AttestError::CertificateReplaced)?)
}

async fn give_set(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    Path(set): Path<ImageSetId>,
) -> Result<Response, Refusal> {
    let (catalog, _) = device_of(&app, &peer)?;
    let row = app.store.read(|db| db.image_set(catalog, set))?;
    let row = row.ok_or(CatalogError::SetUnknown)?;
    if row.set.log_index.is_none() {
        return Err(CatalogError::SetUnknown.into());
    }
    Ok(bytes(row.signatures.signed))
}

async fn give_blob(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    Path(digest): Path<Digest>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (catalog, _) = device_of(&app, &peer)?;
    let known = app.store.read(|db| db.blob(catalog, digest))?;
    known.ok_or(CatalogError::BlobUnknown(digest))?;
    blob_response(&app.blobs, digest, &headers)
}

async fn take_failures(
    State(app): State<App>,
    Extension(peer): Extension<PeerCertificate>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (catalog, device) = device_of(&app, &peer)?;
    let reports = Reports::parse(&body).map_err(AttestError::Evidence)?;
    let received_s = app.clock.now_s();
    let mut received = Vec::new();
    for record in reports.0 {
        let failure = Failure::parse(record).map_err(AttestError::Evidence)?;
        received.push(ReceivedFailure {
            record: record.to_vec(),
            sha256: Digest(AwsLc.sha256(&[record]).0),
            image: Some(ImageId(failure.image.0)),
            received_s,
        });
    }
    failures::receive(&app, catalog, device, received).await?;
    Ok(bytes(Vec::new()))
}
