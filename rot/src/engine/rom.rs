//! The first decision after a reset: whether a program may become the runtime.
//!
//! Rule ROT-15: what a ROM starts is byte for byte what it verified here: signed by the publisher
//! of the platform section in force, as a program of a root of trust, for this class of devices, of
//! the component that runs on this device, at or above its floor. Nothing is read twice: the caller
//! passes the only copy, and starts that one.
//!
//! Rule ROT-17: where `select` says `NotManufactured` there is no device secret, no owner and no
//! identity to protect, and a factory must get its first program in: the ROM starts what is in the
//! slot ([`unverified`]) and hands no layer over.
//!
//! The decision needs the key of the state (ROT-24), which goes with the stack of who decided; the
//! layer is derived by [`Runtime::layer`] only, which nobody has who was refused. Everything that
//! decides is compared once more by `doubt` (ROT-18); what comes of that is [`Runtime::token`].

pub use super::doubt::GO;
use super::doubt::{Watched, difference, doubt_configuration, doubt_mode, doubts};
use super::ladder::derive_from;
use super::layer::Layer0;
use super::reset::{Start, load_first};
use super::state::{Program, State};
use super::{lifecycle, sections};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row, Source};
use crate::secret::Secret;
use crate::slots::{self, Marks, Slot, Standing};
use craton_trust::crypto::{Crypto, KeyedCrypto, Leads, Mixed};
use craton_trust::dice::Mode;
use craton_trust::evidence::Lifecycle;
use craton_trust::rollback;
use craton_trust::store::{Role, Section, SectionKind};
use craton_trust::suit::{self, FOOTER_SIZE, Footer, Image, ImageType};
use craton_trust::{ClassId, Digest, Verified};

/// What this chip alone has, whatever lies in its flash, and whatever a fault leads to (ROT-25).
pub struct Own {
    /// What starts a program mixes it into the token, and asks for it again at the end. So [`GO`]
    /// alone, which everybody knows, starts nothing.
    pub start: u32,
    /// The mask of what nobody believes yet.
    pub mask: u32,
    /// The key of what signatures are blinded by.
    pub key: [u8; 32],
}

/// What a chip has of its own: of the device secret, which is hidden when a layer is derived.
///
/// # Errors
/// `UdsLocked`, `StorageFailed`.
pub fn own(platform: &impl Source, crypto: &impl Crypto) -> Result<Own> {
    let mut uds = Secret::zero();
    platform.row(Row::Uds, &mut uds.0)?;
    let [a, b, c, d, e, f, g, h, ..] = derive_from(crypto, &uds, &[b"craton/1/start"]).0;
    let [start, mask] = [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes);
    Ok(Own { start, mask, key: derive_from(crypto, &uds, &[b"craton/1/blind"]).0 })
}

/// A program that may be started. Only [`select`] makes one.
#[derive(Debug)]
pub struct Runtime<'p> {
    program: &'p [u8],
    about: Program,
    digest: Digest,
    /// The digest as it was computed.
    found: Mixed,
    manifest: Digest,
    genesis: Digest,
    /// Which state and which section the first look believed.
    believed: [Digest; 2],
    debug_next: bool,
    debug_head: u8,
    wanted: ImageType,
    token: u32,
}

impl<'p> Runtime<'p> {
    /// The program, as it was verified.
    #[must_use]
    pub const fn program(&self) -> &'p [u8] {
        self.program
    }

    /// Which program it is. Starting it raises no floor (ROT-4).
    #[must_use]
    pub const fn about(&self) -> Program {
        self.about
    }

    /// SHA-256 of the program: what a boot measures.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The same, as it was computed.
    pub(super) const fn found(&self) -> &Mixed {
        &self.found
    }

    /// The type that it was to be of.
    pub(super) const fn wanted(&self) -> ImageType {
        self.wanted
    }

    /// What speaks against the mode of this program's layer, its lifecycle and its class: 0 is
    /// nothing (ROT-18). `unasked` is 0 if Recovery was asked for, and any other number if not.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub fn doubt_layer(&self, platform: &impl Source, layer: &Layer0, unasked: u32) -> Result<u32> {
        let mode = doubt_mode(layer.mode, self.debug_head, self.wanted, unasked);
        Ok(mode | layer.doubt | doubt_configuration(platform, &layer.configuration)?)
    }

    /// What speaks against `bytes` being the handover of this program's layer, from this slot or
    /// none: 0 is nothing (ROT-18).
    #[must_use]
    pub fn doubt_handed(&self, bytes: &[u8], layer: &Layer0, slot: Option<Slot>) -> u32 {
        let found = difference(&layer.found.0, &self.believed[0].0);
        found | layer.doubt_handed(bytes, (self.about, &self.digest), slot)
    }

    /// The state and the section that the first look believed.
    pub(super) const fn believed(&self) -> [Digest; 2] {
        self.believed
    }

    /// Takes how the state in force begins `debug_next`, as the second look read it.
    pub(super) const fn set_debug_head(&mut self, head: u8) {
        self.debug_head = head;
    }

    /// The digest of the manifest that the signatures are over.
    pub(super) const fn manifest(&self) -> Digest {
        self.manifest
    }

    /// [`GO`] if nothing speaks against this program, and any other number otherwise: what starts
    /// it computes its address from this, and does not branch on it (ROT-18).
    #[must_use]
    pub const fn token(&self) -> u32 {
        self.token
    }

    /// Derives the layer of this program, which lies in `slot` if in any, and hides the device
    /// secret until the next reset (ROT-1).
    ///
    /// # Errors
    /// `StorageFailed`, `UdsLocked`: then the program must not start.
    pub fn layer(
        &self,
        platform: &mut impl Platform,
        crypto: &impl KeyedCrypto,
        start: Start,
        slot: Option<Slot>,
    ) -> Result<Layer0> {
        let mode = match self.wanted {
            ImageType::Recovery => Mode::Recovery, // ROT-22
            _ => start.mode(self.debug_next),
        };
        let about = (Some(self.about), self.digest);
        let mut layer = Layer0::derive(platform, crypto, &self.genesis, about, mode)?;
        (layer.slot, layer.found) = (slot, self.believed[0]);
        Ok(layer)
    }
}

/// Verifies `package` (payload, envelope, footer) as the runtime of this chip: of the type that is
/// wanted, which is `RootOfTrust` for what lies in a slot, and `Recovery` for what came over a wire
/// (ROT-22). Component and floor are the same for both.
///
/// # Errors
/// `NotManufactured`, `StorageDamaged`, `StorageFailed`; `RuntimeForeign`; `Trust` for the package:
/// `FooterInvalid`, `SignerUnknown`, `SignatureInvalid`, `ClassMismatch`, `RolledBack`,
/// `AboveCeiling`, `PayloadMismatch` and the like.
#[inline(never)] // a step that is measured
pub fn select<'p>(
    platform: &impl Source,
    crypto: &impl Leads,
    wanted: ImageType,
    package: &'p [u8],
) -> Result<Runtime<'p>> {
    let watched = Watched::new(crypto);
    let mut runtime = verify(platform, &watched, wanted, package)?;
    // ROT-18; kept as what a memory that nobody wrote to does not hold.
    runtime.token = GO ^ doubts(platform, &watched, package, &mut runtime)?;
    Ok(runtime)
}

/// The first look: each fact is a branch, and the first that is not so is the refusal.
fn verify<'p>(
    platform: &impl Source,
    crypto: &impl Crypto,
    wanted: ImageType,
    package: &'p [u8],
) -> Result<Runtime<'p>> {
    if !lifecycle::is_manufactured(platform)? {
        return Err(Error::NotManufactured);
    }
    let mut state = State::blank();
    let journal = load_first(platform, crypto, (&mut state, State::read_of_rom))?;
    let (program, envelope) = split(package)?;
    let mut room = [0u8; PUBLISHER_SIZE];
    let (authority, _) = publisher(platform, crypto, &state, &mut room)?;
    let image = judge(platform, crypto, (&state, &authority), wanted, envelope)?;
    let found = crypto.sha256_mixed(&[program]);
    image.check_found(&found, program.len() as u64)?; // IMG-3
    let about = Program { component: image.component, security_version: image.security_version };
    Ok(Runtime {
        program,
        about,
        digest: image.payload,
        found,
        manifest: image.digest(),
        genesis: state.platform.genesis,
        believed: [journal.sum(), state.platform.digest],
        debug_next: state.debug_next,
        debug_head: 0,
        wanted,
        token: 0,
    })
}

/// Bytes that the publisher's keys need.
pub(super) const PUBLISHER_SIZE: usize = Section::excerpt_size(1);

/// The section that a ROM of this state believes, with its publisher's keys, which are kept in
/// `room`, and what speaks against its being that one.
pub(super) fn publisher<'r>(
    platform: &impl Source,
    crypto: &impl Crypto,
    state: &State,
    room: &'r mut [u8; PUBLISHER_SIZE],
) -> Result<(Section<'r>, u32)> {
    let (kind, roles) = (SectionKind::Platform, [Role::Publisher]);
    sections::load(platform, crypto, kind, &state.platform, &roles, room)
}

/// An envelope that a ROM of this state would go on from: authentic, for here, and for now.
#[inline(always)] // an image is half a KiB, and would be on the stack once more
pub(super) fn judge<'b>(
    platform: &impl Source,
    crypto: &impl Crypto,
    (state, authority): (&State, &Section<'_>),
    wanted: ImageType,
    envelope: &'b [u8],
) -> Result<Verified<Image<'b>>> {
    let image = suit::verify(crypto, authority.role(Role::Publisher), envelope)?;
    admit(platform, state, authority.ceiling, (wanted, &image))?;
    Ok(image)
}

/// Lets `start` have each slot that is not empty, in the order of the marks, until one is good
/// (ROT-19).
///
/// # Errors
/// The refusal of the last one; `SlotsEmpty`.
pub fn first_good<T>(
    [a, b]: &[Marks; 2],
    mut start: impl FnMut(Slot, &Marks) -> Result<T>,
) -> Result<T> {
    let mut refused = Error::SlotsEmpty;
    for slot in slots::order(&[*a, *b]) {
        let marks = if slot == Slot::A { a } else { b };
        if marks.standing() == Standing::Empty {
            continue;
        }
        match start(slot, marks) {
            Ok(good) => return Ok(good),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// The program of a package that nothing verified: for a chip without a secret (ROT-17).
///
/// # Errors
/// `Trust(FooterInvalid)`.
pub fn unverified(package: &[u8]) -> Result<&[u8]> {
    split(package).map(|(program, _)| program)
}

/// Program and envelope of a package; nothing of it is believed.
pub(super) fn split(package: &[u8]) -> Result<(&[u8], &[u8])> {
    let invalid = Error::Trust(craton_trust::Error::FooterInvalid);
    let footer = package.last_chunk::<FOOTER_SIZE>().ok_or(invalid)?;
    // Of each size three bytes at most: more would be a word that somebody chose (ROT-25).
    let (sizes, _) = footer.as_chunks::<8>();
    let beyond = sizes.iter().skip(1).flat_map(|[_, _, _, beyond @ ..]| beyond);
    if beyond.fold(0, |all, byte| all | byte) != 0 {
        return Err(invalid);
    }
    let footer = Footer::parse(footer, package.len() as u64)?;
    let payload_size = usize::try_from(footer.payload_size).map_err(|_| invalid)?;
    let (program, rest) = package.split_at_checked(payload_size).ok_or(invalid)?;
    let envelope_size = usize::try_from(footer.envelope_size).map_err(|_| invalid)?;
    Ok((program, rest.get(..envelope_size).ok_or(invalid)?))
}

/// Refuses an authentic image that is not for here, or not for now.
fn admit(
    platform: &impl Source,
    state: &State,
    ceiling: u64,
    (wanted, image): (ImageType, &Image<'_>),
) -> Result<()> {
    if image.image_type != wanted {
        return Err(Error::RuntimeType);
    }
    let mut class = ClassId([0; 16]);
    platform.row(Row::Class, &mut class.0)?;
    image.check_class(class)?; // IMG-4
    // Under another id it would begin at floor 0: every old version would be admitted (ROLL-1).
    let first = Program { component: image.component, security_version: 0 };
    let own = match state.own {
        Some(own) => own,
        None if lifecycle::read(platform)? == Lifecycle::Blank && state.boot == 0 => first,
        // It left the factory, or booted: something was started on it, and that this is gone is no
        // floor of 0.
        None => return Err(Error::StorageDamaged),
    };
    if own.component != image.component {
        return Err(Error::RuntimeForeign);
    }
    Ok(rollback::admit(own.security_version, image.security_version, ceiling)?)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::platform::memory::MemoryPlatform;
    use craton_trust::soft::Soft;

    #[test]
    fn rot_25_what_is_a_chips_own_is_another_on_another_chip_and_hidden_with_its_secret_uds_locked()
    {
        let own_of = |secret: u8| {
            let mut chip = MemoryPlatform::new();
            chip.burn(Row::Uds, &[secret; 32]).unwrap();
            (own(&chip, &Soft).unwrap(), chip)
        };
        let ((one, mut chip), (other, _)) = (own_of(1), own_of(3));
        let again = own(&chip, &Soft).unwrap();
        assert_eq!((again.start, again.mask, again.key), (one.start, one.mask, one.key));
        assert!(one.start != other.start && one.mask != other.mask && one.key != other.key);
        assert_ne!(one.start, one.mask);
        chip.lock_uds();
        assert_eq!(own(&chip, &Soft).err(), Some(Error::UdsLocked));
    }
}
