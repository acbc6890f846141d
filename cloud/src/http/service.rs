//! The routers of both listeners, and what belongs to no catalog: health, metrics, the document.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use craton_api::problem::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HttpError, Refusal, ServiceOwner, operator};
use crate::app::{App, AppError, Caller};

/// The operator API, what belongs to no catalog, and the device API, for the TLS listener.
pub fn api_router(app: App, device_routes: Router<App>) -> Router {
    let (router, _) = documented().split_for_parts();
    finished(router.merge(device_routes), app)
}

/// `pages` with health and metrics, for the loopback listener: whoever reaches it may look at
/// everything and change nothing.
pub fn local_router(app: App, pages: Router<App>) -> Router {
    let (open, _) = OpenApiRouter::<App>::new().routes(routes!(healthz)).split_for_parts();
    let router = pages.merge(open).route("/metrics", get(metrics_local));
    let router = router.layer(from_fn(as_local_caller));
    finished(router, app)
}

fn finished(router: Router<App>, app: App) -> Router {
    router
        .fallback(async || Refusal::from(HttpError::RouteUnknown))
        .method_not_allowed_fallback(async || Refusal::from(HttpError::MethodUnknown))
        .layer(from_fn_with_state(app.clone(), counted))
        .with_state(app)
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(empty_document())
        .merge(operator::routes())
        .routes(routes!(healthz))
        .routes(routes!(metrics))
        .routes(routes!(document))
}

/// The OpenAPI 3.1 document of the operator API.
#[must_use]
pub fn openapi() -> OpenApi {
    documented().into_openapi()
}

/// The same as text: what `spec/openapi.json` holds.
///
/// # Panics
/// Never: the document is made of plain values.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().expect("a document is always JSON");
    text.push('\n');
    text
}

fn empty_document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Craton operator API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("What a person may ask the service. Refusals follow RFC 9457."));
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = utoipa::openapi::ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(token))
        .schema(Problem::name(), Problem::schema())
        .schema("Fault", craton_api::problem::Fault::schema())
        .build();
    OpenApiBuilder::new().info(info.build()).components(Some(components)).build()
}

async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    app.counted.requests.fetch_add(1, Ordering::Relaxed);
    let refused = answer.status().is_client_error() || answer.status().is_server_error();
    app.counted.refusals.fetch_add(u64::from(refused), Ordering::Relaxed);
    answer
}

/// A browser tab of another site must not be able to change anything here either: only reading
/// methods pass.
async fn as_local_caller(mut request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Refusal::from(HttpError::MethodUnknown).into_response();
    }
    request.extensions_mut().insert(Caller::on_this_machine());
    next.run(request).await
}

#[utoipa::path(get, path = "/healthz", tag = "service",
    responses((status = 200, description = "The service answers and its database reads",
        body = String)))]
async fn healthz(State(app): State<App>) -> Result<&'static str, Refusal> {
    app.store.read(|db| db.token_salt())?;
    Ok("ok\n")
}

#[utoipa::path(get, path = "/metrics", tag = "service", security(("token" = [])),
    responses((status = 200, description = "Prometheus text", body = String)))]
async fn metrics(
    State(app): State<App>,
    ServiceOwner(_permit): ServiceOwner,
) -> Result<Response, Refusal> {
    metrics_local(State(app)).await
}

async fn metrics_local(State(app): State<App>) -> Result<Response, Refusal> {
    let text = metrics_text(&app)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

#[utoipa::path(get, path = "/openapi.json", tag = "service",
    responses((status = 200, description = "This document", body = String,
        content_type = "application/json")))]
async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}

fn metrics_text(app: &App) -> Result<String, AppError> {
    let (devices, claimed, cloned) = app.store.read(|db| db.device_counts())?;
    let failures = app.store.read(|db| db.failures_count())?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counted = &app.counted;
    let rows = [
        ("craton_requests_total", "counter", count(&counted.requests)),
        ("craton_refusals_total", "counter", count(&counted.refusals)),
        ("craton_connections_total", "counter", count(&counted.connections)),
        ("craton_handshakes_failed_total", "counter", count(&counted.handshakes_failed)),
        ("craton_check_ins_total", "counter", count(&counted.check_ins)),
        ("craton_check_ins_refused_total", "counter", count(&counted.check_ins_refused)),
        ("craton_devices", "gauge", devices),
        ("craton_devices_claimed", "gauge", claimed),
        ("craton_devices_cloned", "gauge", cloned),
        ("craton_failures", "gauge", failures),
    ];
    let mut text = String::new();
    for (name, kind, value) in rows {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    }
    Ok(text)
}
