//! Image manifests: SUIT (draft-ietf-suit-manifest) in a restricted profile.
//!
//! Rules: IMG-1 the manifest is byte for byte the one command sequence of its profile: no try-each,
//! no URI, no directive chosen by data; IMG-2 what is signed is the digest of the wrapped manifest;
//! IMG-3 the payload is believed by its digest and size only; IMG-4 an image runs on devices of its
//! class only; IMG-5 a runtime is signed by the platform's publisher, an application by the
//! owner's. Our own facts travel under a private key of the manifest. Off-spec: the sequence number
//! is informational, only the security version is enforced, so that a signed roll-back stays
//! possible.

use crate::cbor::{Reader, Writer, canonical};
use crate::copy::copy;
use crate::cose::Kind;
use crate::crypto::{Crypto, Mixed};
use crate::error::{Error, Result};
use crate::id::{ClassId, ComponentId, Digest, ImageId, TIME_MAX};
use crate::signed::{SIGNATURES_MAX, Signatures, Verified};
use crate::store::{Role, RoleKeys, Section, SectionKind};

mod footer;
mod sign;

pub use footer::{FOOTER_SIZE, Footer};
pub use sign::{countersign, sign, unchecked_signatures, with_signatures};

/// The largest envelope, bytes.
pub const ENVELOPE_MAX: usize = 4096;
/// The largest manifest, bytes.
pub const MANIFEST_MAX: usize = 2048;
/// The longest name or version text, bytes.
pub const TEXT_MAX: usize = 64;
/// The most ABIs an image provides, and the most it depends on.
pub const ABIS_MAX: usize = 8;

/// The private manifest key that holds our facts.
const FACTS_KEY: i64 = -257;
/// COSE identifier of SHA-256.
const SHA_256: i64 = -16;
/// Reporting policy: report on success and failure both (draft §8.4.7).
const REPORT: u64 = 15;

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ImageType {
    /// The root of trust's own program, for its ROM: a raw binary. A type of its own, because the
    /// same publisher signs device runtimes for the same class, and a ROM that jumped into one of
    /// those would run bytes that nobody meant for it.
    RootOfTrust = 8,
    /// The device runtime: a raw binary.
    Runtime = 9,
    /// An application: EROFS and its verity tree.
    Application = 10,
    /// What such a ROM takes over a wire: a raw binary. A type of its own, so that no other program
    /// gets mode Recovery from who holds the wire, and this one starts from no slot.
    Recovery = 11,
}

impl ImageType {
    /// Whose publisher signs it: the runtime is the platform's, an application the owner's.
    #[must_use]
    pub const fn section(self) -> SectionKind {
        match self {
            Self::RootOfTrust | Self::Runtime | Self::Recovery => SectionKind::Platform,
            Self::Application => SectionKind::Owner,
        }
    }
}

/// An ABI by number, and the least or the provided version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// Which ABI.
    pub id: u32,
    /// Which version of it.
    pub version: u32,
}

/// A short list of ABIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abis {
    abis: [Abi; ABIS_MAX],
    count: usize,
}

impl Abis {
    /// From a slice.
    ///
    /// # Errors
    /// `FieldTooLong` for more than [`ABIS_MAX`].
    pub fn new(list: &[Abi]) -> Result<Self> {
        let mut abis = Self::NONE;
        copy(abis.abis.get_mut(..list.len()).ok_or(Error::FieldTooLong)?, list);
        abis.count = list.len();
        Ok(abis)
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &[Abi] {
        self.abis.get(..self.count).unwrap_or(&[])
    }

    const NONE: Self = Self { abis: [Abi { id: 0, version: 0 }; ABIS_MAX], count: 0 };

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.count = reader.list(ABIS_MAX)?;
        for place in self.abis.iter_mut().take(self.count) {
            reader.array(2)?;
            *place = Abi { id: reader.u32()?, version: reader.u32()? };
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.array(self.count)?;
        self.list().iter().try_for_each(|abi| {
            writer.array(2)?.u64(u64::from(abi.id))?.u64(u64::from(abi.version)).map(|_| ())
        })
    }
}

/// The dm-verity tree at the payload's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verity {
    /// Bytes of the file system before the tree.
    pub data_size: u64,
    /// The root hash.
    pub root: Digest,
}

/// What a manifest says of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'b> {
    /// What has versions.
    pub component: ComponentId,
    /// What it is.
    pub image_type: ImageType,
    /// The vendor (SUIT vendor id, a UUID).
    pub vendor: [u8; 16],
    /// The class of devices it is for.
    pub class: ClassId,
    /// Informational order of publishing.
    pub sequence: u64,
    /// What anti-rollback compares.
    pub security_version: u64,
    /// For people.
    pub name: &'b str,
    /// For people.
    pub version: &'b str,
    /// SHA-256 of the payload.
    pub payload: Digest,
    /// Bytes of the payload.
    pub payload_size: u64,
    /// The verity tree inside the payload.
    pub verity: Option<Verity>,
    /// ABIs that other images may need of it.
    pub provides: Abis,
    /// ABIs that it needs.
    pub depends: Abis,
    /// SHA-256 of the SBOM.
    pub sbom: Digest,
    /// Until when the maker supports it, seconds since 1970.
    pub support_until: u64,
}

impl<'b> Image<'b> {
    /// Of which nothing was read.
    const fn blank() -> Self {
        Self {
            component: ComponentId([0; 16]),
            image_type: ImageType::Runtime,
            vendor: [0; 16],
            class: ClassId([0; 16]),
            sequence: 0,
            security_version: 0,
            name: "",
            version: "",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: None,
            provides: Abis::NONE,
            depends: Abis::NONE,
            sbom: Digest([0; 32]),
            support_until: 0,
        }
    }

    /// Reads a manifest, refusing any other command sequence (IMG-1).
    ///
    /// # Errors
    /// `ManifestTemplate`; `FieldInvalid` for a verity tree outside the payload or a year above
    /// 9999; and those of the encoding.
    pub fn parse(manifest: &'b [u8]) -> Result<Self> {
        if manifest.len() > MANIFEST_MAX {
            return Err(Error::FieldTooLong);
        }
        canonical(manifest)?;
        let mut image = Self::blank();
        read_manifest(manifest, &mut image).map_err(|_| Error::ManifestTemplate)?;
        let inside = image.verity.is_none_or(|verity| verity.data_size <= image.payload_size);
        if !inside || image.support_until > TIME_MAX {
            return Err(Error::FieldInvalid);
        }
        let mut again = [0u8; WRITTEN_MAX];
        // IMG-1: whatever was read, only what we would have written is believed.
        if image.encode(&mut again).ok() == Some(manifest) {
            Ok(image)
        } else {
            Err(Error::ManifestTemplate)
        }
    }

    /// Writes the manifest into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let (mut common, mut facts) = ([0u8; COMMON_MAX], [0u8; FACTS_MAX]);
        let common = self.encode_common(&mut common)?;
        let facts = self.encode_facts(&mut facts)?;
        let mut writer = Writer::new(out);
        writer.map(6)?.i64(1)?.u64(1)?.i64(2)?.u64(self.sequence)?;
        writer.i64(3)?.bytes(common)?;
        writer.i64(7)?.bytes(VALIDATE)?.i64(9)?.bytes(INVOKE)?;
        writer.i64(FACTS_KEY)?.bytes(facts)?;
        writer.written()
    }

    fn encode_common<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let (mut digest, mut shared) = ([0u8; 40], [0u8; 192]);
        let digest = suit_digest(&self.payload, &mut digest)?;
        let mut writer = Writer::new(&mut shared);
        writer.array(6)?.u64(20)?.map(4)?;
        writer.i64(1)?.bytes(&self.vendor)?.i64(2)?.bytes(&self.class.0)?;
        writer.i64(3)?.bytes(digest)?.i64(14)?.u64(self.payload_size)?;
        writer.u64(1)?.u64(REPORT)?.u64(2)?.u64(REPORT)?;
        let shared = writer.written()?;
        let mut writer = Writer::new(out);
        writer.map(2)?.i64(2)?.array(1)?.array(1)?.bytes(&self.component.0)?;
        writer.i64(4)?.bytes(shared)?;
        writer.written()
    }

    fn encode_facts<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(9)?.u64(self.image_type as u64)?.u64(self.security_version)?;
        writer.text(self.name)?.text(self.version)?;
        match &self.verity {
            Some(verity) => {
                writer.array(2)?.u64(verity.data_size)?.bytes(&verity.root.0)?;
            }
            None => {
                writer.null()?;
            }
        }
        self.provides.write(&mut writer)?;
        self.depends.write(&mut writer)?;
        writer.bytes(&self.sbom.0)?.u64(self.support_until)?;
        writer.written()
    }

    /// Refuses a device of another class (IMG-4).
    ///
    /// # Errors
    /// `ClassMismatch`.
    pub fn check_class(&self, device: ClassId) -> Result<()> {
        if self.class == device { Ok(()) } else { Err(Error::ClassMismatch) }
    }

    /// Refuses a payload that is not the one of this manifest (IMG-3).
    ///
    /// # Errors
    /// `PayloadMismatch`.
    pub fn check_payload(&self, digest: &Digest, size: u64) -> Result<()> {
        self.check_found(&Mixed::open(&digest.0), size)
    }

    /// As [`Image::check_payload`], of a payload that nobody believes yet.
    ///
    /// # Errors
    /// `PayloadMismatch`.
    pub fn check_found(&self, digest: &Mixed, size: u64) -> Result<()> {
        let same = digest.is(&self.payload.0) && size == self.payload_size;
        if same { Ok(()) } else { Err(Error::PayloadMismatch) }
    }
}

/// Bytes of what [`Image::encode_common`] writes at most, with room to spare.
const COMMON_MAX: usize = 192;
/// As above, with every list and text full.
const FACTS_MAX: usize = 448;
/// As above, of a whole manifest.
const WRITTEN_MAX: usize = 704;

/// `[condition-image-match, report]`.
const VALIDATE: &[u8] = &[0x82, 0x03, 0x0f];
/// `[directive-invoke, report on failure]`.
const INVOKE: &[u8] = &[0x82, 0x17, 0x02];

#[inline(never)] // each field comes to its place at once: moving them would be most of the code
fn read_manifest<'b>(manifest: &'b [u8], image: &mut Image<'b>) -> Result<()> {
    let mut reader = Reader::new(manifest)?;
    reader.map(6)?;
    reader.key(1)?;
    reader.key(1)?;
    reader.key(2)?;
    image.sequence = reader.u64()?;
    reader.key(3)?;
    let mut common = Reader::new(reader.bytes(MANIFEST_MAX)?)?;
    reader.key(7)?;
    reader.raw()?;
    reader.key(9)?;
    reader.raw()?;
    reader.key(FACTS_KEY)?;
    let mut facts = Reader::new(reader.bytes(MANIFEST_MAX)?)?;
    common.map(2)?;
    common.key(2)?;
    common.array(1)?;
    common.array(1)?;
    image.component.0 = common.fixed()?;
    common.key(4)?;
    let mut shared = Reader::new(common.bytes(MANIFEST_MAX)?)?;
    shared.array(6)?;
    shared.key(20)?;
    shared.map(4)?;
    shared.key(1)?;
    image.vendor = shared.fixed()?;
    shared.key(2)?;
    image.class.0 = shared.fixed()?;
    shared.key(3)?;
    image.payload = read_digest(shared.bytes(40)?)?;
    shared.key(14)?;
    image.payload_size = shared.u64()?;
    facts.array(9)?;
    image.image_type = match facts.u8()? {
        8 => ImageType::RootOfTrust,
        9 => ImageType::Runtime,
        10 => ImageType::Application,
        11 => ImageType::Recovery,
        _ => return Err(Error::ManifestTemplate),
    };
    image.security_version = facts.u64()?;
    image.name = facts.text(TEXT_MAX)?;
    image.version = facts.text(TEXT_MAX)?;
    image.verity = facts.optional(|r| {
        r.array(2)?;
        Ok(Verity { data_size: r.u64()?, root: r.digest()? })
    })?;
    image.provides.read(&mut facts)?;
    image.depends.read(&mut facts)?;
    image.sbom = facts.digest()?;
    image.support_until = facts.u64()?;
    Ok(())
}

fn suit_digest<'o>(digest: &Digest, out: &'o mut [u8]) -> Result<&'o [u8]> {
    let mut writer = Writer::new(out);
    writer.array(2)?.i64(SHA_256)?.bytes(&digest.0)?;
    writer.written()
}

fn read_digest(bytes: &[u8]) -> Result<Digest> {
    let mut reader = Reader::new(bytes)?;
    reader.array(2)?;
    if reader.i64()? != SHA_256 {
        return Err(Error::AlgorithmMismatch);
    }
    let digest = reader.digest()?;
    reader.end()?;
    Ok(digest)
}

/// The digest that names and signs a manifest: over its byte-string wrapping (draft §6.3, IMG-2).
fn wrapped_digest(crypto: &impl Crypto, manifest: &[u8]) -> Result<Mixed> {
    let mut head = [0u8; 9];
    let mut writer = Writer::new(&mut head);
    writer.bytes_head(manifest.len())?;
    Ok(crypto.sha256_mixed(&[writer.written()?, manifest]))
}

/// Verifies an envelope by the publisher of a section: the one that images of its type belong to
/// (IMG-5), up to that section's ceiling. Devices and services believe images by this.
///
/// # Errors
/// Those of [`verify`]; `SectionKind` for an image of the other section's; `AboveCeiling`.
pub fn verify_by<'b>(
    crypto: &impl Crypto,
    section: &Section<'_>,
    envelope: &'b [u8],
) -> Result<Verified<Image<'b>>> {
    let image = verify(crypto, section.role(Role::Publisher), envelope)?;
    section.require(image.image_type.section())?; // IMG-5
    if image.security_version > section.ceiling {
        return Err(Error::AboveCeiling); // ROLL-2
    }
    Ok(image)
}

/// Verifies an envelope by the role that publishes, and returns what its manifest says.
///
/// # Errors
/// Those of the encoding and of [`Signatures::satisfy`]; `ManifestDigest`, `ManifestTemplate`.
pub fn verify<'b>(
    crypto: &impl Crypto,
    publisher: RoleKeys<'_>,
    envelope: &'b [u8],
) -> Result<Verified<Image<'b>>> {
    let (signatures, wrapper_digest, manifest) = split(envelope)?;
    signatures.satisfy(crypto, Kind::Image, &[wrapper_digest], publisher)?;
    // Where it was signed: who wrote another manifest has no word of its digest here (ROT-25).
    let digest = read_digest(wrapper_digest)?;
    if !wrapped_digest(crypto, manifest)?.is(&digest.0) {
        return Err(Error::ManifestDigest); // IMG-2
    }
    Ok(Verified::new(Image::parse(manifest)?, digest))
}

/// Reads an envelope without believing it: to show it to a person, or before its signer is known.
///
/// # Errors
/// Those of the encoding; `ManifestTemplate`, `ManifestDigest`.
pub fn unchecked_parse<'b>(
    crypto: &impl Crypto,
    envelope: &'b [u8],
) -> Result<(ImageId, Image<'b>)> {
    let (digest, _) = unchecked_digest(envelope)?;
    let (found, manifest) = unchecked_manifest(crypto, envelope)?;
    if !found.is(&digest.0) {
        return Err(Error::ManifestDigest);
    }
    Ok((ImageId(digest.0), Image::parse(manifest)?))
}

/// A manifest that nobody believes, with its digest: for who compares that.
///
/// # Errors
/// Those of the encoding.
pub fn unchecked_manifest<'b>(
    crypto: &impl Crypto,
    envelope: &'b [u8],
) -> Result<(Mixed, &'b [u8])> {
    let (_, _, manifest) = split(envelope)?;
    Ok((wrapped_digest(crypto, manifest)?, manifest))
}

/// The digest that an envelope's signatures are over, believed by nobody yet, and where it lies.
///
/// # Errors
/// Those of the encoding.
pub fn unchecked_digest(envelope: &[u8]) -> Result<(Digest, &[u8])> {
    let (_, signed, _) = split(envelope)?;
    Ok((read_digest(signed)?, signed))
}

/// The parts of an envelope `{2: [digest, signatures…], 3: manifest}`.
fn split(envelope: &[u8]) -> Result<(Signatures<'_>, &[u8], &[u8])> {
    if envelope.len() > ENVELOPE_MAX {
        return Err(Error::FieldTooLong);
    }
    let mut reader = Reader::new(envelope)?;
    reader.map(2)?;
    reader.key(2)?;
    let mut wrapper = Reader::new(reader.bytes(ENVELOPE_MAX)?)?;
    reader.key(3)?;
    let manifest = reader.bytes(MANIFEST_MAX)?;
    reader.end()?;
    let items = wrapper.list(SIGNATURES_MAX + 1)?;
    let digest = wrapper.bytes(40)?;
    let signatures = Signatures::read(&mut wrapper, items.saturating_sub(1))?;
    wrapper.end()?;
    Ok((signatures, digest, manifest))
}
