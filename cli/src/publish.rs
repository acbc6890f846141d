//! From packed images to an admitted set: sign, upload, and offer the smallest way to travel.

use crate::client::{Call, Client, Refused};
use crate::operation::Operation;
use crate::platform::Publisher;
use anyhow::{Context as _, Result};
use craton_api::operator::{
    Blob, CatalogId, Deployment, DeploymentCreate, Image, ImageId, ImageSet as SetShown, PauseRule,
    Purpose,
};
use craton_image::delta;
use craton_image::package::{Package, compress, sha256};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::set::{self, ImageSetBuilder, Member, Transport};
use craton_trust::soft::Soft;
use craton_trust::suit::{Abi, Abis, ImageType, TEXT_MAX};
use craton_trust::{Digest, signed};

/// What publishing an update cost on the wire, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// The whole payloads, compressed.
    pub whole: u64,
    /// The deltas from the payloads before.
    pub delta: Option<u64>,
}

/// One image of a set, and the one that devices have now.
#[derive(Clone, Copy, Debug)]
pub struct Part<'p> {
    /// The package.
    pub package: &'p Package,
    /// What a delta is made from.
    pub before: Option<&'p Package>,
}

/// Uploads a package: its payload as it is, and its envelope. The service makes a reference value
/// of it.
///
/// # Errors
/// The service's refusals.
pub async fn upload_image(
    client: &mut Client,
    catalog: CatalogId,
    package: &Package,
) -> Result<Image> {
    put_blob(client, catalog, package.payload()).await?;
    let call = Call::of(Operation::ImageRegister).object(package.envelope());
    client.call(call, Some(catalog)).await
}

/// Uploads bytes under their digest.
///
/// # Errors
/// The service's refusals.
pub async fn put_blob(client: &mut Client, catalog: CatalogId, bytes: &[u8]) -> Result<Blob> {
    let call = Call::of(Operation::BlobPut).at(sha256(bytes)).octets(bytes);
    client.call(call, Some(catalog)).await
}

/// This very program as the image that runs virtual devices, signed by ES256: its measurement is a
/// reference value once it is uploaded.
///
/// # Errors
/// When the program cannot read itself, or a signer's.
pub fn runtime_package(publisher: &Publisher) -> Result<Package> {
    let program = std::fs::read(std::env::current_exe()?)?;
    let image = craton_trust::suit::Image {
        component: craton_device::auth::RUNTIME,
        image_type: ImageType::Runtime,
        vendor: *b"craton/runtime-1",
        class: crate::virtual_device::VIRTUAL_CLASS,
        sequence: 1,
        security_version: 1,
        name: "craton",
        version: env!("CARGO_PKG_VERSION"),
        payload: Digest([0; 32]),
        payload_size: 0,
        verity: None,
        provides: Abis::new(&[Abi { id: 1, version: 1 }])?,
        depends: Abis::new(&[])?,
        sbom: Digest([0; 32]),
        support_until: 1_924_992_000,
    };
    Ok(Package::sign(program, &image, &[publisher.es256()])?)
}

/// Uploads this program as the runtime, unless the catalog has it, signed by all of the publisher's
/// keys. One that others signed keeps their signatures: devices may be under an older section,
/// which lists their keys alone.
///
/// # Errors
/// The service's refusals.
pub async fn publish_runtime(
    client: &mut Client,
    catalog: CatalogId,
    publisher: &Publisher,
) -> Result<Image> {
    let package = runtime_package(publisher)?;
    let id = ImageId::from(package.image()?.0);
    let known = Call::of(Operation::ImageShow).at(id);
    match client.call::<Image>(known, Some(catalog)).await {
        Ok(image) => {
            let envelope = Call::of(Operation::BlobFetch).at(image.envelope);
            let envelope = client.call_bytes(envelope, Some(catalog)).await?;
            let known = Package::of(package.payload().to_vec(), envelope)?;
            if known.image()?.0 != package.image()?.0 {
                // Signed by whoever asks for it, it would be whatever the service made of it.
                return Err(craton_trust::Error::ManifestDigest.into());
            }
            // No leaf signs what is signed already, or for a service that fails.
            match publisher.add_missing(known)? {
                Some(signed) => upload_image(client, catalog, &signed).await,
                None => Ok(image),
            }
        }
        Err(error) if error.downcast_ref::<Refused>().is_some_and(is_unknown) => {
            upload_image(client, catalog, &publisher.countersign(package)?).await
        }
        Err(error) => Err(error),
    }
}

/// Whether the catalog has no such image.
fn is_unknown(refusal: &Refused) -> bool {
    refusal.0.code == 4161
}

/// Publishes a set: uploads what a device fetches, and the set, signed.
///
/// # Errors
/// The service's refusals, and a signer's.
pub async fn publish_set(
    client: &mut Client,
    catalog: CatalogId,
    parts: &[Part<'_>],
    purpose: Purpose,
    publisher: &dyn Signer,
) -> Result<(SetShown, Sizes)> {
    let (mut members, mut sizes) = (Vec::new(), Sizes::default());
    for part in parts {
        let transports = upload_part(client, catalog, part, &mut sizes).await?;
        members.push((part.package, transports));
    }
    let signed = sign_set(catalog, &members, purpose, publisher)?;
    let call = Call::of(Operation::SetUpload).object(&signed);
    Ok((client.call(call, Some(catalog)).await?, sizes))
}

async fn upload_part(
    client: &mut Client,
    catalog: CatalogId,
    part: &Part<'_>,
    sizes: &mut Sizes,
) -> Result<Vec<Transport>> {
    let Part { package, before } = part;
    upload_image(client, catalog, package).await?;
    put_blob(client, catalog, package.envelope()).await?;
    let way =
        |bytes: &[u8], base| Transport { digest: sha256(bytes), size: bytes.len() as u64, base };
    let whole = compress(package.payload())?;
    put_blob(client, catalog, &whole).await?;
    sizes.whole += whole.len() as u64;
    let mut transports = vec![way(&whole, None)];
    if let Some(before) = before {
        let delta = delta::make(before.payload(), package.payload())?;
        put_blob(client, catalog, &delta).await?;
        *sizes.delta.get_or_insert(0) += delta.len() as u64;
        transports.push(way(&delta, Some(sha256(before.payload()))));
    }
    Ok(transports)
}

fn sign_set(
    catalog: CatalogId,
    members: &[(&Package, Vec<Transport>)],
    purpose: Purpose,
    publisher: &dyn Signer,
) -> Result<Vec<u8>> {
    let purpose = match purpose {
        Purpose::Development => set::Purpose::Development,
        Purpose::Production => set::Purpose::Production,
    };
    let images: Result<Vec<_>, _> = members.iter().map(|(package, _)| package.image()).collect();
    let images = images?;
    let name = name_of(images.iter().map(|(_, image)| (image.name, image.version)));
    let sequence = images.iter().map(|(_, image)| image.sequence).max().unwrap_or(0);
    let mut set =
        ImageSetBuilder::new(craton_trust::CatalogId(catalog.0), purpose, sequence, &name);
    for ((package, transports), (id, image)) in members.iter().zip(&images) {
        let envelope = package.envelope();
        let mut member = Member::of(*id, image, sha256(envelope), envelope.len() as u64);
        transports.iter().try_for_each(|transport| member.push(*transport))?;
        set.push(member)?;
    }
    let (mut payload, mut object) = (vec![0u8; 16_384], vec![0u8; 16_384]);
    let payload = set.encode(&mut payload).context("the set is too large")?;
    Ok(signed::seal(&Soft, Kind::ImageSet, payload, &[publisher], &mut object)?.to_vec())
}

/// `blink 1.0.0, sensor 2.1.0`, as far as it fits.
fn name_of<'i>(images: impl Iterator<Item = (&'i str, &'i str)>) -> String {
    let mut name = String::new();
    for (image, version) in images {
        let more = format!("{}{image} {version}", if name.is_empty() { "" } else { ", " });
        if name.len() + more.len() > TEXT_MAX {
            break;
        }
        name.push_str(&more);
    }
    name
}

/// Deploys an admitted set to a group.
///
/// # Errors
/// The service's refusals.
pub async fn deploy(
    client: &mut Client,
    catalog: CatalogId,
    group: &str,
    set: &SetShown,
    pause_rule: PauseRule,
) -> Result<Deployment> {
    let body = DeploymentCreate {
        group: group.to_owned(),
        image_set: set.id,
        waves: Vec::new(),
        pause_rule,
    };
    let call = Call::of(Operation::DeploymentStart).json(&body)?;
    client.call(call, Some(catalog)).await
}
