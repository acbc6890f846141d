//! Names of things, each its own type so that one cannot stand for another.

use core::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }
    };
}

identifier!(
    /// The owner's whole space: the digest of the signed bytes of its first `owner` section.
    CatalogId, 32
);
identifier!(
    /// A device: the digest of its identity key (a COSE_Key).
    DeviceId, 32
);
identifier!(
    /// An image: the digest of its manifest, which is what was signed.
    ImageId, 32
);
identifier!(
    /// An image set: the digest of its signed bytes.
    SetId, 32
);
identifier!(
    /// What has versions: a UUID that all images of one component share.
    ComponentId, 16
);
identifier!(
    /// A vendor's class of devices (SUIT class id, a UUID).
    ClassId, 16
);

/// The last second of the year 9999: no time beyond is read, so that adding to one or printing it
/// cannot fail.
pub const TIME_MAX: u64 = 253_402_300_799;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads `2 * N` lower-case hexadecimal digits; `None` for anything else.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0u8, |sum, digit| {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some((sum << 4) | value)
        })?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn hexadecimal_round_trips_and_refuses_the_rest() {
        let id = ComponentId([0xa5; 16]);
        assert_eq!(from_hex::<16>(&id.to_string()), Some(id.0));
        for text in
            ["", "a5", "A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5", "g5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"]
        {
            assert_eq!(from_hex::<16>(text), None);
        }
    }
}
