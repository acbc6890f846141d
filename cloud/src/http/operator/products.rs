//! Products and device groups.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use craton_api::operator::{
    CatalogId, DeviceGroup, DeviceGroupChange, DeviceGroupCreate, DeviceGroupList, Product,
    ProductCreate, ProductList,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, ManageProducts, ReadCatalog, products};
use crate::http::{Allowed, Asked, Named, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(product_list, product_create))
        .routes(routes!(product_show, product_delete))
        .routes(routes!(device_group_list, device_group_create))
        .routes(routes!(device_group_show, device_group_change, device_group_delete))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ProductPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The product's name.
    product: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GroupPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The product's name.
    product: String,
    /// The group's name in the product.
    group: String,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/products", tag = "products",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Products by name", body = ProductList), Refused))]
async fn product_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<ProductList>, Refusal> {
    Ok(Json(products::list(&app, &permit)?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/products", tag = "products",
    params(InCatalog), security(("token" = [])), request_body = ProductCreate,
    responses((status = 201, description = "The product", body = Product), Refused))]
async fn product_create(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageProducts>,
    Asked(asked): Asked<ProductCreate>,
) -> Result<(StatusCode, Json<Product>), Refusal> {
    Ok((StatusCode::CREATED, Json(products::create(&app, permit, asked).await?)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/products/{product}", tag = "products",
    params(ProductPath), security(("token" = [])),
    responses((status = 200, description = "The product", body = Product), Refused))]
async fn product_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<ProductPath>,
) -> Result<Json<Product>, Refusal> {
    Ok(Json(products::show(&app, &permit, &path.product)?))
}

#[utoipa::path(delete, path = "/v1/catalogs/{catalog}/products/{product}", tag = "products",
    params(ProductPath), security(("token" = [])),
    responses((status = 204, description = "It is gone"), Refused))]
async fn product_delete(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageProducts>,
    Named(path): Named<ProductPath>,
) -> Result<StatusCode, Refusal> {
    products::delete(&app, permit, path.product).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/products/{product}/device-groups",
    tag = "device groups", params(ProductPath), security(("token" = [])),
    responses((status = 200, description = "Groups by name", body = DeviceGroupList), Refused))]
async fn device_group_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<ProductPath>,
) -> Result<Json<DeviceGroupList>, Refusal> {
    Ok(Json(products::list_groups(&app, &permit, &path.product)?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/products/{product}/device-groups",
    tag = "device groups", params(ProductPath), security(("token" = [])),
    request_body = DeviceGroupCreate,
    responses((status = 201, description = "The group", body = DeviceGroup), Refused))]
async fn device_group_create(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageProducts>,
    Named(path): Named<ProductPath>,
    Asked(asked): Asked<DeviceGroupCreate>,
) -> Result<(StatusCode, Json<DeviceGroup>), Refusal> {
    let group = products::create_group(&app, permit, path.product, asked).await?;
    Ok((StatusCode::CREATED, Json(group)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}",
    tag = "device groups", params(GroupPath), security(("token" = [])),
    responses((status = 200, description = "The group", body = DeviceGroup), Refused))]
async fn device_group_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<GroupPath>,
) -> Result<Json<DeviceGroup>, Refusal> {
    Ok(Json(products::show_group(&app, &permit, &path.product, &path.group)?))
}

#[utoipa::path(patch, path = "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}",
    tag = "device groups", params(GroupPath), security(("token" = [])),
    request_body = DeviceGroupChange,
    responses((status = 200, description = "The group", body = DeviceGroup), Refused))]
async fn device_group_change(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageProducts>,
    Named(path): Named<GroupPath>,
    Asked(change): Asked<DeviceGroupChange>,
) -> Result<Json<DeviceGroup>, Refusal> {
    let names = (path.product, path.group);
    Ok(Json(products::change_group(&app, permit, names, change).await?))
}

#[utoipa::path(delete, path = "/v1/catalogs/{catalog}/products/{product}/device-groups/{group}",
    tag = "device groups", params(GroupPath), security(("token" = [])),
    responses((status = 204, description = "It is gone"), Refused))]
async fn device_group_delete(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageProducts>,
    Named(path): Named<GroupPath>,
) -> Result<StatusCode, Refusal> {
    products::delete_group(&app, permit, (path.product, path.group)).await?;
    Ok(StatusCode::NO_CONTENT)
}
