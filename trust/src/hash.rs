//! SHA-2 and HMAC over parts, by sha2, for every implementation of [`crate::crypto::Crypto`] here.
//! A hash wipes its state when it is done: what it hashed may have been a secret.

use crate::crypto::RunningSha256;
use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize as _;

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    over::<Sha256>(parts).into()
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    over::<Sha512>(parts).into()
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    hmac::<Sha256>(&mut [0; 64], key, parts).into()
}

pub(crate) fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    hmac::<Sha512>(&mut [0; 128], key, parts).into()
}

/// A hash in pieces. Nothing of it is taken into who calls it: a ROM has it once.
#[derive(Clone)]
pub(crate) struct Running<H>(H);

/// That of SHA-256.
pub(crate) type RunningSha2 = Running<Sha256>;

impl<H: Digest> Running<H> {
    fn begun() -> Self {
        Self(H::new())
    }

    #[inline(never)]
    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[inline(never)]
    fn end(self) -> Output<H> {
        self.0.finalize()
    }
}

impl RunningSha256 for Running<Sha256> {
    fn new() -> Self {
        Self::begun()
    }

    fn update(&mut self, bytes: &[u8]) {
        self.take(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.end().into()
    }
}

fn over<H: Digest>(parts: &[&[u8]]) -> Output<H> {
    let mut hash = Running::<H>::begun();
    parts.iter().for_each(|part| hash.take(part));
    hash.end()
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
    let mut inner = Running::<H>::begun();
    // The padded blocks are the key to whoever reads them: there is one, and it is wiped.
    block.iter_mut().for_each(|byte| *byte ^= 0x36);
    inner.take(block);
    parts.iter().for_each(|part| inner.take(part));
    let mut outer = Running::<H>::begun();
    block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
    outer.take(block);
    block.zeroize();
    outer.take(&inner.end());
    outer.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6: the second has a key longer than a block of either hash.
    #[test]
    fn hmac_matches_rfc_4231() {
        let data: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(hmac_sha256(b"Jefe", &data)[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(hmac_sha512(b"Jefe", &data)[..4], [0x16, 0x4b, 0x7a, 0x7b]);
        let (key, data) = ([0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hmac_sha256(&key, &[data])[..4], [0x60, 0xe4, 0x31, 0x59]);
        assert_eq!(hmac_sha512(&key, &[data])[..4], [0x80, 0xb2, 0x42, 0x63]);
    }
}
