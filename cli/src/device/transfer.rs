//! `craton device transfer`: a device goes to another owner, by an order of the old one's root.

use super::Here;
use crate::home::{read_file, write_file};
use crate::keys::{self, Unlock};
use crate::output::Output;
use crate::session::Options;
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::DeviceId;
use craton_device::stopped::Stopped;
use craton_rot::order::ORDER_MAX;
use craton_rot::{Action, Order};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::signed::{self, Signed};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::accept_genesis;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is done to hand a device over.
#[derive(Subcommand)]
pub enum Command {
    /// Write the old owner's order for one device in one epoch; needs no service
    Order {
        /// The device's whole id
        device: DeviceId,
        /// Its ownership epoch, as `device show` has it
        #[arg(long)]
        epoch: u64,
        /// The first version of the new owner's section, signed by his own root
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Key files of the old owner's root, as many as it asks for
        #[arg(long, value_name = "FILE", required = true)]
        key: Vec<PathBuf>,
        /// Where the order goes
        #[arg(long, value_name = "FILE", default_value = "transfer.order")]
        out: PathBuf,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Hand over a stopped device; everything of the old owner on it is erased
    Apply {
        #[command(flatten)]
        here: Here,
        /// The section that the order names
        #[arg(long, value_name = "FILE")]
        owner: PathBuf,
        /// What `order` wrote
        order: PathBuf,
    },
}

#[derive(Serialize)]
struct Moved {
    catalog: Option<String>,
    epoch: u64,
}

/// Does it.
///
/// # Errors
/// The root of trust's, and those of files and keys.
pub fn run(command: Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Order { device, epoch, to, key, out: file, unlock } => {
            let keys: Result<Vec<SoftKey>> = key.iter().map(|it| keys::read(it, &unlock)).collect();
            order((device, epoch), &read_file(&to)?, &keys?, &file)?;
            out.done(&format!("{}: for {device} in epoch {epoch} alone", file.display()));
            Ok(())
        }
        Command::Apply { here, owner, order } => {
            let (order, owner) = (read_file(&order)?, read_file(&owner)?);
            let status = Stopped::open(&here.folder()?)?.transfer(&order, &owner)?;
            let catalog = status.owner.map(|catalog| catalog.to_string());
            let moved = Moved { catalog: catalog.clone(), epoch: status.epoch };
            let fields =
                [("catalog", catalog.unwrap_or_default()), ("epoch", status.epoch.to_string())];
            out.one(&moved, &fields);
            out.next(&["the new owner lists it: craton device claim --endorsement FILE"]);
            Ok(())
        }
    }
}

fn order(
    (device, epoch): (DeviceId, u64),
    owner: &[u8],
    keys: &[SoftKey],
    file: &Path,
) -> Result<()> {
    // What no device would take as a first owner is not named in an order.
    let section = accept_genesis(&Soft, &Signed::parse(owner)?)?;
    let action = Action::NewEpoch(Some(section.digest()));
    let order = Order { device: device.into(), epoch, action };
    let (mut payload, mut room) = ([0u8; ORDER_MAX], [0u8; 2048]);
    let payload = order.encode(&mut payload)?;
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    let signed = signed::seal(&Soft, Kind::Lifecycle, payload, &signers, &mut room)?;
    Ok(write_file(file, signed)?)
}
