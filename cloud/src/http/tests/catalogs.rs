use craton_api::operator::{
    Base64, Catalog, CatalogCreate, DeviceGroup, DeviceGroupList, Digest, ProductList, ServiceInfo,
    TrustStore,
};
use craton_trust::store::SectionKind;
use serde_json::json;

use crate::testing::*;

fn asked(name: &str, owner: Vec<u8>, platform: Vec<u8>) -> CatalogCreate {
    let name = name.to_owned();
    CatalogCreate { name, owner_section: Base64(owner), platform_section: Base64(platform) }
}

#[tokio::test]
async fn a_catalog_is_made_from_its_genesis_and_the_same_again_is_the_same() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    assert_eq!(bench.catalog(true).await, id);
    let shown: Catalog = bench.get(&format!("/v1/catalogs/{id}")).await.json();
    assert!(shown.dev);
    assert_eq!((shown.name.as_str(), shown.created_s, shown.devices), ("dev", NOW_S, 0));
    let owner = owner_section(true);
    let signed = craton_trust::Signed::parse(&owner).unwrap();
    assert_eq!(id.0, crate::crypto::sha256(signed.unchecked_payload()).0);
    let fetched = bench.get(&format!("/v1/catalogs/{id}/trust-store/owner/1")).await;
    assert_eq!(fetched.body, owner);
}

#[tokio::test]
async fn service_info_shows_the_keys_that_an_owner_puts_into_his_trust_store() {
    let bench = Bench::new().await;
    let info: ServiceInfo = bench.ask_as("", "GET", "/v1/service", None).await.json();
    let roles: Vec<&str> = info.keys.iter().map(|key| key.role.as_str()).collect();
    assert_eq!(roles, ["catalog", "online", "log", "service"]);
    assert!(info.keys.iter().all(|key| key.key.0.len() == 65));
}

#[tokio::test]
async fn catalogs_of_mixed_unsigned_or_broken_sections_are_refused() {
    let bench = Bench::new().await;
    let (owner, platform) = (owner_section(true), platform_section(true));
    let refuse = async |asked: CatalogCreate| bench.post("/v1/catalogs", &asked).await.code();
    assert_eq!(refuse(asked("x", platform.clone(), owner.clone())).await, 4173, "SectionMixed");
    let production = platform_section(false);
    assert_eq!(refuse(asked("x", owner.clone(), production)).await, 4174, "DevMixed");
    assert_eq!(refuse(asked("a b", owner.clone(), platform.clone())).await, 4151, "NameInvalid");
    let other = section(SectionKind::Owner, true, None, OWNER_ROLES, &[PUBLISHER]);
    assert_eq!(refuse(asked("x", other, platform.clone())).await, 1103, "SignerUnknown");
    let mut broken = owner.clone();
    broken[20] ^= 1;
    let code = refuse(asked("x", broken, platform.clone())).await;
    assert!((1001..2000).contains(&code), "{code}");
    bench
        .post("/v1/catalogs", &asked("one", owner.clone(), platform.clone()))
        .await
        .json::<Catalog>();
    assert_eq!(refuse(asked("two", owner, platform)).await, 4152, "NameTaken");
    let second = asked("one", owner_section(false), platform_section(false));
    assert_eq!(refuse(second).await, 4152, "NameTaken");
}

#[tokio::test]
async fn a_successor_takes_its_place_only_with_the_old_roots_signature() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let path = format!("/v1/catalogs/{id}/trust-store/owner");
    let roles = [(craton_trust::store::Role::Root, &[9u8][..])];
    let successor = |signers: &[u8], version| {
        section(SectionKind::Owner, true, Some((version, Digest(id.0))), &roles, signers)
    };
    let alone = bench.bring("PUT", &path, &successor(&[9], 2)).await;
    assert_eq!(alone.code(), 1103, "SignerUnknown: only its own root");
    let skipped = bench.bring("PUT", &path, &successor(&[ROOT, 9], 3)).await;
    assert_eq!(skipped.code(), 1202, "SuccessorVersion");
    let other = Some((2, Digest([0; 32])));
    let other = section(SectionKind::Owner, true, other, &roles, &[ROOT, 9]);
    assert_eq!(bench.bring("PUT", &path, &other).await.code(), 1203, "SuccessorGenesis");
    let wrong_half = format!("/v1/catalogs/{id}/trust-store/platform");
    let refused = bench.bring("PUT", &wrong_half, &successor(&[ROOT, 9], 2)).await;
    assert_eq!(refused.code(), 1201, "SectionKind");
    let taken = bench.bring("PUT", &path, &successor(&[ROOT, 9], 2)).await;
    assert_eq!(taken.status, 200);
    let store: TrustStore = bench.get(&format!("/v1/catalogs/{id}/trust-store")).await.json();
    assert_eq!(store.sections.len(), 3);
    assert_eq!(store.sections.last().unwrap().version, 2);
    let again = bench.bring("PUT", &path, &successor(&[ROOT, 9], 2)).await;
    assert_eq!(again.code(), 1202, "SuccessorVersion: replayed");
    let unknown = bench.get(&format!("{path}/9")).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, 4172), "SectionUnknown");
    let platform = Some((
        2,
        crate::crypto::sha256(
            craton_trust::Signed::parse(&platform_section(true)).unwrap().unchecked_payload(),
        ),
    ));
    let next = section(SectionKind::Platform, true, platform, PLATFORM_ROLES, &[ROOT]);
    assert_eq!(bench.bring("PUT", &wrong_half, &next).await.status, 200);
}

#[tokio::test]
async fn a_product_has_its_default_groups_and_leaves_only_when_they_have_left() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let products = format!("/v1/catalogs/{id}/products");
    let list: ProductList = bench.get(&products).await.json();
    assert_eq!(list.items[0].name, "meter");
    let groups = format!("{products}/meter/device-groups");
    let list: DeviceGroupList = bench.get(&groups).await.json();
    let names: Vec<_> = list.items.iter().map(|g| (g.path.as_str(), g.development)).collect();
    let expected =
        [("meter/Development", true), ("meter/FieldTest", false), ("meter/Production", false)];
    assert_eq!(names, expected);
    let again = bench.post(&products, &json!({"name": "meter"})).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, 4152), "NameTaken");
    let strange = bench.post(&products, &json!({"name": "../etc"})).await;
    assert_eq!(strange.code(), 4151, "NameInvalid");
    let delete = async |path: &str| bench.ask_as(&bench.token, "DELETE", path, None).await;
    assert_eq!(delete(&format!("{products}/meter")).await.code(), 4156, "ProductInUse");
    for group in ["Development", "FieldTest", "Production"] {
        assert_eq!(delete(&format!("{groups}/{group}")).await.status, 204);
    }
    assert_eq!(delete(&format!("{groups}/Production")).await.code(), 4154, "GroupUnknown");
    assert_eq!(delete(&format!("{products}/meter")).await.status, 204);
    assert_eq!(delete(&format!("{products}/meter")).await.code(), 4153, "ProductUnknown");
    assert_eq!(bench.get(&groups).await.code(), 4153, "ProductUnknown");
}

#[tokio::test]
async fn a_group_is_made_changed_and_kept_while_it_has_devices() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.product(id).await;
    let groups = format!("/v1/catalogs/{id}/products/meter/device-groups");
    let made = bench.post(&groups, &json!({"name": "Lab", "development": true})).await;
    assert_eq!(made.json::<DeviceGroup>().path, "meter/Lab");
    assert_eq!(bench.post(&groups, &json!({"name": "Lab"})).await.code(), 4152, "NameTaken");
    let long = bench.post(&groups, &json!({"name": "L2", "description": "x".repeat(501)})).await;
    assert_eq!(long.code(), 4158, "DescriptionTooLong");
    let change = serde_json::to_vec(&json!({"update_policy": "no-app-updates"})).unwrap();
    let lab = format!("{groups}/Lab");
    let body = Some(("application/json", change));
    let changed: DeviceGroup = bench.ask_as(&bench.token, "PATCH", &lab, body).await.json();
    assert!(changed.development, "what is absent stays");
    let shown: DeviceGroup = bench.get(&lab).await.json();
    assert_eq!(shown.update_policy, craton_api::operator::UpdatePolicy::NoAppUpdates);
    bench.device(id, 20, "meter/Lab").await;
    let refused = bench.ask_as(&bench.token, "DELETE", &lab, None).await;
    assert_eq!(refused.code(), 4157, "GroupInUse");
}

#[tokio::test]
async fn platform_other_refuses_the_same_catalog_with_another_platform() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let roles: &[(craton_trust::store::Role, &[u8])] = &[
        (craton_trust::store::Role::Root, &[ROOT]),
        (craton_trust::store::Role::Publisher, &[PUBLISHER]),
        (craton_trust::store::Role::Manufacturer, &[WITNESS]),
    ];
    let other = section(SectionKind::Platform, true, None, roles, &[ROOT]);
    let refused = bench.post("/v1/catalogs", &asked("dev", owner_section(true), other)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, 4180), "PlatformOther");
    let kept = bench.get(&format!("/v1/catalogs/{id}/trust-store/platform/1")).await;
    assert_eq!(kept.body, platform_section(true));
}
