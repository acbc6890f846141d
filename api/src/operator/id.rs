//! Identifiers as they stand in paths and JSON: lowercase hexadecimal.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHex {
    /// How many lowercase hexadecimal digits there must be.
    pub digits: usize,
}

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} lowercase hexadecimal digits", self.digits)
    }
}

impl std::error::Error for NotHex {}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Length in bytes; the text form has twice as many digits.
            pub const LEN: usize = $bytes;

            /// The identifier, if the slice has exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotHex;
            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut bytes = [0; $bytes];
                decode_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(input)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(concat!("^[0-9a-f]{", stringify!($bytes), "}{2}$")))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

hex_id! {
    /// A catalog: SHA-256 of the signed bytes of its genesis `owner` trust-store section.
    CatalogId, 32
}
hex_id! {
    /// A device: SHA-256 of its identity public key, as a COSE_Key.
    DeviceId, 32
}
hex_id! {
    /// A component, the thing that has versions: a UUID's 16 bytes without hyphens.
    ComponentId, 16
}
hex_id! {
    /// An image: SHA-256 of its SUIT manifest bytes.
    ImageId, 32
}
hex_id! {
    /// An image set: SHA-256 of its signed bytes.
    ImageSetId, 32
}
hex_id! {
    /// A capability: SHA-256 of its signed bytes.
    CapabilityId, 32
}
hex_id! {
    /// SHA-256 of a blob, or any other digest that has no narrower name.
    Digest, 32
}
hex_id! {
    /// A deployment: chosen at random by the service.
    DeploymentId, 16
}
hex_id! {
    /// An API token's public name; not the secret.
    TokenId, 8
}
hex_id! {
    /// The fingerprint of a group of failures.
    Fingerprint, 32
}

macro_rules! as_in_trust {
    ($($here:ident = $there:ident),*) => {$(
        impl From<craton_trust::$there> for $here {
            fn from(id: craton_trust::$there) -> Self {
                Self(id.0)
            }
        }

        impl From<$here> for craton_trust::$there {
            fn from(id: $here) -> Self {
                Self(id.0)
            }
        }
    )*};
}

as_in_trust!(
    CatalogId = CatalogId,
    DeviceId = DeviceId,
    ComponentId = ComponentId,
    ImageId = ImageId,
    ImageSetId = SetId,
    Digest = Digest
);

/// A build id as the ELF note has it, 4 to 32 bytes, in lowercase hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[schema(value_type = String, pattern = "^([0-9a-f]{2}){4,32}$")]
pub struct BuildId(String);

impl BuildId {
    /// The hexadecimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the note's bytes; `None` outside 4 to 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let fits = (4..=32).contains(&bytes.len());
        fits.then(|| Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BuildId {
    type Err = NotHex;
    fn from_str(text: &str) -> Result<Self, NotHex> {
        let fits = text.len().is_multiple_of(2) && (8..=64).contains(&text.len());
        let hex = text.bytes().all(|digit| hex_value(digit).is_some());
        if fits && hex { Ok(Self(text.to_owned())) } else { Err(NotHex { digits: 40 }) }
    }
}

impl<'de> Deserialize<'de> for BuildId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Bytes inside JSON, as padded standard base64 (RFC 4648 section 4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(input)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(de::Error::custom)
    }
}

impl PartialSchema for Base64 {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Byte);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Base64 {}

fn decode_hex(text: &str, out: &mut [u8]) -> Result<(), NotHex> {
    let refusal = NotHex { digits: out.len() * 2 };
    if text.len() != out.len() * 2 {
        return Err(refusal);
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(refusal) };
        let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else {
            return Err(refusal);
        };
        *byte = high << 4 | low;
    }
    Ok(())
}

/// Uppercase is refused so that one identifier has one text form.
fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_exactly_one_text_form() {
        let id = TokenId([0xab, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(id.to_string(), "ab00010203040506");
        assert_eq!("ab00010203040506".parse(), Ok(id));
        let refusal = Err(NotHex { digits: 16 });
        for bad in ["AB00010203040506", "ab0001020304050", "ab000102030405067", "ag00010203040506"]
        {
            assert_eq!(bad.parse::<TokenId>(), refusal, "{bad}");
        }
        assert_eq!("é".repeat(8).parse::<TokenId>(), refusal);
    }

    #[test]
    fn build_ids_of_4_to_32_bytes_are_taken_and_others_refused() {
        assert!("00ff00ff".parse::<BuildId>().is_ok());
        assert!("00ff00f".parse::<BuildId>().is_err());
        assert!("00ff00".parse::<BuildId>().is_err());
        assert!("0".repeat(66).parse::<BuildId>().is_err());
        assert!("../../..".parse::<BuildId>().is_err());
        assert_eq!(BuildId::from_bytes(&[1, 2, 3, 4]).unwrap().as_str(), "01020304");
        assert!(BuildId::from_bytes(&[1, 2, 3]).is_none());
    }

    #[test]
    fn bytes_travel_as_padded_base64() {
        let json = serde_json::to_string(&Base64(vec![1, 2, 3, 4])).unwrap();
        assert_eq!(json, "\"AQIDBA==\"");
        assert_eq!(serde_json::from_str::<Base64>(&json).unwrap().0, [1, 2, 3, 4]);
        assert!(serde_json::from_str::<Base64>("\"AQIDBA\"").is_err());
    }
}
