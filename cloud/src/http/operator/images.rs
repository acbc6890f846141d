//! Images, deltas and symbols.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use craton_api::operator::{
    BuildId, CatalogId, ComponentId, Delta, DeltaList, Image, ImageId, ImageList, Symbols,
    SymbolsList,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::images::{self, SYMBOLS_LEN_MAX};
use crate::app::{App, Publish, ReadCatalog, blobs};
use crate::http::{Allowed, Asked, Named, Object, Octets, Refusal, Wanted, read_body};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(image_list, image_register))
        .routes(routes!(image_show))
        .routes(routes!(delta_list, delta_put))
        .routes(routes!(symbols_list))
        .routes(routes!(symbols_put))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImagesWanted {
    /// Only versions of this component.
    component: Option<ComponentId>,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/images", tag = "images",
    params(InCatalog, ImagesWanted), security(("token" = [])),
    responses((status = 200, description = "Images, newest first", body = ImageList), Refused))]
async fn image_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<ImagesWanted>,
) -> Result<Json<ImageList>, Refusal> {
    let items = app.store.read(|db| db.images(permit.catalog(), wanted.component))?;
    Ok(Json(ImageList { items }))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/images", tag = "images",
    params(InCatalog), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "The SUIT envelope; its payload was uploaded as a blob before"),
    responses((status = 201, description = "The image", body = Image),
        (status = 200, description = "It was registered before", body = Image), Refused))]
async fn image_register(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Object(envelope): Object,
) -> Result<(StatusCode, Json<Image>), Refusal> {
    let (image, new) = images::register(&app, permit, envelope).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(image)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ImagePath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The image.
    image: ImageId,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/images/{image}", tag = "images",
    params(ImagePath), security(("token" = [])),
    responses((status = 200, description = "The image", body = Image), Refused))]
async fn image_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<ImagePath>,
) -> Result<Json<Image>, Refusal> {
    Ok(Json(images::show(&app, &permit, path.image)?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/deltas", tag = "images",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Deltas", body = DeltaList), Refused))]
async fn delta_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<DeltaList>, Refusal> {
    Ok(Json(DeltaList { items: app.store.read(|db| db.deltas(permit.catalog()))? }))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deltas", tag = "images",
    params(InCatalog), security(("token" = [])), request_body = Delta,
    responses((status = 201, description = "The delta", body = Delta), Refused))]
async fn delta_put(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Asked(delta): Asked<Delta>,
) -> Result<(StatusCode, Json<Delta>), Refusal> {
    Ok((StatusCode::CREATED, Json(images::put_delta(&app, permit, delta).await?)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/symbols", tag = "symbols",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Symbols by build id", body = SymbolsList), Refused))]
async fn symbols_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<SymbolsList>, Refusal> {
    Ok(Json(SymbolsList { items: app.store.read(|db| db.symbols_list(permit.catalog()))? }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SymbolsPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The build id of the program.
    build_id: BuildId,
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/symbols/{build_id}", tag = "symbols",
    params(SymbolsPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The ELF file with debug information"),
    responses((status = 201, description = "Kept", body = Symbols), Refused))]
async fn symbols_put(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Named(path): Named<SymbolsPath>,
    Octets(body): Octets,
) -> Result<(StatusCode, Json<Symbols>), Refusal> {
    let _place = blobs::place(&app, &permit)?;
    blobs::check_room(&app, &permit)?;
    let elf = read_body(body, SYMBOLS_LEN_MAX).await?;
    let symbols = images::put_symbols(&app, permit, path.build_id, elf).await?;
    Ok((StatusCode::CREATED, Json(symbols)))
}
