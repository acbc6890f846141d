//! The operator API: one handler per operation, each of which names the permit that it needs.

mod audit;
mod blobs;
mod catalogs;
mod deployments;
mod devices;
mod failures;
mod image_sets;
mod images;
mod products;
mod tokens;

use std::collections::BTreeMap;

use craton_api::operator::{CatalogId, Digest};
use craton_api::problem::{MEDIA_TYPE, Problem};
use serde::Deserialize;
use utoipa::openapi::response::Response;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, PartialSchema as _};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every operation of the operator API.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(catalogs::routes())
        .merge(products::routes())
        .merge(blobs::routes())
        .merge(images::routes())
        .merge(image_sets::routes())
        .merge(deployments::routes())
        .merge(devices::routes())
        .merge(failures::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InCatalog {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct BlobPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// SHA-256 of the blob.
    sha256: Digest,
}

/// How every refusal is documented.
struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let _ = Problem::schema();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let refusal = ResponseBuilder::new()
            .description("A refusal, with its error number")
            .content(MEDIA_TYPE, content)
            .build();
        BTreeMap::from([("4XX".to_owned(), refusal.into())])
    }
}
