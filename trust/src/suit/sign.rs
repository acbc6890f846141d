//! Envelopes in the making: what no device does.

use super::{ENVELOPE_MAX, split, suit_digest, wrapped_digest};
use crate::cbor::{Reader, Writer};
use crate::cose::{self, Kind, LMS_SIGN1_SIZE, SIGN1_SIZE};
use crate::crypto::{By, Crypto, Signer};
use crate::error::{Error, Result};
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
    let digest = suit_digest(&wrapped_digest(crypto, manifest)?, &mut digest)?;
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
    let mut reader = Reader::new(envelope)?;
    reader.map(2)?;
    reader.key(2)?;
    let mut old = Reader::new(reader.bytes(ENVELOPE_MAX)?)?;
    let count = old.list(SIGNATURES_MAX)?;
    // Its own bytes, and those that the longer head of the wrapper may take.
    if envelope.len() + cose::sign1_item_size(by) + 2 > ENVELOPE_MAX {
        return Err(Error::FieldTooLong); // what nobody could read back, before a leaf is spent
    }
    let mut wrapper = [0u8; ENVELOPE_MAX];
    let mut writer = Writer::new(&mut wrapper);
    writer.array(count + 1)?.raw(old.rest())?;
    let mut room = [0u8; LMS_SIGN1_SIZE];
    writer.bytes(cose::sign_by(crypto, by, Kind::Image, &[digest], &mut room)?)?;
    let wrapper = writer.written()?;
    enveloped(wrapper, manifest, out)
}

fn enveloped<'o>(wrapper: &[u8], manifest: &[u8], out: &'o mut [u8]) -> Result<&'o [u8]> {
    let mut writer = Writer::new(out);
    writer.map(2)?.i64(2)?.bytes(wrapper)?.i64(3)?.bytes(manifest)?;
    writer.written()
}
