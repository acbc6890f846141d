//! The refusals of the root of trust, each with its stable number (`spec/errors.toml` has the
//! words).

use core::fmt;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $says:literal, $do:literal;)*) => {
        /// Why the root of trust did not do it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Error {
            /// Bytes were not believed; the number is that of the trust crate.
            Trust(craton_trust::Error),
            $($(#[$doc])* $name,)*
        }

        impl Error {
            /// The number in `spec/errors.toml`.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self.own_code() {
                    0 => match self {
                        Self::Trust(error) => error.code(),
                        _ => 0,
                    },
                    own => own,
                }
            }

            /// The number of a refusal of this crate; 0 for the others. For all of them, because a
            /// table with holes becomes a jump to each number.
            #[inline(never)]
            const fn own_code(self) -> u16 {
                match self {
                    Self::Trust(_) => 0,
                    $(Self::$name => $code,)*
                }
            }

            /// The refusal that has this number, be it of the trust crate; `None` for a number of
            /// nobody.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => match craton_trust::Error::from_code(code) {
                        Some(error) => Some(Self::Trust(error)),
                        None => None,
                    },
                }
            }

            /// The name in `spec/errors.toml`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Trust(error) => error.name(),
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Every number of this crate with its name, what is true, and what to do.
            pub const ALL: &'static [(u16, &'static str, &'static str, &'static str)] =
                &[$(($code, stringify!($name), $says, $do),)*];
        }

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Trust(error) => error.fmt(f),
                    $(Self::$name => {
                        f.write_str(concat!("E", $code, ": ", $says, ". ", $do, "."))
                    })*
                }
            }
        }
    };
}

refusals! {
    /// The environment's storage failed; the state is as before.
    StorageFailed = 3101,
        "the root of trust's storage could not be read or written; its state is as before",
        "Check the disk, then try again";
    /// No room; the state is as before.
    StorageFull = 3102,
        "there is no room for the root of trust's state; it is as before",
        "Free some disk space, then try again";
    /// Another process has it open.
    StorageLocked = 3103,
        "another process has this root of trust open",
        "Stop the other device process, or use another data folder";
    /// Neither copy is whole. It is never created anew by itself: that would be another device.
    StorageDamaged = 3104,
        "the root of trust's storage is damaged in both of its copies",
        "Restore the file from a backup, or remove it and manufacture another device";
    /// There is no file.
    StorageMissing = 3105,
        "there is no root of trust at this path",
        "Manufacture one, or correct the path";
    /// Other users may read the secrets.
    StorageExposed = 3106,
        "the root of trust's file may be read by other users",
        "chmod 600 the file, or manufacture another device if somebody read it";
    /// The operating system refuses access.
    StorageForbidden = 3107,
        "this user may not open the root of trust's file",
        "Run as its owner";
    /// No randomness.
    RandomFailed = 3108,
        "the source of randomness failed",
        "Try again; if it stays, the hardware or its kernel is at fault";
    /// The device secret is hidden until the next reset.
    UdsLocked = 3109,
        "the unique device secret is locked until the next reset",
        "Nothing: only the reset code may read it";
    /// Fuses have bits that the order to burn them did not name.
    FuseMismatch = 3110,
        "the fuses hold other values than those to be burned",
        "Finish with the same values as the first time, or discard the chip";
    /// The header of a new state may be on the disk, or not.
    StateUncertain = 3111,
        "a write of the root of trust's state failed midway: only a reset shows if it counts",
        "Check the disk and reset; then look at the state before trying again";
    /// A link, where the file should be.
    StorageLinked = 3112,
        "the root of trust's file is a symbolic link, and its secrets would go where that points",
        "Name the file itself; if nobody of yours made the link, find out who did";
    /// No TPM at the other end.
    TpmUnreachable = 3151,
        "the TPM could not be reached, or did not answer",
        "See if it is there, and if this user may use it (group tss)";
    /// A response code that is not success.
    TpmRefused = 3152,
        "the TPM refused a command",
        "See its state with tpm2_getcap properties-variable; then restart the device";
    /// Bytes that are no response.
    TpmResponseBroken = 3153,
        "the TPM answered with bytes that are no response to the command",
        "Update its firmware, or use another TPM";
    /// The indices are another's.
    TpmOccupied = 3154,
        "the TPM holds the root of trust of another file",
        "Use that file, or discard that root of trust first";
    /// No approval fits.
    BootNotApproved = 3155,
        "no approval of the platform's publisher is for what this machine booted",
        "Boot a release that was approved, or have this one approved";
    /// No address that a TPM of this host can have.
    TpmAddress = 3156,
        "this is no address of a TPM of this host",
        "Write device:/dev/tpmrm0, or an emulator's unix:/path/of/the/socket or tcp:127.0.0.1:PORT";
    /// By another key than those that the device has.
    ApprovalForeign = 3157,
        "the boot approval is by another key than those of this device, or of the other kind",
        "Have it signed by the key that the device was made with, of registers if it goes by them";
    /// The folder is full.
    ApprovalsTooMany = 3158,
        "the device keeps as many boot approvals as it reads at a start",
        "Remove those of releases that it will not boot again";
    /// Nothing to revoke.
    ApprovalsNotNewer = 3159,
        "no approval of this boot is of a newer generation than the one that opened the device",
        "Have the publisher approve this boot in the next generation, and install that first";
    /// Nothing was manufactured here yet.
    NotManufactured = 3201,
        "this root of trust is not manufactured",
        "Manufacture it first";
    /// It has an identity already.
    AlreadyManufactured = 3202,
        "this root of trust has an identity already",
        "Use it as it is, or choose another path";
    /// Attesting and sealing need a measured boot.
    NotBooted = 3203,
        "nothing was booted since the reset",
        "Call boot first";
    /// A boot is measured once.
    AlreadyBooted = 3204,
        "this boot is measured already",
        "Reset before the next boot";
    /// The boot ended with a change of lifecycle or owner.
    ResetNeeded = 3205,
        "the lifecycle or the owner changed or a write failed midway, and this boot is over",
        "Reset and boot again";
    /// No owner yet.
    Unowned = 3206,
        "the device has no owner",
        "Claim it first";
    /// It has an owner.
    AlreadyOwned = 3207,
        "the device has an owner already",
        "Let the owner transfer it";
    /// Not the claim code of this device.
    ClaimCodeWrong = 3208,
        "this is not the claim code of the device",
        "Check the code on the device's label";
    /// The claim code works once.
    ClaimCodeUsed = 3209,
        "the claim code was used before",
        "Let the last owner transfer the device";
    /// Lifecycle moves one step, and never back.
    LifecycleStep = 3210,
        "the lifecycle does not move there from where it is",
        "Order the next step: Blank, Module1Complete, DeviceComplete; Returned from any";
    /// A development root in a production device.
    DevelopmentRoot = 3211,
        "the trust store is marked dev, and DeviceComplete refuses that",
        "Use a production root, or leave the device at Module1Complete";
    /// A returned device checks in no more.
    LifecycleReturned = 3212,
        "the device is marked Returned and checks in no more",
        "Take another device";
    /// An order for something else.
    OrderMismatch = 3213,
        "the signed order is for another action",
        "Send the order that belongs to this command";
    /// The auth role's value is given out once.
    AuthRoleTaken = 3301,
        "the right to check in was taken since the reset",
        "Only the auth role takes it, once";
    /// A value of another engine or an earlier reset.
    AuthRoleForeign = 3302,
        "the right to check in is not of this reset of this root of trust",
        "Take it again after the reset";
    /// A check-in for a catalog that is not the owner's.
    AudienceForeign = 3303,
        "a check-in is for the device's own catalog only",
        "Name the owner's catalog as the audience";
    /// Not a TLS 1.3 client CertificateVerify.
    MessageUntagged = 3304,
        "the message is not the content of a TLS 1.3 client's CertificateVerify",
        "Sign by a tagged kind instead";
    /// A kind that other keys sign.
    MessageKind = 3305,
        "the device-auth key does not sign messages of this kind",
        "Evidence comes from attest, certificates from the layer before";
    /// Recovery seals and unseals nothing.
    SealInRecovery = 3401,
        "mode Recovery seals and unseals nothing",
        "Boot in mode Normal";
    /// Changed, or sealed elsewhere.
    SealBroken = 3402,
        "the sealed data was changed, or is of another device, owner, mode, component or epoch",
        "Fetch or make the data again";
    /// Sealed by a newer image.
    SealedByNewer = 3403,
        "the data was sealed by a newer security version of this component",
        "Install that version again";
    /// The component did not boot.
    ComponentNotBooted = 3404,
        "this component is not part of this boot",
        "Use the id of a component that was measured";
    /// Beyond the key ladder.
    SecurityVersionTooLarge = 3405,
        "a security version is above 4095",
        "Publish with a smaller security version";
    /// The caller's buffer is too small.
    RoomTooSmall = 3406,
        "the caller's buffer cannot hold the answer",
        "Give a larger buffer";
    /// An image of the set was not measured.
    MemberNotMeasured = 3501,
        "an image of the set was not measured",
        "Measure every image of the set before the boot";
    /// An image is not what the set names.
    MeasurementMismatch = 3502,
        "a measured image is not the one that the set names",
        "Install the image again, or boot the other slot";
    /// A measured image that the set does not have.
    MeasuredNotInSet = 3503,
        "a measured image is not part of the set",
        "Boot only what the set names";
    /// Nothing that may be confirmed.
    NothingToConfirm = 3504,
        "this boot has nothing to confirm: it has no image set, or is not in mode Normal",
        "Boot an image set in mode Normal";
    /// An installed set, or an envelope of one, was left out.
    InstalledOmitted = 3505,
        "a set that runs or was confirmed, or an envelope of an installed set, was left out",
        "Pass every installed set and the envelopes of its images with the successor";
    /// An id that no image may have.
    ComponentReserved = 3506,
        "only the root of trust measures trust store, image set and its own program",
        "Measure the program or image under its own component id";
    /// A runtime under another component's id: its floor would be 0.
    RuntimeForeign = 3507,
        "the runtime is of another component than the one that was confirmed on this device",
        "Install a runtime of the component that the device runs";
    /// Signed by the right publisher for something else than a ROM starts.
    RuntimeType = 3509,
        "the image is not of the type that a root of trust starts from there",
        "Install an image of type root of trust; send one of type recovery over the wire";
    /// What stands where a ROM hands over is not what this program can take over.
    HandoverInvalid = 3508,
        "no stage that this program knows handed over to it",
        "Start it from the ROM that it was built for";
    /// Neither slot has what a ROM could try.
    SlotsEmpty = 3510,
        "no slot holds a program that was armed",
        "Install a program, by recovery or by the board's programmer";
    /// Its program is its host's.
    NoSlots = 3511,
        "this root of trust has no slots for a program of its own",
        "Update the program that it is part of";
    /// Or it is smaller than any package.
    ProgramTooLarge = 3512,
        "the package does not fit the slot",
        "Build a smaller program";
    /// The fallback of a trial is not overwritten.
    ProgramOnTrial = 3513,
        "a program of the root of trust is on trial, and what it falls back to is needed",
        "Confirm it, or restart until it fell back; then ask again";
    /// Nothing to write to, or not all of it is there.
    ProgramNotBegun = 3514,
        "no package was begun since the reset, or it is not whole",
        "Begin, write every piece, then arm";
    /// A piece out of order.
    ProgramPiece = 3515,
        "the piece does not begin where the last one ended, or goes beyond the length",
        "Write the pieces in order";
    /// The owner's approvals are missing.
    ProgramNotInSet = 3516,
        "on an owned device a program needs a signed image set that it is a member of",
        "Have the owner's catalog admit a set with this program, and pass that set";
    /// Asked something by the mailbox, a ROM that waits can only say that.
    RecoveryAwaited = 3517,
        "no program of the root of trust starts, and its ROM waits for a recovery program",
        "Send one: craton board recover ADDRESS PACKAGE";
    /// No open challenge.
    NoChallenge = 3601,
        "no capability challenge is open",
        "Ask for a challenge first";
    /// Nothing answers there.
    MailboxUnreachable = 3701,
        "no root of trust can be reached at this mailbox",
        "Start the board, or correct the address";
    /// No answer in time; what was asked may have been done.
    MailboxSilent = 3702,
        "the mailbox did not answer in time: whether the command was done is not known",
        "Look at the state before trying again; if it stays silent, reset the board";
    /// The chip began anew behind the client's back.
    MailboxReset = 3703,
        "the root of trust was reset since this connection was opened",
        "Open the mailbox again, and boot";
    /// What a command brings does not fit one message.
    MessageTooLarge = 3704,
        "the command or its answer is larger than a message of this mailbox",
        "Send less at once; the largest message stands in the answer to hello";
    /// Not an operation of this protocol.
    OperationUnknown = 3705,
        "the root of trust does not know this operation",
        "Use programs of one version on both sides of the mailbox";
    /// An operation with too many or too few fields.
    CallShape = 3706,
        "a call has not the fields of its operation",
        "Use programs of one version on both sides of the mailbox";
    /// A field of a call has a size or number that it cannot have.
    CallField = 3707,
        "a field of a call has a wrong size, or a number that means nothing",
        "Use programs of one version on both sides of the mailbox";
    /// An answer that is not one.
    AnswerMalformed = 3708,
        "the mailbox answered something that is no answer to the command",
        "Use programs of one version on both sides of the mailbox";
    /// A refusal of a newer program.
    RefusalUnknown = 3709,
        "the root of trust refused with a number that this program does not know",
        "Use programs of one version on both sides of the mailbox";
    /// Messages of another version.
    ProtocolUnknown = 3710,
        "the other side of the mailbox speaks another version of its protocol",
        "Use programs of one version on both sides of the mailbox";
    /// What the non-secure side passed is not its own, or is written while it is read.
    GateRefused = 3711,
        "a call names memory that is not the mailbox's",
        "Use programs of one version on both sides of the gate";
    /// No address that a mailbox of this host can have.
    MailboxAddress = 3712,
        "this is no address of a mailbox on this host",
        "Write unix:/path/of/the/socket, tcp:127.0.0.1:PORT or tty:/dev/LINE";
}

impl core::error::Error for Error {}

impl From<craton_trust::Error> for Error {
    fn from(error: craton_trust::Error) -> Self {
        Self::Trust(error)
    }
}

/// What every fallible function of this crate returns.
pub type Result<T> = core::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn every_number_stands_in_the_registry_with_its_words() {
        let registry = include_str!("../../spec/errors.toml");
        for (code, name, says, todo) in Error::ALL {
            let entry = format!("code = {code}\nname = \"{name}\"\ncrate = \"rot\"\n");
            let at = registry.find(&entry).expect(name);
            let rest = &registry[at..];
            let rest = &rest[..rest.find("\n\n").unwrap_or(rest.len())];
            assert!(rest.contains(&format!("says = \"{says}\"")), "{name}");
            assert!(rest.contains(&format!("do = \"{todo}\"")), "{name}");
        }
    }

    #[test]
    fn an_error_says_its_number_what_is_true_and_what_to_do() {
        let error = Error::SealedByNewer;
        assert_eq!((error.code(), error.name()), (3403, "SealedByNewer"));
        assert!(format!("{error}").starts_with("E3403: the data was sealed by a newer"));
        let trust = Error::from(craton_trust::Error::RolledBack);
        assert_eq!((trust.code(), trust.name()), (1305, "RolledBack"));
        assert!(format!("{trust}").starts_with("E1305"));
    }
}
