//! What a device is told at check-in: one image set, and if it asked online, the time and a
//! certificate.
//!
//! Rules: ASG-1 an assignment answers one request of one device in one epoch of one catalog; ASG-2
//! time and certificate come together, and only to an online request; ASG-3 it names a set only
//! with the proof that the set is logged; ASG-4 no number in it moves a clock
//! past the year 2199, or the next check-in past 90 days.

use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{CatalogId, DeviceId, Digest, SetId};
use crate::merkle::{self, Checkpoint, PATH_MAX};
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};

/// The largest certificate, bytes of DER.
pub const CERTIFICATE_MAX: usize = 2048;
/// The largest signed checkpoint, bytes.
pub const CHECKPOINT_MAX: usize = 1024;

/// The latest time that a reply may give, seconds since 1970: the end of the year 2199. A device's
/// clock never goes back while it has this owner, so that one wrong reply must not put it past
/// every date that anything else carries. No device of today runs then, and a format that
/// does has another version.
pub const TIME_MAX: u64 = 7_258_118_399;

/// The longest wait for the next check-in that is believed: 90 days, as the longest certificate.
pub const NEXT_CHECK_IN_S_MAX: u64 = 90 * 24 * 3600;

/// To whom an assignment must be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The device's catalog.
    pub catalog: CatalogId,
    /// The device.
    pub device: DeviceId,
    /// Its ownership epoch.
    pub epoch: u64,
    /// SHA-256 of the request it sent.
    pub request: Digest,
}

impl Address {
    /// Reads catalog, device, epoch and request, which follow one another.
    ///
    /// # Errors
    /// Those of the encoding.
    #[inline(never)] // for every object that has one
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            catalog: CatalogId(*reader.fixed_in_place()?),
            device: DeviceId(*reader.fixed_in_place()?),
            epoch: reader.u64()?,
            request: Digest(*reader.fixed_in_place()?),
        })
    }

    /// Refuses what is addressed elsewhere; `other_request` is the refusal of another request.
    ///
    /// # Errors
    /// `OtherCatalog`, `OtherDevice`, `OtherEpoch`, and `other_request`.
    #[inline(never)] // as above
    pub(crate) fn check(&self, expected: &Self, other_request: Error) -> Result<()> {
        if self.catalog != expected.catalog {
            return Err(Error::OtherCatalog);
        }
        if self.device != expected.device {
            return Err(Error::OtherDevice);
        }
        if self.epoch != expected.epoch {
            return Err(Error::OtherEpoch);
        }
        if self.request == expected.request { Ok(()) } else { Err(other_request) }
    }
}

/// What an online request gets beside the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Online<'b> {
    /// Seconds since 1970.
    pub time: u64,
    /// The client certificate chain's leaf, DER.
    pub certificate: &'b [u8],
}

/// The set to run, and the proof that it is logged, which is read in place.
#[derive(Clone, Copy, Debug)]
pub struct Target<'b> {
    /// Which set.
    pub set: SetId,
    /// Its entry in the log.
    pub index: u64,
    /// The checkpoint, signed.
    pub checkpoint: &'b [u8],
    /// The proof of a target that was made.
    made: &'b [Digest],
    /// The proof of one that was read: the encoded digests.
    read: &'b [[u8; CBOR_DIGEST_SIZE]],
}

/// Bytes of an encoded digest: two of head.
const CBOR_DIGEST_SIZE: usize = 34;

// On the stack of a root of trust with 32 KiB of memory.
const _: () = assert!(size_of::<Assignment<'_>>() <= 288);

impl PartialEq for Target<'_> {
    fn eq(&self, other: &Self) -> bool {
        let about = |it: &Self| (it.set, it.index);
        about(self) == about(other)
            && self.checkpoint == other.checkpoint
            && self.path().eq(other.path())
    }
}

impl Eq for Target<'_> {}

impl<'b> Target<'b> {
    /// A set with its inclusion proof.
    ///
    /// # Errors
    /// `FieldTooLong`.
    pub fn new(set: SetId, index: u64, checkpoint: &'b [u8], proof: &'b [Digest]) -> Result<Self> {
        if proof.len() > PATH_MAX {
            return Err(Error::FieldTooLong);
        }
        Ok(Self { set, index, checkpoint, made: proof, read: &[] })
    }

    /// The inclusion proof.
    pub fn path(&self) -> impl Iterator<Item = Digest> + use<'b> {
        let read = self.read.iter().map(|[_, _, digest @ ..]| Digest(*digest));
        self.made.iter().copied().chain(read)
    }

    /// Refuses a set that is not in the catalog's log (ASG-3); returns the size of the checkpoint
    /// that shows it, which the device keeps.
    ///
    /// # Errors
    /// `NotLogged`, and those of [`Checkpoint::verify`].
    pub fn verify_logged(
        &self,
        crypto: &impl Crypto,
        section: &Section<'_>,
        catalog: CatalogId,
        size_least: u64,
    ) -> Result<u64> {
        let signed = Signed::parse(self.checkpoint)?;
        let checkpoint = Checkpoint::verify(crypto, section, catalog, size_least, &signed)?;
        let leaf = merkle::leaf(crypto, &merkle::image_set_entry(self.set));
        let (size, root) = (checkpoint.size, &checkpoint.root);
        let mut path = [Digest([0; 32]); PATH_MAX];
        let length = path.iter_mut().zip(self.path()).map(|(place, it)| *place = it).count();
        let path = path.get(..length).unwrap_or(&[]);
        merkle::inclusion(crypto, leaf, self.index, size, path, root)?;
        Ok(size)
    }
}

/// The answer to a check-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment<'b> {
    /// To whom.
    pub address: Address,
    /// Time and certificate, if the request was online.
    pub online: Option<Online<'b>>,
    /// When to check in again, seconds from now.
    pub next_check_in_s: u64,
    /// The set to run; `None` leaves the device as it is.
    pub target: Option<Target<'b>>,
}

impl<'b> Assignment<'b> {
    /// Reads an assignment.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`; `FieldInvalid` for a time or a wait out of range
    /// (ASG-4).
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(8)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let address = Address::read(&mut reader)?;
        let online = reader.optional(|r| {
            r.array(2)?;
            Ok(Online { time: r.u64()?, certificate: r.bytes(CERTIFICATE_MAX)? }) // ASG-2
        })?;
        let next_check_in_s = reader.u64()?;
        let target = reader.optional(read_target)?;
        reader.end()?;
        let time = online.as_ref().map_or(0, |online| online.time);
        if time > TIME_MAX || next_check_in_s > NEXT_CHECK_IN_S_MAX {
            return Err(Error::FieldInvalid); // ASG-4
        }
        Ok(Self { address, online, next_check_in_s, target })
    }

    /// Time and certificate for a device that asked online; a request that travelled as a file may
    /// not be answered with either (ASG-2).
    ///
    /// # Errors
    /// `OtherRequest` for an online answer to an offline request.
    pub fn online_for(&self, asked_online: bool) -> Result<Option<&Online<'b>>> {
        match &self.online {
            Some(_) if !asked_online => Err(Error::OtherRequest),
            online => Ok(online.as_ref()),
        }
    }

    /// Writes the assignment into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        let to = &self.address;
        writer.array(8)?.u64(1)?.bytes(&to.catalog.0)?.bytes(&to.device.0)?;
        writer.u64(to.epoch)?.bytes(&to.request.0)?;
        match &self.online {
            Some(online) => writer.array(2)?.u64(online.time)?.bytes(online.certificate)?,
            None => writer.null()?,
        };
        writer.u64(self.next_check_in_s)?;
        match &self.target {
            Some(target) => {
                writer.array(4)?.bytes(&target.set.0)?.u64(target.index)?;
                writer.bytes(target.checkpoint)?.array(target.path().count())?;
                target.path().try_for_each(|d| writer.bytes(&d.0).map(|_| ()))?;
            }
            None => {
                writer.null()?;
            }
        }
        writer.written()
    }

    /// Verifies an assignment by the online role, addressed to exactly this request (ASG-1).
    ///
    /// # Errors
    /// `SectionKind` (STORE-5), those of [`Signed::verify`]; `OtherCatalog`, `OtherDevice`,
    /// `OtherEpoch`, `OtherRequest`.
    pub fn verify(
        crypto: &impl Crypto,
        section: &Section<'_>,
        address: &Address,
        signed: &Signed<'b>,
    ) -> Result<Verified<Self>> {
        section.require(SectionKind::Owner)?;
        let roles = [section.role(Role::Online)];
        let assignment = signed.verify(crypto, Kind::Assignment, &roles, Self::parse)?;
        assignment.address.check(address, Error::OtherRequest)?;
        Ok(assignment)
    }
}

fn read_target<'b>(reader: &mut Reader<'b>) -> Result<Target<'b>> {
    reader.array(4)?;
    let set = SetId(*reader.fixed_in_place()?);
    let index = reader.u64()?;
    let checkpoint = reader.bytes(CHECKPOINT_MAX)?;
    let count = reader.list(PATH_MAX)?;
    let (read, _) = reader.rest().as_chunks();
    for _ in 0..count {
        reader.digest()?;
    }
    // Digests that were read are all as long, so that this is where they stand.
    let read = read.get(..count).ok_or(Error::FieldInvalid)?;
    Ok(Target { set, index, checkpoint, made: &[], read })
}
