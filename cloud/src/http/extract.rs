//! What a handler asks of a request, in the order in which it is checked: token, catalog, role,
//! then path, query and body.

use axum::RequestPartsExt as _;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use craton_api::operator::CatalogId;
use serde::de::DeserializeOwned;

use super::{HttpError, Refusal, read_body};
use crate::app::{Action, App, Caller, Permit, ServicePermit, callers};

/// Bytes of a JSON body.
const JSON_MAX: usize = 256 * 1024;

/// Bytes of a signed object.
const OBJECT_MAX: usize = 128 * 1024;

/// Someone with a token, whatever it may do.
pub struct Authenticated(pub Caller);

impl FromRequestParts<App> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if let Some(caller) = parts.extensions.get::<Caller>() {
            // The loopback listener has said who its callers are.
            return Ok(Self(caller.clone()));
        }
        Ok(Self(callers::authenticate(app, bearer(&parts.headers))?))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// A permit for `A` in the catalog of the path.
pub struct Allowed<A: Action>(pub Permit<A>);

impl<A: Action> FromRequestParts<App> for Allowed<A> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, app).await?;
        let params = parts.extract::<RawPathParams>().await.ok();
        let named = params.iter().flatten().find(|(name, _)| *name == "catalog");
        let catalog: Option<CatalogId> = named.and_then(|(_, text)| text.parse().ok());
        Ok(Self(callers::permit(app, &caller, catalog)?))
    }
}

/// The owner of the whole service.
pub struct ServiceOwner(pub ServicePermit);

impl FromRequestParts<App> for ServiceOwner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, app).await?;
        Ok(Self(callers::permit_service(&caller)?))
    }
}

/// The parts of the path, as a struct of the names in it.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Path(named) = Path::<T>::from_request_parts(parts, app)
            .await
            .map_err(|refusal| HttpError::PathInvalid(one_line(&refusal.body_text())))?;
        Ok(Self(named))
    }
}

/// The query.
pub struct Wanted<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Wanted<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Query(wanted) = Query::<T>::from_request_parts(parts, app)
            .await
            .map_err(|refusal| HttpError::QueryInvalid(one_line(&refusal.body_text())))?;
        Ok(Self(wanted))
    }
}

/// A JSON body.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Refusal> {
        let body = body_of(request, "application/json", JSON_MAX).await?;
        let asked = serde_json::from_slice(&body);
        Ok(Self(asked.map_err(|error| HttpError::BodyMalformed(one_line(&error.to_string())))?))
    }
}

/// A signed object as the body.
pub struct Object(pub Bytes);

impl FromRequest<App> for Object {
    type Rejection = Refusal;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Refusal> {
        Ok(Self(body_of(request, "application/cbor", OBJECT_MAX).await?))
    }
}

/// A body of any length, taken chunk by chunk.
pub struct Octets(pub Body);

impl FromRequest<App> for Octets {
    type Rejection = Refusal;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Refusal> {
        check_media_type(&request, "application/octet-stream")?;
        Ok(Self(request.into_body()))
    }
}

async fn body_of(
    request: Request,
    media_type: &'static str,
    size_max: usize,
) -> Result<Bytes, HttpError> {
    check_media_type(&request, media_type)?;
    read_body(request.into_body(), size_max).await
}

fn check_media_type(request: &Request, expected: &'static str) -> Result<(), HttpError> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|value| value.split(';').next()).map(str::trim);
    let same = essence.is_some_and(|essence| essence.eq_ignore_ascii_case(expected));
    if same { Ok(()) } else { Err(HttpError::MediaTypeWrong(expected)) }
}

/// A library's message, short and on one line, so that a caller cannot shape our log.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
