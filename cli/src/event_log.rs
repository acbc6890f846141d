//! What firmware says that it measured, beside what the TPM says: for the publisher who is about to
//! approve a boot.

use crate::error::CliError;
use crate::output::Output;
use crate::tpm_error::TpmError;
use anyhow::Result;
use craton_api::operator::DeviceBoot;
use craton_trust::crypto::Crypto as _;
use craton_trust::event_log::{EVENT_LOG_MAX, EventLog, NO_ACTION};
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

/// Whether a log of the service's is the one that it tells of, and leads to the registers of the
/// device's last quote as it shows them, among them one that tells of the boot.
///
/// # Errors
/// `BootLogNotProven`.
pub fn check(log: &[u8], boot: &DeviceBoot) -> Result<(), CliError> {
    let not_proven = || CliError::from(TpmError::BootLogNotProven);
    let about = boot.log.as_ref().ok_or_else(not_proven)?;
    let replayed = EventLog::parse(log).map_err(|_| not_proven())?;
    let value = |wanted: u8| boot.registers.iter().find(|it| it.register == wanted)?.value;
    let leads_to = |register: &u8| {
        let value = value(*register).map(|value| craton_trust::Digest(value.0));
        value.is_some() && replayed.replay(&Soft, *register) == value
    };
    let mut measured = replayed.events().filter(|event| event.kind != NO_ACTION);
    let tells = measured.any(|it| it.register < 8 && about.explains.contains(&it.register));
    let right =
        tells && about.explains.iter().all(leads_to) && Soft.sha256(&[log]).0 == about.sha256.0;
    if right { Ok(()) } else { Err(not_proven()) }
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
    use craton_api::operator::{self, BootLog, Register};
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
    const LOG: &[u8] = include_bytes!("../../spec/event-log/uefi.bin");

    /// What a service tells of a device that shows these registers and sent this log.
    fn shown(registers: &Registers, log: &[u8], explains: &[u8]) -> DeviceBoot {
        let registers = registers.iter().map(|(register, value)| Register {
            register,
            value: Some(operator::Digest(value.0)),
            baseline: None,
            events: None,
        });
        let sha256 = operator::Digest(Soft.sha256(&[log]).0);
        DeviceBoot {
            digest: operator::Digest([0; 32]),
            registers: registers.collect(),
            shown_s: 1,
            baseline_s: 1,
            changed_s: None,
            log: Some(BootLog { sha256, received_s: 1, explains: explains.to_vec() }),
            baseline_log: None,
            log_refused: None,
        }
    }

    #[test]
    fn a_log_of_the_services_leads_to_what_it_shows_or_boot_log_not_proven() {
        let good = shown(&registers(false), LOG, &[0, 2, 4, 7]);
        check(LOG, &good).unwrap();
        let refused = |log: &[u8], boot: &DeviceBoot| {
            let refused = check(log, boot).unwrap_err();
            assert!(matches!(refused, CliError::Tpm(TpmError::BootLogNotProven)), "{refused}");
        };
        refused(LOG, &shown(&registers(true), LOG, &[0, 2, 4, 7]));
        check(LOG, &shown(&registers(true), LOG, &[0, 2, 7])).unwrap(); // of 4 it says nothing
        refused(LOG, &shown(&registers(false), LOG, &[]));
        refused(LOG, &shown(&registers(false), LOG, &[4, 23]));
        refused(&LOG[..LOG.len() - 1], &good);
        // Another log of the same registers than the one that the service told of.
        refused(LOG, &shown(&registers(false), b"another", &[4]));
        refused(LOG, &DeviceBoot { log: None, ..good });
    }
}
