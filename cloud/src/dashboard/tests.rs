//! Pages through the whole local router, over a service that has seen something.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use craton_trust::set::Purpose;
use serde_json::json;
use tower::ServiceExt as _;

use crate::app::{AppError, boots};
use crate::attest::boot_log::tests::{LOG, registers_of, with_another};
use crate::crypto::sha256;
use crate::dashboard::{DashboardError, guarded, routes};
use crate::http::local_router;
use crate::store::{BootLogRow, WriteTx};
use crate::testing::{Bench, NOW_S};

struct Pages {
    bench: Bench,
    router: Router,
}

impl Pages {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let router = guarded(local_router(bench.app.clone(), routes()));
        Self { bench, router }
    }

    async fn ask(&self, host: &str, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> String {
        let (status, _, html) = self.ask("127.0.0.1:7080", path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {html}");
        html
    }
}

#[tokio::test]
async fn each_page_shows_what_the_operator_api_was_told() {
    let pages = Pages::new().await;
    assert!(pages.get("/").await.contains("no catalog yet"));
    let catalog = pages.bench.catalog(true).await;
    pages.bench.product(catalog).await;
    let device = pages.bench.device(catalog, 40, "meter/Development").await;
    let set = pages.bench.set(catalog, "1.0.0", Purpose::Development).await;
    let asked = json!({"group": "meter/Development", "image_set": set});
    let path = format!("/v1/catalogs/{catalog}/deployments");
    let rollout: craton_api::operator::Deployment = pages.bench.post(&path, &asked).await.json();

    let (status, headers, _) = pages.ask("localhost:7080", "/").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers[header::LOCATION], "/catalogs/dev/fleet");
    let fleet = pages.get("/catalogs/dev/fleet").await;
    assert!(fleet.contains(&format!("/catalogs/dev/devices/{device}")));
    assert!(pages.get("/catalogs/dev/fleet?show=offline").await.contains("None."));
    let page = pages.get(&format!("/catalogs/dev/devices/{device}")).await;
    assert!(page.contains("rot: <b>software</b>") && page.contains("meter/Development"));
    assert!(pages.get("/catalogs/dev/rollouts").await.contains("meter/Development"));
    let page = pages.get(&format!("/catalogs/dev/rollouts/{}?refresh=1", rollout.id)).await;
    assert!(page.contains("http-equiv=\"refresh\" content=\"5\""));
    assert!(
        page.contains(&format!("craton deployment pause {}", rollout.id))
            && page.contains(">active<")
    );
    assert!(pages.get("/catalogs/dev/failures").await.contains("No failure"));
    let log = pages.get("/catalogs/dev/log").await;
    assert!(log.contains("tamper-evident") && log.contains("deployment"));
}

#[tokio::test]
async fn the_page_of_a_device_that_booted_something_else_shows_which_events_changed() {
    let pages = Pages::new().await;
    let catalog = pages.bench.catalog(true).await;
    pages.bench.product(catalog).await;
    let device = pages.bench.device(catalog, 40, "meter/Development").await;
    let page = format!("/catalogs/dev/devices/{device}");
    assert!(!pages.get(&page).await.contains("booted something else"));
    let other = with_another(4);
    for log in [LOG, &other[..]] {
        let (log, registers, keys) =
            (log.to_vec(), registers_of(log), pages.bench.app.keys.clone());
        let about = BootLogRow { sha256: sha256(&log), received_s: NOW_S, explains: 0xff };
        let work = move |db: &WriteTx<'_>| {
            boots::note(db, &*keys.log, (catalog, device), registers, NOW_S)?;
            Ok::<_, AppError>(db.boot_log_put(catalog, device, &registers, (&about, &log))?)
        };
        pages.bench.app.store.write(work).await.unwrap();
    }
    let html = pages.get(&page).await;
    assert!(html.contains("booted something else"), "{html}");
    let changed = html.split("Measured now").nth(1).unwrap();
    let rows = changed.split("</table>").next().unwrap();
    assert_eq!(rows.matches("<tr>").count(), 1, "register 4 alone: {rows}");
    assert_eq!(rows.matches("EFI action ").count(), 2, "before and now: {rows}");
}

#[tokio::test]
async fn a_host_that_is_not_this_machine_gets_host_foreign_and_no_data() {
    let pages = Pages::new().await;
    pages.bench.catalog(true).await;
    let paths = ["/", "/catalogs/dev/fleet", "/style.css", "/metrics", "/healthz", "/nothing"];
    for path in paths {
        let (status, _, html) = pages.ask("rebound.example:7080", path).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
        assert!(html.contains(&format!("E{}", DashboardError::HostForeign.code())));
        assert!(!html.contains("/catalogs/dev") && !html.contains("craton_devices"));
    }
}

#[tokio::test]
async fn an_address_of_nothing_gets_page_unknown() {
    let pages = Pages::new().await;
    pages.bench.catalog(true).await;
    let zeros = "0".repeat(64);
    let paths = [
        "/catalogs/other/fleet".to_owned(),
        "/catalogs/dev/nothing".to_owned(),
        "/catalogs/dev/devices/zz".to_owned(),
        "/catalogs/dev/rollouts/00".to_owned(),
        format!("/catalogs/dev/rollouts/{}", "0".repeat(32)),
        format!("/catalogs/dev/failures/{zeros}"),
        format!("/catalogs/dev/devices/{zeros}"),
    ];
    for path in paths {
        let (status, _, html) = pages.ask("127.0.0.1", &path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(html.contains(&format!("E{}", DashboardError::PageUnknown.code())), "{path}");
    }
}

#[tokio::test]
async fn a_page_may_load_nothing_from_elsewhere_and_sets_no_cookie() {
    let pages = Pages::new().await;
    pages.bench.catalog(true).await;
    for path in ["/catalogs/dev/fleet", "/style.css", "/mark.svg"] {
        let (status, headers, _) = pages.ask("127.0.0.1:7080", path).await;
        assert_eq!(status, StatusCode::OK);
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(header::SET_COOKIE));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[test]
fn page_unmade_is_our_fault() {
    let refusal = DashboardError::PageUnmade;
    assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refusal.to_string().starts_with(&format!("E{}: ", refusal.code())));
}
