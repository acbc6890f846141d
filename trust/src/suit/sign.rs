//! Envelopes in the making: what no device does.

use super::{ENVELOPE_MAX, split, suit_digest, wrapped_digest};
use crate::cbor::{Reader, Writer};
use crate::cose::{self, Kind, LMS_SIGN1_SIZE, SIGN1_SIZE};
use crate::crypto::{By, Crypto, Signer};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::signed::SIGNATURES_MAX;

/// Wraps and signs a manifest, into `out`; returns the bytes written.
///
/// # Errors
/// `BufferTooSmall`, or a signer's.
pub fn sign<'o>(
    crypto: &impl Crypto,
    manifest: &[u8],
    signers: &[&dyn Signer],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let (mut digest, mut wrapper) = ([0u8; 40], [0u8; 1024]);
    let digest = suit_digest(&Digest(wrapped_digest(crypto, manifest)?.to_bytes()), &mut digest)?;
    let mut writer = Writer::new(&mut wrapper);
    writer.array(1 + signers.len())?.bytes(digest)?;
    for signer in signers {
        let mut room = [0u8; SIGN1_SIZE];
        writer.bytes(cose::sign(crypto, *signer, Kind::Image, &[digest], &mut room)?)?;
    }
    let wrapper = writer.written()?;
    enveloped(wrapper, manifest, out)
}

/// Adds one signature to an envelope, into `out`; returns the bytes written. What the image is, and
/// is called, stays the same.
///
/// # Errors
/// Those of the envelope; `SignerRepeated` if the key signed already; `FieldTooLong` for a ninth
/// signature, or an envelope larger than any may be; `BufferTooSmall`, or the signer's.
pub fn countersign<'o>(
    crypto: &impl Crypto,
    envelope: &[u8],
    by: By<'_>,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let (signatures, digest, manifest) = split(envelope)?;
    signatures.check_new(&by.key_id(crypto))?;
    let (_, count, old) = wrapped(envelope)?;
    if count >= SIGNATURES_MAX {
        return Err(Error::FieldTooLong);
    }
    // Its own bytes, and those that the longer head of the wrapper may take.
    if envelope.len() + cose::sign1_item_size(by) + 2 > ENVELOPE_MAX {
        return Err(Error::FieldTooLong); // what nobody could read back, before a leaf is spent
    }
    let mut wrapper = [0u8; ENVELOPE_MAX];
    let mut writer = Writer::new(&mut wrapper);
    writer.array(count + 2)?.bytes(digest)?.raw(old.rest())?;
    let mut room = [0u8; LMS_SIGN1_SIZE];
    writer.bytes(cose::sign_by(crypto, by, Kind::Image, &[digest], &mut room)?)?;
    let wrapper = writer.written()?;
    enveloped(wrapper, manifest, out)
}

/// What the signatures of an envelope are over, and each of them, a COSE_Sign1: believed by nobody
/// yet.
///
/// # Errors
/// Those of the envelope.
pub fn unchecked_signatures(
    envelope: &[u8],
) -> Result<(&[u8], impl Iterator<Item = &[u8]> + Clone)> {
    split(envelope)?;
    let (digest, count, mut signatures) = wrapped(envelope)?;
    Ok((digest, (0..count).map_while(move |_| signatures.bytes(LMS_SIGN1_SIZE).ok())))
}

/// The same manifest with these signatures, each a COSE_Sign1, in place of its own, into `out`;
/// returns the bytes written. None of them is verified.
///
/// # Errors
/// Those of the envelope; `SignerUnknown` without a signature, `FieldTooLong` for a ninth, or an
/// envelope larger than any may be; `SignerRepeated`; `BufferTooSmall`.
pub fn with_signatures<'o>(
    envelope: &[u8],
    signatures: &[&[u8]],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let (_, digest, manifest) = split(envelope)?;
    let mut wrapper = [0u8; ENVELOPE_MAX];
    let mut writer = Writer::new(&mut wrapper);
    writer.array(1 + signatures.len())?.bytes(digest)?;
    signatures.iter().try_for_each(|sign1| writer.bytes(sign1).map(|_| ()))?;
    let made = enveloped(writer.written()?, manifest, out)?;
    split(made)?; // what nobody could read back
    Ok(made)
}

/// The digest in an envelope's wrapper, and how many signatures stand behind it.
fn wrapped(envelope: &[u8]) -> Result<(&[u8], usize, Reader<'_>)> {
    let mut reader = Reader::new(envelope)?;
    reader.map(2)?;
    reader.key(2)?;
    let mut wrapper = Reader::new(reader.bytes(ENVELOPE_MAX)?)?;
    let count = wrapper.list(1 + SIGNATURES_MAX)?;
    let digest = wrapper.bytes(40)?;
    Ok((digest, count.saturating_sub(1), wrapper))
}

fn enveloped<'o>(wrapper: &[u8], manifest: &[u8], out: &'o mut [u8]) -> Result<&'o [u8]> {
    let mut writer = Writer::new(out);
    writer.map(2)?.i64(2)?.bytes(wrapper)?.i64(3)?.bytes(manifest)?;
    writer.written()
}
