//! What a catalog may hold, and what is removed again.

use std::sync::atomic::Ordering;

use craton_trust::set::Purpose;

use crate::crypto::sha256;
use crate::testing::*;

const DAY_S: u64 = 86_400;

#[tokio::test]
async fn quota_reached_refuses_the_blob_that_is_too_much_and_keeps_no_file() {
    let bench = Bench::new().await;
    let (one, two) = (bench.catalog(true).await, bench.catalog(false).await);
    let put = async |catalog, bytes: Vec<u8>| {
        let path = format!("/v1/catalogs/{catalog}/blobs/{}", sha256(&bytes));
        bench.ask_as(&bench.token, "PUT", &path, Some((OCTETS, bytes))).await
    };
    let (half, more) = (vec![1; 600_000], vec![2; 600_000]);
    assert_eq!(put(one, half.clone()).await.status, 201);
    let refused = put(one, more.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (413, 4181), "QuotaReached");
    assert!(bench.app.blobs.open_blob(sha256(&more)).is_err(), "the file went with it");
    assert_eq!(put(one, half.clone()).await.status, 200, "what is there costs nothing");
    assert_eq!(put(two, more.clone()).await.status, 201, "another catalog has its own room");
    // A refusal does not take the file of whoever holds it.
    assert_eq!(put(one, more.clone()).await.code(), 4181);
    assert!(bench.app.blobs.open_blob(sha256(&more)).is_ok());
    assert_eq!(put(one, vec![3; (1 << 20) - 600_000]).await.status, 201, "up to the last byte");
    assert_eq!(put(one, vec![4]).await.code(), 4181, "full, before a byte is taken");
}

#[tokio::test]
async fn what_nothing_names_is_collected_after_a_day_and_nothing_else() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.set(id, "1.0", Purpose::Development).await;
    let (from, delta) = (bench.put_blob(id, b"from").await, bench.put_blob(id, b"delta").await);
    let to = sha256(&package("1.0", &[PUBLISHER]).payload);
    let asked =
        serde_json::json!({"from_payload": from, "to_payload": to, "blob": delta, "size": 5});
    assert_eq!(bench.post(&format!("/v1/catalogs/{id}/deltas"), &asked).await.status, 201);
    let kept = [to, sha256(&package("1.0", &[PUBLISHER]).envelope), delta];
    let loose = bench.put_blob(id, b"loose").await;
    let again = bench.put_blob(id, b"brought again").await;
    let here = |sha256| bench.app.blobs.open_blob(sha256).is_ok();
    let round = async |after_s: u64| {
        bench.clock.0.store(NOW_S + after_s, Ordering::SeqCst);
        assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    };
    round(DAY_S - 3_600).await;
    assert!(here(loose) && here(from));
    bench.put_blob(id, b"brought again").await;
    round(DAY_S + 1).await;
    assert!(!here(loose) && !here(from), "nothing names them");
    assert!(here(again), "young again");
    assert!(kept.iter().all(|sha256| here(*sha256)), "image, set and delta name them");
    let gone = bench.get(&format!("/v1/catalogs/{id}/blobs/{loose}")).await;
    assert_eq!(gone.code(), 4056, "BlobMissing");
}

#[tokio::test]
async fn a_file_that_another_catalog_holds_outlives_the_note_of_one() {
    let bench = Bench::new().await;
    let (one, two) = (bench.catalog(true).await, bench.catalog(false).await);
    let shared = bench.put_blob(one, b"shared").await;
    bench.clock.0.store(NOW_S + DAY_S, Ordering::SeqCst);
    bench.put_blob(two, b"shared").await;
    bench.clock.0.store(NOW_S + DAY_S + 10, Ordering::SeqCst);
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let status = async |catalog| {
        bench.get(&format!("/v1/catalogs/{catalog}/blobs/{shared}")).await.status.as_u16()
    };
    assert_eq!((status(one).await, status(two).await), (404, 200));
}
