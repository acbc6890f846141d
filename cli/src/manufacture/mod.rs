//! `craton manufacture`: a station, where blank boards become devices.
//!
//! A folder is a station and what it makes, a lot. It needs the service once, when it begins: from
//! then on it has what it needs, and the manufacturer's key. A board goes through the steps of
//! [`lot::Step`]; each is on the disk before the next begins, so that a station that was killed
//! anywhere goes on where it was, with the board that was in it or with another one.

mod board;
mod lot;
mod self_test;

use crate::error::{CliError, told};
use crate::home::{CatalogFolder, Home};
use crate::keys::{self, Unlock};
use crate::output::Output;
use crate::package_file::{Sixteen, sixteen};
use crate::session::{Options, Session};
use crate::virtual_device::VIRTUAL_CLASS;
use anyhow::Result;
use board::Finished;
use craton_api::operator::CatalogId;
use craton_rot::mailbox::client::Address;
use craton_trust::ClassId;
use craton_trust::soft::SoftKey;
use lot::Lot;
use serde::Serialize;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

/// What it is told.
#[derive(clap::Args)]
pub struct Manufacture {
    /// The station's folder: its devices become one lot
    folder: PathBuf,
    /// The board's mailbox: unix:/SOCKET, tcp:127.0.0.1:PORT, tty:/DEVICE
    #[arg(long, value_name = "ADDRESS")]
    rot: Address,
    /// The class of devices, at most 16 bytes; said when the lot begins [default: craton/virtual-1]
    #[arg(long, value_parser = sixteen)]
    class: Option<Sixteen>,
    /// One board after another: Enter when the next one is in, Ctrl-D when there is none
    #[arg(long)]
    line: bool,
    /// The manufacturer's key; otherwise the catalog's that is kept here
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Serialize)]
struct Shown {
    device: String,
    number: u32,
    rot: &'static str,
    lifecycle: &'static str,
    claim_code_file: PathBuf,
    lot: PathBuf,
}

/// Makes one board a device, or one after another.
///
/// # Errors
/// Those of the lot's folder, of the keys, of the board; `BoardsRefused` after a line.
pub fn run(with: &Manufacture, options: &Options) -> Result<()> {
    let lot = open_lot(with, options)?;
    let manufacturer = manufacturer(with, &lot)?;
    let out = Output::new(options.json);
    if with.line {
        return line(with, &lot, &manufacturer, out);
    }
    show(&board::make(&lot, &with.rot, &manufacturer)?, &lot, out);
    let file = lot.file().display().to_string();
    out.next(&[&format!("craton device claim --lot {file} --group PRODUCT/GROUP")]);
    Ok(())
}

fn line(with: &Manufacture, lot: &Lot, manufacturer: &SoftKey, out: Output) -> Result<()> {
    let (mut made, mut refused) = (0, 0);
    loop {
        eprint!("Put a board in, then Enter (Ctrl-D ends): ");
        std::io::stderr().flush()?;
        if std::io::stdin().lock().read_line(&mut String::new())? == 0 {
            eprintln!("\n{made} made, {refused} refused");
            let of = made + refused;
            return match refused {
                0 => Ok(()),
                refused => Err(CliError::BoardsRefused { refused, of }.into()),
            };
        }
        match board::make(lot, &with.rot, manufacturer) {
            Ok(finished) => {
                made += 1;
                show(&finished, lot, out);
            }
            Err(error) => {
                refused += 1;
                eprintln!("craton: {}", told(&error));
            }
        }
    }
}

fn show(finished: &Finished, lot: &Lot, out: Output) {
    let claim_code_file = lot.claim_code_file(finished.device);
    let shown = Shown {
        device: finished.device.to_string(),
        number: finished.number,
        rot: finished.rot.name(),
        lifecycle: finished.lifecycle.name(),
        claim_code_file: claim_code_file.clone(),
        lot: lot.file(),
    };
    let mut fields = vec![
        ("device", shown.device.clone()),
        ("number", shown.number.to_string()),
        ("rot", shown.rot.into()),
        ("lifecycle", shown.lifecycle.into()),
        ("self-test", "passed".into()),
        ("claim code", format!("in {}", claim_code_file.display())),
        ("lot", shown.lot.display().to_string()),
    ];
    if lot.is_dev() {
        let why = "a development root ends here: DeviceComplete refuses it";
        fields.push(("development", why.into()));
    }
    out.one(&shown, &fields);
}

/// The station that the folder is, or a new one.
fn open_lot(with: &Manufacture, options: &Options) -> Result<Lot> {
    if Lot::is_begun(&with.folder) {
        let lot = Lot::open(&with.folder)?;
        let other = with.class.is_some_and(|class| ClassId(class.0) != lot.class());
        return if other {
            Err(CliError::StationOther(with.folder.clone()).into())
        } else {
            Ok(lot)
        };
    }
    let (catalog, platform) = crate::args::runtime()?.block_on(async {
        let session = &mut Session::open(options).await?;
        let platform = session.platform_section().await?;
        anyhow::Ok((session.catalog().await?, platform))
    })?;
    let class = with.class.map_or(VIRTUAL_CLASS, |class| ClassId(class.0));
    Lot::begin(&with.folder, catalog, class, platform.versions())?;
    Lot::open(&with.folder)
}

fn manufacturer(with: &Manufacture, lot: &Lot) -> Result<SoftKey> {
    let kept =
        |catalog: CatalogId| -> Result<CatalogFolder> { Ok(Home::of_user()?.catalog(catalog)) };
    let path = match &with.key {
        Some(path) => path.clone(),
        None => kept(lot.catalog())?.key_path("manufacturer"),
    };
    let key = keys::read(&path, &with.unlock)?;
    lot.check_manufacturer(&key, &path)?;
    Ok(key)
}
