//! A device of this machine: its root of trust, the engine on a file or one behind a mailbox, made,
//! endorsed and claimed here.

use crate::client::{Call, Client};
use crate::home::{make_passage, read_secret, write_secret};
use crate::operation::Operation;
use crate::output::hex;
use anyhow::{Context as _, Result};
use craton_api::operator::{Base64, CatalogId, Device, DeviceClaim, Section};
use craton_device::folder::ENDORSEMENT_FILE;
use craton_device::rot::{self, Place, Rot};
use craton_device::tpm::{self, InTpm};
use craton_rot::tpm2::enrol::EndorsementKey;
use craton_rot::{Action, Error, Manufacture, Order, RootOfTrust, RotClass, Start};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer};
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::Lifecycle;
use craton_trust::signed;
use craton_trust::soft::Soft;
use craton_trust::{ClassId, DeviceId};
use std::path::Path;

/// Where a device's one-time claim code is, beside its root of trust.
pub const CLAIM_CODE_FILE: &str = "claim-code";

/// The class of virtual devices.
pub const VIRTUAL_CLASS: ClassId = ClassId(*b"craton/virtual-1");

/// What manufacture gave: the device, and the code that its first owner needs.
pub struct Made {
    /// The device.
    pub device: DeviceId,
    /// The one-time claim code.
    pub claim_code: String,
    /// The manufacturer's signed endorsement.
    pub endorsement: Vec<u8>,
}

/// Manufactures a device in an empty folder and moves it to `Module1Complete`; says which class of
/// root of trust was endorsed, too. One in a TPM is made only if that has the endorsement key that
/// was looked at.
///
/// # Errors
/// Those of the root of trust.
pub fn manufacture(
    manufacturer: &dyn Signer,
    folder: &Path,
    place: &Place,
    looked_at: Option<&EndorsementKey>,
    platform_section: &[u8],
) -> Result<(Made, RotClass)> {
    make_passage(folder)?;
    let claim_code = claim_code(folder)?;
    let code_digest = Soft.sha256(&[claim_code.as_bytes()]);
    let with = Manufacture { platform_section, claim_code: code_digest, class: VIRTUAL_CLASS };
    let made = match (place, looked_at) {
        (Place::Tpm(address), Some(endorsement)) => {
            in_tpm(tpm::manufacture(folder, address, endorsement, &with))
        }
        _ => rot::manufacture(folder, place, &with),
    };
    let (mut rot, class) = match made {
        Err(Error::AlreadyManufactured) => made_before(folder, place, looked_at, &claim_code)?,
        made => made?,
    };
    if matches!(place, Place::Tpm(_)) {
        place.note(folder)?; // from here on there is a device in the folder
    }
    if rot.status()?.lifecycle == Lifecycle::Blank {
        advance(&mut *rot, manufacturer, Lifecycle::Module1Complete)?;
    }
    let endorsement = Endorsement {
        identity: rot.identity(),
        rot: class,
        class: VIRTUAL_CLASS,
        claim_code: code_digest,
    };
    let endorsement = endorse(&endorsement, manufacturer)?;
    write_secret(&folder.join(ENDORSEMENT_FILE), &endorsement)?;
    Ok((Made { device: rot.device(), claim_code, endorsement }, class))
}

fn in_tpm(made: Result<InTpm, Error>) -> Result<(Rot, RotClass), Error> {
    Ok((Box::new(made?), RotClass::Tpm))
}

/// What this folder made before it was cut: nobody else has its claim code.
fn made_before(
    folder: &Path,
    place: &Place,
    looked_at: Option<&EndorsementKey>,
    claim_code: &str,
) -> Result<(Rot, RotClass)> {
    let (mut rot, class) = match (place, looked_at) {
        (Place::Tpm(address), Some(endorsement)) => {
            in_tpm(tpm::resume(folder, address, endorsement))?
        }
        _ => rot::reopen(folder, place)?,
    };
    if !is_claim_code(&mut *rot, claim_code.as_bytes())? {
        return Err(Error::AlreadyManufactured.into());
    }
    place.note(folder)?;
    Ok((rot, class))
}

/// Whether an unowned device has this claim code. Nothing is used up: with the right code what is
/// refused next is the owner, who is none.
///
/// # Errors
/// Those of [`RootOfTrust::claim`].
pub fn is_claim_code(rot: &mut dyn RootOfTrust, code: &[u8]) -> Result<bool, Error> {
    match rot.claim(code, b"") {
        Err(Error::ClaimCodeWrong) => Ok(false),
        Err(Error::Trust(_)) => Ok(true),
        Err(error) => Err(error),
        Ok(()) => Err(Error::StateUncertain), // nothing is nobody's section
    }
}

/// The device's one-time claim code. It is in its file before its digest is in a fuse: a
/// manufacture that was cut goes on with the same one.
fn claim_code(folder: &Path) -> Result<String> {
    let file = folder.join(CLAIM_CODE_FILE);
    // That of a device that was finished here before is not used again.
    if file.exists() && !folder.join(ENDORSEMENT_FILE).exists() {
        return Ok(String::from_utf8(read_secret(&file)?)?);
    }
    let code = fresh_claim_code()?;
    write_secret(&file, code.as_bytes())?;
    Ok(code)
}

/// A claim code that nobody knows yet.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_claim_code() -> Result<String> {
    let mut code = [0u8; 16];
    aws_lc_rs::rand::fill(&mut code).context("the system has no randomness")?;
    Ok(hex(&code))
}

/// Moves a device's lifecycle by the manufacturer's order; the boot is over.
///
/// # Errors
/// Those of [`RootOfTrust::advance_lifecycle`].
pub fn advance(rot: &mut dyn RootOfTrust, manufacturer: &dyn Signer, to: Lifecycle) -> Result<()> {
    let order =
        Order { device: rot.device(), epoch: rot.status()?.epoch, action: Action::Lifecycle(to) };
    let (mut payload, mut object) = ([0u8; 128], [0u8; 512]);
    let payload = order.encode(&mut payload)?;
    let order = signed::seal(&Soft, Kind::Lifecycle, payload, &[manufacturer], &mut object)?;
    Ok(rot.advance_lifecycle(order)?)
}

/// Signs an endorsement.
///
/// # Errors
/// The signer's.
pub fn endorse(endorsement: &Endorsement, manufacturer: &dyn Signer) -> Result<Vec<u8>> {
    let (mut payload, mut object) = ([0u8; 256], [0u8; 512]);
    let payload = endorsement.encode(&mut payload)?;
    let signers = [manufacturer];
    Ok(signed::seal(&Soft, Kind::Endorsement, payload, &signers, &mut object)?.to_vec())
}

/// The signed first version of a section, as the service keeps it.
///
/// # Errors
/// The service's refusals.
pub async fn section(client: &mut Client, catalog: CatalogId, section: Section) -> Result<Vec<u8>> {
    let name = match section {
        Section::Platform => "platform",
        Section::Owner => "owner",
    };
    let call = Call::of(Operation::TrustStoreFetch).at(name).at(1);
    client.call_bytes(call, Some(catalog)).await
}

/// Claims: the device takes its owner by the claim code, and the service lists it as pending.
///
/// # Errors
/// The root of trust's refusals (`ClaimCodeWrong` among them) and the service's.
pub async fn claim(
    client: &mut Client,
    catalog: CatalogId,
    group: Option<&str>,
    folder: &Path,
    made: &Made,
) -> Result<Device> {
    let owner = section(client, catalog, Section::Owner).await?;
    let mut rot = rot::open(folder, Start::Normal)?;
    rot.claim(made.claim_code.as_bytes(), &owner)?;
    drop(rot);
    let body = DeviceClaim {
        device: craton_api::operator::DeviceId(made.device.0),
        endorsement: Base64(made.endorsement.clone()),
        group: group.map(str::to_owned),
    };
    client.call(Call::of(Operation::DeviceClaim).json(&body)?, Some(catalog)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manufacture_that_was_cut_goes_on_with_its_claim_code() {
        let folder = tempfile::tempdir().unwrap();
        let first = claim_code(folder.path()).unwrap();
        assert_eq!(claim_code(folder.path()).unwrap(), first);
        std::fs::write(folder.path().join(ENDORSEMENT_FILE), b"of the device before").unwrap();
        assert_ne!(claim_code(folder.path()).unwrap(), first);
    }
}
