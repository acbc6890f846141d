//! Fetching a set: envelopes first, and not a byte of a payload before they are verified.

use super::UpdateError;
use super::payload::{Base, DOWNLOADS, part, payload};
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
        envelopes.push((member, envelope));
    }
    let images: Result<Vec<Image<'_>>, UpdateError> = envelopes
        .iter()
        .map(|(member, envelope)| Ok(*installed::verify_member(envelope, member, believed)?))
        .collect();
    let images = images?;
    installed::check_abis(&images)?;
    let named = envelopes.iter().flat_map(|(m, _)| m.transports().map(|way| part(&way.digest)));
    forget_downloads(device, &named.collect::<Vec<_>>());
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
    let staged = staging.finish(&bytes)?;
    forget_downloads(device, &[]);
    Ok(staged)
}

/// Removes the downloads that have none of these names: of an update that is over, or of another.
fn forget_downloads(device: &Path, kept: &[String]) {
    let entries = std::fs::read_dir(device.join(DOWNLOADS)).into_iter().flatten().flatten();
    for entry in entries {
        if !kept.iter().any(|name| entry.file_name().to_str() == Some(name)) {
            // What cannot be removed now is removed with the next update.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
