//! What firmware says that it measured, beside what the TPM says: for the publisher who is about to
//! approve a boot.

use crate::error::CliError;
use crate::output::Output;
use crate::tpm_error::TpmError;
use anyhow::Result;
use craton_trust::event_log::{EVENT_LOG_MAX, EventLog};
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use serde::Serialize;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Where Linux gives the log of the first TPM; root reads it.
pub const OF_KERNEL: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";

#[derive(Serialize)]
struct Shown {
    events: Vec<ShownEvent>,
    /// Registers that the events lead to.
    explained: Vec<u8>,
}

#[derive(Serialize)]
struct ShownEvent {
    register: u8,
    kind: String,
    digest: Option<String>,
    said: String,
}

/// Shows the events of these registers, and that they lead to what the TPM has there.
///
/// # Errors
/// `FileUnreadable`, `EventLogShape`, `BootLogOther`.
pub fn show(file: &Path, registers: &Registers, out: Output) -> Result<()> {
    let bytes = read(file)?;
    let log = EventLog::parse(&bytes)?;
    let chosen = |register: u8| registers.selection.0 >> register & 1 == 1;
    let events = log.events().filter(|event| chosen(event.register)).map(|event| ShownEvent {
        register: event.register,
        kind: event.what().map_or_else(|| format!("{:#x}", event.kind), str::to_owned),
        digest: event.digest.map(|digest| digest.to_string()),
        said: event.said().collect(),
    });
    let right = |(register, value): &(u8, _)| log.replay(&Soft, *register).as_ref() == Some(*value);
    let (explained, other): (Vec<_>, Vec<_>) = registers.iter().partition(right);
    let numbers = |all: Vec<(u8, _)>| all.into_iter().map(|(number, _)| number).collect();
    let shown = Shown { events: events.collect(), explained: numbers(explained) };
    let rows = shown.events.iter().enumerate().map(|(place, event)| {
        let ShownEvent { register, kind, digest, said } = event;
        let digest = digest.clone().unwrap_or_default();
        // The list sorts its rows: events stay in their order.
        let place = format!("{:>4}", place + 1);
        vec![place, register.to_string(), kind.clone(), format!("{digest:.16}"), said.clone()]
    });
    out.list(&shown, &["event", "register", "what", "digest", "it says"], rows.collect());
    let other: Vec<u8> = numbers(other);
    if other.is_empty() {
        out.done("\nthe events lead to what the TPM has in each of these registers");
        return Ok(());
    }
    let other: Vec<String> = other.iter().map(u8::to_string).collect();
    Err(CliError::from(TpmError::BootLogOther(other.join(", "))).into())
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    // The kernel's file says no size.
    let read = File::open(file)
        .and_then(|opened| opened.take(EVENT_LOG_MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| CliError::FileUnreadable(file.to_owned(), error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::Digest;

    fn registers(wrong: bool) -> Registers {
        let mut registers = Registers::none();
        for line in include_str!("../../spec/event-log/uefi.registers").lines() {
            let (register, value) = line.split_once(' ').unwrap();
            let mut value = craton_trust::id::from_hex(value).unwrap();
            value[0] ^= u8::from(wrong && register == "4");
            registers.push(register.parse().unwrap(), Digest(value)).unwrap();
        }
        registers
    }

    #[test]
    fn tpm_6_a_log_that_leads_elsewhere_is_boot_log_other() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/event-log/uefi.bin");
        show(&file, &registers(false), Output::new(true)).unwrap();
        let other = show(&file, &registers(true), Output::new(true)).unwrap_err();
        let other: CliError = other.downcast().unwrap();
        let is_fourth = matches!(&other, CliError::Tpm(TpmError::BootLogOther(it)) if it == "4");
        assert!(is_fourth, "{other}");
        let missing = show(Path::new("/nowhere"), &registers(false), Output::new(true));
        let missing: CliError = missing.unwrap_err().downcast().unwrap();
        assert!(matches!(missing, CliError::FileUnreadable(..)));
    }
}
