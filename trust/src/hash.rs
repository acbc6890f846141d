//! SHA-2 and HMAC over parts, by sha2, for every implementation of [`crate::crypto::Crypto`] here.

use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize as _;

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    over::<Sha256>(parts).into()
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    over::<Sha512>(parts).into()
}

pub(crate) fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    hmac::<Sha512>(&mut [0; 128], key, parts).into()
}

fn over<H: Digest>(parts: &[&[u8]]) -> Output<H> {
    let mut hash = H::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize()
}

/// RFC 2104. `block` is one block of the hash, all zeros.
fn hmac<H: Digest>(block: &mut [u8], key: &[u8], parts: &[&[u8]]) -> Output<H> {
    if key.len() > block.len() {
        let mut short = over::<H>(&[key]);
        block.iter_mut().zip(short.iter()).for_each(|(place, byte)| *place = *byte);
        short.zeroize();
    } else {
        block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    }
    let mut inner = H::new();
    // The padded blocks are the key to whoever reads them: there is one, and it is wiped.
    block.iter_mut().for_each(|byte| *byte ^= 0x36);
    inner.update(&*block);
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = H::new();
    block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
    outer.update(&*block);
    block.zeroize();
    outer.update(inner.finalize());
    outer.finalize()
}
