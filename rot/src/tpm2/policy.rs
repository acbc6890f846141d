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
//! keys: this policy counts no threshold. An approval cannot be taken back, so that a release that
//! was approved once opens the state for ever: what it boots is judged by the floors, and it
//! measures itself.
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

/// What an approval of these registers refers to.
#[must_use]
pub const fn reference(selection: Selection) -> &'static [u8] {
    if selection.0 == 0 { REFERENCE_ANY } else { REFERENCE }
}

/// The policy of a secret: whatever the approver signed, of the kind that this selection is of.
#[must_use]
pub fn approved_by(crypto: &impl Crypto, approver: &PublicKey, selection: Selection) -> Digest {
    let by: Name = name(crypto, &verifying_key(approver));
    let named = extended(crypto, &EMPTY, POLICY_AUTHORIZE, &[&by]);
    crypto.sha256(&[&named.0, reference(selection)])
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
    /// Over the policy's digest and [`reference`].
    pub signature: Signature,
}

impl BootApproval {
    /// Approves what leaves these registers.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(crypto: &impl Crypto, signer: &dyn Signer, registers: &Registers) -> Result<Self> {
        let policy = of_registers(crypto, registers);
        let signature = signer.sign(&[&policy.0, reference(registers.selection)])?;
        Ok(Self { by: signer.public_key(), selection: registers.selection, signature })
    }

    /// The policy of the secrets that this opens.
    #[must_use]
    pub fn opens(&self, crypto: &impl Crypto) -> Digest {
        approved_by(crypto, &self.by, self.selection)
    }

    /// Whether this approves what left these registers.
    #[must_use]
    pub fn covers(&self, crypto: &impl Crypto, registers: &Registers) -> bool {
        let policy = of_registers(crypto, registers);
        let message = [&policy.0[..], reference(self.selection)];
        registers.selection == self.selection
            && crypto.es256_verify(&self.by, &message, &self.signature).is_ok()
    }

    /// Reads `[1, COSE_Key, registers, signature]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `FieldInvalid`.
    pub fn parse(bytes: &[u8]) -> craton_trust::error::Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(4)?;
        if reader.u64()? != 1 {
            return Err(craton_trust::Error::VersionUnknown);
        }
        let (by, selection) = (PublicKey::read(&mut reader)?, reader.u32()?);
        let signature = reader.fixed()?;
        reader.end()?;
        if selection >> craton_trust::quote::REGISTERS != 0 {
            return Err(craton_trust::Error::FieldInvalid);
        }
        Ok(Self { by, selection: Selection(selection), signature })
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
        writer.array(4)?.u64(1)?;
        self.by.write(&mut writer)?;
        writer.u64(u64::from(self.selection.0))?.bytes(&self.signature)?;
        let length = writer.length();
        out.get(..length).ok_or(craton_trust::Error::BufferTooSmall)
    }
}
