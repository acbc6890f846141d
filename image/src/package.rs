//! The package file: payload, then SUIT envelope, then footer (DESIGN §5).
//!
//! What is signed is the payload as it is mounted or executed; how it travels is decided later.

use craton_trust::crypto::{By, Signer};
use craton_trust::error::Error as TrustError;
use craton_trust::id::{Digest, ImageId};
use craton_trust::soft::Soft;
use craton_trust::suit::{self, ENVELOPE_MAX, FOOTER_SIZE, Footer, Image};
use std::io::Write as _;

/// The largest payload, bytes: an EROFS image and its hash tree, or a program. What is signed, what
/// a delta rebuilds and what a file system may hold are all bounded by this.
pub const PAYLOAD_BYTES_MAX: u64 = 320 << 20;
/// The largest package, bytes.
pub const PACKAGE_MAX: u64 = PAYLOAD_BYTES_MAX + ENVELOPE_MAX as u64 + FOOTER_SIZE as u64;
/// zstd's window on a device: 2²³ bytes.
pub const WINDOW_LOG_MAX: u32 = 23;
/// zstd's level for transport objects.
const LEVEL: i32 = 19;

/// Why a package could not be read, made or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The package, envelope or manifest is not one.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// The file or its payload is larger than any may be.
    #[error("E2401: the payload is larger than a package may hold (320 MiB)")]
    PackageTooLarge,
    /// The file is shorter than a footer.
    #[error("E2402: the file is too short to be a package; was its download cut off?")]
    PackageTruncated,
    /// The transport object does not decompress to the signed size.
    #[error("E2403: the transport object does not rebuild the payload; the full image is fetched")]
    TransportDamaged,
    /// Reading or writing failed.
    #[error("E2404: {0}: {1}; check that the path exists and the disk has room")]
    PackageIo(std::path::PathBuf, std::io::Error),
}

impl PackageError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Trust(error) => error.code(),
            Self::PackageTooLarge => 2401,
            Self::PackageTruncated => 2402,
            Self::TransportDamaged => 2403,
            Self::PackageIo(..) => 2404,
        }
    }
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    use craton_trust::crypto::Crypto as _;
    Soft.sha256(&[bytes])
}

/// A package in memory: its payload is the one that its manifest names.
#[derive(Clone, Debug)]
pub struct Package {
    payload: Vec<u8>,
    envelope: Vec<u8>,
}

impl Package {
    /// Signs the manifest that `image` makes of `payload`; its digest and size are filled in here.
    ///
    /// # Errors
    /// `PackageTooLarge`; `BufferTooSmall` for a manifest above its bound, or a signer's.
    pub fn sign(
        payload: Vec<u8>,
        image: &Image<'_>,
        signers: &[&dyn Signer],
    ) -> Result<Self, PackageError> {
        Unsigned::of(payload, image)?.sign(signers)
    }

    /// The same package with one signature more; what the image is, and is called, stays the same.
    ///
    /// # Errors
    /// `SignerRepeated`, `FieldTooLong` for a ninth signature or an envelope larger than any may
    /// be, and the signer's.
    pub fn countersign(&self, by: By<'_>) -> Result<Self, PackageError> {
        let mut envelope = [0u8; ENVELOPE_MAX];
        let envelope = suit::countersign(&Soft, &self.envelope, by, &mut envelope)?.to_vec();
        Ok(Self { payload: self.payload.clone(), envelope })
    }

    /// The same package with these signatures, each a COSE_Sign1, in place of its own.
    ///
    /// # Errors
    /// Those of [`suit::with_signatures`].
    pub fn with_signatures(&self, signatures: &[&[u8]]) -> Result<Self, PackageError> {
        let mut envelope = [0u8; ENVELOPE_MAX];
        let made = suit::with_signatures(&self.envelope, signatures, &mut envelope)?.to_vec();
        Ok(Self { payload: self.payload.clone(), envelope: made })
    }

    /// Reads a package file and checks that payload and manifest belong together. The signatures
    /// are not verified: that takes a trust store.
    ///
    /// # Errors
    /// `PackageTooLarge`, `PackageTruncated`, `FooterInvalid`, `PayloadMismatch`, and those of the
    /// manifest.
    pub fn parse(file: &[u8]) -> Result<Self, PackageError> {
        let (payload, envelope) = split(file)?;
        Self::of(payload.to_vec(), envelope.to_vec())
    }

    /// Puts a payload and its envelope together again.
    ///
    /// # Errors
    /// `PayloadMismatch`, and those of the manifest.
    pub fn of(payload: Vec<u8>, envelope: Vec<u8>) -> Result<Self, PackageError> {
        let (_, image) = suit::unchecked_parse(&Soft, &envelope)?;
        image.check_payload(&sha256(&payload), payload.len() as u64)?;
        Ok(Self { payload, envelope })
    }

    /// The package file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        join(&self.payload, &self.envelope)
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// What the manifest says.
    ///
    /// # Errors
    /// None for a package made by [`Package::sign`] or [`Package::parse`].
    pub fn image(&self) -> Result<(ImageId, Image<'_>), PackageError> {
        Ok(suit::unchecked_parse(&Soft, &self.envelope)?)
    }
}

/// An image that nobody has signed yet: so that the machine which builds need not have the key.
///
/// Its file is laid out as a package's, with the manifest in the envelope's place; no reader of
/// packages takes it for one.
#[derive(Clone, Debug)]
pub struct Unsigned {
    payload: Vec<u8>,
    manifest: Vec<u8>,
}

impl Unsigned {
    /// The manifest that `image` makes of `payload`; its digest and size are filled in here.
    ///
    /// # Errors
    /// `PackageTooLarge`; `BufferTooSmall` for a manifest above its bound.
    pub fn of(payload: Vec<u8>, image: &Image<'_>) -> Result<Self, PackageError> {
        if payload.len() as u64 > PAYLOAD_BYTES_MAX {
            return Err(PackageError::PackageTooLarge);
        }
        let image =
            Image { payload: sha256(&payload), payload_size: payload.len() as u64, ..*image };
        let mut manifest = [0u8; suit::MANIFEST_MAX];
        let manifest = image.encode(&mut manifest)?.to_vec();
        Ok(Self { payload, manifest })
    }

    /// Reads an unsigned file and checks that payload and manifest belong together.
    ///
    /// # Errors
    /// As [`Package::parse`].
    pub fn parse(file: &[u8]) -> Result<Self, PackageError> {
        let (payload, manifest) = split(file)?;
        let image = Image::parse(manifest)?;
        image.check_payload(&sha256(payload), payload.len() as u64)?;
        Ok(Self { payload: payload.to_vec(), manifest: manifest.to_vec() })
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        join(&self.payload, &self.manifest)
    }

    /// What the manifest says.
    ///
    /// # Errors
    /// None for what [`Unsigned::of`] or [`Unsigned::parse`] made.
    pub fn image(&self) -> Result<Image<'_>, PackageError> {
        Ok(Image::parse(&self.manifest)?)
    }

    /// Signs the manifest.
    ///
    /// # Errors
    /// A signer's.
    pub fn sign(self, signers: &[&dyn Signer]) -> Result<Package, PackageError> {
        let mut envelope = [0u8; ENVELOPE_MAX];
        let envelope = suit::sign(&Soft, &self.manifest, signers, &mut envelope)?.to_vec();
        Ok(Package { payload: self.payload, envelope })
    }
}

/// What stands before the footer: the payload, and what is behind it.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), PackageError> {
    let size = file.len() as u64;
    if size > PACKAGE_MAX {
        return Err(PackageError::PackageTooLarge);
    }
    let (rest, footer) =
        file.split_last_chunk::<FOOTER_SIZE>().ok_or(PackageError::PackageTruncated)?;
    let footer = Footer::parse(footer, size)?;
    let at = usize::try_from(footer.payload_size).map_err(|_| PackageError::PackageTooLarge)?;
    rest.split_at_checked(at).ok_or(TrustError::FooterInvalid.into())
}

fn join(payload: &[u8], behind: &[u8]) -> Vec<u8> {
    let footer = Footer { payload_size: payload.len() as u64, envelope_size: behind.len() as u64 };
    [payload, behind, &footer.encode()].concat()
}

/// Compresses a whole payload for transport, with a window that a device can hold.
///
/// # Errors
/// `PackageIo` never in memory.
pub fn compress(payload: &[u8]) -> Result<Vec<u8>, PackageError> {
    let io = |error| PackageError::PackageIo("the transport object".into(), error);
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(io)?;
    encoder.window_log(WINDOW_LOG_MAX).map_err(io)?;
    encoder.include_checksum(false).map_err(io)?;
    encoder.write_all(payload).map_err(io)?;
    encoder.finish().map_err(io)
}

/// Decompresses a whole payload of exactly `size` bytes into `out`: never more, whatever the object
/// says.
///
/// # Errors
/// `TransportDamaged`; the writer's own as `PackageIo`.
pub fn decompress(
    transport: impl std::io::Read,
    size: u64,
    out: &mut impl std::io::Write,
) -> Result<(), PackageError> {
    use std::io::Read as _;
    let mut decoder = zstd::Decoder::new(transport).map_err(|_| PackageError::TransportDamaged)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|_| PackageError::TransportDamaged)?;
    let mut decoder = decoder.take(size.saturating_add(1));
    let (mut chunk, mut written) = (vec![0u8; 64 * 1024], 0u64);
    loop {
        let n = decoder.read(&mut chunk).map_err(|_| PackageError::TransportDamaged)?;
        if n == 0 {
            break;
        }
        written += n as u64;
        if written > size {
            return Err(PackageError::TransportDamaged);
        }
        let part = chunk.get(..n).ok_or(PackageError::TransportDamaged)?;
        out.write_all(part).map_err(|e| PackageError::PackageIo("the payload".into(), e))?;
    }
    if written == size { Ok(()) } else { Err(PackageError::TransportDamaged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::soft::SoftKey;
    use craton_trust::suit::{Abis, ImageType};
    use craton_trust::{ClassId, ComponentId};

    fn package() -> Package {
        signed(vec![6; 100]).unwrap()
    }

    fn signed(payload: Vec<u8>) -> Result<Package, PackageError> {
        let image = Image {
            component: ComponentId([1; 16]),
            image_type: ImageType::Application,
            vendor: [2; 16],
            class: ClassId([3; 16]),
            sequence: 1,
            security_version: 1,
            name: "blink",
            version: "1.0.0",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: None,
            provides: Abis::new(&[]).unwrap(),
            depends: Abis::new(&[]).unwrap(),
            sbom: Digest([4; 32]),
            support_until: 0,
        };
        let key = SoftKey::from_bytes(&[5; 32]).unwrap();
        Package::sign(payload, &image, &[&key])
    }

    #[test]
    fn a_package_reads_back_and_every_flipped_bit_is_refused() {
        let bytes = package().to_bytes();
        assert_eq!(Package::parse(&bytes).unwrap().to_bytes(), bytes);
        let key = SoftKey::from_bytes(&[5; 32]).unwrap();
        let role = craton_trust::store::RoleKeysBuilder::of(key.public_key());
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            // A flipped bit of the signature leaves payload and manifest together: the role refuses
            // it.
            let verdict = Package::parse(&broken).and_then(|package| {
                suit::verify(&Soft, role.role_keys(), package.envelope())
                    .map_err(PackageError::from)?;
                Ok(())
            });
            assert!(verdict.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_second_signature_leaves_the_image_what_it_is_and_one_key_signs_once() {
        let (one, keys) = (package(), [5, 6].map(|seed| SoftKey::from_bytes(&[seed; 32]).unwrap()));
        let both = one.countersign(By::Es256(&keys[1])).unwrap();
        assert_eq!(both.image().unwrap().0, one.image().unwrap().0);
        let mut role = craton_trust::store::RoleKeysBuilder::new(2);
        keys.iter().for_each(|key| role.push(key.public_key()).unwrap());
        assert!(suit::verify(&Soft, role.role_keys(), both.envelope()).is_ok());
        assert!(suit::verify(&Soft, role.role_keys(), one.envelope()).is_err());
        let again = both.countersign(By::Es256(&keys[0])).unwrap_err();
        assert!(matches!(again, PackageError::Trust(TrustError::SignerRepeated)));
    }

    #[test]
    fn an_unsigned_file_signs_to_the_same_package_and_is_taken_for_none() {
        let package = package();
        let (_, image) = package.image().unwrap();
        let unsigned = Unsigned::of(package.payload().to_vec(), &image).unwrap();
        let bytes = unsigned.to_bytes();
        assert!(Package::parse(&bytes).is_err());
        assert!(Unsigned::parse(&package.to_bytes()).is_err());
        let read = Unsigned::parse(&bytes).unwrap();
        assert_eq!(read.image().unwrap().version, "1.0.0");
        let key = SoftKey::from_bytes(&[5; 32]).unwrap();
        let signed = read.sign(&[&key]).unwrap();
        assert_eq!(signed.image().unwrap().0, package.image().unwrap().0);
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Unsigned::parse(&broken) {
                // Only facts may differ, which whoever signs is shown; the payload never.
                assert_eq!(read.payload, package.payload(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_cut_off_or_longer_file_is_package_truncated_or_footer_invalid() {
        let bytes = package().to_bytes();
        for cut in 0..bytes.len() {
            assert!(Package::parse(&bytes[..cut]).is_err(), "{cut}");
        }
        let short = Package::parse(&bytes[..3]).unwrap_err();
        assert!(matches!(short, PackageError::PackageTruncated), "{short}");
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Package::parse(&longer).unwrap_err().code(), 1307);
    }

    #[test]
    fn a_decompression_bomb_is_transport_damaged() {
        let bomb = compress(&vec![0; 1 << 20]).unwrap();
        let mut out = Vec::new();
        let verdict = decompress(&bomb[..], 1000, &mut out);
        assert!(matches!(verdict, Err(PackageError::TransportDamaged)));
        assert!(out.len() <= 1000);
        let mut out = Vec::new();
        decompress(&bomb[..], 1 << 20, &mut out).unwrap();
        assert_eq!(out.len(), 1 << 20);
    }

    #[test]
    fn a_file_or_payload_above_its_bound_is_package_too_large() {
        // Zeros that are never touched take no memory.
        let file = vec![0; usize::try_from(PACKAGE_MAX).unwrap() + 1];
        let refused = Package::parse(&file).unwrap_err();
        assert!(matches!(refused, PackageError::PackageTooLarge), "{refused}");
        let payload = vec![0; usize::try_from(PAYLOAD_BYTES_MAX).unwrap() + 1];
        let refused = signed(payload).unwrap_err();
        assert!(matches!(refused, PackageError::PackageTooLarge), "{refused}");
        assert_eq!(refused.code(), 2401);
    }

    #[test]
    fn a_payload_that_cannot_be_written_is_package_io() {
        struct Full;
        impl std::io::Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let transport = compress(&[7; 100]).unwrap();
        let refused = decompress(&transport[..], 100, &mut Full).unwrap_err();
        assert!(matches!(refused, PackageError::PackageIo(..)), "{refused}");
        assert_eq!(refused.code(), 2404);
    }
}
