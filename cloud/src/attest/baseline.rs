//! What a device's TPM showed of its boots, against what it showed first.
//!
//! Rule ATT-8: no reference value of ours says what firmware and loader of somebody else's
//! distribution should be. What a device's registers show first is its *baseline*, and no more than
//! that: never known good. Another value is a change, which stays shown, though the old values come
//! back, until an operator takes what he saw for the new baseline. The first change since then goes
//! into the log.

use crate::crypto::AwsLc;
use craton_trust::Digest;
use craton_trust::cbor::{Reader, Writer};
use craton_trust::crypto::Crypto as _;
use craton_trust::error::Result;
use craton_trust::quote::REGISTERS;
use craton_trust::quoted::Registers;

/// The largest encoding of registers, bytes: each in 36, and the list's head.
const REGISTERS_MAX: usize = REGISTERS as usize * 36 + 2;

/// What the registers of one device showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boots {
    /// First, or since an operator accepted them.
    pub baseline: Registers,
    /// Since when, Unix seconds.
    pub baseline_s: u64,
    /// At the last check-in.
    pub shown: Registers,
    /// Since when they are like that.
    pub shown_s: u64,
    /// When they were first seen to differ from the baseline.
    pub changed_s: Option<u64>,
}

impl Boots {
    /// Of a device that shows its registers for the first time.
    #[must_use]
    pub const fn first(registers: Registers, now_s: u64) -> Self {
        let (baseline, shown) = (registers, registers);
        Self { baseline, baseline_s: now_s, shown, shown_s: now_s, changed_s: None }
    }

    /// After these were shown; `None` if they are the same as last time.
    #[must_use]
    pub fn seeing(&self, registers: Registers, now_s: u64) -> Option<Self> {
        if self.shown == registers {
            return None;
        }
        let differs = registers != self.baseline;
        let changed_s = self.changed_s.or(differs.then_some(now_s));
        let mut boots = self.clone();
        (boots.shown, boots.shown_s, boots.changed_s) = (registers, now_s, changed_s);
        Some(boots)
    }

    /// After an operator took what is shown for the new baseline.
    #[must_use]
    pub fn accepted(&self, now_s: u64) -> Self {
        let (baseline, shown, shown_s) = (self.shown, self.shown, self.shown_s);
        Self { baseline, baseline_s: now_s, shown, shown_s, changed_s: None }
    }
}

/// Registers as the store keeps them.
#[must_use]
pub fn encode(registers: &Registers) -> Vec<u8> {
    let mut room = [0u8; REGISTERS_MAX];
    let mut writer = Writer::new(&mut room);
    // The room is for all that there are.
    let _ = registers.write(&mut writer);
    let length = writer.length();
    room[..length].to_vec()
}

/// Names registers with all their values.
#[must_use]
pub fn name(registers: &Registers) -> Digest {
    AwsLc.sha256(&[&encode(registers)])
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// Those of the encoding.
pub fn decode(bytes: &[u8]) -> Result<Registers> {
    let mut reader = Reader::new(bytes)?;
    let registers = Registers::read(&mut reader)?;
    reader.end()?;
    Ok(registers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(fourth: u8) -> Registers {
        let mut registers = Registers::none();
        for register in 0..REGISTERS {
            let value = if register == 4 { fourth } else { register };
            registers.push(register, Digest([value; 32])).unwrap();
        }
        registers
    }

    #[test]
    fn all_registers_come_back_from_their_encoding() {
        let bytes = encode(&registers(4));
        assert_eq!(decode(&bytes), Ok(registers(4)));
        assert!(bytes.len() <= REGISTERS_MAX);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(decode(&encode(&Registers::none())), Ok(Registers::none()));
    }

    #[test]
    fn att_8_the_first_registers_are_the_baseline_and_another_value_stays_a_change() {
        let first = Boots::first(registers(4), 10);
        assert_eq!(first.seeing(registers(4), 11), None);
        let changed = first.seeing(registers(9), 12).unwrap();
        assert_eq!((changed.shown, changed.shown_s), (registers(9), 12));
        assert_eq!((changed.baseline, changed.changed_s), (registers(4), Some(12)));
        // Back to the old values, as after a boot from somebody's stick.
        let back = changed.seeing(registers(4), 13).unwrap();
        assert_eq!((back.shown, back.changed_s), (registers(4), Some(12)));
        // Fewer registers than before are another value, too.
        let fewer = first.seeing(Registers::none(), 14).unwrap();
        assert_eq!(fewer.changed_s, Some(14));
    }

    #[test]
    fn att_8_what_an_operator_accepts_is_the_new_baseline() {
        let changed = Boots::first(registers(4), 10).seeing(registers(9), 12).unwrap();
        let accepted = changed.accepted(20);
        assert_eq!((accepted.baseline, accepted.baseline_s), (registers(9), 20));
        assert_eq!((accepted.changed_s, accepted.shown_s), (None, 12));
        assert_eq!(accepted.seeing(registers(4), 21).unwrap().changed_s, Some(21));
    }
}
