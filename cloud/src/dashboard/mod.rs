//! The dashboard: pages for people, rendered on the server, read-only, for this machine alone.
//!
//! A page reads one snapshot, makes a view of it and renders it. It needs no script, sets no cookie
//! and changes nothing.

mod error;
mod fleet;
mod guard;
mod names;
mod pages;
mod rollouts;
#[cfg(test)]
mod tests;
pub mod view;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::get;

pub use error::DashboardError;

use crate::app::App;

/// Every page, for the loopback listener.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(pages::catalogs))
        .route("/catalogs/{name}/fleet", get(pages::fleet))
        .route("/catalogs/{name}/devices/{id}", get(pages::device))
        .route("/catalogs/{name}/rollouts", get(pages::rollouts))
        .route("/catalogs/{name}/rollouts/{id}", get(pages::rollout))
        .route("/catalogs/{name}/failures", get(pages::failures))
        .route("/catalogs/{name}/failures/{id}", get(pages::failure_group))
        .route("/catalogs/{name}/log", get(pages::log))
        .route("/catalogs/{name}/{page}", get(pages::unknown))
        .route("/catalogs/{name}/{page}/{id}", get(pages::unknown))
        .route("/style.css", get(style))
        .route("/mark.svg", get(mark))
}

/// The whole loopback listener behind the guard: pages, health, metrics, and what is not there.
pub fn guarded(router: Router) -> Router {
    router.layer(from_fn(guard::guard))
}

async fn style() -> impl IntoResponse {
    let media_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (media_type, include_str!("../../templates/style.css"))
}

async fn mark() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../../templates/mark.svg"))
}
