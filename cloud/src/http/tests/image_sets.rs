use craton_api::operator::{ImageSet, ImageSetList, ImageSetSigned, ImageSetState, Role as Rank};
use craton_trust::cose::Kind;
use craton_trust::set::{self, Purpose, Transport};
use craton_trust::store::SectionKind;
use craton_trust::suit::{Abi, ImageType};

use crate::crypto::{AwsLc, sha256};
use crate::testing::*;

#[tokio::test]
async fn a_development_set_is_admitted_at_once_and_a_device_of_its_catalog_believes_it() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let set = bench.set(id, "1.0", Purpose::Development).await;
    let path = format!("/v1/catalogs/{id}/image-sets/{set}");
    let shown: ImageSet = bench.get(&path).await.json();
    assert_eq!((shown.state, shown.name.as_str()), (ImageSetState::Admitted, "blink"));
    assert_eq!(shown.log_index, Some(2), "after the two sections");
    let signed: ImageSetSigned = bench.get(&format!("{path}/signed")).await.json();
    let owner = owner_section(true);
    let section = crate::catalog::section_of(&owner).unwrap();
    let object = craton_trust::Signed::parse(&signed.signed.0).unwrap();
    let believed = set::ImageSet::verify(&AwsLc, &section.section(), id.into(), true, &object);
    assert_eq!(believed.unwrap().digest().0, set.0);
}

#[tokio::test]
async fn a_production_set_is_admitted_only_after_an_independent_approval() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    let set = bench.set(id, "1.0", Purpose::Production).await;
    let path = format!("/v1/catalogs/{id}/image-sets/{set}");
    let admit =
        async || bench.ask_as(&bench.token, "PUT", &format!("{path}/admission"), None).await;
    let refused = admit().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, 4165), "SetNotApproved");
    let signed: ImageSetSigned = bench.get(&format!("{path}/signed")).await.json();
    let approve =
        async |approval: &[u8]| bench.bring("PUT", &format!("{path}/approval"), approval).await;
    let by = |signers: &[u8]| approval_of(&signed.signed.0, signers);
    assert_eq!(approve(&by(&[PUBLISHER])).await.code(), 1103, "SignerUnknown: the publisher");
    let replayed = approve(&signed.signed.0).await;
    assert_eq!(replayed.code(), 1103, "the publisher's own object as an approval");
    let as_set = craton_trust::Signed::parse(&signed.signed.0).unwrap();
    let as_set = seal(Kind::ImageSet, as_set.unchecked_payload(), &[APPROVER]);
    assert_eq!(approve(&as_set).await.code(), 1104, "SignatureInvalid: another kind");
    let other = seal(Kind::Approval, b"other bytes", &[APPROVER]);
    assert_eq!(approve(&other).await.code(), 4166, "ApprovalMismatch");
    assert_eq!(admit().await.code(), 4165, "still not approved");
    let approved: ImageSet = approve(&by(&[APPROVER])).await.json();
    assert_eq!((approved.state, approved.log_index), (ImageSetState::Approved, None));
    let admitted: ImageSet = admit().await.json();
    assert_eq!((admitted.state, admitted.log_index), (ImageSetState::Admitted, Some(2)));
    assert_eq!(admit().await.json::<ImageSet>(), admitted, "again changes nothing");
    let list: ImageSetList = bench.get(&format!("/v1/catalogs/{id}/image-sets")).await.json();
    assert_eq!(list.items, [admitted]);
}

#[tokio::test]
async fn a_catalog_whose_publisher_is_its_approver_is_refused() {
    let bench = Bench::new().await;
    let mut roles = OWNER_ROLES.to_vec();
    roles[2].1 = &[PUBLISHER, APPROVER];
    let owner = section(SectionKind::Owner, false, None, &roles, &[ROOT]);
    let asked = serde_json::json!({
        "name": "one-key",
        "owner_section": craton_api::operator::Base64(owner),
        "platform_section": craton_api::operator::Base64(platform_section(false)),
    });
    assert_eq!(bench.post("/v1/catalogs", &asked).await.code(), 1206, "KeyRepeated");
}

#[tokio::test]
async fn a_publisher_uploads_and_never_admits() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    let set = bench.set(id, "1.0", Purpose::Production).await;
    let publisher = bench.token_of(id, Rank::Publisher).await;
    let path = format!("/v1/catalogs/{id}/image-sets/{set}/admission");
    let refused = bench.ask_as(&publisher, "PUT", &path, None).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, 4123));
}

#[tokio::test]
async fn sets_of_strangers_other_catalogs_or_unknown_images_are_refused() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let sets = format!("/v1/catalogs/{id}/image-sets");
    let one = package("1.0", &[PUBLISHER]);
    let object = set_of(id, Purpose::Development, &[&one], &[PUBLISHER]);
    let refused = bench.bring("POST", &sets, &object).await;
    assert_eq!(refused.code(), 4162, "MemberUnknown");
    let stranger = set_of(id, Purpose::Development, &[&one], &[APPROVER]);
    assert_eq!(bench.bring("POST", &sets, &stranger).await.code(), 1103, "SignerUnknown");
    let other = craton_api::operator::CatalogId([0; 32]);
    let other = set_of(other, Purpose::Development, &[&one], &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &sets, &other).await.code(), 1501, "OtherCatalog");
    bench.put_blob(id, &one.payload).await;
    bench
        .bring("POST", &format!("/v1/catalogs/{id}/images"), &one.envelope)
        .await
        .json::<craton_api::operator::Image>();
    let mut set = set::ImageSetBuilder::new(id.into(), Purpose::Development, 1, "blink");
    let mut member = member_of(&one);
    member.security_version = 9;
    set.push(member).unwrap();
    let wrong = seal(Kind::ImageSet, &encoded(&set), &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &sets, &wrong).await.code(), 4163, "MemberMismatch");
    let mut set = set::ImageSetBuilder::new(id.into(), Purpose::Development, 1, "blink");
    let mut member = member_of(&one);
    let digest = sha256(b"a transport object").into();
    member.push(Transport { digest, size: 18, base: None }).unwrap();
    set.push(member).unwrap();
    let carried = seal(Kind::ImageSet, &encoded(&set), &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &sets, &carried).await.code(), 4159, "BlobUnknown");
    bench.put_blob(id, b"a transport object").await;
    assert_eq!(bench.bring("POST", &sets, &carried).await.status, 201);
    assert_eq!(bench.bring("POST", &sets, &carried).await.status, 200, "known");
    let unknown = bench.get(&format!("{sets}/{}", "0".repeat(64))).await;
    assert_eq!(unknown.code(), 4164, "SetUnknown");
}

#[tokio::test]
async fn a_set_whose_abi_nothing_provides_is_refused_until_a_runtime_does() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let (sets, images) =
        (format!("/v1/catalogs/{id}/image-sets"), format!("/v1/catalogs/{id}/images"));
    let abi = [Abi { id: 1, version: 2 }];
    let app = package_of(ImageType::Application, "1.0", &[PUBLISHER], &[], &abi);
    bench.put_blob(id, &app.payload).await;
    assert_eq!(bench.bring("POST", &images, &app.envelope).await.status, 201);
    let object = set_of(id, Purpose::Development, &[&app], &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &sets, &object).await.code(), 1403, "AbiUnmet");
    let runtime = package_of(ImageType::Runtime, "2.0", &[PUBLISHER], &abi, &[]);
    bench.put_blob(id, &runtime.payload).await;
    assert_eq!(bench.bring("POST", &images, &runtime.envelope).await.status, 201);
    assert_eq!(bench.bring("POST", &sets, &object).await.status, 201);
}

/// Lets `use_it` read its snapshot, then accepts an owner section that revokes the publisher, and
/// then lets it write.
async fn overtaken_by_a_revocation<T>(
    bench: &Bench,
    id: craton_api::operator::CatalogId,
    use_it: impl Future<Output = Result<T, crate::app::AppError>>,
) -> u16 {
    use craton_trust::store::Role;
    let mut roles = OWNER_ROLES.to_vec();
    roles[1] = (Role::Publisher, &[WITNESS]);
    let next = Some((2, craton_api::operator::Digest(id.0)));
    let successor = section(SectionKind::Owner, true, next, &roles, &[ROOT]);
    let permit = crate::app::callers::authenticate(&bench.app, Some(&bench.token)).unwrap();
    let permit: crate::tenancy::Permit<crate::tenancy::ManageTrustStore> =
        permit.permit(id).unwrap();
    let accepted = craton_api::operator::TrustStoreSection {
        section: craton_api::operator::Section::Owner,
        version: 2,
        digest: craton_api::operator::Digest([9; 32]),
        accepted_s: NOW_S,
    };
    let revoke = move |db: &crate::store::WriteTx<'_>| {
        db.trust_store_succeed(&permit, &accepted, &successor)
    };
    overtaken(bench, use_it, revoke).await
}

/// Lets `use_it` read its snapshot, then another one write, and then lets it write.
pub(super) async fn overtaken<T>(
    bench: &Bench,
    use_it: impl Future<Output = Result<T, crate::app::AppError>>,
    other: impl FnOnce(&crate::store::WriteTx<'_>) -> Result<(), crate::store::StoreError>
    + Send
    + 'static,
) -> u16 {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = tokio::sync::oneshot::channel::<()>();
    let app = bench.app.clone();
    let overtaking = tokio::spawn(async move {
        let work = move |db: &crate::store::WriteTx<'_>| {
            began.send(()).unwrap();
            wait.recv().unwrap();
            other(db)
        };
        app.store.write(work).await.unwrap();
    });
    has_begun.await.unwrap();
    let mut use_it = std::pin::pin!(use_it);
    // The first poll reads the snapshot; what it writes stands behind the other one.
    let first = std::future::poll_fn(|context| {
        std::task::Poll::Ready(use_it.as_mut().poll(context).is_pending())
    });
    assert!(first.await);
    go.send(()).unwrap();
    let refused = use_it.await.err().expect("a refusal");
    overtaking.await.unwrap();
    refused.code()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_revoked_between_snapshot_and_write_is_signer_unknown() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let package = package("1.0", &[PUBLISHER]);
    bench.put_blob(id, &package.payload).await;
    let images = format!("/v1/catalogs/{id}/images");
    assert!(bench.bring("POST", &images, &package.envelope).await.status.is_success());
    let object = set_of(id, Purpose::Development, &[&package], &[PUBLISHER]);
    let caller = crate::app::callers::authenticate(&bench.app, Some(&bench.token)).unwrap();
    let permit = caller.permit(id).unwrap();
    let upload = crate::app::image_sets::upload(&bench.app, permit, object);
    assert_eq!(overtaken_by_a_revocation(&bench, id, upload).await, 1103, "SignerUnknown");
    let list: ImageSetList = bench.get(&format!("/v1/catalogs/{id}/image-sets")).await.json();
    assert!(list.items.is_empty(), "nothing is countersigned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_whose_publisher_is_revoked_meanwhile_is_no_reference_value() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let package = package("1.0", &[PUBLISHER]);
    bench.put_blob(id, &package.payload).await;
    let caller = crate::app::callers::authenticate(&bench.app, Some(&bench.token)).unwrap();
    let permit = caller.permit(id).unwrap();
    let register = crate::app::images::register(&bench.app, permit, package.envelope.into());
    assert_eq!(overtaken_by_a_revocation(&bench, id, register).await, 1103, "SignerUnknown");
    let list: craton_api::operator::ImageList =
        bench.get(&format!("/v1/catalogs/{id}/images")).await.json();
    assert!(list.items.is_empty());
}
