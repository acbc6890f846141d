//! API tokens of a catalog.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use craton_api::operator::{CatalogId, TokenCreate, TokenCreated, TokenId, TokenList};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, ManageTokens, tokens};
use crate::http::{Allowed, Asked, Named, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token_list, token_create)).routes(routes!(token_delete))
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/tokens", tag = "tokens", params(InCatalog),
    security(("token" = [])),
    responses((status = 200, description = "Tokens, oldest first", body = TokenList), Refused))]
async fn token_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageTokens>,
) -> Result<Json<TokenList>, Refusal> {
    Ok(Json(TokenList { items: app.store.read(|db| db.tokens(permit.catalog()))? }))
}

#[utoipa::path(post, path = "/v1/catalogs/{catalog}/tokens", tag = "tokens", params(InCatalog),
    security(("token" = [])), request_body = TokenCreate,
    responses((status = 201, description = "The token; its secret is shown only now",
        body = TokenCreated), Refused))]
async fn token_create(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageTokens>,
    Asked(asked): Asked<TokenCreate>,
) -> Result<(StatusCode, Json<TokenCreated>), Refusal> {
    Ok((StatusCode::CREATED, Json(tokens::create(&app, permit, asked).await?)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TokenPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The token's public name.
    token: TokenId,
}

#[utoipa::path(delete, path = "/v1/catalogs/{catalog}/tokens/{token}", tag = "tokens",
    params(TokenPath), security(("token" = [])),
    responses((status = 204, description = "It is taken back"), Refused))]
async fn token_delete(
    State(app): State<App>,
    Allowed(permit): Allowed<ManageTokens>,
    Named(path): Named<TokenPath>,
) -> Result<StatusCode, Refusal> {
    tokens::delete(&app, permit, path.token).await?;
    Ok(StatusCode::NO_CONTENT)
}
