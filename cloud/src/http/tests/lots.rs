//! Claims of all that a station made.

use craton_api::operator::{
    Base64, DeviceId, DeviceList, LogEntries, LotClaimed, LotOutcome, LotRow,
};
use craton_trust::endorsement::RotClass;
use serde_json::json;

use crate::testing::*;

fn ids(list: &DeviceList) -> Vec<DeviceId> {
    list.items.iter().map(|device| device.id).collect()
}

fn outcomes(rows: &[LotRow]) -> Vec<(LotOutcome, Option<u16>)> {
    rows.iter().map(|row| (row.outcome, row.code)).collect()
}

#[tokio::test]
async fn a_lot_lists_its_devices_as_pending_and_the_same_lot_changes_nothing() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let rows: Vec<_> =
        (20..24).map(|seed| endorsement_of(seed, RotClass::Firmware, &[MANUFACTURER])).collect();
    let lot = json!({"lot": Base64(lot_of(&rows, &[MANUFACTURER])), "group": "meter/Production"});
    let path = format!("/v1/catalogs/{id}/lots");
    let leaves = async || {
        let entries: LogEntries =
            bench.get(&format!("/v1/catalogs/{id}/audit/entries")).await.json();
        entries.items.iter().filter(|entry| entry.kind == "claim").count()
    };
    let claimed: LotClaimed = bench.post(&path, &lot).await.json();
    assert_eq!(outcomes(&claimed.rows), [(LotOutcome::Listed, None); 4]);
    assert_eq!(leaves().await, 4);
    let list = format!("/v1/catalogs/{id}/devices?state=pending&group=meter/Production");
    let listed: DeviceList = bench.get(&list).await.json();
    assert_eq!(ids(&listed), claimed.rows.iter().map(|row| row.device).collect::<Vec<_>>());
    let again: LotClaimed = bench.post(&path, &lot).await.json();
    assert_eq!(outcomes(&again.rows), [(LotOutcome::Known, None); 4]);
    assert_eq!(leaves().await, 4);
}

#[tokio::test]
async fn a_row_that_is_refused_is_told_and_keeps_no_other_out() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let weak = endorsement_of(20, RotClass::Software, &[MANUFACTURER]);
    let forged = endorsement_of(21, RotClass::Tpm, &[PUBLISHER]);
    let conflict = endorsement_of(22, RotClass::Tpm, &[MANUFACTURER]);
    let good = endorsement_of(23, RotClass::Tpm, &[MANUFACTURER]);
    bench.device(id, 22, "meter/Production").await;
    let strong = json!({"name": "vault", "least_class": "tpm"});
    let products = format!("/v1/catalogs/{id}/products");
    bench.post(&products, &strong).await.json::<craton_api::operator::Product>();
    let rows = [weak.clone(), forged.clone(), conflict.clone(), good.clone()];
    let lot = json!({"lot": Base64(lot_of(&rows, &[MANUFACTURER])), "group": "vault/Production"});
    let claimed: LotClaimed = bench.post(&format!("/v1/catalogs/{id}/lots"), &lot).await.json();
    let of = |device: &DeviceId| claimed.rows.iter().find(|row| row.device == *device).unwrap();
    let refused = |row: &(DeviceId, Vec<u8>)| {
        let LotRow { outcome, code, detail, .. } = of(&row.0);
        assert_eq!(*outcome, LotOutcome::Refused);
        assert!(detail.as_ref().unwrap().starts_with(&format!("E{}: ", code.unwrap())));
        code.unwrap()
    };
    assert_eq!(refused(&weak), 4177, "ClassTooWeak");
    assert_eq!(refused(&forged), 1103, "SignerUnknown");
    assert_eq!(refused(&conflict), 4169, "ClaimConflict");
    assert_eq!(of(&good.0).outcome, LotOutcome::Listed);
    let list: DeviceList =
        bench.get(&format!("/v1/catalogs/{id}/devices?group=vault/Production")).await.json();
    assert_eq!(ids(&list), [good.0]);
}

#[tokio::test]
async fn a_lot_that_its_maker_did_not_sign_as_it_is_lists_nothing() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let rows = [endorsement_of(20, RotClass::Tpm, &[MANUFACTURER])];
    let path = format!("/v1/catalogs/{id}/lots");
    let claim = async |lot: &[u8], group: &str| {
        let lot = json!({"lot": Base64(lot.to_vec()), "group": group});
        bench.post(&path, &lot).await.code()
    };
    let group = "meter/Production";
    assert_eq!(claim(&lot_of(&rows, &[PUBLISHER]), group).await, 1103, "SignerUnknown");
    let twice = [rows[0].clone(), rows[0].clone()];
    let lot = seal(craton_trust::cose::Kind::Lot, &lot_payload(&twice), &[MANUFACTURER]);
    assert_eq!(claim(&lot, group).await, 1506, "LotOrder");
    // One row, which is good by itself, is no lot.
    assert_eq!(claim(&rows[0].1, group).await, 1104, "SignatureInvalid");
    let lot = lot_of(&rows, &[MANUFACTURER]);
    assert_eq!(claim(&lot, "meter/Lab").await, 4154, "GroupUnknown");
    assert_eq!(claim(&lot, "meter").await, 4155, "GroupPathInvalid");
    let list: DeviceList = bench.get(&format!("/v1/catalogs/{id}/devices")).await.json();
    assert!(list.items.is_empty(), "nothing was kept");
}
