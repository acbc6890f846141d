//! What firmware says that it measured, beside what a device's TPM quoted.
//!
//! Rule ATT-9: nobody signs an event log, and a device sends whichever it likes. One is kept only
//! beside registers that were quoted, and only if its events lead to some register that tells of
//! the boot. Of a register that it does not lead to it says nothing (TPM-6). What changed is what
//! the events of two logs that lead there differ in: the baseline's and the present one's. Proven
//! are the digests of events and their order; what an event is called, and what it says, is the
//! host's word. No event is a reference value: which ones are good, its maker knows.

use super::{AttestError, BOOT_REGISTERS};
use crate::crypto::AwsLc;
use craton_trust::Digest;
use craton_trust::event_log::{Event, EventLog, NO_ACTION};
use craton_trust::quoted::Registers;
use std::collections::HashMap;

/// Judges a log by the registers of a quote. Returns those that it leads to, a bit each, lowest
/// first; one into which nothing was measured counts if it holds that, too.
///
/// # Errors
/// `EventLogShape`; `BootLogElsewhere` if it leads to no value of the registers 0 to 7.
pub fn judge(log: &[u8], registers: &Registers) -> Result<u32, AttestError> {
    let log = EventLog::parse(log)?;
    let bit = |register: u8| 1u32 << register;
    let measured = measuring(&log).fold(0, |bits, event| bits | bit(event.register));
    let leads_to =
        |(register, value): &(u8, &Digest)| log.replay(&AwsLc, *register).as_ref() == Some(*value);
    let explained = registers.iter().filter(leads_to);
    let explained = explained.fold(0, |bits, (register, _)| bits | bit(register));
    if explained & measured & BOOT_REGISTERS == 0 {
        return Err(AttestError::BootLogElsewhere);
    }
    Ok(explained)
}

/// Whether a log that leads to these registers leaves none open that tells of the boot.
#[must_use]
pub const fn is_whole(explained: u32) -> bool {
    explained & BOOT_REGISTERS == BOOT_REGISTERS
}

/// Whether a log that leads to these registers is worth more than one that leads to those: by the
/// registers that tell of the boot, then by all.
#[must_use]
pub const fn explains_more(these: u32, those: u32) -> bool {
    let boot = (these & BOOT_REGISTERS).count_ones();
    let others = (those & BOOT_REGISTERS).count_ones();
    boot > others || boot == others && these.count_ones() > those.count_ones()
}

/// What two boots measured otherwise into one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<'l> {
    /// Only before, in their order.
    pub gone: Vec<Event<'l>>,
    /// Only now, in their order. If neither has any, the same events came in another order.
    pub new: Vec<Event<'l>>,
}

/// Compares the events of two logs in one register, each by its digest and as often as it comes: in
/// time that grows with the logs and no faster, whatever a device wrote into them.
#[must_use]
pub fn changes<'l>(before: &EventLog<'l>, now: &EventLog<'l>, register: u8) -> Changes<'l> {
    let of = |log: &EventLog<'l>| -> Vec<Event<'l>> {
        measuring(log).filter(|event| event.register == register).collect()
    };
    let (before, now) = (of(before), of(now));
    Changes { gone: without(&before, &now), new: without(&now, &before) }
}

/// The events of one list that are not in another, or not as often.
fn without<'l>(events: &[Event<'l>], others: &[Event<'l>]) -> Vec<Event<'l>> {
    let mut left: HashMap<Option<Digest>, usize> = HashMap::new();
    for other in others {
        *left.entry(other.digest).or_default() += 1;
    }
    let is_left = |event: &&Event<'l>| match left.get_mut(&event.digest) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    };
    events.iter().filter(is_left).copied().collect()
}

fn measuring<'l>(log: &EventLog<'l>) -> impl Iterator<Item = Event<'l>> {
    log.events().filter(|event| event.kind != NO_ACTION)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use craton_trust::error::Error;

    #[test]
    fn att_9_the_registers_that_tell_of_the_boot_come_first() {
        assert!(explains_more(0xff, 0xffef), "without one of them, and all others");
        assert!(!explains_more(0xffef, 0xff));
        assert!(explains_more(0x1ff, 0xff) && !explains_more(0xff, 0xff));
    }

    /// Events in the registers 0, 2, 4, 7 and 14; from locality 3.
    pub(crate) const LOG: &[u8] = include_bytes!("../../../spec/event-log/uefi.bin");

    /// The same log, with other events in one register: its first one measured something else.
    pub(crate) fn with_another(register: u8) -> Vec<u8> {
        let log = EventLog::parse(LOG).unwrap();
        let event = measuring(&log).find(|event| event.register == register).unwrap();
        let digest = event.digest.unwrap().0;
        let place = LOG.windows(32).position(|bytes| bytes == digest).unwrap();
        let mut other = LOG.to_vec();
        other[place] ^= 1;
        other
    }

    /// What a TPM holds after what a log says, and zeros elsewhere.
    pub(crate) fn registers_of(log: &[u8]) -> Registers {
        let log = EventLog::parse(log).unwrap();
        let mut registers = Registers::none();
        for register in 0..8 {
            registers.push(register, log.replay(&AwsLc, register).unwrap()).unwrap();
        }
        registers
    }

    #[test]
    fn att_9_a_log_is_worth_the_registers_that_it_leads_to() {
        let registers = registers_of(LOG);
        assert_eq!(judge(LOG, &registers), Ok(0xff));
        let other = with_another(4);
        assert_eq!(judge(&other, &registers), Ok(0xff & !(1 << 4)));
        assert!(is_whole(0xff) && is_whole(0x4fff) && !is_whole(0xff & !(1 << 4)));
        assert_eq!(judge(&other, &registers_of(&other)), Ok(0xff));
    }

    #[test]
    fn a_log_of_another_machine_is_boot_log_elsewhere_and_one_that_is_cut_event_log_shape() {
        let mut elsewhere = Registers::none();
        for register in 0..8 {
            // Register 5, into which the log measures nothing, is right.
            let value = if register == 5 { 0 } else { 9 };
            elsewhere.push(register, Digest([value; 32])).unwrap();
        }
        assert_eq!(judge(LOG, &elsewhere), Err(AttestError::BootLogElsewhere));
        assert_eq!(judge(LOG, &Registers::none()), Err(AttestError::BootLogElsewhere));
        let cut = judge(&LOG[..LOG.len() - 1], &registers_of(LOG));
        assert_eq!(cut, Err(AttestError::Evidence(Error::EventLogShape)));
    }

    #[test]
    fn what_changed_is_what_two_logs_differ_in() {
        let other = with_another(4);
        let (before, now) = (EventLog::parse(LOG).unwrap(), EventLog::parse(&other).unwrap());
        let Changes { gone, new } = changes(&before, &now, 4);
        assert_eq!((gone.len(), new.len()), (1, 1));
        assert_ne!(gone[0].digest, new[0].digest);
        assert_eq!(changes(&before, &now, 7), Changes { gone: vec![], new: vec![] });
        let event = |digest| Event { digest: Some(Digest([digest; 32])), ..new[0] };
        let (twice, once) = ([event(1), event(2), event(1)], [event(2), event(1)]);
        assert_eq!(without(&twice, &once), [event(1)]);
        assert_eq!(without(&once, &twice), []);
    }
}
