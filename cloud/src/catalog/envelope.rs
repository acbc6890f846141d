//! One envelope of an image out of two: what is kept of an image only gains signatures.
//!
//! Rule IMG-6: whoever uploads an image again takes no signature away that a key of any version of
//! its section made: devices are under each of them. A signature by a key that no section lists
//! cannot be verified here. It may be the next publisher's, whose successor is believed only once
//! the image has it, or invented, to fill the few places of an envelope: so that it is kept while
//! there is room, and the last upload's come first. Whom it was taken from uploads it again, and it
//! stays from the commit on that lists its key.

use super::CatalogError;
use crate::crypto::AwsLc;
use craton_trust::cose::{Kind, Sign1};
use craton_trust::error::{Error, Result};
use craton_trust::key::KEY_ID_SIZE;
use craton_trust::store::{Role, Section};
use craton_trust::suit::{ENVELOPE_MAX, unchecked_signatures, with_signatures};

/// Both envelopes' signatures in one, over the manifest that they share. `sections` are all
/// versions of the image's section, the newest first; `uploaded` is believed by the newest.
///
/// # Errors
/// `ObjectRefused` if one of them cannot be read.
pub fn merged(
    sections: &[Section<'_>],
    kept: &[u8],
    uploaded: &[u8],
) -> std::result::Result<Vec<u8>, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "image envelope", why };
    merge(sections, kept, uploaded).map_err(refused)
}

fn merge(sections: &[Section<'_>], kept: &[u8], uploaded: &[u8]) -> Result<Vec<u8>> {
    let (kept_ones, uploaded_ones) = (judged(sections, kept)?, judged(sections, uploaded)?);
    let is_new = |one: &One<'_>| uploaded_ones.iter().any(|other| other.key_id == one.key_id);
    // Those come first by which the newest section believes what was uploaded, in the bytes that
    // are kept if their key signed both: one more upload makes no other envelope.
    let rank = |one: &One<'_>| match (one.section, is_new(one)) {
        (Some(0), true) => (0, 0),
        (Some(place), _) => (1, place),
        (None, true) => (2, 0),
        (None, false) => (3, 0),
    };
    let (known, unknown): (Vec<_>, Vec<_>) =
        kept_ones.iter().partition(|one| one.section.is_some());
    let mut all: Vec<&One<'_>> = known.into_iter().chain(&uploaded_ones).chain(unknown).collect();
    all.sort_by_key(|one| rank(one));
    let mut chosen: Vec<&One<'_>> = Vec::new();
    let mut made = Vec::new();
    for one in all {
        if chosen.iter().any(|other| other.key_id == one.key_id) {
            continue; // SIG-2
        }
        let signatures: Vec<&[u8]> = chosen.iter().chain([&one]).map(|one| one.bytes).collect();
        let mut room = [0; ENVELOPE_MAX];
        if let Ok(larger) = with_signatures(uploaded, &signatures, &mut room) {
            made = larger.to_vec();
            chosen.push(one);
        }
    }
    let is_whole = |envelope: &[u8]| {
        let (_, all) = unchecked_signatures(envelope)?;
        let has = |one: &&One<'_>| all.clone().any(|bytes| bytes == one.bytes);
        Ok::<_, Error>(all.clone().count() == chosen.len() && chosen.iter().all(has))
    };
    // The order of signatures says nothing: an envelope that is there is not written anew.
    for there in [kept, uploaded] {
        if is_whole(there)? {
            return Ok(there.to_vec());
        }
    }
    Ok(made)
}

/// One signature, and which section's publisher made it.
struct One<'e> {
    key_id: [u8; KEY_ID_SIZE],
    bytes: &'e [u8],
    /// The place of the newest section that lists its key; `None` if none does.
    section: Option<usize>,
}

/// The signatures of an envelope, without those that name a publisher's key and are not by it: such
/// a one spoils what it stands on (SIG-3).
fn judged<'e>(sections: &[Section<'_>], envelope: &'e [u8]) -> Result<Vec<One<'e>>> {
    let (digest, all) = unchecked_signatures(envelope)?;
    let mut ones = Vec::new();
    for bytes in all {
        let sign1 = Sign1::parse(bytes)?;
        let mut by = sections.iter().map(|section| verdict(section, &sign1, digest));
        let section = by.clone().position(|made| made == Some(true));
        if section.is_some() || by.all(|made| made.is_none()) {
            ones.push(One { key_id: *sign1.key_id, bytes, section });
        }
    }
    Ok(ones)
}

/// Whether a publisher of the section made a signature; `None` if it names none of his keys.
fn verdict(section: &Section<'_>, sign1: &Sign1<'_>, digest: &[u8]) -> Option<bool> {
    let (role, kind) = (section.role(Role::Publisher), Kind::Image);
    let names = |id: [u8; KEY_ID_SIZE]| id == *sign1.key_id;
    let es256 = role.keys().find(|key| names(key.key_id(&AwsLc)));
    if let Some(key) = es256 {
        return Some(sign1.verify(&AwsLc, kind, &key, &[digest]).is_ok());
    }
    let lms = role.lms_keys().find(|key| names(key.key_id(&AwsLc)))?;
    Some(sign1.verify_lms(&AwsLc, kind, &lms, &[digest]).is_ok())
}
