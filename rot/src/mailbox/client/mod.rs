//! The host's end: a root of trust like any other, whose every command goes over a line.
//!
//! It does not promise that the line ends where it should: who a root of trust is, its evidence
//! says. What it keeps here, the identity, its certificates and what the chip cannot do, was read
//! since the last reset and does not change before the next one.

extern crate std;

mod address;
mod line;
mod recover;
pub mod serial;
mod transport;

pub use address::Address;
pub use line::{About, Line, Patience};
pub use recover::recover;
pub use transport::Transport;

use super::call::{Numbers, Operation};
use super::serve::{KINDS, NO_SLOT};
use super::{FLOOR_SIZE, MEASURED_SIZE};
use crate::RootOfTrust;
use crate::auth::{Ask, AuthMessage, AuthRole, For};
use crate::boot::{Event, NextLayer, Status};
use crate::capabilities::{Capabilities, Limit, RotClass};
use crate::engine::Start;
use crate::error::{Error, Result};
use crate::failure::{ChipFailure, PROGRAM_ID_SIZE};
use crate::programs::Programs;
use crate::slots::{Slot, Standing};
use craton_trust::crypto::Signature;
use craton_trust::dice::{CHAIN_MAX, Mode};
use craton_trust::evidence::{Lifecycle, Measured};
use craton_trust::rollback::Floors;
use craton_trust::soft::Soft;
use craton_trust::store::SectionKind;
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest, PublicKey};
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

/// Random bytes that are asked for at once.
const RANDOM_MAX: usize = 256;

/// A root of trust behind a mailbox.
pub struct Mailbox<T> {
    /// Locked for one request and its reply.
    line: Mutex<Line<T>>,
    identity: PublicKey,
    device: DeviceId,
    certificates: Vec<Vec<u8>>,
    capabilities: Capabilities,
}

impl<T: Transport> Mailbox<T> {
    /// Opens a mailbox whose chip has an identity.
    ///
    /// # Errors
    /// `NotManufactured`, and what else the chip's last reset was refused with; those of
    /// [`Line::open`].
    pub fn open(transport: T, patience: Patience) -> Result<Self> {
        Self::of(Line::open(transport, patience)?)
    }

    /// The root of trust at the end of a line.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub fn of(mut line: Line<T>) -> Result<Self> {
        if let Some(refused) = line.about().refused {
            return Err(refused);
        }
        let (_, bytes) = line.ask(Operation::Identity, &[], &[])?;
        let mut fields = Fields(&bytes);
        let (identity, device) = (PublicKey(fields.take()?), DeviceId(fields.take()?));
        fields.end()?;
        if identity.device_id(&Soft) != device {
            return Err(Error::AnswerMalformed);
        }
        let mut certificates = Vec::new();
        for place in 0..CHAIN_MAX as u64 {
            match line.ask(Operation::Certificate, &[place], &[])? {
                (numbers, certificate) if numbers == Numbers::default() => {
                    certificates.push(certificate);
                }
                _ => break,
            }
        }
        let (numbers, _) = line.ask(Operation::Capabilities, &[], &[])?;
        let capabilities = capabilities_of(numbers.as_slice()).ok_or(Error::AnswerMalformed)?;
        Ok(Self { line: Mutex::new(line), identity, device, certificates, capabilities })
    }

    /// Resets the chip.
    ///
    /// # Errors
    /// As [`Line::restart`] and [`Mailbox::open`].
    pub fn restart(self, start: Start) -> Result<Self> {
        let mut line = self.line.into_inner().unwrap_or_else(PoisonError::into_inner);
        line.restart(start)?;
        Self::of(line)
    }

    fn ask(
        &self,
        operation: Operation,
        numbers: &[u64],
        bytes: &[&[u8]],
    ) -> Result<(Numbers, Vec<u8>)> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.ask(operation, numbers, bytes)
    }

    /// A command that gives nothing back.
    fn tell(&self, operation: Operation, numbers: &[u64], bytes: &[&[u8]]) -> Result<()> {
        self.ask(operation, numbers, bytes).map(|_| ())
    }

    fn ask_fixed<const N: usize>(&self, operation: Operation) -> Result<[u8; N]> {
        let (_, bytes) = self.ask(operation, &[], &[])?;
        bytes.as_slice().try_into().map_err(|_| Error::AnswerMalformed)
    }

    fn ask_into<'o>(
        &self,
        operation: Operation,
        numbers: &[u64],
        bytes: &[&[u8]],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let (_, given) = self.ask(operation, numbers, bytes)?;
        let room = out.get_mut(..given.len()).ok_or(Error::AnswerMalformed)?;
        room.copy_from_slice(&given);
        Ok(room)
    }
}

impl<T: Transport> RootOfTrust for Mailbox<T> {
    fn identity(&self) -> PublicKey {
        self.identity
    }

    fn device(&self) -> DeviceId {
        self.device
    }

    fn certificate(&self, place: usize) -> Option<&[u8]> {
        self.certificates.get(place).map(Vec::as_slice)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn status(&self) -> Result<Status> {
        let (numbers, bytes) = self.ask(Operation::Status, &[], &[])?;
        status_of(numbers.as_slice(), &bytes)
    }

    fn section<'o>(&self, kind: SectionKind, out: &'o mut [u8]) -> Result<&'o [u8]> {
        self.ask_into(Operation::Section, &[kind as u64, out.len() as u64], &[], out)
    }

    fn advance_lifecycle(&mut self, order: &[u8]) -> Result<()> {
        self.tell(Operation::AdvanceLifecycle, &[], &[order])
    }

    fn take_auth_role(&mut self) -> Result<AuthRole> {
        Ok(AuthRole { session: self.ask_fixed(Operation::TakeAuthRole)? })
    }

    fn boot(&mut self, next: &NextLayer<'_>) -> Result<Mode> {
        let images: Vec<u8> = next.images().flat_map(|image| measured_bytes(&image)).collect();
        let runtime = measured_bytes(&next.runtime);
        let fields = [&runtime[..], &images].into_iter().chain(next.set);
        let (numbers, _) = self.ask(Operation::Boot, &[], &fields.collect::<Vec<_>>())?;
        match numbers.as_slice() {
            [mode] => mode_of(*mode),
            _ => Err(Error::AnswerMalformed),
        }
    }

    fn extend(&mut self, component: ComponentId, digest: Digest) -> Result<()> {
        self.tell(Operation::Extend, &[], &[&component.0, &digest.0])
    }

    fn event(&self, place: usize) -> Result<Option<Event>> {
        let (numbers, bytes) = self.ask(Operation::Event, &[place as u64], &[])?;
        match numbers.as_slice() {
            [0] => Ok(None),
            [1, boot, mode] => Ok(Some(Event::Booted { boot: *boot, mode: mode_of(*mode)? })),
            [2] => {
                let mut fields = Fields(&bytes);
                let component = ComponentId(fields.take()?);
                let measured = Measured { component, digest: Digest(fields.take()?) };
                fields.end()?;
                Ok(Some(Event::Measured(measured)))
            }
            _ => Err(Error::AnswerMalformed),
        }
    }

    fn attest<'o>(&mut self, ask: &Ask<'_>, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let fields = [&ask.audience.0[..], &ask.nonce.0, &ask.client_key.0];
        let session = match &ask.purpose {
            For::CheckIn(role) => Some(&role.session[..]),
            For::Report => None,
        };
        let fields: Vec<&[u8]> = fields.into_iter().chain(session).collect();
        self.ask_into(Operation::Attest, &[out.len() as u64], &fields, out)
    }

    fn client_key(&self) -> Result<PublicKey> {
        self.ask_fixed(Operation::ClientKey).map(PublicKey)
    }

    fn renew_client_key(&mut self) -> Result<PublicKey> {
        self.ask_fixed(Operation::RenewClientKey).map(PublicKey)
    }

    fn sign(&self, message: &AuthMessage<'_>) -> Result<Signature> {
        let (_, bytes) = match message {
            AuthMessage::CertificateVerify(content) => {
                self.ask(Operation::Sign, &[], &[content])?
            }
            AuthMessage::Tagged(kind, payload) => {
                let place = KINDS.iter().position(|known| known == kind);
                let place = place.ok_or(Error::MessageKind)?;
                self.ask(Operation::Sign, &[place as u64], &[payload])?
            }
        };
        bytes.as_slice().try_into().map_err(|_| Error::AnswerMalformed)
    }

    fn seal<'o>(
        &mut self,
        component: ComponentId,
        plain: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        self.ask_into(Operation::Seal, &[out.len() as u64], &[&component.0, plain], out)
    }

    fn unseal<'o>(
        &self,
        component: ComponentId,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        self.ask_into(Operation::Unseal, &[out.len() as u64], &[&component.0, sealed], out)
    }

    fn confirm(&mut self) -> Result<()> {
        self.tell(Operation::Confirm, &[], &[])
    }

    fn claim(&mut self, code: &[u8], owner: &[u8]) -> Result<()> {
        self.tell(Operation::Claim, &[], &[code, owner])
    }

    fn replace(&mut self, successor: &[u8], sets: &[&[u8]], envelopes: &[&[u8]]) -> Result<()> {
        let fields = [&[successor][..], sets, envelopes].concat();
        self.tell(Operation::Replace, &[sets.len() as u64], &fields)
    }

    fn new_epoch(&mut self, order: &[u8], next_owner: Option<&[u8]>) -> Result<()> {
        let fields: Vec<&[u8]> = [order].into_iter().chain(next_owner).collect();
        self.tell(Operation::NewEpoch, &[], &fields)
    }

    fn challenge(&mut self) -> Result<Digest> {
        self.ask_fixed(Operation::Challenge).map(Digest)
    }

    fn apply(&mut self, capability: &[u8]) -> Result<()> {
        self.tell(Operation::Apply, &[], &[capability])
    }

    fn accept_reply(&mut self, reply: &[u8], request: &Digest) -> Result<()> {
        self.tell(Operation::AcceptReply, &[], &[reply, &request.0])
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        for room in out.chunks_mut(RANDOM_MAX) {
            let (_, bytes) = self.ask(Operation::Random, &[room.len() as u64], &[])?;
            if bytes.len() != room.len() {
                return Err(Error::AnswerMalformed);
            }
            room.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn programs(&self) -> Result<Programs> {
        let (numbers, _) = self.ask(Operation::Programs, &[], &[])?;
        programs_of(numbers.as_slice()).ok_or(Error::AnswerMalformed)
    }

    fn begin_program(&mut self, length: usize) -> Result<()> {
        self.tell(Operation::BeginProgram, &[length as u64], &[])
    }

    fn write_program(&mut self, offset: usize, piece: &[u8]) -> Result<()> {
        self.tell(Operation::WriteProgram, &[offset as u64], &[piece])
    }

    fn arm_program(&mut self, set: Option<&[u8]>) -> Result<()> {
        let fields: Vec<&[u8]> = set.into_iter().collect();
        self.tell(Operation::ArmProgram, &[], &fields)
    }

    fn take_failure(&mut self) -> Result<Option<ChipFailure>> {
        match self.ask(Operation::TakeFailure, &[], &[]) {
            Ok((numbers, bytes)) => failure_of(numbers.as_slice(), &bytes),
            Err(Error::OperationUnknown) => Ok(None), // an older chip keeps nothing
            Err(error) => Err(error),
        }
    }
}

fn failure_of(numbers: &[u64], bytes: &[u8]) -> Result<Option<ChipFailure>> {
    if numbers.is_empty() {
        return Ok(None);
    }
    let numbers = numbers.try_into().map_err(|_| Error::AnswerMalformed)?;
    let mut failure = ChipFailure::of_numbers(numbers)?;
    if !bytes.is_empty() {
        let mut fields = Fields(bytes);
        failure.component = Some(ComponentId(fields.take()?));
        failure.program = Some(fields.take::<PROGRAM_ID_SIZE>()?);
        fields.end()?;
    }
    Ok(Some(failure))
}

fn programs_of(numbers: &[u64]) -> Option<Programs> {
    let [running, a, b, security_version, floor] = *numbers else { return None };
    let running = match running {
        NO_SLOT => None,
        number => Some(Slot::from_number(number)?),
    };
    let standings = [Standing::from_number(a)?, Standing::from_number(b)?];
    Some(Programs { running, standings, security_version, floor })
}

fn measured_bytes(measured: &Measured) -> [u8; MEASURED_SIZE] {
    let mut bytes = [0; MEASURED_SIZE];
    let fields = measured.component.0.iter().chain(&measured.digest.0);
    bytes.iter_mut().zip(fields).for_each(|(place, byte)| *place = *byte);
    bytes
}

fn mode_of(number: u64) -> Result<Mode> {
    let mode = u8::try_from(number).ok().and_then(|number| Mode::from_number(number).ok());
    mode.ok_or(Error::AnswerMalformed)
}

fn flag_of(number: u64) -> Result<bool> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::AnswerMalformed),
    }
}

/// What the chip cannot do, and what its mailbox cannot.
fn capabilities_of(numbers: &[u64]) -> Option<Capabilities> {
    let [class, limits] = numbers else { return None };
    let class = RotClass::from_number(u8::try_from(*class).ok()?).ok()?;
    let limits = Limit::of_bits(limits | Limit::bits(&[Limit::MessagesAreBounded]))?;
    Some(Capabilities { class, limits })
}

fn status_of(numbers: &[u64], bytes: &[u8]) -> Result<Status> {
    let [
        lifecycle,
        mode,
        booted,
        epoch,
        boot,
        check_in,
        time_floor,
        checkpoint_size,
        debug_next,
        owner,
        owner_section,
    ] = *numbers
    else {
        return Err(Error::AnswerMalformed);
    };
    let mut fields = Fields(bytes);
    let (class, platform) = (ClassId(fields.take()?), Digest(fields.take()?));
    let owner = flag_of(owner)?.then(|| fields.take().map(CatalogId)).transpose()?;
    let owner_section = flag_of(owner_section)?.then(|| fields.take().map(Digest)).transpose()?;
    Ok(Status {
        lifecycle: Lifecycle::from_number(lifecycle).map_err(|_| Error::AnswerMalformed)?,
        class,
        mode: mode_of(mode)?,
        booted: flag_of(booted)?,
        owner,
        sections: (platform, owner_section),
        epoch,
        boot,
        check_in,
        time_floor,
        checkpoint_size,
        floors: fields.floors()?,
        debug_next: flag_of(debug_next)?,
    })
}

/// Fields of a reply, one after another.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Error::AnswerMalformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::AnswerMalformed) }
    }

    /// All that is left.
    fn floors(&self) -> Result<Floors> {
        let (whole, []) = self.0.as_chunks::<FLOOR_SIZE>() else {
            return Err(Error::AnswerMalformed);
        };
        let mut floors = Floors::default();
        for floor in whole {
            let mut fields = Fields(floor);
            let component = ComponentId(fields.take()?);
            if floors.iter().any(|(known, _)| known == component) {
                return Err(Error::AnswerMalformed);
            }
            let raised = floors.raise(component, u64::from_be_bytes(fields.take()?));
            raised.map_err(|_| Error::AnswerMalformed)?;
        }
        Ok(floors)
    }
}
