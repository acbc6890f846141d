//! `craton boot-approval`: which boots open the state of a device with a TPM, by the word of the
//! platform's publisher.
//!
//! The registers are read where the TPM is; the publisher signs where his key is; what he signed is
//! brought to the device, and counts from its next start on.

use crate::device::{Here, is_in_tpm};
use crate::error::CliError;
use crate::event_log;
use crate::home::{make_passage, read_file, write_file};
use crate::image::catalog_in_use;
use crate::keys::{self, Unlock};
use crate::output::Output;
use crate::session::Options;
use crate::tpm_error::TpmError;
use anyhow::Result;
use clap::Subcommand;
use craton_device::{monitor, tpm};
use craton_rot::Error;
use craton_rot::tpm2::policy::BOOT_APPROVAL_MAX;
use craton_rot::tpm2::{Address, BootApproval};
use craton_trust::Digest;
use craton_trust::crypto::Signer;
use craton_trust::id::from_hex;
use craton_trust::quote::{REGISTERS, Selection};
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is done with approvals of boots.
#[derive(Subcommand)]
pub enum Command {
    /// Show the registers of a TPM as this boot left them; with --json, for `sign --values`
    Registers {
        #[command(flatten)]
        measured: Measured,
    },
    /// Show what firmware says that it measured, and whether the TPM says the same
    Events {
        #[command(flatten)]
        measured: Measured,
        /// The registers as `registers --json` printed them elsewhere; otherwise the TPM's
        #[arg(long, value_name = "FILE", conflicts_with = "tpm")]
        values: Option<PathBuf>,
        /// The binary event log, as the kernel gives it to root
        #[arg(long, value_name = "FILE", default_value = event_log::OF_KERNEL)]
        log: PathBuf,
    },
    /// Approve a boot as the platform's publisher; needs no service
    Sign {
        #[command(flatten)]
        measured: Measured,
        /// The registers as `registers --json` printed them elsewhere; otherwise the TPM's
        #[arg(long, value_name = "FILE", conflicts_with = "tpm")]
        values: Option<PathBuf>,
        /// The key file; otherwise the catalog's platform publisher's
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Where the approval goes
        #[arg(long, value_name = "FILE", default_value = "boot.approval")]
        out: PathBuf,
        #[command(flatten)]
        generation: Generation,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Bring approvals to a device of this machine
    Install {
        #[command(flatten)]
        here: Here,
        /// What `sign` wrote
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Take a device that does not run to the newest generation in which this boot is approved: by
    /// what was approved in older ones it is never opened again
    Revoke {
        #[command(flatten)]
        here: Here,
    },
}

/// Of which generation an approval is.
#[derive(Clone, Copy, clap::Args)]
pub struct Generation {
    /// The generation of this boot's approval: a device that was taken there by `boot-approval
    /// revoke`, or made there, is not opened by an older one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    generation: u16,
}

impl Generation {
    /// That of a publisher who never revoked anything.
    pub const FIRST: Self = Self { generation: 0 };
}

/// Which registers of which TPM.
#[derive(clap::Args)]
pub struct Measured {
    /// The TPM: device:/dev/tpmrm0, or an emulator's unix:/SOCKET or tcp:127.0.0.1:PORT
    #[arg(long, value_name = "ADDRESS", default_value_t)]
    tpm: Address,
    #[command(flatten)]
    registers: Chosen,
}

/// Which registers a boot is approved by.
#[derive(clap::Args)]
pub struct Chosen {
    /// Which registers have to be as they are now, of 0 to 23; `none` stands for any boot
    #[arg(long, value_name = "LIST", default_value = "0,2,4,7", value_parser = selection)]
    registers: Selection,
}

/// Registers as they travel from a device to its publisher.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    registers: BTreeMap<u8, String>,
}

/// Does it.
///
/// # Errors
/// The TPM's, those of the key and of files, `RegistersNone`, `RegistersUnreadable`,
/// `BootLogOther`, `GenerationOfAny`, `GenerationOlder`, `ApprovalsNotNewer`, `DeviceRuns`,
/// `NotInTpm`, and why an approval is refused.
pub fn run(command: Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Registers { measured: Measured { tpm, registers } } => {
            show(&tpm::registers(&tpm, registers.some()?)?, out);
        }
        Command::Events { measured, values, log } => {
            measured.registers.some()?;
            event_log::show(&log, &measured.read(values.as_deref())?, out)?;
        }
        Command::Sign { measured, values, key, out: to, generation, unlock } => {
            let registers = measured.read(values.as_deref())?;
            let selection = registers.selection;
            let key = match key {
                Some(file) => file,
                None => {
                    let (home, catalog) = catalog_in_use(options)?;
                    home.catalog(catalog).key_path("platform-publisher")
                }
            };
            let approval = signed(&registers, generation, &keys::read(&key, &unlock)?)?;
            write_file(&to, &approval)?;
            let number = generation.generation;
            out.done(&format!("{}: {}", to.display(), opens(selection, number)));
            out.next(&[&format!("craton boot-approval install --name NAME {}", to.display())]);
        }
        Command::Install { here, files } => install(&here.folder()?, &files, out)?,
        Command::Revoke { here } => {
            let folder = here.folder()?;
            is_in_tpm(&folder)?;
            let _alone = monitor::alone(&folder)?;
            let generation = tpm::revoke_older(&folder)?;
            out.done(&format!("generation {generation}: no older approval opens the device"));
        }
    }
    Ok(())
}

impl Measured {
    /// As a file has them, or the TPM.
    fn read(&self, file: Option<&Path>) -> Result<Registers> {
        let selection = self.registers.registers;
        match file {
            Some(file) => chosen(file, selection),
            None => Ok(tpm::registers(&self.tpm, selection)?),
        }
    }
}

/// Keeps approvals that are of the device's generation, or of a newer one that it is to be taken
/// to: all of them, or none.
fn install(folder: &Path, files: &[PathBuf], out: Output) -> Result<()> {
    is_in_tpm(folder)?;
    let mut all = Vec::new();
    for file in files {
        let bytes = read_file(file)?;
        let approval = BootApproval::parse(&bytes)?;
        let (found, device) = (approval.generation, tpm::generation(folder, &approval)?);
        if found < device {
            let file = file.clone();
            return Err(CliError::from(TpmError::GenerationOlder { file, found, device }).into());
        }
        all.push((bytes, found, device));
    }
    for (bytes, found, device) in all {
        let kept = tpm::approve(folder, &bytes)?;
        out.done(&format!("kept for the next start: {}", kept.display()));
        if found > device {
            out.done(&format!(
                "it is of generation {found}, and the device is in generation {device}: until \
                 `craton boot-approval revoke` it starts by those of generation {device} alone"
            ));
        }
    }
    Ok(())
}

/// Approves the boot of this machine for a device that is about to be made in its TPM.
///
/// # Errors
/// `GenerationOfAny`, `GenerationBegun`; the TPM's, the signer's, and those of files.
pub fn approve_own(
    device: &Path,
    tpm: &Address,
    registers: &Chosen,
    generation: Generation,
    publisher: &dyn Signer,
) -> Result<()> {
    make_passage(device)?;
    let registers = tpm::registers(tpm, registers.registers)?;
    let approval = signed(&registers, generation, publisher)?;
    match begun(device, tpm, &BootApproval::parse(&approval)?)? {
        Some(begun) if begun != generation.generation => {
            let folder = device.to_owned();
            Err(CliError::from(TpmError::GenerationBegun { folder, begun }).into())
        }
        _ => Ok(tpm::approve(device, &approval).map(|_| ())?),
    }
}

/// In which generation a manufacture in this folder was begun: that of what is in the TPM, if it
/// is this folder's, and otherwise of what the folder keeps to make it by; `None` for a new one.
fn begun(device: &Path, tpm: &Address, akin: &BootApproval) -> Result<Option<u16>> {
    let made = device.join(tpm::STATE_FILE).exists();
    match tpm::generation_at(tpm, akin) {
        Ok(generation) if made => Ok(Some(generation)),
        Ok(_) | Err(Error::NotManufactured | Error::ApprovalForeign) => {
            let newest = tpm::approvals(device)?.iter().map(|kept| kept.generation).max();
            Ok(newest)
        }
        Err(error) => Err(error.into()),
    }
}

impl Chosen {
    /// Those to look at: of none there is nothing to see.
    fn some(&self) -> Result<Selection, CliError> {
        let chosen = self.registers;
        if chosen == Selection(0) { Err(TpmError::RegistersNone.into()) } else { Ok(chosen) }
    }

    /// All that firmware and loader measure into.
    pub const fn of_firmware() -> Self {
        Self { registers: Selection(0xff) }
    }
}

fn signed(
    registers: &Registers,
    Generation { generation }: Generation,
    publisher: &dyn Signer,
) -> Result<Vec<u8>> {
    if registers.selection == Selection(0) && generation != 0 {
        return Err(CliError::from(TpmError::GenerationOfAny).into());
    }
    let approval = BootApproval::sign(&Soft, publisher, registers, generation)?;
    Ok(approval.encode(&mut [0; BOOT_APPROVAL_MAX])?.to_vec())
}

fn opens(selection: Selection, generation: u16) -> String {
    let registers: Vec<String> = selection.registers().map(|it| it.to_string()).collect();
    match registers.as_slice() {
        [] => "opens to every boot what was made with --registers none".into(),
        _ => format!(
            "opens a device in generation {generation} to a boot with these registers {}",
            registers.join(",")
        ),
    }
}

fn show(registers: &Registers, out: Output) {
    let values = registers.iter().map(|(register, value)| (register, value.to_string()));
    let shown = Shown { registers: values.collect() };
    let names: Vec<String> = shown.registers.keys().map(|it| format!("register {it}")).collect();
    let values = shown.registers.values().cloned();
    let fields: Vec<(&str, String)> = names.iter().map(String::as_str).zip(values).collect();
    out.one(&shown, &fields);
}

/// The chosen ones of the registers in a file.
fn chosen(file: &Path, selection: Selection) -> Result<Registers> {
    let unreadable = || CliError::RegistersUnreadable(file.to_owned());
    let shown: Shown = serde_json::from_slice(&read_file(file)?).map_err(|_| unreadable())?;
    let mut registers = Registers::none();
    for register in selection.registers() {
        let value = shown.registers.get(&register).and_then(|hex| from_hex(hex));
        registers.push(register, Digest(value.ok_or_else(unreadable)?))?;
    }
    Ok(registers)
}

fn selection(text: &str) -> Result<Selection, String> {
    let mut bits = 0;
    for word in text.split(',').filter(|_| text != "none") {
        match word.trim().parse::<u8>() {
            Ok(register) if register < REGISTERS => bits |= 1 << register,
            _ => return Err(format!("{word} is none of the registers 0 to 23")),
        }
    }
    Ok(Selection(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_named_by_their_numbers_or_none() {
        assert_eq!(selection("0,2,4,7"), Ok(Selection(0x95)));
        assert_eq!(selection("none"), Ok(Selection(0)));
        let none = Chosen { registers: Selection(0) }.some();
        assert!(matches!(none, Err(CliError::Tpm(TpmError::RegistersNone))));
        assert_eq!(Chosen::of_firmware().some().unwrap(), Selection(0xff));
        for bad in ["", "24", "0,", "a", "-1"] {
            assert!(selection(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_approval_of_any_boot_in_a_later_generation_is_generation_of_any() {
        let key = craton_trust::soft::SoftKey::from_bytes(&[7; 32]).unwrap();
        assert!(signed(&Registers::none(), Generation::FIRST, &key).is_ok());
        let later = signed(&Registers::none(), Generation { generation: 1 }, &key);
        let refused = later.unwrap_err().downcast().unwrap();
        assert!(matches!(refused, CliError::Tpm(TpmError::GenerationOfAny)), "{refused}");
    }

    #[test]
    fn what_is_no_list_of_registers_or_lacks_a_chosen_one_is_registers_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registers.json");
        let zeros = "00".repeat(32);
        let good = format!("{{\"registers\": {{\"7\": \"{zeros}\", \"0\": \"{zeros}\"}}}}");
        std::fs::write(&file, &good).unwrap();
        assert_eq!(chosen(&file, Selection(0x81)).unwrap().selection, Selection(0x81));
        let refused = |text: &str, bits| {
            std::fs::write(&file, text).unwrap();
            let error = chosen(&file, Selection(bits)).unwrap_err().downcast().unwrap();
            assert!(matches!(error, CliError::RegistersUnreadable(_)), "{text}");
        };
        refused(&good, 0x83);
        refused(&good.replace(&zeros, "00"), 1);
        refused("{}", 1);
        refused("registers", 0);
    }
}
