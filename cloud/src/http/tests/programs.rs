//! Which programs of the platform are reference values, while its publisher changes.

use craton_api::operator::TrustStoreSection;
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, SectionKind};
use craton_trust::suit::ImageType;

use super::check_ins::{Fleet, Says};
use crate::testing::*;

pub(super) const NEXT_PUBLISHER: u8 = 8;

impl Fleet {
    /// Brings version `version` of the platform section, with these publishers.
    pub(super) async fn succeed(&self, version: u64, publishers: &[u8]) -> Answer {
        let roles: Vec<(Role, &[u8])> = PLATFORM_ROLES
            .iter()
            .map(|(role, keys)| (*role, if *role == Role::Publisher { publishers } else { keys }))
            .collect();
        let next = Some((version, self.platform().into()));
        let signed = section(SectionKind::Platform, true, next, &roles, &[ROOT]);
        let path = format!("/v1/catalogs/{}/trust-store/platform", self.catalog);
        self.bench.bring("PUT", &path, &signed).await
    }

    pub(super) async fn succeeds(&self, version: u64, publishers: &[u8]) {
        let taken: TrustStoreSection = self.succeed(version, publishers).await.json();
        assert_eq!(taken.version, version);
    }
}

pub(super) fn program(version: &str, signers: &[u8]) -> Package {
    package_of(ImageType::Runtime, version, signers, &[], &[])
}

fn digest(package: &Package) -> Digest {
    Soft.sha256(&[&package.payload])
}

/// What a root of trust would not start under the section that the evidence names is no reference
/// value, whoever signed it once.
#[tokio::test]
async fn att_2_a_runtime_counts_as_the_section_of_the_device_or_the_newest_has_its_publisher() {
    let fleet = Fleet::new().await;
    fleet.device(20).await;
    let old = program("old", &[PUBLISHER]);
    fleet.publish(&old).await;
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    let new = program("new", &[NEXT_PUBLISHER]);
    fleet.publish(&new).await;
    fleet.succeeds(3, &[NEXT_PUBLISHER]).await;
    let mut boot = 1;
    let mut says = async |package: &Package, successors| {
        boot += 1;
        let runtime = Some(digest(package));
        fleet.answers(20, boot, Says { runtime, successors, ..Says::default() }).await
    };
    for before in [0, 1] {
        assert_eq!(says(&old, before).await.status, 200, "its publisher is that section's");
        assert_eq!(says(&new, before).await.status, 200, "its publisher is the newest one");
    }
    assert_eq!(
        says(&old, 2).await.code(),
        4103,
        "MeasurementUnknown: no section has its publisher"
    );
    assert_eq!(says(&new, 2).await.status, 200);
    // The same program, signed by the new publisher, too: the very next check-in is answered.
    fleet.publish(&program("old", &[PUBLISHER, NEXT_PUBLISHER])).await;
    assert_eq!(says(&old, 2).await.status, 200);
}

/// Whoever has an old publisher's key, and a device that took his successor, would show what that
/// key signed under the section that still names it.
#[tokio::test]
async fn att_10_a_device_that_took_a_successor_is_not_believed_under_the_section_before() {
    let fleet = Fleet::new().await;
    let (device, _) = (fleet.device(20).await, fleet.device(21).await);
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    fleet.succeeds(2, &[NEXT_PUBLISHER]).await;
    let says = async |seed, boot, successors| {
        fleet.answers(seed, boot, Says { successors, ..Says::default() }).await
    };
    assert_eq!(says(20, 2, 0).await.status, 200, "it did not take it yet");
    assert_eq!(says(20, 3, 1).await.status, 200);
    let refused = says(20, 4, 0).await;
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.code(), 4128, "SectionBelowShown");
    assert!(text.contains("shows version 1 of the platform section"), "{text}");
    assert_eq!(says(20, 5, 1).await.status, 200, "what was refused changed nothing");
    assert_eq!(says(21, 2, 0).await.status, 200, "another device shows what it has");
    // Whoever puts a device back on purpose retires it and claims it anew.
    let path = format!("/v1/catalogs/{}/devices/{device}", fleet.catalog);
    assert_eq!(fleet.bench.ask_as(&fleet.bench.token, "DELETE", &path, None).await.status, 204);
    fleet.device(20).await;
}

/// Devices take a successor before they check in: had none of them a reference value left, none
/// would be told of another program.
#[tokio::test]
async fn store_4_a_successor_that_leaves_no_runtime_its_signers_is_program_orphaned() {
    let fleet = Fleet::new().await;
    let refused = fleet.succeed(2, &[NEXT_PUBLISHER]).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, 4183), "ProgramOrphaned");
    let path = format!("/v1/catalogs/{}/trust-store/platform/2", fleet.catalog);
    assert_eq!(fleet.bench.get(&path).await.code(), 4172, "nothing was kept");
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    assert_eq!(fleet.succeed(3, &[NEXT_PUBLISHER]).await.code(), 4183, "by the old key alone");
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    // Older ones may go: what devices run is the operator's to know.
    fleet.publish(&program("older", &[PUBLISHER])).await;
    fleet.succeeds(3, &[NEXT_PUBLISHER]).await;
    fleet.succeeds(4, &[NEXT_PUBLISHER]).await;
}

/// Whoever stole the publisher's key could keep it from being revoked.
#[tokio::test]
async fn store_4_a_component_that_no_device_shows_holds_no_successor_back() {
    let fleet = Fleet::new().await;
    let device = fleet.device(20).await;
    let invented = package_of(ImageType::Recovery, "invented", &[PUBLISHER], &[], &[]);
    fleet.publish(&invented).await;
    assert_eq!(fleet.succeed(2, &[NEXT_PUBLISHER]).await.code(), 4183, "what the device runs");
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    fleet.succeeds(2, &[NEXT_PUBLISHER]).await;
    // A component that a device showed does, until the device is retired.
    let says = Says { successors: 1, ..Says::default() };
    assert_eq!(fleet.answers(20, 2, says).await.status, 200);
    fleet.succeeds(3, &[NEXT_PUBLISHER, PUBLISHER]).await;
    let other = package_of(ImageType::Recovery, "other", &[PUBLISHER], &[], &[]);
    fleet.publish(&other).await;
    assert_eq!(fleet.succeed(4, &[PUBLISHER]).await.status, 200, "both components stay");
    assert_eq!(fleet.succeed(5, &[NEXT_PUBLISHER]).await.status, 200, "that of the device stays");
    assert_eq!(fleet.succeed(6, &[WITNESS]).await.code(), 4183);
    let path = format!("/v1/catalogs/{}/devices/{device}", fleet.catalog);
    assert_eq!(fleet.bench.ask_as(&fleet.bench.token, "DELETE", &path, None).await.status, 204);
    fleet
        .publish(&package_of(ImageType::Recovery, "other", &[NEXT_PUBLISHER, WITNESS], &[], &[]))
        .await;
    fleet.succeeds(6, &[WITNESS]).await;
}

#[tokio::test]
async fn an_envelope_that_is_lost_holds_no_successor_back_and_hides_no_other() {
    let fleet = Fleet::new().await;
    fleet.device(20).await;
    let abi = [craton_trust::suit::Abi { id: 1, version: 1 }];
    let of = |signer, abis: &[_]| package_of(ImageType::Runtime, "lost", &[signer], abis, &[]);
    // Two images of one program; the one that is found first loses its envelope.
    let mut images = [of(PUBLISHER, &[]), of(PUBLISHER, &abi)];
    images.sort_by_key(|package| package.image);
    for package in &images {
        fleet.publish(package).await;
    }
    let name = crate::crypto::sha256(&images[0].envelope).to_string();
    let blobs = fleet.bench.folder.path().join("blobs");
    std::fs::remove_file(blobs.join(&name[..2]).join(&name)).unwrap();
    let says = Says { runtime: Some(digest(&images[0])), ..Says::default() };
    assert_eq!(fleet.answers(20, 2, says).await.status, 200, "by the other image");
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    // Uploaded again, it is there again.
    fleet.publish(&images[0]).await;
    assert!(blobs.join(&name[..2]).join(&name).exists());
}
