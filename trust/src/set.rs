//! Image sets: all that a device runs, approved twice.
//!
//! Rules: SET-1 a set is believed only under publisher and catalog both; SET-2 its components stand
//! in order, each once; SET-3 an envelope is fetched only as the set names it; SET-4 a development
//! set is believed only by a device that says it is one; SET-5 all of a set is for the device's
//! class, or none of it.

use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{CatalogId, ClassId, ComponentId, Digest, ImageId};
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};
use crate::suit::{Abi, Image};
use core::fmt;

/// The most components of a set.
pub const COMPONENTS_MAX: usize = 16;
/// The most transport objects of one component.
pub const TRANSPORTS_MAX: usize = 4;

/// For which devices a set is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Devices that a developer has at hand: admitted without a second person.
    Development = 0,
    /// All others.
    Production = 1,
}

/// How a payload may travel. Untrusted: it must rebuild the signed payload or is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// SHA-256 of the transport object.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// The payload it is a delta from; `None` for the whole payload, compressed.
    pub base: Option<Digest>,
}

/// One component of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What has versions.
    pub component: ComponentId,
    /// The digest of its manifest.
    pub image: ImageId,
    /// The class of devices it is for.
    pub class: ClassId,
    /// What anti-rollback compares.
    pub security_version: u64,
    /// SHA-256 of the envelope.
    pub envelope: Digest,
    /// Bytes of the envelope.
    pub envelope_size: u64,
    /// SHA-256 of the payload.
    pub payload: Digest,
    /// Bytes of the payload.
    pub payload_size: u64,
    transports: [Option<Transport>; TRANSPORTS_MAX],
}

impl Member {
    /// Of which nothing was read.
    const fn blank() -> Self {
        Self {
            component: ComponentId([0; 16]),
            image: ImageId([0; 32]),
            class: ClassId([0; 16]),
            security_version: 0,
            envelope: Digest([0; 32]),
            envelope_size: 0,
            payload: Digest([0; 32]),
            payload_size: 0,
            transports: [None; TRANSPORTS_MAX],
        }
    }

    /// The member that a verified image makes; `envelope` is its digest and size.
    #[must_use]
    pub fn of(id: ImageId, image: &Image<'_>, envelope: Digest, envelope_size: u64) -> Self {
        Self {
            component: image.component,
            image: id,
            class: image.class,
            security_version: image.security_version,
            envelope,
            envelope_size,
            payload: image.payload,
            payload_size: image.payload_size,
            transports: [None; TRANSPORTS_MAX],
        }
    }

    /// Adds a way for the payload to travel.
    ///
    /// # Errors
    /// `FieldTooLong`.
    pub fn push(&mut self, transport: Transport) -> Result<()> {
        let free = self.transports.iter_mut().find(|place| place.is_none());
        *free.ok_or(Error::FieldTooLong)? = Some(transport);
        Ok(())
    }

    /// The ways for the payload to travel, in the publisher's order.
    pub fn transports(&self) -> impl Iterator<Item = &Transport> {
        self.transports.iter().flatten()
    }

    /// Refuses an image that is not the one of this member (SET-3).
    ///
    /// # Errors
    /// `SetEnvelopeMismatch`.
    pub fn check_image(&self, image: &Verified<Image<'_>>) -> Result<()> {
        let same = self.image.0 == image.digest().0
            && self.component == image.component
            && self.class == image.class
            && self.security_version == image.security_version
            && self.payload == image.payload
            && self.payload_size == image.payload_size;
        if same { Ok(()) } else { Err(Error::SetEnvelopeMismatch) }
    }
}

/// An image set, read in place: its members stay in the bytes that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet<'b> {
    /// Whose set.
    pub catalog: CatalogId,
    /// For which devices.
    pub purpose: Purpose,
    /// Informational order of publishing.
    pub sequence: u64,
    /// For people.
    pub name: &'b str,
    members: Members<'b>,
}

// On the stack of a root of trust with 32 KiB of memory.
const _: () = assert!(size_of::<ImageSet<'_>>() <= 160);

/// The members of a set, each read from its bytes when it is asked for.
#[derive(Clone)]
pub struct Members<'b> {
    reader: Reader<'b>,
    left: usize,
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        self.left = self.left.checked_sub(1)?;
        // `ImageSet::parse` has read all of them from these bytes.
        let mut member = Member::blank();
        read_member(&mut self.reader, &mut member).ok()?;
        Some(member)
    }
}

impl PartialEq for Members<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Members<'_> {}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'b> ImageSet<'b> {
    /// The members, in order of their component.
    #[must_use]
    pub fn members(&self) -> Members<'b> {
        self.members.clone()
    }

    /// Refuses a set with a member for another class of devices (SET-5).
    ///
    /// # Errors
    /// `ClassMismatch`.
    pub fn check_class(&self, device: ClassId) -> Result<()> {
        let all = self.members().all(|member| member.class == device);
        if all { Ok(()) } else { Err(Error::ClassMismatch) }
    }

    /// Reads a set.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `SetOrder`.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(6)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let catalog = CatalogId(reader.fixed()?);
        let purpose = match reader.u8()? {
            0 => Purpose::Development,
            1 => Purpose::Production,
            _ => return Err(Error::FieldInvalid),
        };
        let (sequence, name) = (reader.u64()?, reader.text(64)?);
        let left = reader.list(COMPONENTS_MAX)?;
        let members = Members { reader: reader.clone(), left };
        let mut last = None;
        for _ in 0..left {
            let mut member = Member::blank();
            read_member(&mut reader, &mut member)?;
            let component = member.component;
            check_order(&mut last, component)?;
        }
        reader.end()?;
        Ok(Self { catalog, purpose, sequence, name, members })
    }

    /// Verifies a set by both approvals (SET-1), for this catalog and kind of device (SET-4).
    ///
    /// # Errors
    /// `SectionKind` (STORE-5), those of [`Signed::verify`]; `OtherCatalog`, `DevelopmentSet`.
    pub fn verify(
        crypto: &impl Crypto,
        section: &Section<'_>,
        catalog: CatalogId,
        development: bool,
        signed: &Signed<'b>,
    ) -> Result<Verified<Self>> {
        section.require(SectionKind::Owner)?;
        let roles = [section.role(Role::Publisher), section.role(Role::Catalog)];
        let set = signed.verify(crypto, Kind::ImageSet, &roles, Self::parse)?;
        if set.catalog != catalog {
            return Err(Error::OtherCatalog);
        }
        if set.purpose == Purpose::Development && !development {
            return Err(Error::DevelopmentSet); // SET-4
        }
        Ok(set)
    }
}

/// Each component once, in order (SET-2).
fn check_order(last: &mut Option<ComponentId>, component: ComponentId) -> Result<()> {
    if last.is_some_and(|last| last >= component) {
        return Err(Error::SetOrder);
    }
    *last = Some(component);
    Ok(())
}

/// A set in the making.
#[derive(Clone, Debug)]
pub struct ImageSetBuilder<'b> {
    catalog: CatalogId,
    purpose: Purpose,
    sequence: u64,
    name: &'b str,
    members: [Option<Member>; COMPONENTS_MAX],
}

impl<'b> ImageSetBuilder<'b> {
    /// A set without members.
    #[must_use]
    pub const fn new(catalog: CatalogId, purpose: Purpose, sequence: u64, name: &'b str) -> Self {
        Self { catalog, purpose, sequence, name, members: [None; COMPONENTS_MAX] }
    }

    /// Adds a member; they come in order of their component (SET-2).
    ///
    /// # Errors
    /// `SetOrder`, `FieldTooLong`.
    pub fn push(&mut self, member: Member) -> Result<()> {
        let mut last = self.members.iter().flatten().last().map(|last| last.component);
        check_order(&mut last, member.component)?;
        let free = self.members.iter_mut().find(|place| place.is_none());
        *free.ok_or(Error::FieldTooLong)? = Some(member);
        Ok(())
    }

    /// Writes the set into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(6)?.u64(1)?.bytes(&self.catalog.0)?.u64(self.purpose as u64)?;
        writer.u64(self.sequence)?.text(self.name)?;
        writer.array(self.members.iter().flatten().count())?;
        self.members.iter().flatten().try_for_each(|member| write_member(member, &mut writer))?;
        writer.written()
    }
}

impl<'b> TryFrom<&ImageSet<'b>> for ImageSetBuilder<'b> {
    type Error = Error;

    /// The same set, to be written again.
    fn try_from(set: &ImageSet<'b>) -> Result<Self> {
        let mut same = Self::new(set.catalog, set.purpose, set.sequence, set.name);
        set.members().try_for_each(|member| same.push(member))?;
        Ok(same)
    }
}

#[inline(never)] // each field comes to its place at once: moving them would be most of the code
fn read_member(reader: &mut Reader<'_>, member: &mut Member) -> Result<()> {
    reader.array(9)?;
    member.component.0 = reader.fixed()?;
    member.image.0 = reader.fixed()?;
    member.class.0 = reader.fixed()?;
    member.security_version = reader.u64()?;
    member.envelope = reader.digest()?;
    member.envelope_size = reader.u64()?;
    member.payload = reader.digest()?;
    member.payload_size = reader.u64()?;
    for _ in 0..reader.list(TRANSPORTS_MAX)? {
        reader.array(3)?;
        member.push(Transport {
            digest: reader.digest()?,
            size: reader.u64()?,
            base: reader.optional(Reader::digest)?,
        })?;
    }
    Ok(())
}

fn write_member(member: &Member, writer: &mut Writer<'_>) -> Result<()> {
    writer.array(9)?.bytes(&member.component.0)?.bytes(&member.image.0)?;
    writer.bytes(&member.class.0)?.u64(member.security_version)?;
    writer.bytes(&member.envelope.0)?.u64(member.envelope_size)?;
    writer.bytes(&member.payload.0)?.u64(member.payload_size)?;
    writer.array(member.transports().count())?;
    member.transports().try_for_each(|transport| {
        writer.array(3)?.bytes(&transport.digest.0)?.u64(transport.size)?;
        writer.bytes_or_null(transport.base.as_ref().map(|d| &d.0[..])).map(|_| ())
    })
}

/// Refuses a set in which an image needs an ABI that neither the set nor the platform provides.
///
/// # Errors
/// `AbiUnmet`.
pub fn check_abis(images: &[Image<'_>], platform: &[Abi]) -> Result<()> {
    let provided = |need: &Abi| {
        let from_images = images.iter().flat_map(|image| image.provides.list());
        let mut all = from_images.chain(platform);
        all.any(|abi| abi.id == need.id && abi.version >= need.version)
    };
    let met = images.iter().flat_map(|image| image.depends.list()).all(provided);
    if met { Ok(()) } else { Err(Error::AbiUnmet) }
}
