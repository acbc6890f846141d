//! The root of trust: who a device is, what it booted, and what it may read.
//!
//! What is true of this crate: a chip's secret is read only during reset (ROT-1); no command takes
//! a counter value (ROT-4); every change of state is one write that commits (ROT-7); it allocates
//! nothing beside the platforms of the features `std` and `tpm`, and has no `unsafe`. What a
//! back-end cannot do it says itself ([`RootOfTrust::capabilities`]).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod auth;
pub mod boot;
pub mod capabilities;
pub mod engine;
pub mod error;
pub mod failure;
pub mod mailbox;
pub mod order;
pub mod platform;
pub mod programs;
pub mod secret;
pub mod slots;
#[cfg(feature = "tpm")]
pub mod tpm2;

pub use auth::{Ask, AuthMessage, AuthRole, For};
pub use boot::{Event, Images, NextLayer, Status};
pub use capabilities::{Capabilities, Limit, RotClass};
pub use engine::{Engine, Manufacture, Start};
pub use error::{Error, Result};
pub use failure::{ChipFailure, ChipFailureKind, Stage};
pub use order::{Action, Order};
pub use programs::Programs;

use craton_trust::crypto::Signature;
use craton_trust::dice::Mode;
use craton_trust::id::{ComponentId, DeviceId, Digest};
use craton_trust::key::PublicKey;
use craton_trust::store::SectionKind;

/// Bytes that sealing adds to a plaintext.
pub const SEAL_OVERHEAD: usize = 31;
/// The largest signed section of the trust store, bytes. Eight keys in each of ten roles and eight
/// signatures are 6 927: no section of ES256 is refused for its size. A signature by LMS takes
/// 1 528: a hybrid platform has room for three, which changing one key of two of three needs.
pub const SECTION_MAX: usize = 7168;

/// A root of trust. Every back-end passes the suite in `tests/conformance`.
///
/// Objects come as the bytes that were signed: a root of trust believes no caller's verification.
/// After a refusal the state is as before, except after `StateUncertain`: it is then as before or
/// as after, and the next reset shows which. One behind a mailbox refuses everything with the
/// mailbox's own numbers (3701-3712), too; after `MailboxUnreachable`, `MailboxSilent` and
/// `MailboxReset` the state is as before or as after, and `status` shows which.
pub trait RootOfTrust {
    /// The identity: the key that the device secret is behind. It certifies the next layer, or
    /// vouches for it in a quote, and does nothing else.
    fn identity(&self) -> PublicKey;

    /// The device: the digest of its identity.
    fn device(&self) -> DeviceId;

    /// The certificate at `place` of the chain that begins below the identity; `None` past its end.
    fn certificate(&self, place: usize) -> Option<&[u8]>;

    /// What this back-end is, and what it cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Lifecycle, class, mode, owner, counters and floors.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn status(&self) -> Result<Status>;

    /// Reads the installed section of a kind, as it was signed, into `out`.
    ///
    /// # Errors
    /// `Unowned` for the owner section of an unowned device, `RoomTooSmall`, `StorageDamaged`,
    /// `StorageFailed`.
    fn section<'o>(&self, kind: SectionKind, out: &'o mut [u8]) -> Result<&'o [u8]>;

    /// Moves the lifecycle one step by an [`Order`]; this boot is over.
    ///
    /// # Errors
    /// `LifecycleStep`, `DevelopmentRoot`, `OrderMismatch`; `Trust`; `StorageFailed`.
    fn advance_lifecycle(&mut self, order: &[u8]) -> Result<()>;

    /// Gives out the right to check in: once in a reset, to whoever asks first, which is the auth
    /// role.
    ///
    /// # Errors
    /// `AuthRoleTaken`.
    fn take_auth_role(&mut self) -> Result<AuthRole>;

    /// Verifies and measures what runs next; raises the boot count; voids an open challenge.
    /// Returns the mode of this boot.
    ///
    /// # Errors
    /// `AlreadyBooted`, `ResetNeeded`, `Unowned` for a set without an owner, `MemberNotMeasured`,
    /// `MeasurementMismatch`, `MeasuredNotInSet`, `ComponentReserved` (ROT-12),
    /// `SecurityVersionTooLarge`; `Trust` for the set (`DevelopmentSet`, `ClassMismatch`,
    /// `RolledBack`, `AboveCeiling` among them); `StorageFailed`.
    fn boot(&mut self, next: &NextLayer<'_>) -> Result<Mode>;

    /// Measures something more, once (EV-3): nothing under an id of what a boot verifies (ROT-12).
    ///
    /// # Errors
    /// `NotBooted`, `ComponentReserved`, `MeasuredNotInSet`; `Trust(MeasuredTwice)`,
    /// `Trust(FieldTooLong)`.
    fn extend(&mut self, component: ComponentId, digest: Digest) -> Result<()>;

    /// The entry at `place` of this boot's log; `None` past its end. [`boot::replay`] of all of
    /// them gives what evidence quotes (ROT-9).
    ///
    /// # Errors
    /// Those of a mailbox: a log cut short must not look like a whole one.
    fn event(&self, place: usize) -> Result<Option<Event>>;

    /// Writes evidence into `out`. A check-in counts before its token leaves (ROT-3).
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`; for a check-in `AuthRoleForeign`, `Unowned`, `AudienceForeign`,
    /// `LifecycleReturned`; `StorageFailed`; `Trust(BufferTooSmall)`.
    fn attest<'o>(&mut self, ask: &Ask<'_>, out: &'o mut [u8]) -> Result<&'o [u8]>;

    /// The public half of the device-auth key in force.
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`.
    fn client_key(&self) -> Result<PublicKey>;

    /// Replaces the device-auth key by a fresh one and returns its public half.
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`, `StorageFailed`.
    fn renew_client_key(&mut self) -> Result<PublicKey>;

    /// Signs by the device-auth key: tagged messages, or a TLS 1.3 client's CertificateVerify
    /// (ROT-8).
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`, `MessageKind`, `MessageUntagged`.
    fn sign(&self, message: &AuthMessage<'_>) -> Result<Signature>;

    /// Encrypts `plain` for a component of this boot, at its confirmed security version, into
    /// `out`.
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`, `SealInRecovery`, `ComponentNotBooted`, `RoomTooSmall`,
    /// `RandomFailed`.
    fn seal<'o>(
        &mut self,
        component: ComponentId,
        plain: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]>;

    /// Decrypts what a version up to this boot's sealed, into `out`.
    ///
    /// # Errors
    /// As [`RootOfTrust::seal`]; `SealBroken`, `SealedByNewer`.
    fn unseal<'o>(
        &self,
        component: ComponentId,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]>;

    /// Raises the floors to the security versions that this boot verified (ROT-4). May be repeated.
    ///
    /// # Errors
    /// `NotBooted`, `ResetNeeded`, `NothingToConfirm`, `StorageFailed`.
    fn confirm(&mut self) -> Result<()>;

    /// Takes a first owner, by the one-time claim code; `owner` is a signed first version of a
    /// section. A boot under way is over.
    ///
    /// # Errors
    /// `AlreadyOwned`, `ClaimCodeWrong`, `ClaimCodeUsed`, `DevelopmentRoot`; `ProgramOnTrial`
    /// (ROT-20); `Trust`; `StorageFailed`, after which an armed program is given up.
    fn claim(&mut self, code: &[u8], owner: &[u8]) -> Result<()>;

    /// Replaces a section of either kind by its signed successor. `sets` are the signed image sets
    /// on the device, and `envelopes` those of all their images, both signed again for the new
    /// section before (STORE-4).
    ///
    /// # Errors
    /// `Unowned`, `InstalledOmitted`; `Trust` (`SuccessorOrphans` and the like); `StorageFailed`.
    fn replace(&mut self, successor: &[u8], sets: &[&[u8]], envelopes: &[&[u8]]) -> Result<()>;

    /// Erases everything sealed, by overwriting the epoch secret, on an [`Order`] of the owner's
    /// root. With `next_owner` the device goes to that owner. A boot under way is over.
    ///
    /// # Errors
    /// `OrderMismatch`, `DevelopmentRoot`; for a next owner `ProgramOnTrial` (ROT-20); `Trust`;
    /// `StorageFailed`, after which an armed program is given up.
    fn new_epoch(&mut self, order: &[u8], next_owner: Option<&[u8]>) -> Result<()>;

    /// Opens a challenge for a capability; an open one before it is void, and so is this one once
    /// the next boot began.
    ///
    /// # Errors
    /// `RandomFailed`, `StorageFailed`.
    fn challenge(&mut self) -> Result<Digest>;

    /// Accepts the capability that answers the open challenge: the next normal reset is in mode
    /// Debug, and consumes it (CAP-2).
    ///
    /// # Errors
    /// `Unowned`, `NoChallenge`; `Trust`; `StorageFailed`.
    fn apply(&mut self, capability: &[u8]) -> Result<()>;

    /// Verifies the signed reply to `request`, raises the time floor to its time, and the size of
    /// the last checkpoint to its checkpoint's (LOG-2). Neither ever falls.
    ///
    /// # Errors
    /// `Unowned`; `Trust` (`OtherRequest`, `CheckpointShrank` and the like); `StorageFailed`.
    fn accept_reply(&mut self, reply: &[u8], request: &Digest) -> Result<()>;

    /// Random bytes fit for keys.
    ///
    /// # Errors
    /// `RandomFailed`.
    fn random(&mut self, out: &mut [u8]) -> Result<()>;

    /// How its own program and its slots stand.
    ///
    /// # Errors
    /// `NoSlots` for a root of trust whose program is its host's; `StorageFailed`.
    fn programs(&self) -> Result<Programs> {
        Err(Error::NoSlots)
    }

    /// Begins to write a package (payload, envelope, footer) of this many bytes into the slot that
    /// does not run, which is empty from here on. What was begun before is given up.
    ///
    /// # Errors
    /// `NoSlots`, `ProgramTooLarge`, `ProgramOnTrial`, `ResetNeeded`; `StorageFailed`.
    fn begin_program(&mut self, length: usize) -> Result<()> {
        let _ = length;
        Err(Error::NoSlots)
    }

    /// Writes the next piece of it, which begins where the last one ended.
    ///
    /// # Errors
    /// `NoSlots`, `ProgramNotBegun`, `ProgramPiece`; `StorageFailed`, after which it must begin
    /// anew.
    fn write_program(&mut self, offset: usize, piece: &[u8]) -> Result<()> {
        let _ = (offset, piece);
        Err(Error::NoSlots)
    }

    /// Arms it: from the next reset on it is on trial, until a boot in it is confirmed. Whatever
    /// the ROM would refuse is refused here; on an owned device it takes a signed set that it is a
    /// member of (ROT-20).
    ///
    /// # Errors
    /// `NoSlots`, `ProgramNotBegun`, `ProgramNotInSet`, `RuntimeType`, `RuntimeForeign`; `Trust`
    /// for the package and for the set; `StorageFailed`.
    fn arm_program(&mut self, set: Option<&[u8]>) -> Result<()> {
        let _ = set;
        Err(Error::NoSlots)
    }

    /// Takes what is kept of the last failure of this root of trust itself, once. One without a
    /// chip of its own has none: its host tells of it.
    ///
    /// # Errors
    /// Those of a mailbox.
    fn take_failure(&mut self) -> Result<Option<ChipFailure>> {
        Ok(None)
    }
}
