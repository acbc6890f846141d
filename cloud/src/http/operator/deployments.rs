//! Deployments.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use craton_api::operator::{
    CatalogId, Deployment, DeploymentCreate, DeploymentId, DeploymentList, PauseRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, Deploy, ReadCatalog, deployments};
use crate::http::{Allowed, Asked, Named, Refusal, Wanted};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deployment_list, deployment_start))
        .routes(routes!(deployment_show))
        .routes(routes!(deployment_pause))
        .routes(routes!(deployment_resume))
        .routes(routes!(deployment_advance))
        .routes(routes!(deployment_revert))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeploymentsWanted {
    /// Only those of this `product/group`.
    group: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DeploymentPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The deployment.
    deployment: DeploymentId,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/deployments", tag = "deployments",
    params(InCatalog, DeploymentsWanted), security(("token" = [])),
    responses((status = 200, description = "Deployments, newest first", body = DeploymentList),
        Refused))]
async fn deployment_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<DeploymentsWanted>,
) -> Result<Json<DeploymentList>, Refusal> {
    Ok(Json(deployments::list(&app, &permit, wanted.group.as_deref())?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deployments", tag = "deployments",
    params(InCatalog), security(("token" = [])), request_body = DeploymentCreate,
    responses((status = 201, description = "The deployment", body = Deployment), Refused))]
async fn deployment_start(
    State(app): State<App>,
    Allowed(permit): Allowed<Deploy>,
    Asked(asked): Asked<DeploymentCreate>,
) -> Result<(StatusCode, Json<Deployment>), Refusal> {
    Ok((StatusCode::CREATED, Json(deployments::start(&app, permit, asked).await?)))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/deployments/{deployment}",
    tag = "deployments", params(DeploymentPath), security(("token" = [])),
    responses((status = 200, description = "The deployment", body = Deployment), Refused))]
async fn deployment_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<DeploymentPath>,
) -> Result<Json<Deployment>, Refusal> {
    Ok(Json(deployments::show(&app, &permit, path.deployment)?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deployments/{deployment}/pause",
    tag = "deployments", params(DeploymentPath), security(("token" = [])),
    request_body = PauseRequest,
    responses((status = 200, description = "The deployment", body = Deployment), Refused))]
async fn deployment_pause(
    State(app): State<App>,
    Allowed(permit): Allowed<Deploy>,
    Named(path): Named<DeploymentPath>,
    Asked(asked): Asked<PauseRequest>,
) -> Result<Json<Deployment>, Refusal> {
    Ok(Json(deployments::pause(&app, permit, path.deployment, asked.reason).await?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deployments/{deployment}/resume",
    tag = "deployments", params(DeploymentPath), security(("token" = [])),
    responses((status = 200, description = "The deployment", body = Deployment), Refused))]
async fn deployment_resume(
    State(app): State<App>,
    Allowed(permit): Allowed<Deploy>,
    Named(path): Named<DeploymentPath>,
) -> Result<Json<Deployment>, Refusal> {
    Ok(Json(deployments::resume(&app, permit, path.deployment).await?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deployments/{deployment}/advance",
    tag = "deployments", params(DeploymentPath), security(("token" = [])),
    responses((status = 200, description = "The deployment", body = Deployment), Refused))]
async fn deployment_advance(
    State(app): State<App>,
    Allowed(permit): Allowed<Deploy>,
    Named(path): Named<DeploymentPath>,
) -> Result<Json<Deployment>, Refusal> {
    Ok(Json(deployments::advance(&app, permit, path.deployment).await?))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/deployments/{deployment}/revert",
    tag = "deployments", params(DeploymentPath), security(("token" = [])),
    responses((status = 201, description = "The new deployment of the set before",
        body = Deployment), Refused))]
async fn deployment_revert(
    State(app): State<App>,
    Allowed(permit): Allowed<Deploy>,
    Named(path): Named<DeploymentPath>,
) -> Result<(StatusCode, Json<Deployment>), Refusal> {
    Ok((StatusCode::CREATED, Json(deployments::revert(&app, permit, path.deployment).await?)))
}
