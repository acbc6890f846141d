//! The keys and indices that we make in a TPM, as their public areas (part 2, §12.2, §13.5).

use super::wire::Structure;
use crate::error::{Error, Result};
use craton_trust::crypto::Crypto;
use craton_trust::quote::Fields;
use craton_trust::{Digest, PublicKey};
use std::vec::Vec;

/// A TPM's name of an object or index: what a policy or a credential means by it.
pub type Name = [u8; 34];

/// Bytes of the modulus of an RSA key.
pub const MODULUS_SIZE: usize = 256;
/// The modulus of an RSA key of 2 048 bits, whose exponent is 65 537.
pub type Modulus = [u8; MODULUS_SIZE];

pub const SHA256: u16 = 0x000b;
const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
const NULL: u16 = 0x0010;
const ECDSA: u16 = 0x0018;
const P256: u16 = 0x0003;
const AES: u16 = 0x0006;
const CFB: u16 = 0x0043;
/// Policy A of the profile: TPM2_PolicySecret of the endorsement hierarchy.
const BY_ENDORSEMENT: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// TPMA_OBJECT: never leaves this TPM nor its parent, made there of its own chance.
const BOUND: u32 = 1 << 1 | 1 << 4 | 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const NO_LOCKOUT: u32 = 1 << 10;
const ADMIN_WITH_POLICY: u32 = 1 << 7;
const RESTRICTED: u32 = 1 << 16;
const DECRYPTS: u32 = 1 << 17;
const SIGNS: u32 = 1 << 18;

/// TPMA_NV.
const AUTH_WRITE: u32 = 1 << 2;
const POLICY_WRITE: u32 = 1 << 3;
const COUNTER: u32 = 1 << 4;
const AUTH_READ: u32 = 1 << 18;
const POLICY_READ: u32 = 1 << 19;
const NV_NO_LOCKOUT: u32 = 1 << 25;
/// What a TPM adds once an index was written.
pub const NV_WRITTEN: u32 = 1 << 29;

/// An ECDSA key on P-256. `unique` tells one primary key from another.
fn signing_key(attributes: u32, policy: &[u8], unique: &[u8]) -> Vec<u8> {
    key_area(attributes, policy, unique, &[])
}

fn key_area(attributes: u32, policy: &[u8], x: &[u8], y: &[u8]) -> Vec<u8> {
    let area = Structure::default().u16(ECC).u16(SHA256).u32(BOUND | SIGNS | attributes);
    let area = area.sized(policy).u16(NULL).u16(ECDSA).u16(SHA256).u16(P256).u16(NULL);
    area.sized(x).sized(y).0
}

/// The endorsement key of P-256 as its maker means it (TCG EK Credential Profile, template L-2):
/// the same in every start, and the one that a certificate in the TPM is for.
#[must_use]
pub fn endorsement() -> Vec<u8> {
    let attributes = BOUND | ADMIN_WITH_POLICY | RESTRICTED | DECRYPTS;
    let area = Structure::default().u16(ECC).u16(SHA256).u32(attributes);
    let area = area.sized(&BY_ENDORSEMENT).u16(AES).u16(128).u16(CFB).u16(NULL);
    area.u16(P256).u16(NULL).sized(&[0; 32]).sized(&[0; 32]).0
}

/// The endorsement key of RSA 2048 (template L-1), which older TPMs have a certificate for alone.
#[must_use]
pub fn endorsement_of_rsa() -> Vec<u8> {
    let attributes = BOUND | ADMIN_WITH_POLICY | RESTRICTED | DECRYPTS;
    let area = Structure::default().u16(RSA).u16(SHA256).u32(attributes);
    let area = area.sized(&BY_ENDORSEMENT).u16(AES).u16(128).u16(CFB).u16(NULL);
    // Exponent 0 stands for 65 537.
    area.u16(2048).u32(0).sized(&[0; MODULUS_SIZE]).0
}

/// The modulus of a public area of [`endorsement_of_rsa`].
///
/// # Errors
/// `TpmResponseBroken` for another form.
pub fn modulus(area: &[u8]) -> Result<Modulus> {
    let wanted = endorsement_of_rsa();
    let head = wanted.len() - MODULUS_SIZE;
    match area.split_at_checked(head) {
        Some((shown, modulus)) if shown == &wanted[..head] => {
            modulus.try_into().map_err(|_| Error::TpmResponseBroken)
        }
        _ => Err(Error::TpmResponseBroken),
    }
}

/// The identity: restricted, and only its policy entitles to it.
#[must_use]
pub fn identity(policy: &[u8; 32], unique: &[u8; 32]) -> Vec<u8> {
    signing_key(RESTRICTED | NO_LOCKOUT, policy, unique)
}

/// The public area that an identity of this point has to have.
#[must_use]
pub fn identity_of(point: &PublicKey) -> Vec<u8> {
    let policy = super::policy::quotes_only(&craton_trust::soft::Soft);
    let (x, y) = point.0.split_at(32);
    key_area(RESTRICTED | NO_LOCKOUT, &policy.0, x, y)
}

/// A device-auth key: its authorization value entitles to it.
#[must_use]
pub fn device_auth(unique: &[u8; 32]) -> Vec<u8> {
    signing_key(USER_WITH_AUTH | NO_LOCKOUT, &[], unique)
}

/// A key of somebody else, to verify by.
#[must_use]
pub fn verifying_key(key: &PublicKey) -> Vec<u8> {
    let area = Structure::default().u16(ECC).u16(SHA256).u32(USER_WITH_AUTH | SIGNS);
    let area = area.sized(&[]).u16(NULL).u16(ECDSA).u16(SHA256).u16(P256).u16(NULL);
    let (x, y) = key.0.split_at(32);
    area.sized(x).sized(y).0
}

/// The point of a public area of ours.
///
/// # Errors
/// `TpmResponseBroken` for another form.
pub fn point(area: &[u8]) -> Result<PublicKey> {
    let read = |fields: &mut Fields<'_>| -> craton_trust::error::Result<PublicKey> {
        fields.take(8)?;
        fields.sized(64)?;
        // Symmetric algorithm, and its size and mode if there is one; scheme, and its hash.
        for details in [4, 2] {
            let none = fields.u16()? == NULL;
            fields.take(if none { 0 } else { details })?;
        }
        fields.take(4)?;
        let mut point = [0u8; 64];
        point.chunks_exact_mut(32).try_for_each(|half| number(fields, half))?;
        Ok(PublicKey(point))
    };
    read(&mut Fields::new(area)).map_err(|_| Error::TpmResponseBroken)
}

/// Reads a number that may come without its leading zeros.
pub fn number(fields: &mut Fields<'_>, into: &mut [u8]) -> craton_trust::error::Result<()> {
    let digits = fields.sized(into.len())?;
    let skip = into.len() - digits.len();
    into.iter_mut().skip(skip).zip(digits).for_each(|(place, digit)| *place = *digit);
    Ok(())
}

/// The name of a public area: its hash's number, and the hash.
#[must_use]
pub fn name(crypto: &impl Crypto, area: &[u8]) -> Name {
    let mut name = [0u8; 34];
    name[..2].copy_from_slice(&SHA256.to_be_bytes());
    name[2..].copy_from_slice(&crypto.sha256(&[area]).0);
    name
}

/// TPMS_NV_PUBLIC of an index.
fn index(handle: u32, attributes: u32, policy: &[u8], size: u16) -> Vec<u8> {
    let area = Structure::default().u32(handle).u16(SHA256).u32(attributes | NV_NO_LOCKOUT);
    area.sized(policy).u16(size).0
}

/// A counter, which anybody with the TPM may raise and nobody can set back. Nothing goes by its
/// policy, in which it says whose it is.
#[must_use]
pub fn counter(handle: u32, owner: &Digest) -> Vec<u8> {
    index(handle, AUTH_READ | AUTH_WRITE | COUNTER, &owner.0, 8)
}

/// A secret, which only its policy lets read or overwrite.
#[must_use]
pub fn secret(handle: u32, policy: &[u8; 32]) -> Vec<u8> {
    index(handle, POLICY_READ | POLICY_WRITE, policy, 32)
}

/// The policy of an index of this public area, and how many bytes it has.
///
/// # Errors
/// `TpmResponseBroken` for another form.
pub fn policy_and_size(area: &[u8]) -> Result<(&[u8], usize)> {
    let mut fields = Fields::new(area);
    let mut read = || -> craton_trust::error::Result<_> {
        fields.take(10)?;
        Ok((fields.sized(64)?, usize::from(fields.u16()?)))
    };
    read().map_err(|_| Error::TpmResponseBroken)
}

/// Whether an index of this public area was written.
#[must_use]
pub fn is_written(area: &[u8]) -> bool {
    area.get(6..10).is_some_and(|attributes| attributes[0] & (NV_WRITTEN >> 24) as u8 != 0)
}

/// The same public area as it is before the first write.
#[must_use]
pub fn unwritten(mut area: Vec<u8>) -> Vec<u8> {
    if let Some(first) = area.get_mut(6) {
        *first &= !((NV_WRITTEN >> 24) as u8);
    }
    area
}
