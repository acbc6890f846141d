//! Fetching a set into memory, and sending failure records, by the certificate of the check-in.

use super::held::{Held, Part};
use super::{Device, Event, Missed, World};
use anyhow::{Context as _, Result, bail};
use craton_api::device::{BLOBS_PATH, FAILURES_PATH, Reports, SETS_PATH};
use craton_device::believed::Believed;
use craton_device::installed::{self, SET_MAX};
use craton_device::link::{Link, LinkError, Peer};
use craton_image::delta;
use craton_image::package::{decompress, sha256};
use craton_trust::set::{Member, Transport};
use craton_trust::suit::{ENVELOPE_MAX, Image};
use craton_trust::{Digest, SetId};
use std::sync::Arc;

impl Device {
    /// Fetches and verifies a set; tells whether a delta served. Envelopes come first.
    pub(super) async fn fetch(&self, set: SetId, peer: &Peer) -> Result<(Held, bool)> {
        let powered = self.powered.as_ref().context("the device is off")?;
        let believed: Believed = self.believed(&powered.rot)?;
        let credential = self.credential.as_ref().context("no certificate yet")?;
        let mut link = Link::connect(peer, Some(credential)).await?;
        let signed = link.get(&format!("{SETS_PATH}{set}"), SET_MAX).await?;
        let verified = installed::verify_set(&signed, set, &believed)?;
        let mut envelopes = Vec::new();
        for member in verified.members() {
            let path = format!("{BLOBS_PATH}{}", member.envelope);
            envelopes.push((member, link.get(&path, ENVELOPE_MAX).await?));
        }
        let mut images: Vec<Image<'_>> = Vec::new();
        for (member, envelope) in &envelopes {
            images.push(*installed::verify_member(envelope, member, &believed)?);
        }
        installed::check_abis(&images)?;
        let (mut parts, mut by_delta) = (Vec::new(), false);
        for (member, envelope) in &envelopes {
            let (payload, delta) = self.payload(&mut link, member).await?;
            by_delta |= delta;
            let (component, envelope) = (member.component, envelope.clone());
            parts.push(Part { component, envelope, payload: Arc::new(payload) });
        }
        let held = Held { signed, parts };
        held.verify(set, &believed)?;
        Ok((held, by_delta))
    }

    /// The payload by the smallest transport whose base is here.
    async fn payload(&self, link: &mut Link, member: &Member) -> Result<(Vec<u8>, bool)> {
        let parts = || self.sets.values().flat_map(|held| &held.parts);
        let base_of = |digest: Digest| parts().find(|part| sha256(&part.payload) == digest);
        let mut ways: Vec<(&Transport, Option<Arc<Vec<u8>>>)> = Vec::new();
        for way in member.transports() {
            match way.base {
                None => ways.push((way, None)),
                Some(base) => {
                    ways.extend(base_of(base).map(|part| (way, Some(part.payload.clone()))));
                }
            }
        }
        ways.sort_by_key(|(way, _)| way.size);
        for (way, base) in ways {
            let object = download(link, way).await?;
            let rebuilt = match &base {
                None => {
                    let mut whole = Vec::new();
                    decompress(&object[..], member.payload_size, &mut whole).map(|()| whole).ok()
                }
                Some(old) => {
                    let (digest, size) = (&member.payload.0, member.payload_size);
                    delta::apply_verified(old, &object, digest, size).ok()
                }
            };
            if let Some(bytes) = rebuilt.filter(|bytes| sha256(bytes) == member.payload) {
                return Ok((bytes, base.is_some()));
            }
        }
        bail!("no transport rebuilds the payload")
    }

    /// Sends what is spooled, and forgets it once the service has it.
    pub(super) async fn report(&mut self, world: &World<'_>) -> Result<Event> {
        let records: Vec<&[u8]> = self.spool.iter().map(Vec::as_slice).collect();
        let (count, body) = (records.len(), Reports(records).encode()?);
        let credential = self.credential.as_ref().context("no certificate yet")?;
        let sent: Result<Vec<u8>, LinkError> = async {
            let link = Link::connect(world.peer, Some(credential)).await?;
            link.post(FAILURES_PATH, body, 4096).await
        }
        .await;
        match sent {
            Ok(_) => {
                self.spool.clear();
                Ok(Event::Reported(count))
            }
            Err(error) => {
                // They stay spooled until the next check-in.
                self.credential = None;
                Ok(Event::Missed(Missed::from(error).why()))
            }
        }
    }
}

/// A transport object, of the size and digest that the set names.
async fn download(link: &mut Link, way: &Transport) -> Result<Vec<u8>> {
    let mut object = Vec::new();
    let take = |piece: &[u8]| {
        if object.len() + piece.len() > way.size as usize {
            return Err(LinkError::AnswerTooLarge(way.size as usize));
        }
        object.extend_from_slice(piece);
        Ok(())
    };
    link.fetch(&format!("{BLOBS_PATH}{}", way.digest), 0, take).await?;
    if sha256(&object) != way.digest {
        bail!("a download is not what the set names");
    }
    Ok(object)
}
