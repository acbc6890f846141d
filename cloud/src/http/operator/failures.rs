//! Failures and their groups.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use craton_api::operator::{
    CatalogId, DeviceId, Failure, FailureGroup, FailureGroupList, FailureList, Fingerprint,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InCatalog, Refused};
use crate::app::{App, ReadCatalog, failures};
use crate::http::{Allowed, Named, Refusal, Wanted};

/// Failures of an export, if none or more are asked for.
const EXPORT_MAX: u32 = 10_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(failure_list))
        .routes(routes!(failure_group_list))
        .routes(routes!(failure_group_show))
}

/// How an export is written.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FailuresWanted {
    /// Only those of this group.
    fingerprint: Option<Fingerprint>,
    /// Only those of this device.
    device: Option<DeviceId>,
    /// Only those received since, Unix seconds.
    since_s: Option<u64>,
    /// How many, at most 10000.
    limit: Option<u32>,
    /// `json` or `csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/failures", tag = "failures",
    params(InCatalog, FailuresWanted), security(("token" = [])),
    responses((status = 200, description = "Failures, most recent first; as CSV if so asked",
        body = FailureList), Refused))]
async fn failure_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Wanted(wanted): Wanted<FailuresWanted>,
) -> Result<Response, Refusal> {
    let limit = wanted.limit.unwrap_or(EXPORT_MAX).clamp(1, EXPORT_MAX);
    let (fingerprint, device) = (wanted.fingerprint, wanted.device);
    let since_s = wanted.since_s.unwrap_or(0);
    let which = failures::Wanted { fingerprint, device, since_s, limit };
    let items = failures::list(&app, &permit, which)?;
    Ok(match wanted.format {
        Format::Json => Json(FailureList { items }).into_response(),
        Format::Csv => {
            ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&items)).into_response()
        }
    })
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/failures/groups", tag = "failures",
    params(InCatalog), security(("token" = [])),
    responses((status = 200, description = "Groups, most recent first", body = FailureGroupList),
        Refused))]
async fn failure_group_list(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
) -> Result<Json<FailureGroupList>, Refusal> {
    Ok(Json(failures::groups(&app, &permit)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct FailureGroupPath {
    /// The catalog.
    #[allow(dead_code, reason = "the permit has read it")]
    catalog: CatalogId,
    /// The group.
    fingerprint: Fingerprint,
}

#[utoipa::path(get, path = "/v1/catalogs/{catalog}/failures/groups/{fingerprint}",
    tag = "failures", params(FailureGroupPath), security(("token" = [])),
    responses((status = 200, description = "The group", body = FailureGroup), Refused))]
async fn failure_group_show(
    State(app): State<App>,
    Allowed(permit): Allowed<ReadCatalog>,
    Named(path): Named<FailureGroupPath>,
) -> Result<Json<FailureGroup>, Refusal> {
    Ok(Json(failures::group(&app, &permit, path.fingerprint)?))
}

/// RFC 4180, with a header line.
fn csv(items: &[Failure]) -> String {
    let mut text =
        String::from("id,device,image,received_s,fingerprint,title,number,lost_before\r\n");
    for failure in items {
        let image = failure.image.map(|id| id.to_string()).unwrap_or_default();
        let group = failure.fingerprint.map(|id| id.to_string()).unwrap_or_default();
        let title = csv_field(failure.title.as_deref().unwrap_or_default());
        let number = failure.number.map(|number| number.to_string()).unwrap_or_default();
        let Failure { id, device, received_s, lost_before, .. } = failure;
        text.push_str(&format!("{id},{device},{image},{received_s},{group},{title},"));
        text.push_str(&format!("{number},{lost_before}\r\n"));
    }
    text
}

/// Quoted, and never the beginning of a formula where a spreadsheet opens it: a title has words
/// that a crashed program chose.
fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_break_out_of_its_csv_field_nor_become_a_formula() {
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(csv_field("=1+1"), "\"'=1+1\"");
    }
}
