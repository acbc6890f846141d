//! What only the auth role may ask for, and what a device-auth key may sign.
//!
//! Rules: ROT-3 only the holder of [`AuthRole`] gets evidence for a check-in, so that a back-end
//! cannot pass a device off as itself, and no pair of boot and check-in is quoted twice; ROT-8 the
//! device-auth key signs tagged messages or a TLS 1.3 CertificateVerify, so that no message of one
//! protocol is one of another.

use crate::error::{Error, Result};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signature;
use craton_trust::evidence::Purpose;
use craton_trust::{CatalogId, Digest, PublicKey};

/// The right to check in. A root of trust gives it out once in a reset; it cannot be copied or
/// made.
pub struct AuthRole {
    pub(crate) session: [u8; 16],
}

/// What evidence is for.
pub enum For<'a> {
    /// A certificate and an assignment.
    CheckIn(&'a AuthRole),
    /// Showing a third party what runs.
    Report,
}

impl For<'_> {
    /// The purpose that stands in the token.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::CheckIn(_) => Purpose::CheckIn,
            Self::Report => Purpose::Report,
        }
    }
}

/// A request for evidence.
pub struct Ask<'a> {
    /// What for.
    pub purpose: For<'a>,
    /// For whom.
    pub audience: CatalogId,
    /// What it answers ([`craton_trust::evidence::check_in_nonce`]).
    pub nonce: Digest,
    /// The key that a certificate will be for.
    pub client_key: PublicKey,
}

/// A message for the device-auth key.
#[derive(Clone, Copy)]
pub enum AuthMessage<'a> {
    /// `payload` under the kind's own `external_aad`, as the Sig_structure of RFC 9052 §4.4 with a
    /// protected header of `{1: -7}`.
    Tagged(Kind, &'a [u8]),
    /// The whole content covered by a TLS 1.3 client's CertificateVerify (RFC 8446 §4.4.3).
    CertificateVerify(&'a [u8]),
}

const CONTEXT: &[u8] = b"TLS 1.3, client CertificateVerify\0";
const PADDING: usize = 64;
/// Hashes of the cipher suites of RFC 8446: SHA-256, SHA-384.
const HASH_SIZES: [usize; 2] = [32, 48];

/// Refuses anything that is not the content of a client's CertificateVerify (ROT-8).
///
/// # Errors
/// `MessageUntagged`.
pub fn check_certificate_verify(content: &[u8]) -> Result<()> {
    let (padding, rest) = content.split_at_checked(PADDING).ok_or(Error::MessageUntagged)?;
    let hash = rest.strip_prefix(CONTEXT).ok_or(Error::MessageUntagged)?;
    let right = padding.iter().all(|byte| *byte == b' ') && HASH_SIZES.contains(&hash.len());
    if right { Ok(()) } else { Err(Error::MessageUntagged) }
}

/// The most bytes of a signature in DER.
pub const DER_MAX: usize = 72;

/// A raw signature as TLS wants it: DER `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3), into
/// `out`.
#[must_use]
pub fn signature_to_der<'o>(signature: &Signature, out: &'o mut [u8; DER_MAX]) -> &'o [u8] {
    let mut length = 2;
    let (r, s) = signature.split_at(32);
    for number in [r, s] {
        let skip = number.iter().take_while(|byte| **byte == 0).count().min(31);
        let digits = &number[skip..];
        // An INTEGER is signed: a first bit of one needs a zero byte before it.
        let sign = usize::from(digits[0] >> 7);
        out[length] = 0x02;
        out[length + 1] = (digits.len() + sign) as u8;
        out[length + 2] = 0;
        out[length + 2 + sign..length + 2 + sign + digits.len()].copy_from_slice(digits);
        length += 2 + sign + digits.len();
    }
    out[0] = 0x30;
    out[1] = (length - 2) as u8;
    &out[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn content(context: &[u8], hash: usize) -> Vec<u8> {
        [&[b' '; 64][..], context, &std::vec![9; hash]].concat()
    }

    #[test]
    fn rot_8_only_a_clients_certificate_verify_passes_untagged() {
        assert_eq!(check_certificate_verify(&content(CONTEXT, 32)), Ok(()));
        assert_eq!(check_certificate_verify(&content(CONTEXT, 48)), Ok(()));
        let server = b"TLS 1.3, server CertificateVerify\0";
        let mut short = content(CONTEXT, 32);
        short[63] = 0;
        let others = [content(server, 32), content(CONTEXT, 31), content(b"", 32), short];
        for other in others {
            assert_eq!(check_certificate_verify(&other), Err(Error::MessageUntagged));
        }
        assert_eq!(check_certificate_verify(&[b' '; 63]), Err(Error::MessageUntagged));
    }

    #[test]
    fn der_keeps_numbers_positive_and_short() {
        let mut out = [0; DER_MAX];
        let der = signature_to_der(&[0xff; 64], &mut out);
        assert_eq!((der.len(), der[..5].to_vec()), (72, std::vec![0x30, 70, 2, 33, 0]));
        let mut small = [0u8; 64];
        (small[31], small[63]) = (1, 0x80);
        let der = signature_to_der(&small, &mut out);
        assert_eq!(der, [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]);
        assert_eq!(signature_to_der(&[0; 64], &mut out), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }
}
