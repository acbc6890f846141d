//! Blobs: bytes under their digest.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use craton_api::operator::Blob;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{BlobPath, Refused};
use crate::app::{App, Publish, ReadCatalog, blobs};
use crate::http::body::{Pace, drop_rest};
use crate::http::{Allowed, Named, Octets, Refusal, file_response};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(blob_fetch, blob_put))
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/blobs/{sha256}", tag = "blobs",
    params(BlobPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "Kept", body = Blob),
        (status = 200, description = "The catalog had it already", body = Blob), Refused))]
async fn blob_put(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Named(path): Named<BlobPath>,
    Octets(mut body): Octets,
) -> Result<(StatusCode, Json<Blob>), Refusal> {
    let _place = blobs::place(&app, &permit)?;
    blobs::check_room(&app, &permit)?;
    let (mut upload, mut pace) = (app.blobs.begin(path.sha256), Pace::new(app.patience));
    while let Some(bytes) = pace.next(&mut body).await? {
        if !upload.chunk(bytes).await {
            let refusal = upload.abandon();
            drop_rest(&mut body).await;
            return Err(refusal.into());
        }
    }
    let (blob, new) = blobs::keep(&app, permit, upload).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(blob)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/blobs/{sha256}", tag = "blobs",
    params(BlobPath), security(("token" = [])),
    responses((status = 200, description = "The bytes; one range is honoured", body = Vec<u8>,
        content_type = "application/octet-stream"), Refused))]
async fn blob_fetch(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<BlobPath>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let place = blobs::place(&app, &permit)?;
    let (file, size) = blobs::open(&app, &permit, path.sha256)?;
    file_response(file, size, &headers, place)
}
