use craton_api::operator::{FailureGroup, FailureGroupList, FailureList};
use craton_trust::failure::{Failure, FailureKind, Frame};
use craton_trust::{ComponentId, Digest, ImageId};

use crate::app::failures::receive;
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
    ReceivedFailure { record, sha256, image: Some(image.into()), received_s: NOW_S + number }
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
    assert!(csv.starts_with("id,device,image,received_s,fingerprint,title\r\n4,"), "{csv}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_kept_in_a_group_of_its_own() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let record = b"from a newer device".to_vec();
    let sha256 = sha256(&record);
    let odd = ReceivedFailure { record, sha256, image: None, received_s: NOW_S };
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
