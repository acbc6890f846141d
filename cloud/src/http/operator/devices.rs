//! Devices and their capabilities.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use craton_api::operator::{
    Capability, CapabilityId, CapabilityList, CatalogId, Device, DeviceBoot, DeviceBootAccept,
    DeviceChange, DeviceClaim, DeviceId, DeviceList, DeviceState, LotClaim, LotClaimed,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, ManageDevices, ReadCatalog, boot_logs, boots, capabilities, devices, lots};
use crate::http::{Allowed, Asked, Named, Object, Refusal, Wanted};

/// Devices of a page, if none or more are asked for.
const PAGE_MAX: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(device_list, device_claim))
        .routes(routes!(lot_claim))
        .routes(routes!(device_show, device_change, device_retire))
        .routes(routes!(device_clear_cloned))
        .routes(routes!(device_boot_show))
        .routes(routes!(device_boot_log))
        .routes(routes!(device_boot_accept))
        .routes(routes!(capability_list, capability_bring))
        .routes(routes!(capability_signed))
        .routes(routes!(capability_approve))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DevicesWanted {
    /// Only those of this `product/group`.
    group: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<DeviceState>,
    /// Only those after this id.
    after: Option<DeviceId>,
    /// How many, at most 1000.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DevicePath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The device.
    device: DeviceId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CapabilityPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The device.
    device: DeviceId,
    /// The capability.
    capability: CapabilityId,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/devices", tag = "devices",
    params(InCatalog, DevicesWanted), security(("token" = [])),
    responses((status = 200, description = "A page of devices by id", body = DeviceList), Refused))]
async fn device_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<DevicesWanted>,
) -> Result<Json<DeviceList>, Refusal> {
    let DevicesWanted { group, state, after, limit } = wanted;
    let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let which = devices::Wanted { group: group.as_deref(), state, after, limit };
    Ok(Json(devices::list(&app, &permit, which)?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/devices", tag = "devices",
    params(InCatalog), security(("token" = [])), request_body = DeviceClaim,
    responses((status = 201, description = "Pending until its evidence names the catalog",
        body = Device), (status = 200, description = "It was claimed before", body = Device),
        Refused))]
async fn device_claim(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Asked(asked): Asked<DeviceClaim>,
) -> Result<(StatusCode, Json<Device>), Refusal> {
    let (device, new) = devices::claim(&app, permit, asked).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(device)))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/lots", tag = "devices",
    params(InCatalog), security(("token" = [])), request_body = LotClaim,
    responses((status = 200, description = "What became of each device; those listed are pending",
        body = LotClaimed), Refused))]
async fn lot_claim(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Asked(asked): Asked<LotClaim>,
) -> Result<Json<LotClaimed>, Refusal> {
    Ok(Json(lots::claim(&app, permit, asked).await?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/devices/{device}", tag = "devices",
    params(DevicePath), security(("token" = [])),
    responses((status = 200, description = "The device", body = Device), Refused))]
async fn device_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<DevicePath>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(devices::show(&app, &permit, path.device)?))
}

#[utoipa::path(patch, path = "/v1/catalogs/{catalog}/devices/{device}", tag = "devices",
    params(DevicePath), security(("token" = [])), request_body = DeviceChange,
    responses((status = 200, description = "The device", body = Device), Refused))]
async fn device_change(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<DevicePath>,
    Asked(change): Asked<DeviceChange>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(devices::move_to(&app, permit, path.device, change.group).await?))
}

#[utoipa::path(delete, path = "/v1/catalogs/{catalog}/devices/{device}", tag = "devices",
    params(DevicePath), security(("token" = [])),
    responses((status = 204, description = "It is forgotten"), Refused))]
async fn device_retire(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<DevicePath>,
) -> Result<StatusCode, Refusal> {
    devices::retire(&app, permit, path.device).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(delete, path = "/v1/catalogs/{catalog}/devices/{device}/cloned", tag = "devices",
    params(DevicePath), security(("token" = [])),
    responses((status = 200, description = "The device, no longer marked as cloned",
        body = Device), Refused))]
async fn device_clear_cloned(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<DevicePath>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(devices::clear_cloned(&app, permit, path.device).await?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/devices/{device}/boot", tag = "devices",
    params(DevicePath), security(("token" = [])),
    responses((status = 200, description = "What its TPM shows", body = DeviceBoot), Refused))]
async fn device_boot_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<DevicePath>,
) -> Result<Json<DeviceBoot>, Refusal> {
    Ok(Json(boots::show(&app, &permit, path.device)?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/devices/{device}/boot/log", tag = "devices",
    params(DevicePath), security(("token" = [])),
    responses((status = 200, description = "The event log that leads to what its TPM shows, as \
        the device sent it", body = Vec<u8>, content_type = "application/octet-stream"), Refused))]
async fn device_boot_log(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<DevicePath>,
) -> Result<impl IntoResponse, Refusal> {
    let log = boot_logs::fetch(&app, &permit, path.device)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], log))
}

#[utoipa::path(put, path = "/v1/catalogs/{catalog}/devices/{device}/boot/baseline",
    tag = "devices", params(DevicePath), request_body = DeviceBootAccept,
    security(("token" = [])),
    responses((status = 200, description = "The new baseline", body = DeviceBoot), Refused))]
async fn device_boot_accept(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<DevicePath>,
    Asked(accept): Asked<DeviceBootAccept>,
) -> Result<Json<DeviceBoot>, Refusal> {
    Ok(Json(boots::accept(&app, permit, path.device, accept.digest).await?))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/devices/{device}/capabilities",
    tag = "capabilities", params(DevicePath), security(("token" = [])),
    responses((status = 200, description = "Newest first", body = CapabilityList), Refused))]
async fn capability_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<DevicePath>,
) -> Result<Json<CapabilityList>, Refusal> {
    Ok(Json(capabilities::list(&app, &permit, path.device)?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/devices/{device}/capabilities",
    tag = "capabilities", params(DevicePath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "The capability, signed by the publisher"),
    responses((status = 201, description = "The capability", body = Capability), Refused))]
async fn capability_bring(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<DevicePath>,
    Object(object): Object,
) -> Result<(StatusCode, Json<Capability>), Refusal> {
    let brought = capabilities::bring(&app, permit, path.device, object.to_vec()).await?;
    Ok((StatusCode::CREATED, Json(brought)))
}

#[utoipa::path(get,
    path = "/v1/catalogs/{catalog}/devices/{device}/capabilities/{capability}/signed",
    tag = "capabilities", params(CapabilityPath), security(("token" = [])),
    responses((status = 200, description = "The signed capability, for the device",
        body = Vec<u8>, content_type = "application/cbor"), Refused))]
async fn capability_signed(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<CapabilityPath>,
) -> Result<impl IntoResponse, Refusal> {
    let signed = capabilities::signed(&app, &permit, path.device, path.capability)?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], signed))
}

#[utoipa::path(put,
    path = "/v1/catalogs/{catalog}/devices/{device}/capabilities/{capability}/approval",
    tag = "capabilities", params(CapabilityPath), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/cbor",
        description = "An object of kind approval over the capability's signed bytes"),
    responses((status = 200, description = "The capability", body = Capability), Refused))]
async fn capability_approve(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageDevices>,
    Named(path): Named<CapabilityPath>,
    Object(approval): Object,
) -> Result<Json<Capability>, Refusal> {
    let CapabilityPath { device, capability, .. } = path;
    let approved = capabilities::approve(&app, permit, device, capability, approval.to_vec());
    Ok(Json(approved.await?))
}
