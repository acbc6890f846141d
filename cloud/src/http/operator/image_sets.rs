//! Image sets: upload, approval, admission.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use craton_api::operator::{CatalogId, ImageSet, ImageSetId, ImageSetList, ImageSetSigned};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{AdmitSets, App, Publish, ReadCatalog, image_sets};
use crate::http::{Allowed, Named, Object, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(image_set_list, image_set_upload))
        .routes(routes!(image_set_show))
        .routes(routes!(image_set_signed))
        .routes(routes!(image_set_approve))
        .routes(routes!(image_set_admit))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SetPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The image set.
    image_set: ImageSetId,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/image-sets", tag = "image sets",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Sets, newest first", body = ImageSetList), Refused))]
async fn image_set_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<ImageSetList>, Refusal> {
    Ok(Json(ImageSetList { items: app.store.read(|db| db.image_sets(permit.catalog()))? }))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/image-sets", tag = "image sets",
    params(InCatalog), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "The set, signed by its publisher"),
    responses((status = 201, description = "The set; a development set is admitted at once",
        body = ImageSet), (status = 200, description = "It was known", body = ImageSet), Refused))]
async fn image_set_upload(
    State(app): State<App>,
    Allowed(permit): Allowed<Publish>,
    Object(object): Object,
) -> Result<(StatusCode, Json<ImageSet>), Refusal> {
    let (set, new) = image_sets::upload(&app, permit, object.to_vec()).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(set)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/image-sets/{image_set}", tag = "image sets",
    params(SetPath), security(("token" = [])),
    responses((status = 200, description = "The set", body = ImageSet), Refused))]
async fn image_set_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<SetPath>,
) -> Result<Json<ImageSet>, Refusal> {
    Ok(Json(image_sets::show(&app, &permit, path.image_set)?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/image-sets/{image_set}/signed",
    tag = "image sets", params(SetPath), security(("token" = [])),
    responses((status = 200, description = "The set with every signature", body = ImageSetSigned),
        Refused))]
async fn image_set_signed(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<SetPath>,
) -> Result<Json<ImageSetSigned>, Refusal> {
    Ok(Json(image_sets::signed(&app, &permit, path.image_set)?))
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/image-sets/{image_set}/approval",
    tag = "image sets", params(SetPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "An object of kind approval over the set's signed bytes"),
    responses((status = 200, description = "The set", body = ImageSet), Refused))]
async fn image_set_approve(
    State(app): State<App>,
    Allowed(permit): Allowed<AdmitSets>,
    Named(path): Named<SetPath>,
    Object(approval): Object,
) -> Result<Json<ImageSet>, Refusal> {
    Ok(Json(image_sets::approve(&app, permit, path.image_set, approval.to_vec()).await?))
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/image-sets/{image_set}/admission",
    tag = "image sets", params(SetPath), security(("token" = [])),
    responses((status = 200, description = "The set, countersigned and logged", body = ImageSet),
        Refused))]
async fn image_set_admit(
    State(app): State<App>,
    Allowed(permit): Allowed<AdmitSets>,
    Named(path): Named<SetPath>,
) -> Result<Json<ImageSet>, Refusal> {
    Ok(Json(image_sets::admit(&app, permit, path.image_set).await?))
}
