//! What the root of trust does with a call: the half that runs where the secrets are.
//!
//! Rule MBX-3: it takes a flat call, whoever made it, and looks at each field: how many there are
//! (`CallShape`), their sizes and numbers (`CallField`), and then what the root of trust itself
//! refuses. It parses no message, and belongs to no connection. The bytes of a call are read more
//! than once: who passes them keeps others from changing them meanwhile.

use super::call::{Answer, Call, Operation};
use super::chip::Chip;
use super::{ENTROPY_SIZE, MEASURED_SIZE, PROTOCOL};
use crate::RootOfTrust;
use crate::auth::{Ask, AuthMessage, AuthRole, For};
use crate::boot::{Event, Images, NextLayer};
use crate::capabilities::Limit;
use crate::engine::{Manufacture, Start};
use crate::error::{Error, Result};
use crate::programs::Programs;
use craton_trust::copy;
use craton_trust::cose::Kind;
use craton_trust::evidence::{MEASURED_MAX, Measured};
use craton_trust::store::SectionKind;
use craton_trust::{CatalogId, ClassId, ComponentId, Digest, PublicKey};

/// The kinds of messages, each at the place of its number in a `Sign`.
pub(super) const KINDS: [Kind; 11] = [
    Kind::TrustStore,
    Kind::Image,
    Kind::ImageSet,
    Kind::Approval,
    Kind::Assignment,
    Kind::Capability,
    Kind::Endorsement,
    Kind::Checkpoint,
    Kind::Evidence,
    Kind::Lifecycle,
    Kind::DiceCertificate,
];

/// Does what a call asks, and writes what it gives into `out`.
#[inline(never)] // as the rooms of its operations, which are not on the stack of one another
pub fn serve(chip: &mut impl Chip, call: &Call<'_>, out: &mut [u8]) -> Answer {
    let of_chip = match call.operation {
        Operation::Hello => hello(chip, call),
        Operation::Manufacture => manufacture(chip, call),
        Operation::Restart => restart(chip, call),
        Operation::Entropy => match (call.numbers(), call.bytes()) {
            ([], [entropy]) => entropy_of(entropy).and_then(|e| done(chip.stir(e))),
            _ => Err(Error::CallShape),
        },
        Operation::TakeFailure => take_failure(chip, call, out),
        _ => match chip.rot() {
            Ok(rot) => of_rot(rot, call, out),
            Err(error) => Err(error),
        },
    };
    of_chip.unwrap_or_else(Answer::refusal)
}

fn hello(chip: &mut impl Chip, call: &Call<'_>) -> Result<Answer> {
    let ([version], []) = (call.numbers(), call.bytes()) else { return Err(Error::CallShape) };
    if *version != PROTOCOL {
        return Err(Error::ProtocolUnknown);
    }
    let (runs, frame_max) = (chip.runs() as u64, chip.frame_max());
    let code = chip.rot().err().map_or(0, Error::code);
    Answer::done(&[PROTOCOL, runs, u64::from(code), frame_max as u64], 0)
}

#[inline(never)]
fn manufacture(chip: &mut impl Chip, call: &Call<'_>) -> Result<Answer> {
    let ([], [platform_section, claim_code, class, entropy]) = (call.numbers(), call.bytes())
    else {
        return Err(Error::CallShape);
    };
    let (claim_code, class) = (Digest(fixed(claim_code)?), ClassId(fixed(class)?));
    let with = Manufacture { platform_section, claim_code, class };
    done(chip.manufacture(&with, entropy_of(entropy)?))
}

fn restart(chip: &mut impl Chip, call: &Call<'_>) -> Result<Answer> {
    let ([start], []) = (call.numbers(), call.bytes()) else { return Err(Error::CallShape) };
    let start = match start {
        0 => Start::Normal,
        1 => Start::Recovery,
        _ => return Err(Error::CallField),
    };
    done(chip.restart(start))
}

#[inline(never)]
fn take_failure(chip: &mut impl Chip, call: &Call<'_>, out: &mut [u8]) -> Result<Answer> {
    let ([], []) = (call.numbers(), call.bytes()) else { return Err(Error::CallShape) };
    let Some(failure) = chip.take_failure() else { return Answer::done(&[], 0) };
    let mut filled = Filled { out, length: 0 };
    if let (Some(component), Some(program)) = (&failure.component, &failure.program) {
        filled.put(&component.0)?;
        filled.put(program)?;
    }
    Answer::done(&failure.numbers(), filled.length)
}

#[inline(never)]
fn of_rot(rot: &mut impl RootOfTrust, call: &Call<'_>, out: &mut [u8]) -> Result<Answer> {
    match (call.operation, call.numbers(), call.bytes()) {
        (Operation::Identity, [], []) => identity(rot, out),
        (Operation::Certificate, [place], []) => certificate(rot, *place, out),
        (Operation::Capabilities, [], []) => {
            let capabilities = rot.capabilities();
            Answer::done(&[capabilities.class as u64, Limit::bits(capabilities.limits)], 0)
        }
        (Operation::Status, [], []) => status(rot, out),
        (Operation::Section, [kind, room], []) => {
            let (kind, room) = (section_kind(*kind)?, Room::of(out, *room));
            room.written(|out| rot.section(kind, out))
        }
        (Operation::AdvanceLifecycle, [], [order]) => done(rot.advance_lifecycle(order)),
        (Operation::TakeAuthRole, [], []) => {
            let role = rot.take_auth_role()?;
            Filled::into(out, |filled| filled.put(&role.session))
        }
        (Operation::Boot, [], [runtime, images, set @ ..]) => boot(rot, runtime, images, set),
        (Operation::Extend, [], [component, digest]) => {
            done(rot.extend(ComponentId(fixed(component)?), Digest(fixed(digest)?)))
        }
        (Operation::Event, [place], []) => event(rot, *place, out),
        (Operation::Attest, [room], [audience, nonce, key, session @ ..]) => {
            attest(rot, [audience, nonce, key], session, Room::of(out, *room))
        }
        (Operation::Confirm, [], []) => done(rot.confirm()),
        _ => of_keys_and_owners(rot, call, out),
    }
}

fn of_keys_and_owners(
    rot: &mut impl RootOfTrust,
    call: &Call<'_>,
    out: &mut [u8],
) -> Result<Answer> {
    match (call.operation, call.numbers(), call.bytes()) {
        (Operation::ClientKey, [], []) => {
            let key = rot.client_key()?;
            Filled::into(out, |filled| filled.put(&key.0))
        }
        (Operation::RenewClientKey, [], []) => {
            let key = rot.renew_client_key()?;
            Filled::into(out, |filled| filled.put(&key.0))
        }
        (Operation::Sign, kind, [message]) => sign(rot, kind, message, out),
        (Operation::Seal, [room], [component, plain]) => {
            let component = ComponentId(fixed(component)?);
            Room::of(out, *room).written(|out| rot.seal(component, plain, out))
        }
        (Operation::Unseal, [room], [component, sealed]) => {
            let component = ComponentId(fixed(component)?);
            Room::of(out, *room).written(|out| rot.unseal(component, sealed, out))
        }
        (Operation::Claim, [], [code, owner]) => done(rot.claim(code, owner)),
        (Operation::Replace, [sets], [successor, installed @ ..]) => {
            let sets = usize::try_from(*sets).map_err(|_| Error::CallField)?;
            let split = installed.split_at_checked(sets).ok_or(Error::CallField)?;
            done(rot.replace(successor, split.0, split.1))
        }
        (Operation::NewEpoch, [], [order]) => done(rot.new_epoch(order, None)),
        (Operation::NewEpoch, [], [order, next]) => done(rot.new_epoch(order, Some(next))),
        (Operation::Challenge, [], []) => {
            let challenge = rot.challenge()?;
            Filled::into(out, |filled| filled.put(&challenge.0))
        }
        (Operation::Apply, [], [capability]) => done(rot.apply(capability)),
        (Operation::AcceptReply, [], [reply, request]) => {
            done(rot.accept_reply(reply, &Digest(fixed(request)?)))
        }
        (Operation::Random, [length], []) => random(rot, *length, out),
        _ => of_programs(rot, call),
    }
}

fn of_programs(rot: &mut impl RootOfTrust, call: &Call<'_>) -> Result<Answer> {
    let size = |number: u64| usize::try_from(number).map_err(|_| Error::CallField);
    match (call.operation, call.numbers(), call.bytes()) {
        (Operation::Programs, [], []) => {
            let Programs { running, standings: [a, b], security_version, floor } =
                rot.programs()?;
            let running = running.map_or(NO_SLOT, |slot| slot as u64);
            Answer::done(&[running, a as u64, b as u64, security_version, floor], 0)
        }
        (Operation::BeginProgram, [length], []) => done(rot.begin_program(size(*length)?)),
        (Operation::WriteProgram, [offset], [piece]) => {
            done(rot.write_program(size(*offset)?, piece))
        }
        (Operation::ArmProgram, [], []) => done(rot.arm_program(None)),
        (Operation::ArmProgram, [], [set]) => done(rot.arm_program(Some(set))),
        _ => Err(Error::CallShape),
    }
}

/// Stands for a program that came from no slot.
pub(super) const NO_SLOT: u64 = 2;

#[inline(never)]
fn identity(rot: &impl RootOfTrust, out: &mut [u8]) -> Result<Answer> {
    let (identity, device) = (rot.identity(), rot.device());
    Filled::into(out, |filled| {
        filled.put(&identity.0)?;
        filled.put(&device.0)
    })
}

#[inline(never)]
fn certificate(rot: &impl RootOfTrust, place: u64, out: &mut [u8]) -> Result<Answer> {
    let place = usize::try_from(place).map_err(|_| Error::CallField)?;
    match rot.certificate(place) {
        Some(certificate) => Filled::into(out, |filled| filled.put(certificate)),
        None => Answer::done(&[0], 0),
    }
}

/// Numbers: lifecycle, mode, whether it booted, epoch, boot, check-in, time floor, checkpoint size,
/// whether the next boot is a Debug one, whether there is an owner, and an owner section. Bytes:
/// class, platform section's digest, owner, owner section's digest, floors.
#[inline(never)]
fn status(rot: &impl RootOfTrust, out: &mut [u8]) -> Result<Answer> {
    let status = rot.status()?;
    let mut filled = Filled { out, length: 0 };
    filled.put(&status.class.0)?;
    filled.put(&status.sections.0.0)?;
    status.owner.map_or(Ok(()), |owner| filled.put(&owner.0))?;
    status.sections.1.map_or(Ok(()), |digest| filled.put(&digest.0))?;
    for (component, floor) in status.floors.iter() {
        filled.put(&component.0)?;
        filled.put(&floor.to_be_bytes())?;
    }
    let numbers = [
        status.lifecycle as u64,
        status.mode as u64,
        u64::from(status.booted),
        status.epoch,
        status.boot,
        status.check_in,
        status.time_floor,
        status.checkpoint_size,
        u64::from(status.debug_next),
        u64::from(status.owner.is_some()),
        u64::from(status.sections.1.is_some()),
    ];
    Answer::done(&numbers, filled.length)
}

#[inline(never)]
fn boot(
    rot: &mut impl RootOfTrust,
    runtime: &[u8],
    images: &[u8],
    set: &[&[u8]],
) -> Result<Answer> {
    let set = match set {
        [] => None,
        [set] => Some(*set),
        _ => return Err(Error::CallShape),
    };
    let runtime = measured(runtime)?;
    let (images, []) = images.as_chunks() else { return Err(Error::CallField) };
    if images.len() > MEASURED_MAX {
        return Err(Error::Trust(craton_trust::Error::FieldTooLong));
    }
    let mode = rot.boot(&NextLayer { runtime, set, images: &Packed(images) })?;
    Answer::done(&[mode as u64], 0)
}

/// Images as a message has them.
struct Packed<'b>(&'b [[u8; MEASURED_SIZE]]);

impl Images for Packed<'_> {
    fn get(&self, place: usize) -> Option<Measured> {
        self.0.get(place).and_then(|image| measured(image).ok())
    }
}

#[inline(never)]
fn event(rot: &impl RootOfTrust, place: u64, out: &mut [u8]) -> Result<Answer> {
    let place = usize::try_from(place).map_err(|_| Error::CallField)?;
    match rot.event(place)? {
        None => Answer::done(&[0], 0),
        Some(Event::Booted { boot, mode }) => Answer::done(&[1, boot, mode as u64], 0),
        Some(Event::Measured(measured)) => {
            let mut filled = Filled { out, length: 0 };
            filled.put(&measured.component.0)?;
            filled.put(&measured.digest.0)?;
            Answer::done(&[2], filled.length)
        }
    }
}

#[inline(never)]
fn attest(
    rot: &mut impl RootOfTrust,
    [audience, nonce, key]: [&[u8]; 3],
    session: &[&[u8]],
    room: Room<'_>,
) -> Result<Answer> {
    let role = match session {
        [] => None,
        [session] => Some(AuthRole { session: fixed(session)? }),
        _ => return Err(Error::CallShape),
    };
    let ask = Ask {
        purpose: role.as_ref().map_or(For::Report, For::CheckIn),
        audience: CatalogId(fixed(audience)?),
        nonce: Digest(fixed(nonce)?),
        client_key: PublicKey(fixed(key)?),
    };
    room.written(|out| rot.attest(&ask, out))
}

#[inline(never)]
fn sign(rot: &impl RootOfTrust, kind: &[u64], message: &[u8], out: &mut [u8]) -> Result<Answer> {
    let message = match kind {
        [] => AuthMessage::CertificateVerify(message),
        [kind] => {
            let place = usize::try_from(*kind).map_err(|_| Error::CallField)?;
            AuthMessage::Tagged(*KINDS.get(place).ok_or(Error::CallField)?, message)
        }
        _ => return Err(Error::CallShape),
    };
    let signature = rot.sign(&message)?;
    Filled::into(out, |filled| filled.put(&signature))
}

fn random(rot: &mut impl RootOfTrust, length: u64, out: &mut [u8]) -> Result<Answer> {
    let length = usize::try_from(length).map_err(|_| Error::MessageTooLarge)?;
    rot.random(out.get_mut(..length).ok_or(Error::MessageTooLarge)?)?;
    Answer::done(&[], length)
}

fn done(outcome: Result<()>) -> Result<Answer> {
    outcome.and_then(|()| Answer::done(&[], 0))
}

/// As much room as the caller has himself, so that who has little is refused as without a mailbox.
struct Room<'o> {
    out: &'o mut [u8],
    /// He has more than the mailbox, whose limit it is then.
    cut: bool,
}

impl<'o> Room<'o> {
    fn of(out: &'o mut [u8], room: u64) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (length, cut) = (room.min(out.len()), room > out.len());
        Self { out: out.get_mut(..length).unwrap_or(&mut []), cut }
    }

    /// An answer of what lies at the start of the room.
    fn written(self, write: impl FnOnce(&'o mut [u8]) -> Result<&'o [u8]>) -> Result<Answer> {
        match write(self.out) {
            Err(Error::RoomTooSmall | Error::Trust(craton_trust::Error::BufferTooSmall))
                if self.cut =>
            {
                Err(Error::MessageTooLarge)
            }
            bytes => Answer::done(&[], bytes?.len()),
        }
    }
}

fn section_kind(number: u64) -> Result<SectionKind> {
    match number {
        0 => Ok(SectionKind::Platform),
        1 => Ok(SectionKind::Owner),
        _ => Err(Error::CallField),
    }
}

fn measured(bytes: &[u8]) -> Result<Measured> {
    let (component, digest) = bytes.split_first_chunk::<16>().ok_or(Error::CallField)?;
    Ok(Measured { component: ComponentId(*component), digest: Digest(fixed(digest)?) })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| Error::CallField)
}

fn entropy_of(bytes: &[u8]) -> Result<&[u8; ENTROPY_SIZE]> {
    bytes.try_into().map_err(|_| Error::CallField)
}

/// Fields of an answer, one after another.
struct Filled<'o> {
    out: &'o mut [u8],
    length: usize,
}

impl<'o> Filled<'o> {
    fn into(out: &'o mut [u8], fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<Answer> {
        let mut filled = Self { out, length: 0 };
        fill(&mut filled)?;
        Answer::done(&[], filled.length)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let rest = self.out.get_mut(self.length..).unwrap_or(&mut []);
        let room = rest.get_mut(..bytes.len()).ok_or(Error::MessageTooLarge)?;
        copy(room, bytes);
        self.length += bytes.len();
        Ok(())
    }
}
