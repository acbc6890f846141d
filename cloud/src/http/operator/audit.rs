//! The transparency log.

use axum::Json;
use axum::extract::State;
use craton_api::operator::{
    CatalogId, Checkpoint, ConsistencyProof, Digest, InclusionProof, LogEntries,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, Publish, ReadCatalog, log};
use crate::http::{Allowed, Named, Object, Refusal, Wanted};

/// Leaves of a page, if none or more are asked for.
const PAGE_MAX: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint_show))
        .routes(routes!(checkpoint_cosign))
        .routes(routes!(log_entries))
        .routes(routes!(inclusion_show))
        .routes(routes!(consistency_show))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/audit/checkpoint", tag = "audit",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "The newest checkpoint", body = Checkpoint), Refused))]
async fn checkpoint_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<Checkpoint>, Refusal> {
    Ok(Json(log::checkpoint(&app, &permit)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CheckpointPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// Leaves under the checkpoint.
    size: u64,
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/audit/checkpoint/{size}/cosignature",
    tag = "audit", params(CheckpointPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "The checkpoint's object with the witness's signature added"),
    responses((status = 200, description = "The checkpoint", body = Checkpoint), Refused))]
async fn checkpoint_cosign(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Named(path): Named<CheckpointPath>,
    Object(cosigned): Object,
) -> Result<Json<Checkpoint>, Refusal> {
    Ok(Json(log::cosign(&app, permit, path.size, cosigned.to_vec()).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EntriesWanted {
    /// The first leaf's place, from 0.
    start: Option<u64>,
    /// How many, at most 1000.
    limit: Option<u32>,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/audit/entries", tag = "audit",
    params(InCatalog, EntriesWanted), security(("token" = [])),
    responses((status = 200, description = "Leaves in order", body = LogEntries), Refused))]
async fn log_entries(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<EntriesWanted>,
) -> Result<Json<LogEntries>, Refusal> {
    let (start, limit) = (wanted.start.unwrap_or(0), wanted.limit.unwrap_or(PAGE_MAX));
    // Above this the engine's numbers end, and no log is that long.
    let start = start.min(u64::from(u32::MAX) << 16);
    let limit = limit.clamp(1, PAGE_MAX);
    let items = app.store.read(|db| db.log_entries(permit.catalog(), start, limit))?;
    Ok(Json(LogEntries { items }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InclusionWanted {
    /// RFC 6962 hash of the leaf.
    leaf_hash: Digest,
    /// Size of the tree; absent: the whole log.
    size: Option<u64>,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/audit/inclusion", tag = "audit",
    params(InCatalog, InclusionWanted), security(("token" = [])),
    responses((status = 200, description = "The proof", body = InclusionProof), Refused))]
async fn inclusion_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<InclusionWanted>,
) -> Result<Json<InclusionProof>, Refusal> {
    Ok(Json(log::inclusion(&app, &permit, wanted.leaf_hash, wanted.size)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsistencyWanted {
    /// Size of the smaller tree.
    from: u64,
    /// Size of the larger tree.
    to: u64,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/audit/consistency", tag = "audit",
    params(InCatalog, ConsistencyWanted), security(("token" = [])),
    responses((status = 200, description = "The proof", body = ConsistencyProof), Refused))]
async fn consistency_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<ConsistencyWanted>,
) -> Result<Json<ConsistencyProof>, Refusal> {
    Ok(Json(log::consistency(&app, &permit, wanted.from, wanted.to)?))
}
