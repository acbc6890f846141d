//! Policies: what must be true before a TPM lets a secret be read (part 1, §19.7).
//!
//! Rule TPM-2: the secrets under which the state is kept open to a boot that the platform's
//! publisher approved, and to no other. The policy of an index never changes; what it stands for is
//! a [`BootApproval`], so that data survives an update: the publisher of the next release approves
//! the registers that it leaves. Who approves the empty set of registers says that any program may
//! open the state. An approval names no device: were the two kinds one, an approval of any boot for
//! one device would open all that go by that key. So a device takes one kind, which it is made
//! with.
//!
//! Why the platform's publisher: he signs what may run as the runtime, and an approval says what
//! may run below it. An owner's key would not do, because owners change and the device secret
//! stays; the manufacturer's signs facts of one device. The role must be content with one of its
//! keys: this policy counts no threshold. An approval is of a generation (TPM-7), which is in what
//! the secrets' policy refers to: see [`super::generation`].
//!
//! Off-spec for SIG-1: what a TPM verifies here is no COSE structure but the policy's digest and a
//! reference, which stands for the `external_aad`. As a Sig_structure the message would have to
//! begin with 12 bytes that the digest of a policy has once in 2⁹⁶.

use super::template::{Name, name, verifying_key};
use crate::error::Result;
use craton_trust::cbor::{Reader, Writer};
use craton_trust::crypto::{Crypto, Signature, Signer};
use craton_trust::quote::Selection;
use craton_trust::quoted::Registers;
use craton_trust::{Digest, PublicKey};
use std::vec::Vec;

/// Policy digests begin with nothing.
pub const EMPTY: Digest = Digest([0; 32]);
/// What a publisher's approval of registers is for.
const REFERENCE: &[u8] = b"craton/1/tpm-state";
/// What one of any boot is for.
const REFERENCE_ANY: &[u8] = b"craton/1/tpm-state/any";

pub const POLICY_PCR: u32 = 0x17f;
pub const POLICY_COMMAND_CODE: u32 = 0x16c;
pub const POLICY_AUTHORIZE: u32 = 0x16a;
pub const QUOTE: u32 = 0x158;

/// The largest encoded approval, bytes.
pub const BOOT_APPROVAL_MAX: usize = 160;

/// The policy of the identity: TPM2_Quote, and no other command.
#[must_use]
pub fn quotes_only(crypto: &impl Crypto) -> Digest {
    extended(crypto, &EMPTY, POLICY_COMMAND_CODE, &[&QUOTE.to_be_bytes()])
}

/// What an approval of these registers refers to: its kind and, after it, its generation. The first
/// one has no number.
#[must_use]
pub fn reference(selection: Selection, generation: u16) -> Vec<u8> {
    let kind = if selection.0 == 0 { REFERENCE_ANY } else { REFERENCE };
    let number = generation.to_be_bytes();
    [kind, if generation == 0 { &[] } else { &number[..] }].concat()
}

/// The policy of a secret: whatever the approver signed in this generation, of the kind that this
/// selection is of.
#[must_use]
pub fn approved_by(
    crypto: &impl Crypto,
    approver: &PublicKey,
    selection: Selection,
    generation: u16,
) -> Digest {
    let by: Name = name(crypto, &verifying_key(approver));
    let named = extended(crypto, &EMPTY, POLICY_AUTHORIZE, &[&by]);
    crypto.sha256(&[&named.0, &reference(selection, generation)])
}

/// The policy of a boot that left these registers.
#[must_use]
pub fn of_registers(crypto: &impl Crypto, registers: &Registers) -> Digest {
    if registers.selection == Selection(0) {
        return EMPTY;
    }
    let values = registers.digest(crypto);
    extended(crypto, &EMPTY, POLICY_PCR, &[&registers.selection.encode(), &values.0])
}

fn extended(crypto: &impl Crypto, from: &Digest, code: u32, more: &[&[u8]]) -> Digest {
    let code = code.to_be_bytes();
    match more {
        [one] => crypto.sha256(&[&from.0, &code, one]),
        [one, two] => crypto.sha256(&[&from.0, &code, one, two]),
        _ => EMPTY,
    }
}

/// A publisher's word that a boot which leaves these registers may open the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootApproval {
    /// The publisher's key.
    pub by: PublicKey,
    /// Which registers; their values are in what was signed.
    pub selection: Selection,
    /// Which generation it is of, 0 for the first one (TPM-7).
    pub generation: u16,
    /// Over the policy's digest and [`reference`].
    pub signature: Signature,
}

impl BootApproval {
    /// Approves what leaves these registers.
    ///
    /// # Errors
    /// `Trust(FieldInvalid)` for any boot in a generation after the first: whatever is revoked by
    /// it is a boot like any other. The signer's.
    pub fn sign(
        crypto: &impl Crypto,
        signer: &dyn Signer,
        registers: &Registers,
        generation: u16,
    ) -> Result<Self> {
        let selection = registers.selection;
        check(selection, generation)?;
        let policy = of_registers(crypto, registers);
        let signature = signer.sign(&[&policy.0, &reference(selection, generation)])?;
        Ok(Self { by: signer.public_key(), selection, generation, signature })
    }

    /// The policy of the secrets that this opens.
    #[must_use]
    pub fn opens(&self, crypto: &impl Crypto) -> Digest {
        approved_by(crypto, &self.by, self.selection, self.generation)
    }

    /// Whether both are of one kind and by one key: what they open differs by generation alone.
    #[must_use]
    pub fn is_akin_to(&self, other: &Self) -> bool {
        let any = |approval: &Self| approval.selection == Selection(0);
        self.by == other.by && any(self) == any(other)
    }

    /// Whether this approves what left these registers.
    #[must_use]
    pub fn covers(&self, crypto: &impl Crypto, registers: &Registers) -> bool {
        let policy = of_registers(crypto, registers);
        let message = [&policy.0[..], &reference(self.selection, self.generation)];
        registers.selection == self.selection
            && crypto.es256_verify(&self.by, &message, &self.signature).is_ok()
    }

    /// Reads `[1, COSE_Key, registers, signature]`, or `[2, COSE_Key, registers, signature,
    /// generation]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `FieldInvalid`.
    pub fn parse(bytes: &[u8]) -> craton_trust::error::Result<Self> {
        let mut reader = Reader::new(bytes)?;
        let length = reader.array_any()?;
        let has_generation = match (reader.u64()?, length) {
            (1, 4) => false,
            (2, 5) => true,
            (1 | 2, _) => return Err(craton_trust::Error::FieldInvalid),
            _ => return Err(craton_trust::Error::VersionUnknown),
        };
        let (by, selection) = (PublicKey::read(&mut reader)?, Selection(reader.u32()?));
        let signature = reader.fixed()?;
        let generation = if has_generation { reader.u64()? } else { 0 };
        reader.end()?;
        let generation =
            u16::try_from(generation).map_err(|_| craton_trust::Error::FieldInvalid)?;
        check(selection, generation)?;
        if has_generation != (generation != 0) {
            return Err(craton_trust::Error::FieldInvalid); // one form for each
        }
        Ok(Self { by, selection, generation, signature })
    }

    /// Writes the approval into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(
        &self,
        out: &'o mut [u8; BOOT_APPROVAL_MAX],
    ) -> craton_trust::error::Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        let (version, length) = if self.generation == 0 { (1, 4) } else { (2, 5) };
        writer.array(length)?.u64(version)?;
        self.by.write(&mut writer)?;
        writer.u64(u64::from(self.selection.0))?.bytes(&self.signature)?;
        if self.generation != 0 {
            writer.u64(u64::from(self.generation))?;
        }
        let length = writer.length();
        out.get(..length).ok_or(craton_trust::Error::BufferTooSmall)
    }
}

fn check(selection: Selection, generation: u16) -> craton_trust::error::Result<()> {
    let right = selection.0 >> craton_trust::quote::REGISTERS == 0
        && (generation == 0 || selection != Selection(0));
    if right { Ok(()) } else { Err(craton_trust::Error::FieldInvalid) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::Error;
    use craton_trust::soft::{Soft, SoftKey};

    fn approval(registers: &Registers, generation: u16) -> Result<BootApproval> {
        BootApproval::sign(&Soft, &SoftKey::from_bytes(&[7; 32]).unwrap(), registers, generation)
    }

    fn one_register() -> Registers {
        let mut registers = Registers::none();
        registers.push(4, Digest([4; 32])).unwrap();
        registers
    }

    #[test]
    fn tpm_7_each_generation_opens_its_own_policy_and_has_one_form() {
        let mut opened = std::collections::BTreeSet::new();
        for generation in [0, 1, 2, 0x100, u16::MAX] {
            let approval = approval(&one_register(), generation).unwrap();
            assert!(approval.covers(&Soft, &one_register()));
            assert!(opened.insert(approval.opens(&Soft).0));
            let mut room = [0; BOOT_APPROVAL_MAX];
            let encoded = approval.encode(&mut room).unwrap();
            assert_eq!(BootApproval::parse(encoded), Ok(approval));
            // What was signed in one generation is no word of another.
            let other = BootApproval { generation: generation ^ 1, ..approval };
            assert!(!other.covers(&Soft, &one_register()));
        }
    }

    #[test]
    fn tpm_7_a_generation_of_any_boot_or_in_another_form_is_field_invalid() {
        let invalid = crate::Error::Trust(Error::FieldInvalid);
        assert!(approval(&Registers::none(), 0).is_ok());
        assert_eq!(approval(&Registers::none(), 1).err(), Some(invalid));
        let signed = approval(&one_register(), 1).unwrap();
        let refused = |changed: BootApproval, edit: &dyn Fn(&mut Vec<u8>)| {
            let mut room = [0; BOOT_APPROVAL_MAX];
            let mut bytes = changed.encode(&mut room).unwrap().to_vec();
            edit(&mut bytes);
            BootApproval::parse(&bytes).unwrap_err()
        };
        let any = BootApproval { selection: Selection(0), ..signed };
        assert_eq!(refused(any, &|_| {}), Error::FieldInvalid);
        assert_eq!(refused(signed, &|bytes| *bytes.last_mut().unwrap() = 0), Error::FieldInvalid);
        let longer = |bytes: &mut Vec<u8>| {
            bytes.pop();
            bytes.extend([0x1a, 0, 1, 0, 0]); // 65 536
        };
        assert_eq!(refused(signed, &longer), Error::FieldInvalid);
        assert_eq!(refused(signed, &|bytes| bytes[1] = 1), Error::FieldInvalid);
        assert_eq!(refused(signed, &|bytes| bytes[1] = 3), Error::VersionUnknown);
    }
}
