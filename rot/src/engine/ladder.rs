//! The ladder of sealing keys: who holds the rung of version n can climb down to every m ≤ n, and
//! never up.
//!
//! Rule ROT-5. A version is two digits of base 64. Each digit is a chain of hashes that starts at
//! its top, so that no version costs more than 126 steps. A rung is the key of the version itself
//! on the low chain, and on the high chain the one of the next lower high digit.

use crate::error::{Error, Result};
use crate::secret::Secret;
use craton_trust::copy;
use craton_trust::crypto::Crypto;
use craton_trust::rollback::SECURITY_VERSION_MAX;
use zeroize::Zeroize as _;

const BASE: u16 = 64;

const _: () = assert!(SECURITY_VERSION_MAX == (BASE * BASE - 1) as u64);

/// What one boot keeps of a component's ladder.
pub struct Rung {
    /// Which version's.
    pub version: u16,
    /// Zeros for a version whose high digit is 0. No option: its place would keep what the stack
    /// held (ROT-23).
    high_below: Secret,
    low: Secret,
}

impl Rung {
    /// The rung of `version` on the ladder of `root`.
    ///
    /// # Errors
    /// `SecurityVersionTooLarge`.
    pub fn of(crypto: &impl Crypto, root: &Secret, version: u64) -> Result<Self> {
        if version > SECURITY_VERSION_MAX {
            return Err(Error::SecurityVersionTooLarge);
        }
        let version = u16::try_from(version).map_err(|_| Error::SecurityVersionTooLarge)?;
        let (high, low) = (version / BASE, version % BASE);
        let top = derive(crypto, root, b"craton/1/ladder/high");
        let high_key = down(crypto, &top, BASE - 1 - high);
        let high_below = if high > 0 { down(crypto, &high_key, 1) } else { Secret::zero() };
        let low_key = down(crypto, &low_top(crypto, &high_key), BASE - 1 - low);
        Ok(Self { version, high_below, low: low_key })
    }

    /// The sealing key of `version`.
    ///
    /// # Errors
    /// `SealedByNewer` for a version above this rung's.
    pub fn key(&self, crypto: &impl Crypto, version: u16) -> Result<Secret> {
        if version > self.version {
            return Err(Error::SealedByNewer);
        }
        let (own_high, high) = (self.version / BASE, version / BASE);
        let chain = if own_high == high {
            down(crypto, &self.low, self.version - version)
        } else {
            let high_key = down(crypto, &self.high_below, own_high - 1 - high);
            down(crypto, &low_top(crypto, &high_key), BASE - 1 - version % BASE)
        };
        Ok(derive(crypto, &chain, b"craton/1/ladder/key"))
    }
}

fn low_top(crypto: &impl Crypto, high: &Secret) -> Secret {
    derive(crypto, high, b"craton/1/ladder/low")
}

fn down(crypto: &impl Crypto, from: &Secret, steps: u16) -> Secret {
    (0..steps).fold(from.clone(), |key, _| derive(crypto, &key, b"craton/1/ladder/down"))
}

/// One step away from a secret: HMAC-SHA-512, its first half.
fn derive(crypto: &impl Crypto, secret: &Secret, label: &[u8]) -> Secret {
    derive_from(crypto, secret, &[label])
}

/// As [`derive`], over several parts of fixed length.
pub fn derive_from(crypto: &impl Crypto, secret: &Secret, parts: &[&[u8]]) -> Secret {
    let mut block = crypto.hmac_sha512(&secret.0, parts);
    let mut half = Secret::zero();
    copy(&mut half.0, &block[..32]);
    block.zeroize();
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::soft::Soft;

    #[test]
    fn rot_5_a_rung_reaches_every_version_below_and_none_above() {
        let root = Secret::new([7; 32]);
        let versions = [0, 1, 62, 63, 64, 65, 127, 128, 129, 4032, 4094, 4095];
        for top in versions {
            let rung = Rung::of(&Soft, &root, u64::from(top)).ok().unwrap();
            for version in versions {
                let own = Rung::of(&Soft, &root, u64::from(version)).ok().unwrap();
                let expected = own.key(&Soft, version).ok().unwrap().0;
                match rung.key(&Soft, version) {
                    Ok(key) => assert!(version <= top && key.0 == expected, "{top} {version}"),
                    Err(error) => assert!(version > top && error == Error::SealedByNewer),
                }
            }
        }
    }

    #[test]
    fn a_version_beyond_the_ladder_is_a_security_version_too_large() {
        let refused = Rung::of(&Soft, &Secret::zero(), SECURITY_VERSION_MAX + 1).err();
        assert_eq!(refused, Some(Error::SecurityVersionTooLarge));
    }
}
