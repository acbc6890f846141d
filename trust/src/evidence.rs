//! Evidence: an EAT (RFC 9711) with the PSA profile's claims (RFC 9783) under our own profile,
//! behind a chain of DICE certificates.
//!
//! Rules: EV-1 evidence is authentic only from the endorsed identity down; EV-2 it answers one
//! nonce, for one purpose and one audience; EV-3 no component is measured twice. Off-spec for RFC
//! 9783: the measured components carry their component id as measurement type, and our own claims
//! travel under private keys.

use crate::cbor::{Reader, Writer};
use crate::copy::{copy, join};
use crate::cose::{self, Kind, Sign1};
use crate::crypto::{Crypto, Signer};
use crate::dice::{self, CHAIN_MAX, Certified, Mode};
use crate::error::{Error, Result};
use crate::id::{CatalogId, ClassId, ComponentId, DeviceId, Digest};
use crate::key::PublicKey;
use crate::rollback::Floors;
use crate::signed::Verified;

/// The profile of our tokens.
pub const PROFILE: &str = "tag:craton.dev,2026:evidence/1";
/// The largest evidence, chain included, bytes.
pub const EVIDENCE_MAX: usize = 8192;
/// The largest claims, bytes: every list full. It bounds the stack of a microcontroller that signs.
pub(crate) const CLAIMS_MAX: usize = 2304;
/// The most measured components.
pub const MEASURED_MAX: usize = 20;

/// What evidence is for; only the auth role may ask for a check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// A certificate and an assignment.
    CheckIn = 1,
    /// Showing a third party what runs.
    Report = 2,
}

/// The lifecycle of a device (one-way).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Lifecycle {
    /// Nothing written yet.
    Blank = 0x0000,
    /// The module maker is done.
    Module1Complete = 0x1000,
    /// The device maker is done.
    DeviceComplete = 0x3000,
    /// Sent back; it attests nothing in production.
    Returned = 0x6000,
}

impl Lifecycle {
    /// From the number that stands in tokens (RFC 9783 §4.3.1).
    ///
    /// # Errors
    /// `FieldInvalid`.
    pub const fn from_number(number: u64) -> Result<Self> {
        match number {
            0x0000 => Ok(Self::Blank),
            0x1000 => Ok(Self::Module1Complete),
            0x3000 => Ok(Self::DeviceComplete),
            0x6000 => Ok(Self::Returned),
            _ => Err(Error::FieldInvalid),
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blank => "Blank",
            Self::Module1Complete => "Module1Complete",
            Self::DeviceComplete => "DeviceComplete",
            Self::Returned => "Returned",
        }
    }
}

/// What was measured of one component: an image's digest, or the trust store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Which component; [`TRUST_STORE`] and [`IMAGE_SET`] for what has no image.
    pub component: ComponentId,
    /// What it was.
    pub digest: Digest,
}

/// The component id under which the trust store is measured.
pub const TRUST_STORE: ComponentId = ComponentId(*b"craton/truststor");
/// The component id under which the image set is measured.
pub const IMAGE_SET: ComponentId = ComponentId(*b"craton/image-set");

/// Ids that no image has: a root of trust measures under them only what it verified itself.
pub const RESERVED: [ComponentId; 2] = [TRUST_STORE, IMAGE_SET];

/// A bounded list of measurements, each component once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurements {
    list: [Option<Measured>; MEASURED_MAX],
}

impl Default for Measurements {
    fn default() -> Self {
        Self { list: [None; MEASURED_MAX] }
    }
}

impl Measurements {
    /// Adds a measurement.
    ///
    /// # Errors
    /// EV-3 `MeasuredTwice`; `FieldTooLong`.
    pub fn push(&mut self, measured: Measured) -> Result<()> {
        if self.iter().any(|other| other.component == measured.component) {
            return Err(Error::MeasuredTwice); // EV-3
        }
        let free = self.list.iter_mut().find(|place| place.is_none());
        *free.ok_or(Error::FieldTooLong)? = Some(measured);
        Ok(())
    }

    /// All measurements, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Measured> {
        self.list.iter().flatten()
    }

    /// What was measured of one component.
    #[must_use]
    pub fn of(&self, component: ComponentId) -> Option<Digest> {
        self.iter().find(|measured| measured.component == component).map(|m| m.digest)
    }
}

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The key that the certificate will be for.
    pub client_key: PublicKey,
    /// What the token answers.
    pub nonce: Digest,
    /// Whose token.
    pub device: DeviceId,
    /// Of what kind of root of trust (a digest of its program).
    pub implementation: Digest,
    /// Where in its life the device is.
    pub lifecycle: Lifecycle,
    /// In which mode it booted.
    pub mode: Mode,
    /// What for.
    pub purpose: Purpose,
    /// For whom.
    pub audience: CatalogId,
    /// The ownership epoch.
    pub epoch: u64,
    /// How often the device booted.
    pub boot: u64,
    /// How often it checked in since then.
    pub check_in: u64,
    /// Its anti-rollback floors.
    pub floors: Floors,
    /// What it booted.
    pub measured: Measurements,
}

/// The measurement of a trust store: SHA-256 of the platform section's digest, and of the owner
/// section's if there is one. A section's digest is that of its signed payload.
#[must_use]
pub fn trust_store_digest(crypto: &impl Crypto, platform: Digest, owner: Option<Digest>) -> Digest {
    match owner {
        Some(owner) => crypto.sha256(&[&platform.0, &owner.0]),
        None => crypto.sha256(&[&platform.0]),
    }
}

/// What the certificate of a root of trust's own layer says of its configuration: format 1,
/// lifecycle, class, zeros.
#[must_use]
pub fn layer_configuration(lifecycle: Lifecycle, class: &ClassId) -> [u8; 64] {
    let mut configuration = [0u8; 64];
    let lifecycle = (lifecycle as u16).to_be_bytes();
    join(&mut configuration, &[&[1], &lifecycle, &class.0]);
    configuration
}

/// The nonce of a check-in: it binds the token to the catalog, the connection and the request.
#[must_use]
pub fn check_in_nonce(
    crypto: &impl Crypto,
    catalog: &CatalogId,
    freshness: &[u8; 32],
    request: &Digest,
) -> Digest {
    crypto.sha256(&[b"craton/1/check-in-nonce", &catalog.0, freshness, &request.0])
}

const KEY_CNF: i64 = 8;
const KEY_NONCE: i64 = 10;
const KEY_UEID: i64 = 256;
const KEY_PROFILE: i64 = 265;
const KEY_LIFECYCLE: i64 = 2395;
const KEY_IMPLEMENTATION: i64 = 2396;
const KEY_COMPONENTS: i64 = 2399;
const KEY_PURPOSE: i64 = -75001;
const KEY_AUDIENCE: i64 = -75002;
const KEY_COUNTERS: i64 = -75003;
const KEY_MODE: i64 = -75004;
const KEY_FLOORS: i64 = -75005;

impl Claims {
    /// Signs the claims with the attestation key, behind its chain, into `out`; returns the bytes
    /// written.
    ///
    /// # Errors
    /// `BufferTooSmall`, or the signer's.
    pub fn sign<'o>(
        &self,
        crypto: &impl Crypto,
        attester: &dyn Signer,
        chain: &[&[u8]],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let (mut claims, mut token) = ([0u8; CLAIMS_MAX], [0u8; CLAIMS_MAX + cose::SIGN1_SIZE + 2]);
        let claims = self.encode(&mut claims)?;
        let token = cose::sign_attached(crypto, attester, Kind::Evidence, claims, &mut token)?;
        let mut writer = Writer::new(out);
        writer.array(2)?.array(chain.len())?;
        chain.iter().try_for_each(|link| writer.bytes(link).map(|_| ()))?;
        writer.bytes(token)?;
        writer.written()
    }

    pub(crate) fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        let mut ueid = [1u8; 33];
        copy(&mut ueid[1..], &self.device.0);
        writer.map(12)?.i64(KEY_CNF)?.map(1)?.i64(1)?;
        self.client_key.write(&mut writer)?;
        writer.i64(KEY_NONCE)?.bytes(&self.nonce.0)?.i64(KEY_UEID)?.bytes(&ueid)?;
        writer.i64(KEY_PROFILE)?.text(PROFILE)?;
        writer.i64(KEY_LIFECYCLE)?.u64(self.lifecycle as u64)?;
        writer.i64(KEY_IMPLEMENTATION)?.bytes(&self.implementation.0)?;
        writer.i64(KEY_COMPONENTS)?.array(self.measured.iter().count())?;
        for measured in self.measured.iter() {
            writer.map(2)?.i64(1)?.bytes(&measured.component.0)?;
            writer.i64(2)?.bytes(&measured.digest.0)?;
        }
        writer.i64(KEY_PURPOSE)?.u64(self.purpose as u64)?;
        writer.i64(KEY_AUDIENCE)?.bytes(&self.audience.0)?;
        writer.i64(KEY_COUNTERS)?.array(3)?;
        writer.u64(self.epoch)?.u64(self.boot)?.u64(self.check_in)?;
        writer.i64(KEY_MODE)?.u64(self.mode as u64)?.i64(KEY_FLOORS)?;
        self.floors.write(&mut writer)?;
        writer.written()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.map(12)?;
        reader.key(KEY_CNF)?;
        reader.map(1)?;
        reader.key(1)?;
        let client_key = PublicKey::read(&mut reader)?;
        reader.key(KEY_NONCE)?;
        let nonce = reader.digest()?;
        reader.key(KEY_UEID)?;
        let device = read_ueid(reader.fixed()?)?;
        reader.key(KEY_PROFILE)?;
        if reader.text(64)? != PROFILE {
            return Err(Error::ProfileUnknown);
        }
        reader.key(KEY_LIFECYCLE)?;
        let lifecycle = Lifecycle::from_number(reader.u64()?)?;
        reader.key(KEY_IMPLEMENTATION)?;
        let implementation = reader.digest()?;
        reader.key(KEY_COMPONENTS)?;
        let measured = read_measured(&mut reader)?;
        reader.key(KEY_PURPOSE)?;
        let purpose = match reader.u8()? {
            1 => Purpose::CheckIn,
            2 => Purpose::Report,
            _ => return Err(Error::PurposeMismatch),
        };
        reader.key(KEY_AUDIENCE)?;
        let audience = CatalogId(reader.fixed()?);
        reader.key(KEY_COUNTERS)?;
        reader.array(3)?;
        let (epoch, boot, check_in) = (reader.u64()?, reader.u64()?, reader.u64()?);
        reader.key(KEY_MODE)?;
        let mode = Mode::from_number(reader.u8()?)?;
        reader.key(KEY_FLOORS)?;
        let floors = Floors::read(&mut reader)?;
        reader.end()?;
        Ok(Self {
            client_key,
            nonce,
            device,
            implementation,
            lifecycle,
            mode,
            purpose,
            audience,
            epoch,
            boot,
            check_in,
            floors,
            measured,
        })
    }

    /// Refuses a token that answers another nonce, purpose or audience (EV-2).
    ///
    /// # Errors
    /// `NonceMismatch`, `PurposeMismatch`, `AudienceMismatch`.
    pub fn check(&self, nonce: &Digest, purpose: Purpose, audience: &CatalogId) -> Result<()> {
        if self.nonce != *nonce {
            return Err(Error::NonceMismatch);
        }
        if self.purpose != purpose {
            return Err(Error::PurposeMismatch);
        }
        if self.audience != *audience {
            return Err(Error::AudienceMismatch);
        }
        Ok(())
    }
}

fn read_ueid(ueid: [u8; 33]) -> Result<DeviceId> {
    match ueid.split_first() {
        Some((1, id)) => id.try_into().map(DeviceId).map_err(|_| Error::FieldInvalid),
        _ => Err(Error::FieldInvalid),
    }
}

fn read_measured(reader: &mut Reader<'_>) -> Result<Measurements> {
    let mut measured = Measurements::default();
    for _ in 0..reader.list(MEASURED_MAX)? {
        reader.map(2)?;
        reader.key(1)?;
        let component = ComponentId(reader.fixed()?);
        reader.key(2)?;
        measured.push(Measured { component, digest: reader.digest()? })?;
    }
    Ok(measured)
}

/// Authentic evidence: the claims, and the last certified layer.
#[derive(Clone, Debug)]
pub struct Authentic {
    /// The token's claims.
    pub claims: Claims,
    /// The root of trust's runtime as its certificate names it.
    pub layer: Certified,
}

/// Verifies evidence from the endorsed identity down (EV-1).
///
/// # Errors
/// `IdentityMismatch`, `ChainBroken`, `ProfileUnknown`, `MeasuredTwice`, and those of the encodings
/// and signatures.
pub fn verify(
    crypto: &impl Crypto,
    identity: &PublicKey,
    evidence: &[u8],
) -> Result<Verified<Authentic>> {
    if evidence.len() > EVIDENCE_MAX {
        return Err(Error::FieldTooLong);
    }
    let mut reader = Reader::new(evidence)?;
    reader.array(2)?;
    let links = reader.list(CHAIN_MAX)?;
    let mut layer: Option<Certified> = None;
    for _ in 0..links {
        let issuer = layer.map_or(*identity, |certified| certified.subject);
        let link = reader.bytes(dice::CERTIFICATE_MAX)?;
        let next = dice::verify(crypto, &issuer, link)?;
        if layer.is_some_and(|below| !below.mode.may_start(next.mode)) {
            return Err(Error::ChainBroken); // DICE-3
        }
        layer = Some(next);
    }
    // EV-1: the identity certifies layer 0 and signs nothing else.
    let layer = layer.ok_or(Error::ChainBroken)?;
    let token = Sign1::parse(reader.bytes(EVIDENCE_MAX)?)?;
    reader.end()?;
    let bytes = token.verify_attached(crypto, Kind::Evidence, &layer.subject)?;
    let claims = Claims::parse(bytes)?;
    if claims.device != identity.device_id(crypto) {
        return Err(Error::IdentityMismatch);
    }
    if claims.mode != layer.mode {
        return Err(Error::ChainBroken);
    }
    let digest = crypto.sha256(&[bytes]);
    Ok(Verified::new(Authentic { claims, layer }, digest))
}
