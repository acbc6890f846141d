//! STORE-4 on the service's side: a successor is taken only if every device can take it.

use craton_api::operator::{Catalog, CatalogId, Digest, ImageSetId, LogEntries, TrustStoreSection};
use craton_trust::Signed;
use craton_trust::set::Purpose;
use craton_trust::store::{Role, Section, SectionBuilder, SectionKind};
use serde_json::json;

use crate::store::CheckInRecord;
use crate::testing::*;

const NEXT_PUBLISHER: u8 = 8;

/// The successor of version `version` - 1, with these publishers and this ceiling.
fn successor(id: CatalogId, version: u64, publishers: &[u8], ceiling: u64) -> Vec<u8> {
    let roles: Vec<(Role, &[u8])> = OWNER_ROLES
        .iter()
        .map(|(role, keys)| (*role, if *role == Role::Publisher { publishers } else { keys }))
        .collect();
    let next = Some((version, Digest(id.0)));
    let signed = section(SectionKind::Owner, true, next, &roles, &[ROOT]);
    let section = Section::parse(Signed::parse(&signed).unwrap().unchecked_payload()).unwrap();
    let mut section = SectionBuilder::from(&section);
    section.ceiling = ceiling;
    let mut payload = vec![0; 8192];
    let payload = section.encode(&mut payload).unwrap().to_vec();
    seal(craton_trust::cose::Kind::TrustStore, &payload, &[ROOT])
}

struct Owner {
    bench: Bench,
    id: CatalogId,
}

impl Owner {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let id = bench.catalog(true).await;
        bench.product(id).await;
        Self { bench, id }
    }

    async fn submit(&self, version: u64, publishers: &[u8], ceiling: u64) -> Answer {
        let path = format!("/v1/catalogs/{}/trust-store/owner", self.id);
        self.bench.bring("PUT", &path, &successor(self.id, version, publishers, ceiling)).await
    }

    async fn deploy(&self, set: ImageSetId) {
        let path = format!("/v1/catalogs/{}/deployments", self.id);
        let asked = json!({"group": "meter/Development", "image_set": set});
        let answer = self.bench.post(&path, &asked).await;
        assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
    }

    /// A set by `set_signer` of an image by `image_signer`.
    async fn set(&self, version: &str, image_signer: u8, set_signer: u8) -> ImageSetId {
        let package = package(version, &[image_signer]);
        self.bench.put_blob(self.id, &package.payload).await;
        let images = format!("/v1/catalogs/{}/images", self.id);
        assert!(self.bench.bring("POST", &images, &package.envelope).await.status.is_success());
        let object = set_of(self.id, Purpose::Development, &[&package], &[set_signer]);
        let sets = format!("/v1/catalogs/{}/image-sets", self.id);
        let set = self.bench.bring("POST", &sets, &object).await;
        set.json::<craton_api::operator::ImageSet>().id
    }
}

#[tokio::test]
async fn store_4_a_successor_that_orphans_what_is_deployed_is_set_orphaned() {
    let owner = Owner::new().await;
    let set = owner.bench.set(owner.id, "1.0", Purpose::Development).await;
    owner.deploy(set).await;
    let refused = owner.submit(2, &[NEXT_PUBLISHER], 1_000).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, 4182), "SetOrphaned");
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(said.contains(&set.to_string()), "it names the set: {said}");
    assert_eq!(owner.submit(2, &[PUBLISHER], 0).await.code(), 4182, "above the ceiling");
    let newest = format!("/v1/catalogs/{}/trust-store/owner/2", owner.id);
    assert_eq!(owner.bench.get(&newest).await.code(), 4172, "nothing was kept");
    let overlap = owner.submit(2, &[PUBLISHER, NEXT_PUBLISHER], 1_000).await;
    assert_eq!(overlap.json::<TrustStoreSection>().version, 2);
    let alone = owner.submit(3, &[NEXT_PUBLISHER], 1_000).await;
    assert_eq!(alone.code(), 4182, "the set is still by the old key alone");
}

#[tokio::test]
async fn store_4_the_envelopes_of_a_set_must_stay_believed_too() {
    let owner = Owner::new().await;
    owner.submit(2, &[PUBLISHER, NEXT_PUBLISHER], 1_000).await.json::<TrustStoreSection>();
    // The set is by the new key, the image in it by the old one.
    owner.deploy(owner.set("1.0", PUBLISHER, NEXT_PUBLISHER).await).await;
    assert_eq!(owner.submit(3, &[NEXT_PUBLISHER], 1_000).await.code(), 4182, "SetOrphaned");
    owner.deploy(owner.set("2.0", NEXT_PUBLISHER, NEXT_PUBLISHER).await).await;
    let before = owner.submit(3, &[NEXT_PUBLISHER], 1_000).await;
    assert_eq!(before.code(), 4182, "devices outside the first wave are offered the set before");
    owner.deploy(owner.set("3.0", NEXT_PUBLISHER, NEXT_PUBLISHER).await).await;
    let taken = owner.submit(3, &[NEXT_PUBLISHER], 1_000).await;
    assert_eq!(taken.json::<TrustStoreSection>().version, 3);
}

#[tokio::test]
async fn store_4_what_a_device_showed_counts_until_the_device_is_retired() {
    let owner = Owner::new().await;
    let (bench, id) = (&owner.bench, owner.id);
    let set = bench.set(id, "1.0", Purpose::Development).await;
    let device = bench.device(id, 20, "meter/Development").await;
    let record = CheckInRecord {
        at_s: NOW_S,
        epoch: 0,
        boot: 1,
        check_in: 1,
        store: crate::attest::StoreVersions { platform: 1, owner: 1 },
        programs: vec![craton_api::operator::ComponentId([9; 16])],
        certificate_serial: None,
        attested_set: Some(set),
        assigned_set: None,
        isolation: None,
        storage: None,
        mode: None,
        trial: None,
        renamed: None,
    };
    let seen = move |db: &crate::store::WriteTx<'_>| db.device_check_in(id, device, None, &record);
    assert!(bench.app.store.write(seen).await.unwrap());
    assert_eq!(owner.submit(2, &[NEXT_PUBLISHER], 1_000).await.code(), 4182, "SetOrphaned");
    let path = format!("/v1/catalogs/{id}/devices/{device}");
    assert_eq!(bench.ask_as(&bench.token, "DELETE", &path, None).await.status, 204);
    let taken = owner.submit(2, &[NEXT_PUBLISHER], 1_000).await;
    let taken: TrustStoreSection = taken.json();
    let log = format!("/v1/catalogs/{id}/audit/entries?from=0");
    let log: LogEntries = bench.get(&log).await.json();
    let last = log.items.last().unwrap();
    assert_eq!(last.kind, "trust-store", "{taken:?}");
}

#[tokio::test]
async fn a_catalog_whose_root_becomes_one_for_production_is_shown_as_that() {
    let owner = Owner::new().await;
    let path = format!("/v1/catalogs/{}", owner.id);
    assert!(owner.bench.get(&path).await.json::<Catalog>().dev);
    owner.submit(2, &[PUBLISHER, NEXT_PUBLISHER], 1_000).await.json::<TrustStoreSection>();
    assert!(owner.bench.get(&path).await.json::<Catalog>().dev, "still on one machine");
    let next = Some((3, Digest(owner.id.0)));
    let signed = section(SectionKind::Owner, false, next, OWNER_ROLES, &[ROOT]);
    let taken = owner.bench.bring("PUT", &format!("{path}/trust-store/owner"), &signed).await;
    assert_eq!(taken.json::<TrustStoreSection>().version, 3);
    assert!(!owner.bench.get(&path).await.json::<Catalog>().dev);
}
