//! Making a virtual device, and claiming one.

use super::Place;
use super::listed::show;
use crate::boot_approval::{Chosen, Generation, approve_own};
use crate::client::Call;
use crate::error::CliError;
use crate::home::{Home, read_file, read_secret};
use crate::keys::Unlock;
use crate::operation::Operation;
use crate::output::{short, word};
use crate::platform::Publisher;
use crate::publish;
use crate::session::{Options, Session};
use crate::tpm_maker::Makers;
use crate::virtual_device::{self, CLAIM_CODE_FILE, Made};
use anyhow::Result;
use craton_api::operator::{
    Base64, Device, DeviceClaim, DeviceId, LotClaim, LotClaimed, LotOutcome, Section,
};
use craton_device::folder::ENDORSEMENT_FILE;
use craton_device::{rot, tpm};
use craton_rot::tpm2::{self, enrol::EndorsementKey};
use craton_trust::Signed;
use craton_trust::endorsement::Endorsement;
use craton_trust::soft::Soft;
use rustls::pki_types::UnixTime;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What `device manufacture` is told.
#[derive(clap::Args)]
pub struct Manufacture {
    #[command(flatten)]
    place: Place,
    /// Its root of trust: `engine`, a mailbox (unix:/SOCKET, tcp:127.0.0.1:PORT, tty:/DEVICE), or a
    /// TPM: `tpm`, `tpm:device:/dev/tpmrm1`, or an emulator, `tpm:unix:/SOCKET`
    #[arg(
        long,
        value_name = "ENGINE|TPM|ADDRESS",
        default_value = "engine",
        value_parser = super::rot_place
    )]
    rot: rot::Place,
    #[command(flatten)]
    registers: Chosen,
    #[command(flatten)]
    generation: Generation,
    #[command(flatten)]
    makers: Makers,
    #[command(flatten)]
    unlock: Unlock,
}

/// What `device claim` is told.
#[derive(clap::Args)]
pub struct Claim {
    /// The name of a virtual device of this machine
    #[arg(required_unless_present_any = ["folder", "endorsement", "lot"])]
    name: Option<String>,
    /// Or its folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "name")]
    folder: Option<PathBuf>,
    /// Or the endorsement that came with a device: it is listed, and claimed where it stands
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "folder"])]
    endorsement: Option<PathBuf>,
    /// Or the list of all that a station made: each is listed, and claimed where it stands
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "folder", "endorsement"])]
    lot: Option<PathBuf>,
    /// The PRODUCT/GROUP that it joins
    #[arg(long)]
    group: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    device: String,
    folder: PathBuf,
    claim_code_file: PathBuf,
}

/// Makes a device that the catalog's manufacturer endorses, and sees to it that the catalog knows
/// the program which will run it.
///
/// # Errors
/// `DeviceExists`, those of the root of trust and of the keys, and the service's refusals.
pub async fn manufacture(with: &Manufacture, options: &Options) -> Result<()> {
    let device = with.place.folder(&Home::of_user()?);
    // One that is not endorsed was cut, and goes on.
    if rot::is_made(&device) && device.join(ENDORSEMENT_FILE).exists() {
        return Err(CliError::DeviceExists(device).into());
    }
    let session = &mut Session::open(options).await?;
    let folder = session.folder().await?;
    let manufacturer = folder.key("manufacturer", &with.unlock)?;
    let publisher = Publisher::open(session, None, &with.unlock).await?;
    let (client, catalog) = session.client().await?;
    publish::publish_runtime(client, catalog, &publisher).await?;
    let platform = virtual_device::section(client, catalog, Section::Platform).await?;
    let mut looked_at = None;
    if let rot::Place::Tpm(address) = &with.rot {
        looked_at = Some(look_at(address, &with.makers)?);
        let publisher = publisher.es256();
        approve_own(&device, address, &with.registers, with.generation, publisher)?;
    }
    let looked_at = looked_at.as_ref();
    let made = virtual_device::manufacture(&manufacturer, &device, &with.rot, looked_at, &platform);
    let (made, class) = made?;
    let claim_code_file = device.join(CLAIM_CODE_FILE);
    let shown = Shown { device: made.device.to_string(), folder: device, claim_code_file };
    let fields = [
        ("device", shown.device.clone()),
        ("rot", class.name().into()),
        ("folder", shown.folder.display().to_string()),
        ("claim code", format!("in {}", shown.claim_code_file.display())),
    ];
    session.out.one(&shown, &fields);
    let claim = format!("craton device claim {} --group PRODUCT/GROUP", with.place.words());
    session.out.next(&[&claim]);
    Ok(())
}

/// The endorsement key of a TPM, of a maker that was named if any was.
fn look_at(address: &tpm2::Address, makers: &Makers) -> Result<EndorsementKey> {
    let endorsement = tpm::endorsement(address)?;
    if !makers.are_named() {
        return Ok(endorsement.key);
    }
    makers.choose(endorsement, || tpm::endorsement_of_rsa(address), UnixTime::now())
}

/// Claims a device.
///
/// # Errors
/// `DeviceNotMade`, those of the root of trust, and the service's refusals.
pub async fn claim(session: &mut Session, with: &Claim) -> Result<()> {
    if let Some(file) = &with.endorsement {
        return list_only(session, file, with.group.clone()).await;
    }
    if let Some(file) = &with.lot {
        return claim_lot(session, file, with.group.clone()).await;
    }
    let place = Place { name: with.name.clone(), folder: with.folder.clone() };
    let folder = place.folder(&session.home);
    let id = id_of_local(&folder).ok_or_else(|| CliError::DeviceNotMade(folder.clone()))?;
    let code = read_secret(&folder.join(CLAIM_CODE_FILE))?;
    let made = Made {
        device: craton_trust::DeviceId(id.0),
        claim_code: String::from_utf8_lossy(&code).trim().to_owned(),
        endorsement: read_file(&folder.join(ENDORSEMENT_FILE))?,
    };
    let (client, catalog) = session.client().await?;
    let group = with.group.as_deref();
    let device = virtual_device::claim(client, catalog, group, &folder, &made).await?;
    show(session, &device);
    session.out.next(&[&format!("craton device run {}", place.words())]);
    Ok(())
}

async fn list_only(session: &mut Session, file: &Path, group: Option<String>) -> Result<()> {
    let endorsement = read_file(file)?;
    let named = Endorsement::parse(Signed::parse(&endorsement)?.unchecked_payload())?;
    let device = DeviceId(named.identity.device_id(&Soft).0);
    let body = DeviceClaim { device, endorsement: Base64(endorsement), group };
    let device: Device = session.ask(Call::of(Operation::DeviceClaim).json(&body)?).await?;
    show(session, &device);
    session.out.next(&["the device itself is claimed by its claim code, where it stands"]);
    Ok(())
}

async fn claim_lot(session: &mut Session, file: &Path, group: Option<String>) -> Result<()> {
    let body = LotClaim { lot: Base64(read_file(file)?), group };
    let claimed: LotClaimed = session.ask(Call::of(Operation::LotClaim).json(&body)?).await?;
    let rows = claimed.rows.iter().map(|row| {
        vec![short(row.device), word(row.outcome), row.detail.clone().unwrap_or_default()]
    });
    session.out.list(&claimed, &["device", "outcome", "why"], rows.collect());
    let refused = claimed.rows.iter().filter(|row| row.outcome == LotOutcome::Refused).count();
    if refused > 0 {
        return Err(CliError::LotRowsRefused { refused, of: claimed.rows.len() }.into());
    }
    session.out.next(&["craton device list --state pending"]);
    Ok(())
}

/// The id of a device that was made in a folder.
pub fn id_of_local(folder: &Path) -> Option<DeviceId> {
    let endorsement = read_file(&folder.join(ENDORSEMENT_FILE)).ok()?;
    let payload = Signed::parse(&endorsement).ok()?.unchecked_payload();
    Some(DeviceId(Endorsement::parse(payload).ok()?.identity.device_id(&Soft).0))
}
