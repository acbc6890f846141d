use std::sync::atomic::Ordering;

use craton_api::operator::{BuildId, Device, FailureGroup, FailureGroupList, FailureList};
use craton_trust::failure::{ChipCode, Failure, FailureKind, Frame};
use craton_trust::{ComponentId, Digest, ImageId};

use crate::app::AppError;
use crate::app::failures::{OF_DAY_MAX, receive};
use crate::catalog::CatalogError;
use crate::crypto::sha256;
use crate::store::ReceivedFailure;
use crate::testing::*;

fn crash(number: u64, pc: u64) -> ReceivedFailure {
    let (component, image) = (ComponentId([1; 16]), ImageId([2; 32]));
    let mut failure = Failure::new(FailureKind::Crash, component, image, Digest([3; 32]));
    (failure.number, failure.signal) = (number, 11);
    failure.push(Frame { build_id: &[9; 20], pc }).unwrap();
    let mut room = [0; 4096];
    let record = failure.encode(&mut room).unwrap().to_vec();
    let sha256 = sha256(&record);
    let (image, received_s) = (Some(image.into()), NOW_S + number);
    ReceivedFailure { record, sha256, image, number: Some(number), received_s }
}

#[tokio::test]
async fn failures_are_received_once_grouped_and_exported() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let one = bench.device(id, 20, "meter/Production").await;
    let two = bench.device(id, 21, "meter/Production").await;
    let report = async |device, reported: Vec<ReceivedFailure>| {
        receive(&bench.app, id, device, reported).await.unwrap()
    };
    assert_eq!(report(one, vec![crash(1, 100), crash(2, 100)]).await, 2);
    assert_eq!(report(one, vec![crash(1, 100)]).await, 0, "sent twice, kept once");
    assert_eq!(report(two, vec![crash(1, 100), crash(2, 9000)]).await, 2);
    let groups = format!("/v1/catalogs/{id}/failures/groups");
    let list: FailureGroupList = bench.get(&groups).await.json();
    assert_eq!((list.items.len(), list.ungrouped), (0, 4));
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty(), "twice does no harm");
    let list: FailureGroupList = bench.get(&groups).await.json();
    assert_eq!((list.items.len(), list.ungrouped), (2, 0));
    let large = list.items.iter().find(|group| group.count == 3).unwrap();
    assert_eq!((large.devices, large.kind.as_str()), (2, "crash"));
    assert_eq!((large.first_s, large.last_s), (NOW_S + 1, NOW_S + 2));
    assert_eq!(large.frames, ["0x64 in 09090909"]);
    let shown: FailureGroup = bench.get(&format!("{groups}/{}", large.fingerprint)).await.json();
    assert_eq!(&shown, large);
    let all = format!("/v1/catalogs/{id}/failures");
    let of_group: FailureList =
        bench.get(&format!("{all}?fingerprint={}", large.fingerprint)).await.json();
    assert_eq!(of_group.items.len(), 3);
    let of_device: FailureList = bench.get(&format!("{all}?device={two}&limit=1")).await.json();
    assert_eq!((of_device.items.len(), of_device.items[0].device), (1, two));
    let since: FailureList = bench.get(&format!("{all}?since_s={}", NOW_S + 2)).await.json();
    assert_eq!(since.items.len(), 2);
    let csv = bench.get(&format!("{all}?format=csv")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let csv = String::from_utf8(csv.body).unwrap();
    assert_eq!(csv.lines().count(), 5);
    let head = "id,device,image,received_s,fingerprint,title,number,lost_before\r\n4,";
    assert!(csv.starts_with(head), "{csv}");
}

#[tokio::test]
async fn the_failure_of_a_root_of_trust_is_shown_like_any_other() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let (component, image) = (ComponentId([0xbb; 16]), ImageId([0; 32]));
    let mut failure = Failure::new(FailureKind::ChipReset, component, image, Digest([0; 32]));
    failure.code = ChipCode { stage: 3, how: 2, status: 0 }.number();
    failure.push(Frame { build_id: &[6; 16], pc: 0x10 }).unwrap();
    failure.number = 1;
    let record = failure.encode(&mut [0; 4096]).unwrap().to_vec();
    let (sha256, number) = (sha256(&record), Some(1));
    let told = ReceivedFailure { record, sha256, image: None, number, received_s: NOW_S };
    assert_eq!(receive(&bench.app, id, device, vec![told]).await.unwrap(), 1);
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let groups = format!("/v1/catalogs/{id}/failures/groups");
    let list: FailureGroupList = bench.get(&groups).await.json();
    let group = &list.items[0];
    assert_eq!(
        (group.kind.as_str(), &group.frames[..]),
        ("chip-reset", &["0x10 in 06060606".into()][..])
    );
    let title = "the root of trust's mailbox touched secure memory (status 0x00000000)";
    assert!(group.title.starts_with(title), "{}", group.title);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_kept_in_a_group_of_its_own() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let record = b"from a newer device".to_vec();
    let sha256 = sha256(&record);
    let odd = ReceivedFailure { record, sha256, image: None, number: None, received_s: NOW_S };
    receive(&bench.app, id, device, vec![odd]).await.unwrap();
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let groups = format!("/v1/catalogs/{id}/failures/groups");
    let list: FailureGroupList = bench.get(&groups).await.json();
    assert_eq!(list.items[0].kind, "unreadable");
    let kept = bench.app.store.read(|db| db.failure_record(id, 1)).unwrap().unwrap();
    assert_eq!(kept, b"from a newer device");
}

#[tokio::test]
async fn failure_group_unknown_is_404() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let path = format!("/v1/catalogs/{id}/failures/groups/{}", "0".repeat(64));
    let refused = bench.get(&path).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (404, 4178), "FailureGroupUnknown");
}

#[tokio::test]
async fn fail_2_a_gap_in_the_numbers_is_counted_at_the_record_and_at_the_device() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    // The first five gave way in the spool; 8 and 9 were lost later.
    for number in [6, 7, 10] {
        receive(&bench.app, id, device, vec![crash(number, 100)]).await.unwrap();
    }
    let path = format!("/v1/catalogs/{id}/failures?device={device}");
    let list: FailureList = bench.get(&path).await.json();
    let lost: Vec<_> = list.items.iter().map(|f| (f.number, f.lost_before)).collect();
    assert_eq!(lost, [(Some(10), 2), (Some(7), 0), (Some(6), 5)]);
    let csv = String::from_utf8(bench.get(&format!("{path}&format=csv")).await.body).unwrap();
    assert!(csv.lines().nth(1).unwrap().ends_with(",10,2"), "{csv}");
    let of_device = format!("/v1/catalogs/{id}/devices/{device}");
    assert_eq!(bench.get(&of_device).await.json::<Device>().failures_lost, Some(7));
    // One that was late after all.
    receive(&bench.app, id, device, vec![crash(8, 100)]).await.unwrap();
    assert_eq!(bench.get(&of_device).await.json::<Device>().failures_lost, Some(6));
}

#[tokio::test]
async fn failures_too_many_refuses_a_device_for_a_day_and_no_other() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let one = bench.device(id, 20, "meter/Production").await;
    let two = bench.device(id, 21, "meter/Production").await;
    let on_day = |number| ReceivedFailure { received_s: NOW_S, ..crash(number, 100) };
    let all: Vec<_> = (1..=OF_DAY_MAX).map(on_day).collect();
    assert_eq!(receive(&bench.app, id, one, all).await.unwrap(), OF_DAY_MAX);
    let more = || vec![on_day(OF_DAY_MAX + 1), on_day(OF_DAY_MAX + 2)];
    let refused = receive(&bench.app, id, one, more()).await;
    let too_many = CatalogError::FailuresTooMany { most: OF_DAY_MAX };
    assert!(matches!(refused, Err(AppError::Catalog(ref why)) if why.code() == too_many.code()));
    assert_eq!(bench.app.store.read(|db| db.failures_count()).unwrap(), OF_DAY_MAX, "none is kept");
    // What is known already is no burden, and another device is not meant.
    assert_eq!(receive(&bench.app, id, one, vec![on_day(1)]).await.unwrap(), 0);
    assert_eq!(receive(&bench.app, id, two, more()).await.unwrap(), 2);
    // The device kept them: the day after they are taken.
    bench.clock.0.store(NOW_S + 86_400, Ordering::SeqCst);
    let late = more().into_iter().map(|f| ReceivedFailure { received_s: NOW_S + 86_400, ..f });
    assert_eq!(receive(&bench.app, id, one, late.collect()).await.unwrap(), 2);
}

#[tokio::test]
async fn one_catalogs_flood_does_not_keep_another_waiting_and_a_round_is_bounded() {
    let bench = Bench::new().await;
    let (flooded, quiet) = (bench.catalog(true).await, bench.catalog(false).await);
    bench.product(flooded).await;
    bench.product(quiet).await;
    let one = bench.device(flooded, 20, "meter/Production").await;
    let two = bench.device(quiet, 21, "meter/Production").await;
    let all: Vec<_> = (1..=500).map(|number| crash(number, 100)).collect();
    receive(&bench.app, flooded, one, all).await.unwrap();
    receive(&bench.app, quiet, two, vec![crash(1, 100)]).await.unwrap();
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let left = |id| bench.app.store.read(|db| db.failures_ungrouped_count(id)).unwrap();
    assert_eq!(left(quiet), 0);
    assert_eq!(left(flooded), 484, "sixteen a round");
    for _ in 0..31 {
        assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    }
    assert_eq!(left(flooded), 0);
}

#[tokio::test]
async fn symbols_that_cannot_be_read_cost_their_own_record_its_names_and_nothing_else() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let blob = bench.put_blob(id, b"not even ELF").await;
    let permit = crate::app::callers::authenticate(&bench.app, Some(&bench.token)).unwrap();
    let permit: crate::tenancy::Permit<crate::tenancy::Publish> = permit.permit(id).unwrap();
    let build_id = BuildId::from_bytes(&[9; 20]).unwrap();
    let symbols = craton_api::operator::Symbols { build_id, sha256: blob, size: 12 };
    let keep = move |db: &crate::store::WriteTx<'_>| db.symbols_put(&permit, &symbols);
    bench.app.store.write(keep).await.unwrap();
    // A file that the disk does not give back: a folder stands in its place.
    let name = blob.to_string();
    let file = bench.folder.path().join("blobs").join(&name[..2]).join(&name);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    receive(&bench.app, id, device, vec![crash(1, 100), crash(2, 9000)]).await.unwrap();
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let groups = format!("/v1/catalogs/{id}/failures/groups");
    let list: FailureGroupList = bench.get(&groups).await.json();
    assert_eq!((list.items.len(), list.ungrouped), (2, 0));
}
