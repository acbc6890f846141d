//! From a packed app to an admitted set: sign, upload, and offer the smallest way to travel.

use crate::client::Client;
use anyhow::{Context as _, Result};
use craton_api::operator::{
    Blob, CatalogId, Deployment, DeploymentCreate, Image, ImageSet as SetShown, PauseRule, Purpose,
};
use craton_image::delta;
use craton_image::package::{Package, compress, sha256};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::set::{self, ImageSet, Member, Transport};
use craton_trust::signed;
use craton_trust::soft::Soft;

/// What publishing an update cost on the wire, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The whole payload, compressed.
    pub whole: u64,
    /// The delta from the payload before.
    pub delta: Option<u64>,
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
    let path = format!("/v1/catalogs/{catalog}/images");
    client.post_object(&path, package.envelope()).await
}

/// Uploads bytes under their digest.
///
/// # Errors
/// The service's refusals.
pub async fn put_blob(client: &mut Client, catalog: CatalogId, bytes: &[u8]) -> Result<Blob> {
    let path = format!("/v1/catalogs/{catalog}/blobs/{}", sha256(bytes));
    client.put_bytes(&path, bytes.to_vec()).await
}

/// Publishes a set of one app: uploads what a device fetches, and the set, signed.
///
/// # Errors
/// The service's refusals, and a signer's.
pub async fn publish_set(
    client: &mut Client,
    catalog: CatalogId,
    package: &Package,
    before: Option<&Package>,
    purpose: Purpose,
    publisher: &dyn Signer,
) -> Result<(SetShown, Sizes)> {
    upload_image(client, catalog, package).await?;
    put_blob(client, catalog, package.envelope()).await?;
    let whole = compress(package.payload())?;
    put_blob(client, catalog, &whole).await?;
    let delta = match before {
        None => None,
        Some(before) => {
            let delta = delta::make(before.payload(), package.payload())?;
            put_blob(client, catalog, &delta).await?;
            Some((delta, sha256(before.payload())))
        }
    };
    let signed = sign_set(catalog, package, &whole, delta.as_ref(), purpose, publisher)?;
    let path = format!("/v1/catalogs/{catalog}/image-sets");
    let shown = client.post_object(&path, &signed).await?;
    let sizes =
        Sizes { whole: whole.len() as u64, delta: delta.map(|(delta, _)| delta.len() as u64) };
    Ok((shown, sizes))
}

fn sign_set(
    catalog: CatalogId,
    package: &Package,
    whole: &[u8],
    delta: Option<&(Vec<u8>, craton_trust::Digest)>,
    purpose: Purpose,
    publisher: &dyn Signer,
) -> Result<Vec<u8>> {
    let (id, image) = package.image()?;
    let envelope = package.envelope();
    let mut member = Member::of(id, &image, sha256(envelope), envelope.len() as u64);
    let way =
        |bytes: &[u8], base| Transport { digest: sha256(bytes), size: bytes.len() as u64, base };
    member.push(way(whole, None))?;
    if let Some((delta, base)) = delta {
        member.push(way(delta, Some(*base)))?;
    }
    let purpose = match purpose {
        Purpose::Development => set::Purpose::Development,
        Purpose::Production => set::Purpose::Production,
    };
    let name = format!("{} {}", image.name, image.version);
    let catalog = craton_trust::CatalogId(catalog.0);
    let mut set = ImageSet::new(catalog, purpose, image.sequence, &name);
    set.push(member)?;
    let (mut payload, mut object) = (vec![0u8; 8192], vec![0u8; 8192]);
    let payload = set.encode(&mut payload).context("the set is too large")?;
    Ok(signed::seal(&Soft, Kind::ImageSet, payload, &[publisher], &mut object)?.to_vec())
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
    client.post(&format!("/v1/catalogs/{catalog}/deployments"), &body).await
}
