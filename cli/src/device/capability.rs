//! `craton device capability`: a signed permission for one boot of one device.
//!
//! The device opens a challenge while it is stopped; publisher and approver sign the answer where
//! their keys are; the device takes it from a file. Nothing but the two files goes between the
//! device and the service.

use super::Here;
use crate::client::Call;
use crate::error::CliError;
use crate::home::{read_file, write_file};
use crate::keys::{self, Unlock};
use crate::operation::Operation;
use crate::output::{Output, moment, short};
use crate::session::{Options, Session};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{
    Capability as Shown, CapabilityId, CapabilityList, CatalogId, DeviceId, Digest,
};
use craton_device::stopped;
use craton_trust::assignment::Address;
use craton_trust::capability::{Capability, Permission};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::soft::Soft;
use craton_trust::store::Role;
use craton_trust::{Signed, signed};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is done with capabilities.
#[derive(Subcommand)]
pub enum Command {
    /// Open a challenge in a stopped device's root of trust, and write what must be answered
    Challenge {
        #[command(flatten)]
        here: Here,
        /// Where the challenge goes
        #[arg(long, value_name = "FILE", default_value = "capability.challenge")]
        out: PathBuf,
    },
    /// Answer a challenge as the publisher; the catalog countersigns after a second approval
    Request {
        /// What `challenge` wrote
        challenge: PathBuf,
        /// What the device may do in that one boot
        #[arg(long, value_enum, default_value = "appDevelopment")]
        permits: Permits,
        /// The publisher's key file; otherwise the catalog's
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Where the capability goes
        #[arg(long, value_name = "FILE", default_value = "capability.cbor")]
        out: PathBuf,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Approve a capability with the approver's key, and write it for the device
    Approve {
        /// The device's id or the beginning of it, or the name of one of this machine
        device: String,
        /// The capability's id or the beginning of it
        capability: String,
        /// The approver's key file; otherwise the catalog's
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Where the capability goes
        #[arg(long, value_name = "FILE", default_value = "capability.cbor")]
        out: PathBuf,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// List the capabilities of a device
    List {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
    },
    /// Give a stopped device the capability: its next boot is one in mode Debug, the one after it
    /// normal again
    Apply {
        #[command(flatten)]
        here: Here,
        /// What `request` or `approve` wrote
        file: PathBuf,
    },
}

/// What a capability permits.
#[derive(Clone, Copy, ValueEnum)]
pub enum Permits {
    /// Development sets and a debugger
    #[value(name = "appDevelopment")]
    AppDevelopment,
}

/// A challenge as a file. It is no secret, and proves nothing by itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeFile {
    catalog: CatalogId,
    device: DeviceId,
    epoch: u64,
    challenge: Digest,
}

/// Does it.
///
/// # Errors
/// The root of trust's, the service's refusals, and those of files and keys.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Challenge { here, out: file } => challenge(&here.folder()?, &file, out),
        Command::Request { challenge, permits, key, out: file, unlock } => {
            let asked = read_challenge(&challenge)?;
            let mut session = Session::open(options).await?;
            request(&mut session, &asked, permits, (key.as_deref(), &unlock), &file).await
        }
        Command::Approve { device, capability, key, out: file, unlock } => {
            let mut session = Session::open(options).await?;
            let device = super::listed::id_of(&mut session, &device).await?;
            let known = found(&mut session, device, &capability).await?;
            approve(&mut session, &known, (key.as_deref(), &unlock), &file).await
        }
        Command::List { device } => {
            let mut session = Session::open(options).await?;
            let device = super::listed::id_of(&mut session, &device).await?;
            list(&mut session, device).await
        }
        Command::Apply { here, file } => apply(&here.folder()?, &file, out),
    }
}

fn challenge(folder: &Path, file: &Path, out: Output) -> Result<()> {
    let open = stopped::Stopped::open(folder)?.challenge()?;
    let opened = ChallengeFile {
        catalog: open.catalog.into(),
        device: open.device.into(),
        epoch: open.epoch,
        challenge: open.challenge.into(),
    };
    write_file(file, &serde_json::to_vec_pretty(&opened)?)?;
    let fields = [
        ("device", opened.device.to_string()),
        ("epoch", opened.epoch.to_string()),
        ("challenge", opened.challenge.to_string()),
    ];
    out.one(&opened, &fields);
    out.next(&[&format!("craton device capability request {}", file.display())]);
    Ok(())
}

fn read_challenge(file: &Path) -> Result<ChallengeFile> {
    let text = read_file(file)?;
    serde_json::from_slice(&text).map_err(|_| CliError::ChallengeUnreadable(file.to_owned()).into())
}

async fn request(
    session: &mut Session,
    asked: &ChallengeFile,
    permits: Permits,
    (key, unlock): (Option<&Path>, &Unlock),
    file: &Path,
) -> Result<()> {
    let catalog = session.catalog().await?;
    of_catalog(asked, catalog)?;
    let usual = session.folder().await?.key_path("publisher");
    let publisher = keys::read(key.unwrap_or(&usual), unlock)?;
    let permission = match permits {
        Permits::AppDevelopment => Permission::AppDevelopment,
    };
    let address = Address {
        catalog: asked.catalog.into(),
        device: asked.device.into(),
        epoch: asked.epoch,
        request: asked.challenge.into(),
    };
    let (mut payload, mut room) = ([0u8; 512], [0u8; 1024]);
    let payload = Capability { address, permission }.encode(&mut payload)?;
    let object = signed::seal(&Soft, Kind::Capability, payload, &[&publisher], &mut room)?;
    let call = Call::of(Operation::CapabilityBring).at(asked.device).object(object);
    let brought: Shown = session.ask(call).await?;
    if brought.approved {
        return give(session, &brought, file).await;
    }
    show(session, &brought);
    let device = asked.device;
    session.out.next(&[&format!(
        "craton device capability approve {device} {} --key FILE, where the approver's key is",
        brought.id
    )]);
    Ok(())
}

fn of_catalog(asked: &ChallengeFile, catalog: CatalogId) -> Result<(), CliError> {
    let same = asked.catalog == catalog;
    if same { Ok(()) } else { Err(CliError::ChallengeOfOther(asked.catalog)) }
}

async fn found(session: &mut Session, device: DeviceId, wanted: &str) -> Result<Shown> {
    let all: CapabilityList = session.ask(Call::of(Operation::CapabilityList).at(device)).await?;
    let named = |capability: &Shown| (capability.id.to_string(), None);
    let what = ("capability", "device capability list DEVICE");
    Ok(crate::session::pick(all.items, wanted, what, named)?)
}

/// Signs what the publisher signed, after looking at it: an approver signs no bytes unseen.
async fn approve(
    session: &mut Session,
    known: &Shown,
    (key, unlock): (Option<&Path>, &Unlock),
    file: &Path,
) -> Result<()> {
    let kept = session.owner_section().await?;
    let owner = kept.section();
    let object = fetch(session, known.device, known.id).await?;
    let signed = Signed::parse(&object)?;
    let publisher = [owner.role(Role::Publisher)];
    let seen = signed.verify(&Soft, Kind::Capability, &publisher, Capability::parse)?;
    let named = CapabilityId(seen.digest().0) == known.id
        && DeviceId::from(seen.address.device) == known.device;
    if !named {
        return Err(CliError::AnswerUnexpected("the signed capability".into()).into());
    }
    let usual = session.folder().await?.key_path("approver");
    let path = key.unwrap_or(&usual);
    let approver = keys::read(path, unlock)?;
    if !owner.role(Role::Approver).contains(&approver.public_key()) {
        return Err(CliError::ApproverUnknown(path.to_owned()).into());
    }
    let mut room = [0u8; 1024];
    let payload = signed.unchecked_payload();
    let approval = signed::seal(&Soft, Kind::Approval, payload, &[&approver], &mut room)?;
    let call = Call::of(Operation::CapabilityApprove).at(known.device).at(known.id);
    let approved: Shown = session.ask(call.object(approval)).await?;
    give(session, &approved, file).await
}

async fn fetch(session: &mut Session, device: DeviceId, id: CapabilityId) -> Result<Vec<u8>> {
    session.fetch(Call::of(Operation::CapabilitySigned).at(device).at(id)).await
}

/// Writes the countersigned capability for the device.
async fn give(session: &mut Session, approved: &Shown, file: &Path) -> Result<()> {
    let object = fetch(session, approved.device, approved.id).await?;
    write_file(file, &object)?;
    show(session, approved);
    session.out.next(&[&format!(
        "craton device capability apply --folder FOLDER {}, where the stopped device is",
        file.display()
    )]);
    Ok(())
}

fn show(session: &Session, capability: &Shown) {
    let approved = if capability.approved { "yes" } else { "waits for an approver" };
    let fields = [
        ("capability", capability.id.to_string()),
        ("device", capability.device.to_string()),
        ("permits", capability.permits.join(", ")),
        ("approved", approved.to_owned()),
    ];
    session.out.one(capability, &fields);
}

async fn list(session: &mut Session, device: DeviceId) -> Result<()> {
    let all: CapabilityList = session.ask(Call::of(Operation::CapabilityList).at(device)).await?;
    let row = |it: &Shown| {
        let approved = if it.approved { "yes" } else { "no" };
        vec![moment(it.created_s), short(it.id), it.permits.join(" "), approved.to_owned()]
    };
    let rows = all.items.iter().map(row).collect();
    session.out.list(&all, &["uploaded", "capability", "permits", "approved"], rows);
    Ok(())
}

fn apply(folder: &Path, file: &Path, out: Output) -> Result<()> {
    let capability = read_file(file)?;
    stopped::Stopped::open(folder)?.apply(&capability)?;
    out.done("taken: the next boot is one in mode Debug, the one after it is normal again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_file_reads_back_and_a_damaged_one_is_challenge_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c");
        let opened = ChallengeFile {
            catalog: CatalogId([1; 32]),
            device: DeviceId([2; 32]),
            epoch: 3,
            challenge: Digest([4; 32]),
        };
        write_file(&file, &serde_json::to_vec_pretty(&opened).unwrap()).unwrap();
        let read = read_challenge(&file).ok().unwrap();
        assert_eq!((read.device, read.epoch), (DeviceId([2; 32]), 3));
        assert!(of_catalog(&read, CatalogId([1; 32])).is_ok());
        let other = of_catalog(&read, CatalogId([9; 32]));
        assert!(matches!(other, Err(CliError::ChallengeOfOther(_))));
        for damaged in ["", "{}", "{\"catalog\": \"00\"}"] {
            write_file(&file, damaged.as_bytes()).unwrap();
            let refused = read_challenge(&file).err().unwrap();
            assert!(matches!(refused.downcast().unwrap(), CliError::ChallengeUnreadable(_)));
        }
    }
}
