//! Service facts, catalogs and trust stores.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use craton_api::operator::{
    Catalog, CatalogCreate, CatalogId, CatalogList, Section, ServiceInfo, TokenInfo, TrustStore,
    TrustStoreSection,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, ManageTrustStore, ReadCatalog, callers, catalogs, trust_store};
use crate::http::{Allowed, Asked, Authenticated, Named, Object, Refusal, ServiceOwner};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(service_show))
        .routes(routes!(token_show))
        .routes(routes!(catalog_list, catalog_create))
        .routes(routes!(catalog_show))
        .routes(routes!(trust_store_show))
        .routes(routes!(trust_store_succeed))
        .routes(routes!(trust_store_fetch))
}

#[utoipa::path(get, path = "/v1/service", tag = "service",
    responses((status = 200, description = "The service and its public keys", body = ServiceInfo)))]
async fn service_show(State(app): State<App>) -> Json<ServiceInfo> {
    Json(catalogs::service_info(&app))
}

#[utoipa::path(get, path = "/v1/token", tag = "tokens", security(("token" = [])),
    responses((status = 200, description = "What the token may do", body = TokenInfo), Refused))]
async fn token_show(Authenticated(caller): Authenticated) -> Result<Json<TokenInfo>, Refusal> {
    Ok(Json(callers::token_of(&caller)?))
}

#[utoipa::path(get, path = "/v1/catalogs", tag = "catalogs", security(("token" = [])),
    responses((status = 200, description = "Catalogs that the token may see", body = CatalogList),
        Refused))]
async fn catalog_list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
) -> Result<Json<CatalogList>, Refusal> {
    Ok(Json(CatalogList { items: catalogs::list(&app, &caller)? }))
}

#[utoipa::path(post, path = "/v1/catalogs", tag = "catalogs", security(("token" = [])),
    request_body = CatalogCreate,
    responses((status = 201, description = "The catalog", body = Catalog), Refused))]
async fn catalog_create(
    State(app): State<App>,
    ServiceOwner(permit): ServiceOwner,
    Asked(asked): Asked<CatalogCreate>,
) -> Result<(StatusCode, Json<Catalog>), Refusal> {
    Ok((StatusCode::CREATED, Json(catalogs::create(&app, permit, asked).await?)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}", tag = "catalogs", params(InCatalog),
    security(("token" = [])),
    responses((status = 200, description = "The catalog", body = Catalog), Refused))]
async fn catalog_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<Catalog>, Refusal> {
    Ok(Json(catalogs::show(&app, &permit)?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/trust-store", tag = "trust store",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Versions of both sections", body = TrustStore),
        Refused))]
async fn trust_store_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<TrustStore>, Refusal> {
    Ok(Json(trust_store::show(&app, &permit)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SectionPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// Which half of the trust store.
    section: Section,
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/trust-store/{section}", tag = "trust store",
    params(SectionPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "The successor, signed by the old root and its own"),
    responses((status = 200, description = "The version now in force", body = TrustStoreSection),
        Refused))]
async fn trust_store_succeed(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageTrustStore>,
    Named(path): Named<SectionPath>,
    Object(signed): Object,
) -> Result<Json<TrustStoreSection>, Refusal> {
    Ok(Json(trust_store::succeed(&app, permit, path.section, signed.to_vec()).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SectionVersionPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// Which half of the trust store.
    section: Section,
    /// 1 is the genesis.
    version: u64,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/trust-store/{section}/{version}",
    tag = "trust store", params(SectionVersionPath), security(("token" = [])),
    responses((status = 200, description = "The signed section", body = Vec<u8>,
        content_type = "application/cbor"), Refused))]
async fn trust_store_fetch(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<SectionVersionPath>,
) -> Result<impl IntoResponse, Refusal> {
    let signed = trust_store::fetch(&app, &permit, path.section, path.version)?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], signed))
}
