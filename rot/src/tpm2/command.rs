//! The commands that we send (TPM 2.0 Library, part 3), one function each.

use super::policy::{self, BootApproval};
use super::template::{self, Modulus, Name, SHA256};
use super::transport::Transport;
use super::wire::{Refusal, Response, Right, Structure, command, response};
use crate::error::{Error, Result};
use craton_trust::crypto::{Crypto as _, Signature};
use craton_trust::quote::{ATTEST_MAX, Fields, Selection};
use craton_trust::quoted::Registers;
use craton_trust::{Digest, PublicKey};
use std::vec::Vec;
use zeroize::{Zeroize as _, Zeroizing};

/// TPM_RH_OWNER.
pub const OWNER: u32 = 0x4000_0001;
/// TPM_RH_ENDORSEMENT.
pub const ENDORSEMENT: u32 = 0x4000_000b;
/// TPM_RH_NULL.
const NULL_HANDLE: u32 = 0x4000_0007;
const NULL: u16 = 0x0010;
const ECDSA: u16 = 0x0018;
/// TPM_ST_HASHCHECK.
const HASH_CHECK: u16 = 0x8024;
/// TPM_SE_POLICY.
const POLICY_SESSION: u8 = 1;
/// Ranges of handles: sessions loaded, objects loaded.
const LOADED: [u32; 2] = [0x0200_0000, 0x8000_0000];
/// More than a TPM holds at once.
const LOADED_MAX: u32 = 64;
/// TPM_CAP_HANDLES.
const HANDLES: u32 = 1;
/// Registers that one TPM2_PCR_Read gives.
const READ_MAX: usize = 8;
const NV_READ: u32 = 0x14e;
/// The largest index that is read whole, bytes: a certificate has one or two thousand.
pub const READABLE_MAX: usize = 8192;
/// What every TPM gives of an index at once (PC Client profile: at least 512).
const NV_READ_MAX: usize = 512;
const WITHOUT: Right<'static> = Right::Password(&[]);

/// TPM_RC_HANDLE for the first handle, as for an index that is not defined.
const NO_HANDLE: Refusal = Refusal(0x18b);
/// TPM_RC_NV_DEFINED.
const DEFINED: Refusal = Refusal(0x14c);
/// TPM_RC_NV_UNINITIALIZED.
const UNWRITTEN: Refusal = Refusal(0x14a);
/// Commands that a TPM wants again: TPM_RC_YIELDED, _TESTING, _RETRY.
const AGAIN: [u32; 3] = [0x908, 0x90a, 0x922];
const TRIES_MAX: u32 = 8;

/// An object that is loaded.
#[derive(Clone, Copy)]
pub struct Loaded {
    pub handle: u32,
    pub key: PublicKey,
    pub name: Name,
}

/// A TPM 2.0.
pub struct Tpm {
    transport: Transport,
}

/// An answer that outlives the bytes it came in.
struct Answer {
    handle: Option<u32>,
    parameters: Vec<u8>,
}

impl Tpm {
    /// Takes a way to a TPM over.
    ///
    /// # Errors
    /// `TpmUnreachable`, `TpmRefused`, `TpmResponseBroken`.
    pub fn new(transport: Transport) -> Result<Self> {
        let mut tpm = Self { transport };
        if tpm.transport.alone {
            LOADED.into_iter().try_for_each(|range| tpm.flush_all(range))?;
        }
        Ok(tpm)
    }

    fn ask(
        &mut self,
        code: u32,
        handles: &[u32],
        rights: &[Right<'_>],
        parameters: &[u8],
        makes_handle: bool,
    ) -> Result<core::result::Result<Answer, Refusal>> {
        // Both may carry a secret.
        let sent = Zeroizing::new(command(code, handles, rights, parameters));
        for _ in 0..TRIES_MAX {
            let bytes = Zeroizing::new(self.transport.exchange(&sent)?);
            match response(&bytes, !rights.is_empty(), makes_handle)? {
                Err(Refusal(code)) if AGAIN.contains(&code) => {}
                Err(refusal) => {
                    self.flush_sessions(rights)?;
                    return Ok(Err(refusal));
                }
                Ok(Response { handle, parameters }) => {
                    return Ok(Ok(Answer { handle, parameters: parameters.to_vec() }));
                }
            }
        }
        Err(Error::TpmUnreachable)
    }

    /// A refused command leaves its policy sessions loaded.
    fn flush_sessions(&mut self, rights: &[Right<'_>]) -> Result<()> {
        rights.iter().try_for_each(|right| match right {
            Right::Policy(session) => self.flush(*session),
            Right::Password(_) => Ok(()),
        })
    }

    fn run(
        &mut self,
        code: u32,
        handles: &[u32],
        rights: &[Right<'_>],
        parameters: Structure,
    ) -> Result<Vec<u8>> {
        let answer = self.ask(code, handles, rights, &parameters.0, false)?;
        answer.map(|answer| answer.parameters).map_err(refused)
    }

    /// TPM2_GetRandom, as often as it takes; mixed into what `out` has.
    ///
    /// # Errors
    /// As all of these: `TpmUnreachable`, `TpmRefused`, `TpmResponseBroken`.
    pub fn mix_random(&mut self, out: &mut [u8]) -> Result<()> {
        for block in out.chunks_mut(32) {
            let wanted = Structure::default().u16(block.len() as u16);
            let answer = self.run(0x17b, &[], &[], wanted)?;
            let random = Fields::new(&answer).sized(block.len()).map_err(broken)?;
            if random.len() != block.len() {
                return Err(Error::RandomFailed);
            }
            block.iter_mut().zip(random).for_each(|(byte, random)| *byte ^= random);
        }
        Ok(())
    }

    /// TPM2_CreatePrimary in the owner's hierarchy; `auth` will entitle to the key.
    pub fn create_primary(&mut self, area: &[u8], auth: &[u8]) -> Result<Loaded> {
        self.create_in(OWNER, area, auth)
    }

    /// TPM2_CreatePrimary of the endorsement key.
    pub fn create_endorsement(&mut self) -> Result<Loaded> {
        self.create_in(ENDORSEMENT, &template::endorsement(), &[])
    }

    /// TPM2_CreatePrimary of the endorsement key of RSA: its handle and modulus.
    pub fn create_endorsement_of_rsa(&mut self) -> Result<(u32, Modulus)> {
        let (handle, public) = self.create(ENDORSEMENT, &template::endorsement_of_rsa(), &[])?;
        Ok((handle, template::modulus(&public)?))
    }

    fn create_in(&mut self, hierarchy: u32, area: &[u8], auth: &[u8]) -> Result<Loaded> {
        let (handle, public) = self.create(hierarchy, area, auth)?;
        let name = template::name(&craton_trust::soft::Soft, &public);
        Ok(Loaded { handle, key: template::point(&public)?, name })
    }

    /// The handle of a primary key, and its public area.
    fn create(&mut self, hierarchy: u32, area: &[u8], auth: &[u8]) -> Result<(u32, Vec<u8>)> {
        let sensitive = Structure::default().sized(auth).sized(&[]).0;
        let parameters = Structure::default().sized(&sensitive).sized(area).sized(&[]).u32(0);
        let answer = self.ask(0x131, &[hierarchy], &[WITHOUT], &parameters.0, true)?;
        let Answer { handle, parameters } = answer.map_err(refused)?;
        let handle = handle.ok_or(Error::TpmResponseBroken)?;
        let public = Fields::new(&parameters).sized(usize::MAX).map_err(broken)?;
        Ok((handle, public.to_vec()))
    }

    /// TPM2_FlushContext.
    pub fn flush(&mut self, handle: u32) -> Result<()> {
        self.run(0x165, &[], &[], Structure::default().u32(handle)).map(drop)
    }

    fn flush_all(&mut self, range: u32) -> Result<()> {
        let wanted = Structure::default().u32(HANDLES).u32(range).u32(LOADED_MAX);
        let answer = self.run(0x17a, &[], &[], wanted)?;
        let mut fields = Fields::new(&answer);
        fields.take(5).map_err(broken)?;
        let count = fields.u32().map_err(broken)?.min(LOADED_MAX);
        for _ in 0..count {
            self.flush(fields.u32().map_err(broken)?)?;
        }
        Ok(())
    }

    /// TPM2_Sign over a digest, by a key that is not restricted.
    pub fn sign(&mut self, key: u32, auth: &[u8], digest: &Digest) -> Result<Signature> {
        let scheme = Structure::default().sized(&digest.0).u16(NULL);
        let parameters = scheme.u16(HASH_CHECK).u32(NULL_HANDLE).sized(&[]);
        let answer = self.run(0x15d, &[key], &[Right::Password(auth)], parameters)?;
        signature(&mut Fields::new(&answer)).map_err(broken)
    }

    /// TPM2_Quote: the TPMS_ATTEST, and its signature.
    pub fn quote(
        &mut self,
        key: u32,
        session: u32,
        qualifying: &Digest,
        selection: Selection,
    ) -> Result<(Vec<u8>, Signature)> {
        let parameters = Structure::default().sized(&qualifying.0).u16(NULL);
        let parameters = parameters.raw(&selection.encode());
        let answer =
            self.run(super::policy::QUOTE, &[key], &[Right::Policy(session)], parameters)?;
        let mut fields = Fields::new(&answer);
        let attest = fields.sized(ATTEST_MAX).map_err(broken)?.to_vec();
        Ok((attest, signature(&mut fields).map_err(broken)?))
    }

    /// TPM2_PCR_Read, eight registers at a time.
    pub fn registers(&mut self, selection: Selection) -> Result<Registers> {
        let mut read = Registers::none();
        let wanted: Vec<u8> = selection.registers().collect();
        for some in wanted.chunks(READ_MAX) {
            let bits = some.iter().fold(0u32, |bits, register| bits | 1 << register);
            let parameters = Structure::default().raw(&Selection(bits).encode());
            let answer = self.run(0x17e, &[], &[], parameters)?;
            // Update counter, selection in force, number of values.
            let (_, values) = answer.split_at_checked(18).ok_or(Error::TpmResponseBroken)?;
            let mut values = Fields::new(values);
            for register in some {
                let value = values.sized(32).map_err(broken)?;
                let value = value.try_into().map_err(|_| Error::TpmResponseBroken)?;
                read.push(*register, Digest(value))?;
            }
        }
        Ok(read)
    }

    /// TPM2_StartAuthSession: a policy session.
    pub fn start_policy(&mut self) -> Result<u32> {
        let parameters = Structure::default().sized(&[0; 16]).sized(&[]);
        let parameters = parameters.raw(&[POLICY_SESSION]).u16(NULL).u16(SHA256);
        let answer = self.ask(0x176, &[NULL_HANDLE; 2], &[], &parameters.0, true)?;
        answer.map_err(refused)?.handle.ok_or(Error::TpmResponseBroken)
    }

    /// TPM2_PolicyCommandCode.
    pub fn policy_command(&mut self, session: u32, code: u32) -> Result<()> {
        let parameters = Structure::default().u32(code);
        self.run(super::policy::POLICY_COMMAND_CODE, &[session], &[], parameters).map(drop)
    }

    /// TPM2_PolicyPCR on the registers as they are now.
    pub fn policy_registers(&mut self, session: u32, selection: Selection) -> Result<()> {
        let parameters = Structure::default().sized(&[]).raw(&selection.encode());
        self.run(super::policy::POLICY_PCR, &[session], &[], parameters).map(drop)
    }

    /// TPM2_PolicySecret of the endorsement hierarchy, whose authorization value is empty.
    pub fn policy_endorsement(&mut self, session: u32) -> Result<()> {
        let parameters = Structure::default().sized(&[]).sized(&[]).sized(&[]).u32(0);
        self.run(0x151, &[ENDORSEMENT, session], &[WITHOUT], parameters).map(drop)
    }

    /// TPM2_PolicyAuthorize: the session's policy so far is one that `by` signed.
    pub fn policy_authorize(
        &mut self,
        session: u32,
        approval: &BootApproval,
        approved: &Digest,
    ) -> Result<()> {
        let soft = &craton_trust::soft::Soft;
        let reference = &policy::reference(approval.selection, approval.generation);
        // The message that TPM2_PolicyAuthorize means.
        let message = soft.sha256(&[&approved.0, reference]);
        let area = template::verifying_key(&approval.by);
        let parameters = Structure::default().sized(&[]).sized(&area).u32(OWNER);
        let answer = self.ask(0x167, &[], &[], &parameters.0, true)?.map_err(refused)?;
        let key = answer.handle.ok_or(Error::TpmResponseBroken)?;
        let ticket = self.verify(key, &message, &approval.signature);
        self.flush(key)?;
        let parameters = Structure::default().sized(&approved.0).sized(reference);
        let name = template::name(soft, &area);
        let parameters = parameters.sized(&name).raw(&ticket?);
        self.run(policy::POLICY_AUTHORIZE, &[session], &[], parameters).map(drop)
    }

    /// TPM2_VerifySignature: the ticket.
    fn verify(&mut self, key: u32, message: &Digest, signed: &Signature) -> Result<Vec<u8>> {
        let (r, s) = signed.split_at(32);
        let parameters = Structure::default().sized(&message.0).u16(ECDSA).u16(SHA256);
        self.run(0x177, &[key], &[], parameters.sized(r).sized(s))
    }

    /// TPM2_ActivateCredential: what a service enclosed for this key in this TPM.
    pub fn activate(
        &mut self,
        key: u32,
        endorsement: u32,
        session: u32,
        blob: &[u8],
        seed: &[u8],
    ) -> Result<Vec<u8>> {
        let parameters = Structure::default().sized(blob).sized(seed);
        let rights = [WITHOUT, Right::Policy(session)];
        let answer = self.run(0x147, &[key, endorsement], &rights, parameters)?;
        Fields::new(&answer).sized(64).map(<[u8]>::to_vec).map_err(broken)
    }

    /// TPM2_NV_DefineSpace.
    ///
    /// # Errors
    /// `TpmOccupied` if the index is defined already.
    pub fn define(&mut self, area: &[u8]) -> Result<()> {
        let parameters = Structure::default().sized(&[]).sized(area);
        let answer = self.ask(0x12a, &[OWNER], &[WITHOUT], &parameters.0, false)?;
        answer.map(drop).map_err(|refusal| match refusal {
            DEFINED => Error::TpmOccupied,
            other => refused(other),
        })
    }

    /// TPM2_NV_UndefineSpace; an index that is not there is as wanted.
    pub fn undefine(&mut self, index: u32) -> Result<()> {
        if self.public_of(index)?.is_none() {
            return Ok(());
        }
        self.run(0x122, &[OWNER, index], &[WITHOUT], Structure::default()).map(drop)
    }

    /// TPM2_NV_ReadPublic: the public area of an index; `None` if it is not defined.
    pub fn public_of(&mut self, index: u32) -> Result<Option<Vec<u8>>> {
        match self.ask(0x169, &[index], &[], &[], false)? {
            Err(NO_HANDLE) => Ok(None),
            Err(refusal) => Err(refused(refusal)),
            Ok(answer) => {
                let area = Fields::new(&answer.parameters).sized(usize::MAX).map_err(broken)?;
                Ok(Some(area.to_vec()))
            }
        }
    }

    /// TPM2_NV_Read of all that anybody may read of an index; `None` if it is not there.
    ///
    /// # Errors
    /// Also `TpmResponseBroken` for an index above [`READABLE_MAX`].
    pub fn read_index(&mut self, index: u32) -> Result<Option<Vec<u8>>> {
        let Some(area) = self.public_of(index)? else { return Ok(None) };
        let (_, size) = template::policy_and_size(&area)?;
        if size > READABLE_MAX {
            return Err(Error::TpmResponseBroken);
        }
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            let next = (size - bytes.len()).min(NV_READ_MAX);
            let parameters = Structure::default().u16(next as u16).u16(bytes.len() as u16);
            let answer = self.run(NV_READ, &[index; 2], &[WITHOUT], parameters)?;
            let part = Fields::new(&answer).sized(next).map_err(broken)?;
            if part.is_empty() {
                return Err(Error::TpmResponseBroken);
            }
            bytes.extend_from_slice(part);
        }
        Ok(Some(bytes))
    }

    /// TPM2_NV_Increment.
    pub fn increment(&mut self, index: u32) -> Result<()> {
        self.run(0x134, &[index; 2], &[WITHOUT], Structure::default()).map(drop)
    }

    /// TPM2_NV_Read of a counter; 0 if it was never raised.
    pub fn counter(&mut self, index: u32) -> Result<u64> {
        let parameters = Structure::default().u16(8).u16(0);
        match self.ask(NV_READ, &[index; 2], &[WITHOUT], &parameters.0, false)? {
            Err(UNWRITTEN) => Ok(0),
            Err(refusal) => Err(refused(refusal)),
            Ok(answer) => {
                let value = Fields::new(&answer.parameters).sized(8).map_err(broken)?;
                value.try_into().map(u64::from_be_bytes).map_err(|_| Error::TpmResponseBroken)
            }
        }
    }

    /// TPM2_NV_Read of a secret.
    pub fn read_secret(&mut self, index: u32, session: u32, into: &mut [u8; 32]) -> Result<()> {
        let parameters = Structure::default().u16(32).u16(0);
        let answer = self.run(NV_READ, &[index; 2], &[Right::Policy(session)], parameters)?;
        let value = Fields::new(&answer).sized(32).map_err(broken)?;
        *into = value.try_into().map_err(|_| Error::TpmResponseBroken)?;
        let mut answer = answer;
        answer.as_mut_slice().zeroize();
        Ok(())
    }

    /// TPM2_NV_Write of a secret.
    pub fn write_secret(&mut self, index: u32, session: u32, secret: &[u8; 32]) -> Result<()> {
        let parameters = Structure::default().sized(secret).u16(0);
        self.run(0x137, &[index; 2], &[Right::Policy(session)], parameters).map(drop)
    }
}

/// TPMT_SIGNATURE of an ECDSA key.
fn signature(fields: &mut Fields<'_>) -> craton_trust::error::Result<Signature> {
    if (fields.u16()?, fields.u16()?) != (ECDSA, SHA256) {
        return Err(craton_trust::Error::QuoteShape);
    }
    let mut signature = [0u8; 64];
    signature.chunks_exact_mut(32).try_for_each(|half| template::number(fields, half))?;
    Ok(signature)
}

fn refused(_: Refusal) -> Error {
    Error::TpmRefused
}

fn broken(_: craton_trust::Error) -> Error {
    Error::TpmResponseBroken
}
