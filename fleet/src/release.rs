//! A release: what is published, and how it behaves on devices.

use crate::maker::{CLASS, Maker, sealed};
use crate::operator::Operator;
use crate::seed::Seed;
use anyhow::Result;
use craton_api::operator::{
    Blob, CatalogId, Image as ImageShown, ImageSet as SetShown, ImageSetSigned,
};
use craton_image::delta;
use craton_image::pack::{Facts, Packed};
use craton_image::package::{Package, compress, sha256};
use craton_trust::cose::Kind;
use craton_trust::set::{ImageSetBuilder, Member, Purpose, Transport};
use craton_trust::suit::{Abi, Abis, Image, ImageType};
use craton_trust::{ComponentId, Digest, ImageId, SetId};
use hyper::Method;
use std::os::unix::fs::PermissionsExt as _;

/// How many of a hundred trials end how; the rest confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Of a hundred, those where the app crashes.
    pub crash_percent: u64,
    /// Of a hundred, those where it never comes up.
    pub hang_percent: u64,
}

/// A published, admitted set with one app.
#[derive(Clone)]
pub struct Release {
    /// The set.
    pub set: SetId,
    /// Its app.
    pub component: ComponentId,
    /// Its app's image.
    pub image: ImageId,
    /// The package, for the next release's delta.
    pub package: Package,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Bytes of the whole transport object, and of the delta.
    pub sizes: (u64, Option<u64>),
}

/// What is published, and from what it differs.
pub struct Edition<'e> {
    /// Such as `2`.
    pub version: u64,
    /// What anti-rollback compares.
    pub security_version: u64,
    /// The release before.
    pub before: Option<&'e Release>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

const MANIFEST: &str = r#"{
  "SchemaVersion": 1,
  "Name": "meter",
  "ComponentId": "6f0d1c6a-37a4-4f9e-9d5c-0e4b7a3c2d11",
  "EntryPoint": "/bin/app",
  "CmdArgs": [],
  "ApplicationType": "Default",
  "Capabilities": {}
}"#;

/// Bytes of the app's program.
const PROGRAM_SIZE: usize = 48 * 1024;

/// A program of this version: one body, with a part that differs from version to version.
fn program(seed: Seed, version: u64) -> Vec<u8> {
    let mut body = vec![0; PROGRAM_SIZE];
    seed.stream("program", 0).fill(&mut body);
    seed.stream("program-part", version).fill(&mut body[8192..12_288]);
    body
}

fn packed(seed: Seed, version: u64) -> Result<Packed> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("app_manifest.json"), MANIFEST)?;
    std::fs::create_dir(folder.path().join("bin"))?;
    let path = folder.path().join("bin/app");
    std::fs::write(&path, program(seed, version))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(Packed::of(folder.path())?)
}

/// Packs, signs, uploads, has approved and admitted.
///
/// # Errors
/// The service's refusals.
pub async fn publish(
    operator: &Operator,
    catalog: CatalogId,
    maker: &Maker,
    seed: Seed,
    edition: Edition<'_>,
) -> Result<Release> {
    let Edition { version, security_version, before, behaviour } = edition;
    let packed = packed(seed, version)?;
    let facts = Facts {
        version: format!("{version}.0.0"),
        security_version,
        sequence: version,
        vendor: *b"craton/simulator",
        class: CLASS,
        sbom: Digest([0; 32]),
        support_until: 2_000_000_000,
    };
    let image = packed.image(&facts)?;
    let package = Package::sign(packed.payload.clone(), &image, &[&maker.publisher])?;
    upload(operator, catalog, &package).await?;
    put(operator, catalog, package.envelope()).await?;
    let (id, image) = package.image()?;
    let envelope = package.envelope();
    let mut member = Member::of(id, &image, sha256(envelope), envelope.len() as u64);
    let whole = compress(package.payload())?;
    member.push(travel(&whole, None))?;
    put(operator, catalog, &whole).await?;
    let mut sizes = (whole.len() as u64, None);
    if let Some(before) = before {
        let delta = delta::make(before.package.payload(), package.payload())?;
        member.push(travel(&delta, Some(sha256(before.package.payload()))))?;
        put(operator, catalog, &delta).await?;
        sizes.1 = Some(delta.len() as u64);
    }
    let name = format!("meter {version}");
    let signed_for = craton_trust::CatalogId(catalog.0);
    let mut set = ImageSetBuilder::new(signed_for, Purpose::Production, version, &name);
    set.push(member)?;
    let mut payload = vec![0u8; 8192];
    let object = sealed(Kind::ImageSet, set.encode(&mut payload)?, &maker.publisher)?;
    let set = admit(operator, catalog, maker, &object).await?;
    let (component, image) = (image.component, id);
    Ok(Release { set, component, image, package, behaviour, sizes })
}

fn travel(object: &[u8], base: Option<Digest>) -> Transport {
    Transport { digest: sha256(object), size: object.len() as u64, base }
}

async fn put(operator: &Operator, catalog: CatalogId, bytes: &[u8]) -> Result<()> {
    let path = format!("/v1/catalogs/{catalog}/blobs/{}", sha256(bytes));
    let _: Blob = operator.put(&path, bytes.to_vec()).await?;
    Ok(())
}

async fn upload(operator: &Operator, catalog: CatalogId, package: &Package) -> Result<()> {
    put(operator, catalog, package.payload()).await?;
    let path = format!("/v1/catalogs/{catalog}/images");
    let _: ImageShown = operator.bring(Method::POST, &path, package.envelope()).await?;
    Ok(())
}

/// Uploads a production set, signs the second approval, and has it admitted.
async fn admit(
    operator: &Operator,
    catalog: CatalogId,
    maker: &Maker,
    object: &[u8],
) -> Result<SetId> {
    let sets = format!("/v1/catalogs/{catalog}/image-sets");
    let shown: SetShown = operator.bring(Method::POST, &sets, object).await?;
    let path = format!("{sets}/{}", shown.id);
    let signed: ImageSetSigned = operator.get(&format!("{path}/signed")).await?;
    let approval = maker.approve(&signed.signed.0)?;
    let approval_path = format!("{path}/approval");
    let _: SetShown = operator.bring(Method::PUT, &approval_path, &approval).await?;
    let admitted: SetShown = operator.put(&format!("{path}/admission"), Vec::new()).await?;
    Ok(SetId(admitted.id.0))
}

/// The runtime that every device measures, published so that its digest is a reference value.
///
/// # Errors
/// The service's refusals.
pub async fn publish_runtime(
    operator: &Operator,
    catalog: CatalogId,
    maker: &Maker,
) -> Result<Digest> {
    let program = b"the runtime of simulated devices".to_vec();
    let digest = sha256(&program);
    let image = Image {
        component: craton_device::auth::RUNTIME,
        image_type: ImageType::Runtime,
        vendor: *b"craton/simulator",
        class: CLASS,
        sequence: 1,
        security_version: 1,
        name: "craton-fleet",
        version: env!("CARGO_PKG_VERSION"),
        payload: Digest([0; 32]),
        payload_size: 0,
        verity: None,
        provides: Abis::new(&[Abi { id: 1, version: 1 }])?,
        depends: Abis::new(&[])?,
        sbom: Digest([0; 32]),
        support_until: 2_000_000_000,
    };
    let package = Package::sign(program, &image, &[&maker.platform_publisher])?;
    upload(operator, catalog, &package).await?;
    Ok(digest)
}
