//! Every operation of the OpenAPI document against every role. An operation without a line in
//! `ACCESS` fails the test, and so does a line without an operation.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use craton_api::operator::Role;
use serde_json::{Value, json};

use crate::http::openapi_json;
use crate::testing::{Bench, CBOR, OCTETS};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    /// No token is asked for.
    Open,
    /// Any token.
    Any,
    /// At least this role in the catalog.
    From(Role),
    /// The owner of the whole service.
    Service,
}

use Access::{Any, From, Open, Service};
use Role::{Contributor, Owner, Publisher, Reader};

const C: &str = "/v1/catalogs/{catalog}";

/// Method, path (`C` stands for the catalog), who may.
const ACCESS: &[(&str, &str, Access)] = &[
    ("get", "/healthz", Open),
    ("get", "/metrics", Service),
    ("get", "/openapi.json", Open),
    ("get", "/v1/service", Open),
    ("get", "/v1/token", Any),
    ("get", "/v1/catalogs", Any),
    ("post", "/v1/catalogs", Service),
    ("get", "C", From(Reader)),
    ("get", "C/trust-store", From(Reader)),
    ("put", "C/trust-store/{section}", From(Owner)),
    ("get", "C/trust-store/{section}/{version}", From(Reader)),
    ("get", "C/products", From(Reader)),
    ("post", "C/products", From(Contributor)),
    ("get", "C/products/{product}", From(Reader)),
    ("delete", "C/products/{product}", From(Contributor)),
    ("get", "C/products/{product}/device-groups", From(Reader)),
    ("post", "C/products/{product}/device-groups", From(Contributor)),
    ("get", "C/products/{product}/device-groups/{group}", From(Reader)),
    ("patch", "C/products/{product}/device-groups/{group}", From(Contributor)),
    ("delete", "C/products/{product}/device-groups/{group}", From(Contributor)),
    ("get", "C/blobs/{sha256}", From(Reader)),
    ("put", "C/blobs/{sha256}", From(Publisher)),
    ("get", "C/images", From(Reader)),
    ("post", "C/images", From(Publisher)),
    ("get", "C/images/{image}", From(Reader)),
    ("get", "C/deltas", From(Reader)),
    ("post", "C/deltas", From(Publisher)),
    ("get", "C/symbols", From(Reader)),
    ("put", "C/symbols/{build_id}", From(Publisher)),
    ("get", "C/image-sets", From(Reader)),
    ("post", "C/image-sets", From(Publisher)),
    ("get", "C/image-sets/{image_set}", From(Reader)),
    ("get", "C/image-sets/{image_set}/signed", From(Reader)),
    ("put", "C/image-sets/{image_set}/approval", From(Contributor)),
    ("put", "C/image-sets/{image_set}/admission", From(Contributor)),
    ("get", "C/deployments", From(Reader)),
    ("post", "C/deployments", From(Contributor)),
    ("get", "C/deployments/{deployment}", From(Reader)),
    ("post", "C/deployments/{deployment}/pause", From(Contributor)),
    ("post", "C/deployments/{deployment}/resume", From(Contributor)),
    ("post", "C/deployments/{deployment}/advance", From(Contributor)),
    ("post", "C/deployments/{deployment}/revert", From(Contributor)),
    ("get", "C/devices", From(Reader)),
    ("post", "C/devices", From(Contributor)),
    ("post", "C/lots", From(Contributor)),
    ("get", "C/devices/{device}", From(Reader)),
    ("patch", "C/devices/{device}", From(Contributor)),
    ("delete", "C/devices/{device}", From(Contributor)),
    ("delete", "C/devices/{device}/cloned", From(Contributor)),
    ("get", "C/devices/{device}/boot", From(Reader)),
    ("get", "C/devices/{device}/boot/log", From(Reader)),
    ("put", "C/devices/{device}/boot/baseline", From(Contributor)),
    ("get", "C/devices/{device}/capabilities", From(Reader)),
    ("post", "C/devices/{device}/capabilities", From(Contributor)),
    ("get", "C/devices/{device}/capabilities/{capability}/signed", From(Reader)),
    ("put", "C/devices/{device}/capabilities/{capability}/approval", From(Contributor)),
    ("get", "C/failures", From(Reader)),
    ("get", "C/failures/groups", From(Reader)),
    ("get", "C/failures/groups/{fingerprint}", From(Reader)),
    ("get", "C/audit/checkpoint", From(Reader)),
    ("put", "C/audit/checkpoint/{size}/cosignature", From(Publisher)),
    ("get", "C/audit/entries", From(Reader)),
    ("get", "C/audit/inclusion", From(Reader)),
    ("get", "C/audit/consistency", From(Reader)),
    ("get", "C/tokens", From(Owner)),
    ("post", "C/tokens", From(Owner)),
    ("delete", "C/tokens/{token}", From(Owner)),
];

fn operations() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            all.insert((method.clone(), path.clone()));
        }
    }
    all
}

fn listed() -> Vec<(String, String, Access)> {
    let full = |path: &str| match path.strip_prefix('C') {
        Some(rest) => format!("{C}{rest}"),
        None => path.to_owned(),
    };
    ACCESS.iter().map(|(method, path, who)| ((*method).to_owned(), full(path), *who)).collect()
}

/// The path with well-formed values in it, none of which exists.
fn filled(path: &str, catalog: &str) -> String {
    path.replace("{catalog}", catalog)
        .replace("{section}/{version}", "owner/99")
        .replace("{section}", "owner")
        .replace("{product}", "nothing")
        .replace("{group}", "nothing")
        .replace("{build_id}", "00112233")
        .replace("{size}", "99")
        .replace("{deployment}", &"0".repeat(32))
        .replace("{token}", &"0".repeat(16))
        .replace("/audit/inclusion", &format!("/audit/inclusion?leaf_hash={}", "0".repeat(64)))
        .replace("/audit/consistency", "/audit/consistency?from=0&to=0")
        .split('/')
        .map(|part| if part.starts_with('{') { "0".repeat(64) } else { part.to_owned() })
        .collect::<Vec<_>>()
        .join("/")
}

async fn knock(bench: &Bench, token: &str, method: &str, path: &str) -> StatusCode {
    let media_type = if path.contains("/blobs/") || path.contains("/symbols/") {
        OCTETS
    } else if path.contains("/approval")
        || path.contains("/cosignature")
        || path.contains("/trust-store/")
    {
        CBOR
    } else {
        "application/json"
    };
    let body = (method != "get").then(|| (media_type, b"{}".to_vec()));
    bench.ask_as(token, &method.to_uppercase(), path, body).await.status
}

#[test]
fn every_operation_says_who_may_and_every_line_has_its_operation() {
    let listed: BTreeSet<_> = listed().into_iter().map(|(m, p, _)| (m, p)).collect();
    let operations = operations();
    let unsaid: Vec<_> = operations.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&operations).collect();
    assert!(unsaid.is_empty(), "operations without a line in ACCESS: {unsaid:?}");
    assert!(gone.is_empty(), "lines without an operation: {gone:?}");
}

#[test]
fn the_document_marks_exactly_the_operations_that_ask_for_a_token() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    for (method, path, access) in listed() {
        let secured = !document["paths"][&path][&method]["security"].is_null();
        assert_eq!(secured, access != Open, "{method} {path}");
    }
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[tokio::test]
async fn every_operation_refuses_no_token_and_an_unknown_one() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await.to_string();
    for (method, path, access) in listed() {
        let path = filled(&path, &catalog);
        let expected = |status: StatusCode| match access {
            Open => status.is_success(),
            _ => status == StatusCode::UNAUTHORIZED,
        };
        for token in ["", "craton_AAAA", "nonsense"] {
            let status = knock(&bench, token, &method, &path).await;
            assert!(expected(status), "{method} {path} with {token:?}: {status}");
        }
    }
}

#[tokio::test]
async fn every_operation_refuses_insufficient_roles_and_admits_the_others() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await;
    for role in Role::ALL {
        let token = bench.token_of(catalog, role).await;
        for (method, path, access) in listed() {
            let path = filled(&path, &catalog.to_string());
            let status = knock(&bench, &token, &method, &path).await;
            let admitted = match access {
                Open | Any => true,
                From(least) => role >= least,
                Service => false,
            };
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !admitted, "{method} {path} as {role:?}: {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path} as {role:?}");
            assert!(!status.is_server_error(), "{method} {path} as {role:?}: {status}");
        }
    }
}

#[tokio::test]
async fn another_catalog_is_as_unknown_as_none_to_every_operation_and_role() {
    let bench = Bench::new().await;
    let (own, other) = (bench.catalog(true).await, bench.catalog(false).await);
    for role in Role::ALL {
        let token = bench.token_of(own, role).await;
        for (method, path, access) in listed() {
            if !matches!(access, From(_)) {
                continue;
            }
            for stranger in [other.to_string(), "f".repeat(64), "nonsense".to_owned()] {
                let path = filled(&path, &stranger);
                let status = knock(&bench, &token, &method, &path).await;
                assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path} as {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_services_owner_reaches_every_operation() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await.to_string();
    for (method, path, _) in listed() {
        let path = filled(&path, &catalog);
        let status = knock(&bench, &bench.token, &method, &path).await;
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        assert!(!refused.contains(&status), "{method} {path}: {status}");
        assert!(!status.is_server_error(), "{method} {path}: {status}");
    }
}

#[tokio::test]
async fn a_catalogs_owner_lists_only_his_catalog_and_cannot_make_another() {
    let bench = Bench::new().await;
    let (own, _other) = (bench.catalog(true).await, bench.catalog(false).await);
    let token = bench.token_of(own, Owner).await;
    let list = bench.ask_as(&token, "GET", "/v1/catalogs", None).await;
    let list: craton_api::operator::CatalogList = list.json();
    assert_eq!(list.items.iter().map(|catalog| catalog.id).collect::<Vec<_>>(), [own]);
    let body = Some(("application/json", b"{}".to_vec()));
    let refused = bench.ask_as(&token, "POST", "/v1/catalogs", body).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, 4125), "ServiceOwnerOnly");
}

#[tokio::test]
async fn token_id_unknown_and_token_name_invalid_are_refused_and_a_deleted_token_is_dead() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await;
    let path = format!("/v1/catalogs/{catalog}/tokens");
    let unknown = format!("{path}/{}", "0".repeat(16));
    let refused = bench.ask_as(&bench.token, "DELETE", &unknown, None).await;
    assert_eq!(refused.code(), 4126, "TokenIdUnknown");
    let nameless = bench.post(&path, &json!({"name": "", "role": "reader"})).await;
    assert_eq!(nameless.code(), 4127, "TokenNameInvalid");
    let made = bench.post(&path, &json!({"name": "ci", "role": "publisher"})).await;
    let made: craton_api::operator::TokenCreated = made.json();
    let me = bench.ask_as(&made.secret, "GET", "/v1/token", None).await;
    assert_eq!(me.json::<craton_api::operator::TokenInfo>(), made.info);
    let own = format!("{path}/{}", made.info.id);
    let gone = bench.ask_as(&bench.token, "DELETE", &own, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let dead = bench.ask_as(&made.secret, "GET", "/v1/token", None).await;
    assert_eq!((dead.status, dead.code()), (StatusCode::UNAUTHORIZED, 4122), "TokenUnknown");
}

#[tokio::test]
async fn token_missing_catalog_unknown_and_role_insufficient_have_their_numbers() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await;
    let path = format!("/v1/catalogs/{catalog}/tokens");
    assert_eq!(bench.ask_as("", "GET", &path, None).await.code(), 4121, "TokenMissing");
    let reader = bench.token_of(catalog, Reader).await;
    let refused = bench.ask_as(&reader, "GET", &path, None).await;
    assert_eq!(refused.code(), 4123, "RoleInsufficient");
    let nowhere = format!("/v1/catalogs/{}", "0".repeat(64));
    assert_eq!(bench.get(&nowhere).await.code(), 4124, "CatalogUnknown");
}

#[tokio::test]
async fn the_first_token_is_0600_and_made_anew_only_when_its_file_is_gone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new().await;
    let path = bench.folder.path().join("operator-token");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = || crate::app::tokens::first_start(&bench.app.store, bench.folder.path(), 0);
    again().await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), bench.token);
    std::fs::remove_file(&path).unwrap();
    again().await.unwrap();
    let second = std::fs::read_to_string(&path).unwrap();
    assert_ne!(second.trim(), bench.token);
    let me = bench.ask_as(second.trim(), "GET", "/v1/token", None).await;
    assert_eq!(me.json::<craton_api::operator::TokenInfo>().role, Owner);
}

#[tokio::test]
async fn a_tokens_secret_is_nowhere_in_the_data_folder_but_in_its_file() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await;
    let secret = bench.token_of(catalog, Publisher).await;
    for name in ["craton.db", "craton.db-wal"] {
        let bytes = std::fs::read(bench.folder.path().join(name)).unwrap_or_default();
        for secret in [&secret, &bench.token] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{name}");
        }
    }
    let contributor = bench.token_of(catalog, Contributor).await;
    assert!(contributor.starts_with("craton_") && contributor.len() == 50);
}

#[tokio::test]
async fn a_remade_owner_token_takes_the_lost_one_back_and_no_other() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let reader = bench.token_of(id, craton_api::operator::Role::Reader).await;
    let status = async |token: &str| {
        bench.ask_as(token, "GET", &format!("/v1/catalogs/{id}"), None).await.status.as_u16()
    };
    assert_eq!(status(&bench.token).await, 200);
    let folder = bench.folder.path();
    let file = folder.join(crate::app::tokens::FIRST_TOKEN_FILE);
    crate::app::tokens::first_start(&bench.app.store, folder, crate::testing::NOW_S).await.unwrap();
    assert_eq!(status(&bench.token).await, 200, "a start with the file changes nothing");
    std::fs::remove_file(&file).unwrap();
    crate::app::tokens::first_start(&bench.app.store, folder, crate::testing::NOW_S).await.unwrap();
    let fresh = std::fs::read_to_string(&file).unwrap();
    assert_eq!(status(&bench.token).await, 401, "TokenUnknown");
    assert_eq!(status(fresh.trim()).await, 200);
    assert_eq!(status(&reader).await, 200);
}
