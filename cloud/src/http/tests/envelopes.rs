//! Which signatures are kept of an image that is uploaded again.

use craton_api::operator::{CatalogId, Image, ImageSet};
use craton_trust::set::{ImageSetBuilder, Purpose};
use craton_trust::suit::{self, ImageType};

use super::check_ins::Fleet;
use super::image_sets::overtaken;
use super::programs::{NEXT_PUBLISHER, program};
use crate::crypto::sha256;
use crate::testing::*;

/// A key that no section lists.
const STRANGER: u8 = 60;

async fn uploaded(bench: &Bench, id: CatalogId, package: &Package) -> Image {
    bench.put_blob(id, &package.payload).await;
    let path = format!("/v1/catalogs/{id}/images");
    bench.bring("POST", &path, &package.envelope).await.json()
}

/// The signatures of what the service keeps.
async fn kept(bench: &Bench, id: CatalogId, image: &Image) -> Vec<Vec<u8>> {
    let envelope = bench.get(&format!("/v1/catalogs/{id}/blobs/{}", image.envelope)).await.body;
    assert_eq!(envelope.len() as u64, image.envelope_size);
    signatures(&envelope)
}

fn signatures(envelope: &[u8]) -> Vec<Vec<u8>> {
    suit::unchecked_signatures(envelope).unwrap().1.map(<[u8]>::to_vec).collect()
}

/// The one signature of `package` by this key.
fn one(package: &Package, signer: u8) -> Vec<u8> {
    let made = program_like(package, &[signer]);
    signatures(&made.envelope).remove(0)
}

fn program_like(package: &Package, signers: &[u8]) -> Package {
    let (_, image) = suit::unchecked_parse(&crate::crypto::AwsLc, &package.envelope).unwrap();
    package_of(image.image_type, image.version, signers, &[], &[])
}

/// `package` with these signatures in place of its own.
fn with(package: &Package, signatures: &[Vec<u8>]) -> Package {
    let all: Vec<&[u8]> = signatures.iter().map(Vec::as_slice).collect();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::with_signatures(&package.envelope, &all, &mut room).unwrap().to_vec();
    Package { payload: package.payload.clone(), envelope, image: package.image }
}

/// Whoever may upload has a copy of the envelope from before the next publisher signed it.
#[tokio::test]
async fn img_6_an_image_uploaded_again_loses_none_of_its_signatures() {
    let fleet = Fleet::new().await;
    let (bench, id) = (&fleet.bench, fleet.catalog);
    let weak = program("1.0", &[PUBLISHER]);
    let before = uploaded(bench, id, &weak).await;
    let strong = uploaded(bench, id, &program("1.0", &[PUBLISHER, NEXT_PUBLISHER])).await;
    assert_ne!(strong.envelope, before.envelope);
    assert_eq!(uploaded(bench, id, &weak).await, strong, "by a key that no section lists yet");
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    assert_eq!(uploaded(bench, id, &weak).await, strong, "by one that the newest lists");
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    fleet.succeeds(3, &[NEXT_PUBLISHER]).await;
    let next = program("1.0", &[NEXT_PUBLISHER]);
    assert_eq!(uploaded(bench, id, &next).await, strong, "by one of which devices still are");
    // Halves become one whole, whoever brings them.
    let halves = [&[NEXT_PUBLISHER][..], &[NEXT_PUBLISHER, STRANGER]];
    let [half, other] = halves.map(|signers| program("2.0", signers));
    uploaded(bench, id, &half).await;
    let whole = uploaded(bench, id, &other).await;
    assert_eq!(whole.envelope, sha256(&other.envelope));
}

#[tokio::test]
async fn img_6_invented_signatures_keep_none_out_that_counts() {
    let fleet = Fleet::new().await;
    let (bench, id) = (&fleet.bench, fleet.catalog);
    let honest = program("1.0", &[PUBLISHER, NEXT_PUBLISHER]);
    let invented: Vec<u8> = (STRANGER..STRANGER + 7).collect();
    let full = program("1.0", &[&[PUBLISHER], &invented[..]].concat());
    let image = uploaded(bench, id, &full).await;
    assert_eq!(kept(bench, id, &image).await.len(), 8);
    let image = uploaded(bench, id, &honest).await;
    let signatures = kept(bench, id, &image).await;
    assert_eq!(signatures.len(), 8, "the others stay while there is room");
    assert!(signatures.contains(&one(&honest, NEXT_PUBLISHER)));
    fleet.publish(&program("runtime", &[PUBLISHER, NEXT_PUBLISHER])).await;
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    // Once a section lists its key, no upload takes it away.
    let image = uploaded(bench, id, &full).await;
    assert!(kept(bench, id, &image).await.contains(&one(&honest, NEXT_PUBLISHER)));
}

/// A signature that names a publisher's key and is not by it would spoil the whole envelope.
#[tokio::test]
async fn img_6_a_signature_that_spoils_is_dropped() {
    let fleet = Fleet::new().await;
    let (bench, id) = (&fleet.bench, fleet.catalog);
    let honest = program("runtime", &[PUBLISHER, NEXT_PUBLISHER]);
    let forged = one(&program("another", &[PUBLISHER]), NEXT_PUBLISHER);
    let spoiled = with(&honest, &[one(&honest, PUBLISHER), forged.clone()]);
    let image = uploaded(bench, id, &spoiled).await;
    assert!(kept(bench, id, &image).await.contains(&forged), "nobody can know");
    fleet.succeeds(2, &[PUBLISHER, NEXT_PUBLISHER]).await;
    let image = uploaded(bench, id, &program("runtime", &[PUBLISHER])).await;
    assert_eq!(kept(bench, id, &image).await, [one(&honest, PUBLISHER)], "now the section tells");
    let refused =
        bench.bring("POST", &format!("/v1/catalogs/{id}/images"), &spoiled.envelope).await;
    assert_eq!(refused.code(), 1104, "SignatureInvalid");
    let image = uploaded(bench, id, &honest).await;
    assert_eq!(image.envelope, sha256(&honest.envelope));
}

/// Its publisher has not seen who else signed.
#[tokio::test]
async fn a_set_may_name_the_envelope_that_its_publisher_has() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let sets = format!("/v1/catalogs/{id}/image-sets");
    uploaded(&bench, id, &package("1.0", &[PUBLISHER, STRANGER])).await;
    let own = package("1.0", &[PUBLISHER]);
    let object = set_of(id, Purpose::Development, &[&own], &[PUBLISHER]);
    assert_eq!(bench.bring("POST", &sets, &object).await.code(), 4159, "BlobUnknown");
    bench.put_blob(id, &own.envelope).await;
    assert_eq!(bench.bring("POST", &sets, &object).await.json::<ImageSet>().images, [own.image]);
    let names = async |envelope: &[u8], size: u64| {
        bench.put_blob(id, envelope).await;
        let mut member = member_of(&own);
        (member.envelope, member.envelope_size) = (sha256(envelope).into(), size);
        let mut set = ImageSetBuilder::new(id.into(), Purpose::Development, 1, "blink");
        set.push(member).unwrap();
        let object = seal(craton_trust::cose::Kind::ImageSet, &encoded(&set), &[PUBLISHER]);
        bench.bring("POST", &sets, &object).await.code()
    };
    let stranger = package("1.0", &[STRANGER]).envelope;
    assert_eq!(names(&stranger, stranger.len() as u64).await, 1103, "SignerUnknown");
    let other = package("2.0", &[PUBLISHER]);
    uploaded(&bench, id, &other).await;
    let size = other.envelope.len() as u64;
    assert_eq!(names(&other.envelope, size).await, 4163, "MemberMismatch: another image");
    assert_eq!(names(&own.envelope, 9).await, 4160, "BlobSizeMismatch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_another_upload_changes_meanwhile_is_image_overtaken() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    let [first, mine, other] = [&[PUBLISHER][..], &[PUBLISHER, 61], &[PUBLISHER, 62]]
        .map(|signers| package_of(ImageType::Application, "1.0", signers, &[], &[]));
    let mut image = uploaded(&bench, id, &first).await;
    bench.app.blobs.put(other.envelope.clone().into()).await.unwrap();
    (image.envelope, image.envelope_size) = (sha256(&other.envelope), other.envelope.len() as u64);
    let caller = crate::app::callers::authenticate(&bench.app, Some(&bench.token)).unwrap();
    let (permit, others) = (caller.permit(id).unwrap(), caller.permit(id).unwrap());
    let register = crate::app::images::register(&bench.app, permit, mine.envelope.clone().into());
    let overtakes =
        move |db: &crate::store::WriteTx<'_>| db.image_create(&others, &image, false).map(|_| ());
    assert_eq!(overtaken(&bench, register, overtakes).await, 4184, "ImageOvertaken");
    let again = uploaded(&bench, id, &mine).await;
    assert_eq!(kept(&bench, id, &again).await.len(), 3, "both stay");
}
