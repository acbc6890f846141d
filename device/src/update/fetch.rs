//! Fetching a set: envelopes first, and not a byte of a payload before they are verified.

use super::UpdateError;
use super::payload::{Base, payload};
use super::stage::{Staged, Staging};
use crate::believed::Believed;
use crate::installed::{self, SET_MAX};
use crate::link::Link;
use craton_api::device::{BLOBS_PATH, SETS_PATH};
use craton_trust::SetId;
use craton_trust::suit::{ENVELOPE_MAX, Image, ImageType};
use std::path::Path;

/// Fetches, verifies and stages the assigned set. `bases` are payloads that deltas may start from.
///
/// # Errors
/// As [`UpdateError`]; nothing is left behind but what a later try goes on from.
pub async fn fetch(
    link: &mut Link,
    device: &Path,
    set: SetId,
    believed: &Believed,
    bases: &[Base],
) -> Result<Staged, UpdateError> {
    let bytes = link.get(&format!("{SETS_PATH}{set}"), SET_MAX).await?;
    let verified = installed::verify_set(&bytes, set, believed)?;
    let mut envelopes = Vec::new();
    for member in verified.members() {
        let envelope = link.get(&format!("{BLOBS_PATH}{}", member.envelope), ENVELOPE_MAX).await?;
        envelopes.push((*member, envelope));
    }
    let images: Result<Vec<Image<'_>>, UpdateError> = envelopes
        .iter()
        .map(|(member, envelope)| Ok(*installed::verify_member(envelope, member, believed)?))
        .collect();
    let images = images?;
    installed::check_abis(&images)?;
    let staging = Staging::begin(device, set)?;
    for ((member, envelope), image) in envelopes.iter().zip(&images) {
        let folder = staging.component(member.component)?;
        staging.write(&folder.join("envelope.cbor"), envelope)?;
        let place = folder.join("payload");
        payload(link, device, member, bases, &place).await?;
        if image.image_type == ImageType::Application {
            let found = installed::read_bounded(&place, member.payload_size)?;
            let tree = installed::app_tree(image, &found)?;
            installed::unpack(&tree, &folder.join("root"))?;
        }
    }
    Ok(staging.finish(&bytes)?)
}
