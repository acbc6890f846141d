//! What firmware says that it measured: the TCG's binary event log (PC Client Platform Firmware
//! Profile, §10; the "crypto agile" format), as Linux gives it in
//! `/sys/kernel/security/tpm0/binary_bios_measurements`.
//!
//! Rule TPM-6: nobody signs a log, and nothing is believed for it. It is worth what it leads to:
//! its events, replayed, give values for registers, and where a TPM quotes other ones the log says
//! nothing of that register.

use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::quote::REGISTERS;

/// The largest log that is read, bytes; those of desktops have some 30 to 100 KiB.
pub const EVENT_LOG_MAX: usize = 1 << 20;
/// The most events that are read of one log.
pub const EVENTS_MAX: usize = 8192;
/// The most hash algorithms that a log names.
const ALGORITHMS_MAX: usize = 8;
/// How many registers a log is replayed into: those above begin otherwise, and firmware does not
/// own them (§4.2).
pub const REPLAYED: u8 = 16;

/// Letters of an event's own words that are shown.
pub const SAID_MAX: usize = 60;

/// EV_NO_ACTION: says something, and measures nothing.
pub const NO_ACTION: u32 = 3;
const SHA256: u16 = 0x000b;
const SHA1_SIZE: usize = 20;
const SPEC_ID: &[u8; 16] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

/// An event of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'l> {
    /// The register that it went into.
    pub register: u8,
    /// Its type (§10.4.1).
    pub kind: u32,
    /// What was measured; `None` if the log has no SHA-256 of it.
    pub digest: Option<Digest>,
    /// What firmware tells of it; it need not be what was hashed.
    pub data: &'l [u8],
}

/// Types of events by the words for them (§10.4.1).
const KINDS: &[(u32, &str)] = &[
    (0x1, "POST code"),
    (NO_ACTION, "no action"),
    (0x4, "separator"),
    (0x5, "action"),
    (0x7, "CRTM contents"),
    (0x8, "CRTM version"),
    (0xd, "loader"),
    (0x8000_0001, "variable"),
    (0x8000_0002, "boot variable"),
    (0x8000_0003, "application"),
    (0x8000_0004, "boot driver"),
    (0x8000_0005, "runtime driver"),
    (0x8000_0006, "partition table"),
    (0x8000_0007, "EFI action"),
    (0x8000_0008, "firmware"),
    (0x8000_0009, "tables"),
    (0x8000_000a, "firmware"),
    (0x8000_000b, "tables"),
    (0x8000_00e0, "authority"),
];

impl Event<'_> {
    /// What its type is called; `None` for one that is not known here.
    #[must_use]
    pub fn what(&self) -> Option<&'static str> {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).map(|(_, what)| *what)
    }

    /// The readable letters of its data, if they are more than an accident: names and paths are in
    /// ASCII or UTF-16. No letter of it is proven, and none is a control character.
    pub fn said(&self) -> impl Iterator<Item = char> {
        let is_letter = |byte: &&u8| matches!(**byte, b' '..=b'~');
        let letters = self.data.iter().filter(is_letter).count();
        let others = self.data.iter().filter(|byte| !matches!(byte, 0 | b' '..=b'~')).count();
        let words = if letters < 3 || letters < others { &[] } else { self.data };
        words.iter().filter(is_letter).take(SAID_MAX).map(|byte| char::from(*byte))
    }
}

/// A log whose form is right throughout.
#[derive(Clone, Copy, Debug)]
pub struct EventLog<'l> {
    events: &'l [u8],
    sizes: Sizes,
}

/// Algorithms of a log with the sizes of their digests.
type Sizes = [(u16, u16); ALGORITHMS_MAX];

impl<'l> EventLog<'l> {
    /// Reads a log.
    ///
    /// # Errors
    /// `EventLogShape` for another form, or beyond [`EVENT_LOG_MAX`] or [`EVENTS_MAX`].
    pub fn parse(bytes: &'l [u8]) -> Result<Self> {
        if bytes.len() > EVENT_LOG_MAX {
            return Err(Error::EventLogShape);
        }
        let mut fields = Fields(bytes);
        let (register, kind) = (fields.u32()?, fields.u32()?);
        fields.take(SHA1_SIZE)?;
        let sizes = sizes(fields.sized()?)?;
        if (register, kind) != (0, NO_ACTION) {
            return Err(Error::EventLogShape);
        }
        let log = Self { events: fields.0, sizes };
        let (mut rest, mut count) = (fields, 0);
        while !rest.0.is_empty() {
            rest.event(&log.sizes)?;
            count += 1;
            if count > EVENTS_MAX {
                return Err(Error::EventLogShape);
            }
        }
        Ok(log)
    }

    /// Its events, in their order.
    pub fn events(&self) -> impl Iterator<Item = Event<'l>> {
        let (mut rest, sizes) = (Fields(self.events), self.sizes);
        // All of them were read once: the first that does not read is the end.
        core::iter::from_fn(move || rest.event(&sizes).ok())
    }

    /// The value that its events lead to in one register; `None` for a register that is not
    /// replayed, or if an event has no SHA-256.
    pub fn replay(&self, crypto: &impl Crypto, register: u8) -> Option<Digest> {
        if register >= REPLAYED {
            return None;
        }
        let mut value = Digest([0; 32]);
        for event in self.events().filter(|event| event.register == register) {
            if event.kind != NO_ACTION {
                value = crypto.sha256(&[&value.0, &event.digest?.0]);
            } else if let Some([locality]) = event.data.strip_prefix(STARTUP_LOCALITY) {
                // Where the TPM was started from stands in register 0 before all else (§10.4.5.3).
                value.0[31] = *locality;
            }
        }
        Some(value)
    }
}

/// TCG_EfiSpecIDEvent.
fn sizes(event: &[u8]) -> Result<Sizes> {
    let mut fields = Fields(event);
    if fields.take(SPEC_ID.len())? != SPEC_ID {
        return Err(Error::EventLogShape);
    }
    fields.take(8)?; // platform class, version, size of a number: nothing here depends on them
    let count = fields.u32()? as usize;
    let mut sizes = [(0, 0); ALGORITHMS_MAX];
    for place in sizes.get_mut(..count).ok_or(Error::EventLogShape)? {
        *place = (fields.u16()?, fields.u16()?);
        if *place == (0, 0) || (place.0 == SHA256 && place.1 != 32) {
            return Err(Error::EventLogShape);
        }
    }
    Ok(sizes)
}

/// Fields of a log: little-endian, one after another.
#[derive(Clone, Copy)]
struct Fields<'l>(&'l [u8]);

impl<'l> Fields<'l> {
    fn take(&mut self, length: usize) -> Result<&'l [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::EventLogShape)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16> {
        let bytes = self.take(2)?.try_into().map_err(|_| Error::EventLogShape)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?.try_into().map_err(|_| Error::EventLogShape)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn sized(&mut self) -> Result<&'l [u8]> {
        let size = self.u32()? as usize;
        self.take(size)
    }

    /// TCG_PCR_EVENT2.
    fn event(&mut self, sizes: &Sizes) -> Result<Event<'l>> {
        let register = u8::try_from(self.u32()?).ok().filter(|register| *register < REGISTERS);
        let register = register.ok_or(Error::EventLogShape)?;
        let kind = self.u32()?;
        let count = self.u32()? as usize;
        if count > ALGORITHMS_MAX {
            return Err(Error::EventLogShape);
        }
        let mut digest = None;
        for _ in 0..count {
            let algorithm = self.u16()?;
            let known = sizes.iter().find(|(known, size)| *known == algorithm && *size != 0);
            let size = known.ok_or(Error::EventLogShape)?.1;
            let bytes = self.take(usize::from(size))?;
            if algorithm == SHA256 {
                // One digest a bank: which of two would count?
                let first =
                    digest.replace(Digest(bytes.try_into().map_err(|_| Error::EventLogShape)?));
                if first.is_some() {
                    return Err(Error::EventLogShape);
                }
            }
        }
        Ok(Event { register, kind, digest, data: self.sized()? })
    }
}

#[cfg(all(test, feature = "soft"))]
mod tests {
    use super::*;
    use crate::soft::Soft;
    use std::vec::Vec;

    /// SHA-1 and SHA-256 banks, ten events in registers 0, 2, 4, 7 and 14; from locality 3.
    const LOG: &[u8] = include_bytes!("../../spec/event-log/uefi.bin");
    const FIRST_EVENT: usize = 8 + SHA1_SIZE + 4 + 37;

    fn hex(digest: Option<Digest>) -> std::string::String {
        std::format!("{}", digest.unwrap())
    }

    #[test]
    fn tpm_6_a_log_leads_to_the_registers_that_its_events_extended() {
        let log = EventLog::parse(LOG).unwrap();
        assert_eq!(log.events().count(), 11);
        let wanted = include_str!("../../spec/event-log/uefi.registers");
        for line in wanted.lines() {
            let (register, value) = line.split_once(' ').unwrap();
            assert_eq!(hex(log.replay(&Soft, register.parse().unwrap())), value, "{register}");
        }
        assert_eq!(log.replay(&Soft, 5), Some(Digest([0; 32])), "nothing was measured there");
        assert_eq!(log.replay(&Soft, REPLAYED), None);
        let names = log.events().filter(|event| event.data.starts_with(b"kernel")).count();
        assert_eq!(names, 1);
    }

    #[test]
    fn a_log_that_is_cut_or_has_another_form_is_event_log_shape() {
        let ends: Vec<usize> = (FIRST_EVENT..=LOG.len())
            .filter(|length| EventLog::parse(&LOG[..*length]).is_ok())
            .collect();
        assert_eq!(ends.len(), 12, "whole events only");
        for length in 0..FIRST_EVENT {
            assert_eq!(EventLog::parse(&LOG[..length]).err(), Some(Error::EventLogShape));
        }
        // Register of the header, type, signature, count of algorithms, a SHA-256 of 33 bytes;
        // register and count of digests of the first event.
        let algorithms = 8 + SHA1_SIZE + 4 + 24;
        for at in [0, 4, 40, algorithms, algorithms + 10, FIRST_EVENT, FIRST_EVENT + 8] {
            let mut other = LOG.to_vec();
            other[at] = 33;
            assert_eq!(EventLog::parse(&other).err(), Some(Error::EventLogShape), "{at}");
        }
        let long = std::vec![0; EVENT_LOG_MAX + 1];
        assert_eq!(EventLog::parse(&long).err(), Some(Error::EventLogShape));
    }

    #[test]
    fn more_events_than_are_read_are_event_log_shape() {
        let nothing = [5u32, 1, 0, 0].map(u32::to_le_bytes).concat();
        let with = |events: usize| [LOG[..FIRST_EVENT].to_vec(), nothing.repeat(events)].concat();
        let most = with(EVENTS_MAX);
        let log = EventLog::parse(&most).unwrap();
        assert_eq!(log.replay(&Soft, 5), None, "an event without a SHA-256 explains nothing");
        assert_eq!(EventLog::parse(&with(EVENTS_MAX + 1)).err(), Some(Error::EventLogShape));
    }

    #[test]
    fn what_an_event_says_is_shown_where_it_is_words() {
        let said = |data: &[u8]| {
            let event = Event { register: 0, kind: 4, digest: None, data };
            event.said().collect::<std::string::String>()
        };
        assert_eq!(said(b"k\0e\0r\0n\0e\0l\0"), "kernel");
        assert_eq!(said(&[0; 4]), "");
        assert_eq!(said(&[0x80, b'a', b'b', b'c', 0x90, 0x91, 0x92, 0x93]), "");
        assert_eq!(said(b"\x1b[31mred").as_bytes()[0], b'[', "no control character");
        assert_eq!(said(&[b'a'; SAID_MAX + 1]).len(), SAID_MAX);
        let what = |kind| Event { register: 0, kind, digest: None, data: &[] }.what();
        assert_eq!((what(4), what(0x99)), (Some("separator"), None));
    }

    #[test]
    fn two_digests_of_one_bank_are_event_log_shape() {
        let digest = [&[0x0b, 0][..], &[7; 32]].concat();
        let with = |digests: u32| {
            let head = [4u32, 1, digests].map(u32::to_le_bytes).concat();
            [&LOG[..FIRST_EVENT], &head, &digest.repeat(digests as usize), &[0; 4]].concat()
        };
        assert!(EventLog::parse(&with(1)).is_ok());
        assert_eq!(EventLog::parse(&with(2)).err(), Some(Error::EventLogShape));
    }
}
