use craton_api::operator::{
    Base64, Capability, CapabilityList, Device, DeviceId, DeviceList, DeviceState, ImageSetId,
    RotClass, TrialOutcome,
};
use craton_trust::endorsement;
use serde_json::json;

use crate::store::CheckInRecord;
use crate::testing::*;

#[tokio::test]
async fn a_claimed_device_is_pending_and_the_same_claim_changes_nothing() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let path = format!("/v1/catalogs/{id}/devices");
    let shown: Device = bench.get(&format!("{path}/{device}")).await.json();
    assert_eq!((shown.state, shown.rot), (DeviceState::Pending, Some(RotClass::Software)));
    let (_, endorsement) = endorsement_of(20, endorsement::RotClass::Software, &[MANUFACTURER]);
    let again = json!({"device": device, "endorsement": Base64(endorsement)});
    assert_eq!(bench.post(&path, &again).await.status, 200);
    let (_, other) = endorsement_of(20, endorsement::RotClass::Tpm, &[MANUFACTURER]);
    let other = json!({"device": device, "endorsement": Base64(other)});
    let refused = bench.post(&path, &other).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, 4169), "ClaimConflict");
}

#[tokio::test]
async fn claims_of_forged_foreign_or_weak_devices_are_refused() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let path = format!("/v1/catalogs/{id}/devices");
    let claim = async |device: DeviceId, endorsement: Vec<u8>, group: &str| {
        let claim = json!({"device": device, "endorsement": Base64(endorsement), "group": group});
        bench.post(&path, &claim).await.code()
    };
    let weak = endorsement::RotClass::Software;
    let (device, forged) = endorsement_of(20, weak, &[PUBLISHER]);
    assert_eq!(claim(device, forged, "meter/Production").await, 1103, "SignerUnknown");
    let (_, other) = endorsement_of(21, weak, &[MANUFACTURER]);
    assert_eq!(claim(device, other, "meter/Production").await, 4170, "EndorsementMismatch");
    let (_, good) = endorsement_of(20, weak, &[MANUFACTURER]);
    assert_eq!(claim(device, good.clone(), "meter/Lab").await, 4154, "GroupUnknown");
    let strong = json!({"name": "vault", "least_class": "tpm"});
    bench
        .post(&format!("/v1/catalogs/{id}/products"), &strong)
        .await
        .json::<craton_api::operator::Product>();
    assert_eq!(claim(device, good, "vault/Production").await, 4177, "ClassTooWeak");
    let list: DeviceList = bench.get(&path).await.json();
    assert!(list.items.is_empty(), "nothing was kept");
}

#[tokio::test]
async fn devices_are_listed_by_page_group_and_state_moved_and_retired() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let path = format!("/v1/catalogs/{id}/devices");
    for seed in 20..25 {
        bench.device(id, seed, "meter/Production").await;
    }
    let page: DeviceList = bench.get(&format!("{path}?limit=3")).await.json();
    assert_eq!(page.items.len(), 3);
    let next = format!("{path}?limit=3&after={}", page.next.unwrap());
    let rest: DeviceList = bench.get(&next).await.json();
    assert_eq!((rest.items.len(), rest.next), (2, None));
    assert!(page.items.iter().all(|one| rest.items.iter().all(|two| one.id < two.id)));
    let device = page.items[0].id;
    let body = Some(("application/json", br#"{"group":"meter/FieldTest"}"#.to_vec()));
    let own = format!("{path}/{device}");
    let moved: Device = bench.ask_as(&bench.token, "PATCH", &own, body).await.json();
    assert_eq!(moved.group.as_deref(), Some("meter/FieldTest"));
    let field: DeviceList = bench.get(&format!("{path}?group=meter/FieldTest")).await.json();
    assert_eq!(field.items.len(), 1);
    let claimed: DeviceList = bench.get(&format!("{path}?state=claimed")).await.json();
    assert!(claimed.items.is_empty());
    let gone = bench.ask_as(&bench.token, "DELETE", &own, None).await;
    assert_eq!(gone.status, 204);
    let again = bench.ask_as(&bench.token, "DELETE", &own, None).await;
    assert_eq!((again.status.as_u16(), again.code()), (404, 4168), "DeviceUnknown");
}

fn seen() -> CheckInRecord {
    CheckInRecord {
        at_s: NOW_S,
        epoch: 0,
        boot: 3,
        check_in: 7,
        store: crate::attest::StoreVersions { platform: 1, owner: 1 },
        programs: vec![craton_api::operator::ComponentId([9; 16])],
        certificate_serial: Some("4a".into()),
        attested_set: Some(ImageSetId([1; 32])),
        assigned_set: Some(ImageSetId([2; 32])),
        isolation: Some("reduced".into()),
        storage: Some("unpacked".into()),
        mode: Some("normal".into()),
        trial: Some(TrialOutcome::Confirmed),
        renamed: Some([7; 16]),
    }
}

#[tokio::test]
async fn a_check_in_claims_the_device_and_counts_once() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let stamp = bench.app.store.stamp();
    let check_in = async |device, before| {
        let record = seen();
        let work =
            move |db: &crate::store::WriteTx<'_>| db.device_check_in(id, device, before, &record);
        bench.app.store.write(work).await.unwrap()
    };
    assert!(check_in(device, None).await);
    assert_eq!(bench.app.store.stamp(), stamp, "no view of the catalog changed");
    let shown: Device = bench.get(&format!("/v1/catalogs/{id}/devices/{device}")).await.json();
    assert_eq!(shown.state, DeviceState::Claimed);
    assert_eq!((shown.last_boot, shown.last_check_in), (Some(3), Some(7)));
    assert_eq!(shown.isolation.as_deref(), Some("reduced"));
    assert_eq!(shown.trial, Some(TrialOutcome::Confirmed));
    assert!(!check_in(device, None).await, "another check-in came between");
    assert!(!check_in(device, Some((3, 6))).await);
    assert!(check_in(device, Some((3, 7))).await);
    assert!(!check_in(DeviceId([0; 32]), None).await, "one not listed leaves no trace");
    bench.app.store.write(move |db| db.device_mark_cloned(id, device)).await.unwrap();
    assert_eq!(bench.app.store.stamp(), stamp);
    bench.set(id, "1.0", craton_trust::set::Purpose::Development).await;
    assert_ne!(bench.app.store.stamp(), stamp);
    let shown: Device = bench.get(&format!("/v1/catalogs/{id}/devices/{device}")).await.json();
    assert!(shown.cloned);
}

#[tokio::test]
async fn a_capability_needs_publisher_and_approver_outside_development() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Production").await;
    let path = format!("/v1/catalogs/{id}/devices/{device}/capabilities");
    let forged = bench.bring("POST", &path, &capability_of(id, device, &[APPROVER])).await;
    assert_eq!(forged.code(), 1103, "SignerUnknown");
    let other = capability_of(id, DeviceId([0; 32]), &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &path, &other).await.code(), 1502, "OtherDevice");
    let elsewhere = craton_api::operator::CatalogId([0; 32]);
    let elsewhere = capability_of(elsewhere, device, &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &path, &elsewhere).await.code(), 1501, "OtherCatalog");
    let object = capability_of(id, device, &[PUBLISHER]);
    let brought: Capability = bench.bring("POST", &path, &object).await.json();
    assert!(!brought.approved);
    assert_eq!(brought.permits, ["appDevelopment"]);
    let own = format!("{path}/{}", brought.id);
    let publisher = approval_of(&object, &[PUBLISHER]);
    let refused = bench.bring("PUT", &format!("{own}/approval"), &publisher).await;
    assert_eq!(refused.code(), 1103, "SignerUnknown");
    let approval = approval_of(&object, &[APPROVER]);
    let approved: Capability =
        bench.bring("PUT", &format!("{own}/approval"), &approval).await.json();
    assert!(approved.approved);
    let list: CapabilityList = bench.get(&path).await.json();
    assert_eq!(list.items, [approved]);
    let signed = bench.get(&format!("{own}/signed")).await.body;
    let owner = owner_section(false);
    let section = crate::catalog::section_of(&owner).unwrap();
    let request = crate::crypto::sha256(b"challenge").into();
    let (catalog, device) = (id.into(), device.into());
    let open = craton_trust::assignment::Address { catalog, device, epoch: 0, request };
    let signed = craton_trust::Signed::parse(&signed).unwrap();
    let believed = craton_trust::capability::Capability::verify(
        &crate::crypto::AwsLc,
        &section.section(),
        &open,
        &signed,
    );
    assert!(believed.is_ok(), "the device believes it");
    let unknown = bench.get(&format!("{path}/{}/signed", "0".repeat(64))).await;
    assert_eq!(unknown.code(), 4171, "CapabilityUnknown");
    let nobody = format!("/v1/catalogs/{id}/devices/{}/capabilities", "0".repeat(64));
    assert_eq!(bench.get(&nobody).await.code(), 4168, "DeviceUnknown");
}

#[tokio::test]
async fn a_capability_in_a_development_catalog_is_countersigned_at_once() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let device = bench.device(id, 20, "meter/Development").await;
    let path = format!("/v1/catalogs/{id}/devices/{device}/capabilities");
    let object = capability_of(id, device, &[PUBLISHER]);
    let brought: Capability = bench.bring("POST", &path, &object).await.json();
    assert!(brought.approved);
    let again: Capability = bench.bring("POST", &path, &object).await.json();
    assert_eq!(again, brought);
}
