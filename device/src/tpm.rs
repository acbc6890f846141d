//! A device whose root of trust is in a TPM: its file, the approvals of its boots, and how whoever
//! endorses it makes sure that its identity is in that TPM.
//!
//! The folder keeps the sealed state, and a file for each boot that the platform's publisher
//! approved. An approval is signed and no secret; which key's count is in the TPM, so that one of a
//! stranger opens nothing, and one that does not read is as if it were not there.

use crate::rot::{PLACE_FILE, Place};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use craton_rot::engine::Manufacture;
use craton_rot::secret::Secret;
use craton_rot::tpm2::command::Tpm;
use craton_rot::tpm2::enrol::{Enclosed, EndorsementKey, RSA_LABEL, enclose, enclose_to_rsa};
use craton_rot::tpm2::policy::BOOT_APPROVAL_MAX;
use craton_rot::tpm2::{Address, BootApproval, TpmPlatform, generations_of};
use craton_rot::{Engine, Error, Result, RootOfTrust as _, Start};
use craton_trust::PublicKey;
use craton_trust::crypto::Crypto as _;
use craton_trust::quote::Selection;
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Fuses, counters and flash, sealed.
pub const STATE_FILE: &str = "rot.tpm";
/// The folder of the approvals.
pub const APPROVALS: &str = "boot-approvals";
/// How many approvals a start reads.
pub const APPROVALS_MAX: usize = 64;
/// Index of the certificate of the P-256 endorsement key (TCG EK Credential Profile, 2.2.1.4).
pub const CERTIFICATE: u32 = 0x01c0_000a;
/// Index of that of the RSA endorsement key of 2 048 bits (2.2.1.4).
pub const CERTIFICATE_OF_RSA: u32 = 0x01c0_0002;
const EXTENSION: &str = "approval";

/// The engine in a TPM.
pub type InTpm = Engine<TpmPlatform>;

/// Opens a device by a reset.
///
/// # Errors
/// Those of the file, the TPM, and the reset.
pub fn open(device: &Path, address: &Address, start: Start) -> Result<InTpm> {
    let (approvals, state) = (approvals(device)?, device.join(STATE_FILE));
    free(&state)?;
    Engine::open_in_tpm(address.connect()?, &state, &approvals, Soft, start)
}

/// Refuses while another process has the file: an emulator takes one connection at a time, and who
/// waits for it would wait long.
fn free(state: &Path) -> Result<()> {
    let locked = File::open(state)
        .is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)));
    if locked { Err(Error::StorageLocked) } else { Ok(()) }
}

/// Manufactures a device, if its identity will be in the TPM of this endorsement key (TPM-5).
///
/// # Errors
/// As [`Engine::create_in_tpm`]; `TpmRefused` if the TPM has another endorsement key.
pub fn manufacture(
    device: &Path,
    address: &Address,
    endorsement: &EndorsementKey,
    with: &Manufacture<'_>,
) -> Result<InTpm> {
    let (approvals, state) = (approvals(device)?, device.join(STATE_FILE));
    let engine = Engine::create_in_tpm(address.connect()?, &state, &approvals, Soft, with)?;
    enrol(&engine, endorsement)?;
    Ok(engine)
}

/// Opens what a manufacture made here that was cut before anybody endorsed it, and has its identity
/// prove anew that it is in the TPM of this endorsement key (TPM-5).
///
/// # Errors
/// As [`open`]; `TpmRefused` if the TPM has another endorsement key.
pub fn resume(device: &Path, address: &Address, endorsement: &EndorsementKey) -> Result<InTpm> {
    let engine = open(device, address, Start::Normal)?;
    enrol(&engine, endorsement)?;
    Ok(engine)
}

/// A folder whose root of trust is out of its TPM, and which still says where it was: until that is
/// gone, too, whatever was cut is finished by taking it out again.
#[must_use]
pub struct TakenOut<'d>(&'d Path);

/// Takes a device's root of trust out of the TPM that its folder names. Whoever does this has the
/// folder alone ([`crate::monitor::alone`]).
///
/// # Errors
/// `StorageMissing` if the folder names none; `TpmOccupied` if the one in the TPM is of another
/// folder; `StorageLocked`, and the TPM's.
pub fn take_out(device: &Path) -> Result<TakenOut<'_>> {
    let Place::Tpm(address) = Place::of(device)? else { return Err(Error::StorageMissing) };
    let state = device.join(STATE_FILE);
    free(&state)?;
    TpmPlatform::discard_of(address.connect()?, &state)?;
    Ok(TakenOut(device))
}

impl TakenOut<'_> {
    /// Forgets the state, which nothing opens any more, and then, last of all, where it was.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub fn forget(self) -> Result<()> {
        for name in [STATE_FILE, PLACE_FILE] {
            match fs::remove_file(self.0.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::StorageFailed);
                }
                _ => {}
            }
            // One after the other on the disk, too.
            let folder = File::open(self.0).and_then(|folder| folder.sync_all());
            folder.map_err(|_| Error::StorageFailed)?;
        }
        Ok(())
    }
}

/// Takes whatever root of trust of ours is in a TPM out of it, without its folder's proof.
///
/// # Errors
/// The TPM's.
pub fn erase(address: &Address) -> Result<()> {
    TpmPlatform::discard(address.connect()?)
}

/// Has a secret opened that only the TPM of this endorsement key opens, for this identity alone.
fn enrol(engine: &InTpm, endorsement: &EndorsementKey) -> Result<()> {
    let secret = random()?;
    let opened = engine.activate(&enclosed(endorsement, &engine.identity(), &secret)?)?;
    // TPM-5
    if opened.bytes() == secret.bytes() { Ok(()) } else { Err(Error::TpmRefused) }
}

fn enclosed(to: &EndorsementKey, identity: &PublicKey, secret: &Secret) -> Result<Enclosed> {
    let chance = random()?;
    match to {
        EndorsementKey::P256(key) => enclose(key, identity, secret, &chance),
        EndorsementKey::Rsa2048(_) => {
            let encrypted = encrypted(&to.info(), &chance)?;
            Ok(enclose_to_rsa(identity, secret, &chance, encrypted))
        }
    }
}

/// To an RSA key, by its SubjectPublicKeyInfo. Its private half is in the TPM: nothing here could
/// tell of it by its time.
fn encrypted(info: &[u8], seed: &Secret) -> Result<Vec<u8>> {
    let invalid = || Error::Trust(craton_trust::Error::KeyInvalid);
    let key = PublicEncryptingKey::from_der(info).map_err(|_| invalid())?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| invalid())?;
    let mut room = vec![0; key.ciphertext_size()];
    let with = &OAEP_SHA256_MGF1SHA256;
    let written = key.encrypt(with, seed.bytes(), &mut room, Some(RSA_LABEL));
    Ok(written.map_err(|_| invalid())?.to_vec())
}

fn random() -> Result<Secret> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::RandomFailed)?;
    Ok(Secret::new(bytes))
}

/// What tells one TPM from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its endorsement key.
    pub key: EndorsementKey,
    /// What its maker says of it, X.509 as the TPM keeps it: not verified here.
    pub certificate: Option<Vec<u8>>,
}

/// A TPM's endorsement key: that on P-256, unless there is a certificate for the RSA one alone.
///
/// # Errors
/// The TPM's.
pub fn endorsement(address: &Address) -> Result<Shown> {
    let mut tpm = Tpm::new(address.connect()?)?;
    let certificate = tpm.read_index(CERTIFICATE)?.map(unpadded);
    if certificate.is_none()
        && let Some(of_rsa) = certified_rsa(&mut tpm)?
    {
        return Ok(of_rsa);
    }
    let loaded = tpm.create_endorsement()?;
    tpm.flush(loaded.handle)?;
    Ok(Shown { key: EndorsementKey::P256(loaded.key), certificate })
}

/// The RSA one, if there is a certificate for it: a TPM may have certificates of two makers.
///
/// # Errors
/// The TPM's.
pub fn endorsement_of_rsa(address: &Address) -> Result<Option<Shown>> {
    certified_rsa(&mut Tpm::new(address.connect()?)?)
}

fn certified_rsa(tpm: &mut Tpm) -> Result<Option<Shown>> {
    let certificate = tpm.read_index(CERTIFICATE_OF_RSA)?.map(unpadded);
    let Some(certificate) = certificate else { return Ok(None) };
    let (handle, modulus) = tpm.create_endorsement_of_rsa()?;
    tpm.flush(handle)?;
    let key = EndorsementKey::Rsa2048(Box::new(modulus));
    Ok(Some(Shown { key, certificate: Some(certificate) }))
}

/// A certificate without what fills its index up: a maker may define one of more bytes.
fn unpadded(mut index: Vec<u8>) -> Vec<u8> {
    // SEQUENCE, two bytes of length (X.690, 8.1.3): shorter ones are no certificates.
    if let [0x30, 0x82, high, low, ..] = index[..] {
        index.truncate(4 + usize::from(u16::from_be_bytes([high, low])));
    }
    index
}

/// Registers of a TPM as they are now.
///
/// # Errors
/// The TPM's.
pub fn registers(address: &Address, selection: Selection) -> Result<Registers> {
    Tpm::new(address.connect()?)?.registers(selection)
}

/// The approvals that a start of the device goes by, by the names of their files.
///
/// # Errors
/// `StorageFailed`.
pub fn approvals(device: &Path) -> Result<Vec<BootApproval>> {
    let files = files(device)?.into_iter().take(APPROVALS_MAX);
    let read = files.map(|path| read(&path)).collect::<Result<Vec<_>>>()?;
    Ok(read.into_iter().flatten().collect())
}

/// Keeps an approval for the device's next starts.
///
/// # Errors
/// Those of its encoding; `ApprovalForeign` beside approvals of another key or kind,
/// `ApprovalsTooMany`, `StorageFailed`.
pub fn approve(device: &Path, approval: &[u8]) -> Result<PathBuf> {
    let read = BootApproval::parse(approval)?;
    if approvals(device)?.iter().any(|kept| !kept.is_akin_to(&read)) {
        return Err(Error::ApprovalForeign);
    }
    let folder = device.join(APPROVALS);
    let name = Soft.sha256(&[approval]).to_string();
    let path = folder.join(format!("{:.16}.{EXTENSION}", name));
    if !path.exists() && files(device)?.len() >= APPROVALS_MAX {
        return Err(Error::ApprovalsTooMany);
    }
    let fresh = path.with_extension("new");
    let written = fs::create_dir_all(&folder).and_then(|()| {
        let mut file = File::create(&fresh)?;
        file.write_all(approval)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&folder)?.sync_all()
    });
    written.map_err(|_| Error::StorageFailed)?;
    Ok(path)
}

/// The generation that a device is in, for approvals of the key and kind of this one: those of an
/// older generation open nothing. Nothing is opened by this; on an emulator, which has one user at
/// a time, the device must not run.
///
/// # Errors
/// `StorageMissing` if the folder names no TPM, `StorageLocked`; as [`generation_at`].
pub fn generation(device: &Path, akin: &BootApproval) -> Result<u16> {
    let Place::Tpm(address) = Place::of(device)? else { return Err(Error::StorageMissing) };
    if !matches!(address, Address::Device(_)) {
        free(&device.join(STATE_FILE))?;
    }
    generation_at(&address, akin)
}

/// The same of whatever device is in a TPM. Where a revocation was cut and no start followed, it is
/// the older one of two.
///
/// # Errors
/// `NotManufactured` if there is none; `ApprovalForeign` if it goes by another key or kind than
/// this approval is of; the TPM's.
pub fn generation_at(address: &Address, akin: &BootApproval) -> Result<u16> {
    let generations = generations_of(&mut Tpm::new(address.connect()?)?, akin)?;
    generations.first().copied().ok_or(Error::ApprovalForeign)
}

/// Takes the state of a device that does not run to the newest generation in which this boot is
/// approved, and returns that: whatever was approved in an older one opens it no more (TPM-7).
///
/// # Errors
/// `StorageMissing` if the folder names no TPM; as [`open`]; `ApprovalsNotNewer` if it is there.
pub fn revoke_older(device: &Path) -> Result<u16> {
    let Place::Tpm(address) = Place::of(device)? else { return Err(Error::StorageMissing) };
    open(device, &address, Start::Recovery)?.platform_mut().revoke_older()
}

/// The approvals' files, by their names.
fn files(device: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(device.join(APPROVALS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|_| Error::StorageFailed)?,
    };
    let paths = entries.map(|entry| Ok(entry.map_err(|_| Error::StorageFailed)?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|it| it == EXTENSION));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Option<BootApproval>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|_| Error::StorageFailed)?;
    let limited = file.take(BOOT_APPROVAL_MAX as u64 + 1).read_to_end(&mut bytes);
    limited.map_err(|_| Error::StorageFailed)?;
    Ok(BootApproval::parse(&bytes).ok())
}

#[cfg(test)]
mod tests;
