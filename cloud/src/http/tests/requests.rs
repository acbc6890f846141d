//! Requests that are wrong before anyone asks what they want.

use axum::http::StatusCode;
use serde_json::json;

use crate::http::{local_router, openapi_json};
use crate::testing::*;

#[tokio::test]
async fn malformed_requests_are_refused_each_with_its_number() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let c = format!("/v1/catalogs/{id}");
    assert_eq!(bench.get("/v1/nothing").await.code(), 4305, "RouteUnknown");
    let method = bench.ask_as(&bench.token, "DELETE", "/v1/service", None).await;
    assert_eq!((method.status.as_u16(), method.code()), (405, 4306), "MethodUnknown");
    let path = bench.get(&format!("{c}/blobs/abc")).await;
    assert_eq!((path.status.as_u16(), path.code()), (400, 4301), "PathInvalid");
    let query = bench.get(&format!("{c}/devices?limit=many")).await;
    assert_eq!((query.status.as_u16(), query.code()), (400, 4307), "QueryInvalid");
    let body = bench.post(&format!("{c}/products"), &json!({"nam": "x"})).await;
    assert_eq!((body.status.as_u16(), body.code()), (400, 4302), "BodyMalformed");
    let typed = bench.bring("POST", &format!("{c}/products"), b"{}").await;
    assert_eq!((typed.status.as_u16(), typed.code()), (415, 4304), "MediaTypeWrong");
    let large = bench.bring("POST", &format!("{c}/images"), &vec![0; 200_000]).await;
    assert_eq!((large.status.as_u16(), large.code()), (413, 4303), "BodyTooLarge");
}

#[tokio::test]
async fn body_broken_is_a_body_that_ends_in_an_error() {
    struct Broken;
    impl hyper::body::Body for Broken {
        type Data = axum::body::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
        }
    }
    let refused = crate::http::read_body(axum::body::Body::new(Broken), 10).await;
    assert_eq!(refused.unwrap_err().code(), 4309, "BodyBroken");
}

#[tokio::test(start_paused = true)]
async fn body_slow_is_a_body_that_does_not_come() {
    struct Silent;
    impl hyper::body::Body for Silent {
        type Data = axum::body::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
    let refused = crate::http::read_body(axum::body::Body::new(Silent), 10).await;
    assert_eq!(refused.unwrap_err().code(), 4308, "BodySlow");
}

#[test]
fn what_passes_by_itself_says_when_to_ask_again_and_nothing_else_does() {
    use axum::http::header::RETRY_AFTER;
    use axum::response::IntoResponse as _;

    use crate::app::BlobError;
    use crate::catalog::CatalogError;
    use crate::http::Refusal;
    use crate::store::StoreError;
    let answer = |refusal: Refusal| {
        let answer = refusal.into_response();
        (answer.status().as_u16(), answer.headers().contains_key(RETRY_AFTER))
    };
    assert_eq!(answer(StoreError::StoreDiskFull.into()), (507, true));
    assert_eq!(answer(BlobError::BlobDiskFull.into()), (507, true));
    assert_eq!(answer(StoreError::StoreBusy.into()), (503, true));
    assert_eq!(answer(StoreError::StoreLost.into()), (503, true));
    assert_eq!(answer(StoreError::StorePanicked.into()), (500, true));
    assert_eq!(answer(BlobError::StreamsBusy.into()), (429, true));
    assert_eq!(answer(CatalogError::FailuresTooMany { most: 1 }.into()), (429, true));
    assert_eq!(answer(CatalogError::QuotaReached { most: 1 }.into()), (413, false));
    assert_eq!(answer(CatalogError::SetUnknown.into()), (404, false));
}

/// Devices in the field act on these: a number here never changes its meaning or its status.
#[test]
fn the_numbers_that_devices_act_on_are_these() {
    use crate::app::{AppError, BlobError};
    use crate::attest::AttestError;
    use crate::catalog::CatalogError;
    use crate::http::Refusal;
    use crate::store::StoreError;
    let number = |refusal: AppError| {
        let refusal = Refusal::from(refusal);
        (refusal.problem().code, refusal.problem().status)
    };
    let digest = craton_api::operator::Digest([0; 32]);
    assert_eq!(number(StoreError::StoreBusy.into()), (4001, 503));
    assert_eq!(number(StoreError::StoreDiskFull.into()), (4002, 507));
    assert_eq!(number(StoreError::StoreStopped.into()), (4005, 503));
    assert_eq!(number(StoreError::StorePanicked.into()), (4007, 500));
    assert_eq!(number(StoreError::StoreLost.into()), (4009, 503));
    assert_eq!(number(BlobError::StreamsBusy.into()), (4058, 429));
    assert_eq!(number(AttestError::CountersStale.into()), (4102, 403));
    assert_eq!(number(AttestError::CertificateMissing.into()), (4109, 401));
    assert_eq!(number(AttestError::CertificateReplaced.into()), (4110, 401));
    assert_eq!(number(CatalogError::BlobUnknown(digest).into()), (4159, 422));
    assert_eq!(number(CatalogError::SetUnknown.into()), (4164, 404));
    assert_eq!(number(CatalogError::DeviceUnknown.into()), (4168, 404));
    assert_eq!(number(CatalogError::FailuresTooMany { most: 1 }.into()), (4179, 429));
}

#[tokio::test]
async fn health_metrics_and_the_document_are_there() {
    let bench = Bench::new().await;
    assert_eq!(bench.ask_as("", "GET", "/healthz", None).await.body, b"ok\n");
    let metrics = bench.get("/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("# TYPE craton_requests_total counter\ncraton_requests_total 1\n"));
    let document = bench.ask_as("", "GET", "/openapi.json", None).await;
    assert_eq!(document.body, openapi_json().into_bytes());
}

#[tokio::test]
async fn the_loopback_router_shows_and_never_changes() {
    use tower::ServiceExt as _;
    let bench = Bench::new().await;
    let pages = axum::Router::new().route("/page", axum::routing::any(async || "page"));
    let router = local_router(bench.app.clone(), pages);
    let ask = async |method: &str, path: &str| {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask("GET", "/page").await, StatusCode::OK);
    assert_eq!(ask("GET", "/metrics").await, StatusCode::OK);
    assert_eq!(ask("GET", "/healthz").await, StatusCode::OK);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(ask(method, "/page").await, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    assert_eq!(ask("GET", "/v1/catalogs").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_is_on_this_machine_may_read_every_catalog_and_write_none() {
    use crate::tenancy::{Caller, Deploy, Publish, ReadCatalog};
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let local = Caller::on_this_machine();
    assert!(local.permit::<ReadCatalog>(id).is_ok());
    assert!(local.permit::<Publish>(id).is_err());
    assert!(local.permit::<Deploy>(id).is_err());
    assert!(local.permit_service().is_err());
}
