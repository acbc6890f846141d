//! Evidence by a TPM's quote.

use super::{changed, cut};
use crate::value::{Bytes, Number, Value};
use crate::vector::{Judge, Vector};
use crate::world::{NONCE, NORMAL, STRANGER, catalog, claims, evidence_of, identity};
use crate::world::{identity_key, key, written};
use craton_trust::Digest;
use craton_trust::crypto::Signer as _;
use craton_trust::dice::{Certified, Mode};
use craton_trust::error::Error;
use craton_trust::evidence::{Claims, Purpose};
use craton_trust::quoted::{self, Registers, SignedQuote};
use craton_trust::soft::{Soft, SoftKey};

fn registers() -> Registers {
    let mut registers = Registers::none();
    for register in [0, 7] {
        registers.push(register, Digest([register; 32])).expect("room");
    }
    registers
}

/// TPMS_ATTEST of a quote, with its type.
fn attest(kind: u8, qualifying: &Digest) -> Vec<u8> {
    let head = [&[0xff, 0x54, 0x43, 0x47, 0x80, kind, 0, 34][..], &[0x0b; 34], &[0, 32]].concat();
    let (clock, selection) = ([0; 25], registers().selection.encode());
    let digest = registers().digest(&Soft).0;
    [&head[..], &qualifying.0, &clock, &selection, &[0, 32], &digest].concat()
}

fn made(claims: &Claims, kind: u8, by: &SoftKey) -> Vec<u8> {
    let layer = Certified {
        code: [0xc0; 64],
        configuration: [0xcf; 64],
        authority: [0xa0; 64],
        mode: Mode::Normal,
        subject: identity(),
    };
    written(|out| {
        let quote = |qualifying: &Digest| {
            let attest = attest(kind, qualifying);
            SignedQuote::new(&attest, by.sign(&[&attest])?, registers())
        };
        quoted::write(&Soft, claims, &layer, quote, out)
    })
}

const QUOTE: u8 = 0x18;
/// TPM_ST_ATTEST_CERTIFY, whose key may be any.
const CERTIFY: u8 = 0x17;

pub fn evidence() -> Vec<Vector> {
    let judge = Judge::default()
        .with("identity", &identity().to_cose()[..])
        .with("nonce", &NONCE.0[..])
        .with("purpose", 1)
        .with("audience", &catalog().0[..]);
    let bad = |way, says, error, bytes| judge.bad("quote", way, says, error, bytes);
    let by = |claims: &Claims| made(claims, QUOTE, &identity_key());
    let good = by(&claims());
    let with = |change: &dyn Fn(&mut Value)| changed(&good, change);
    let spliced = Value::decode(&by(&Claims { check_in: 5, ..claims() })).item(2).clone();
    vec![
        judge.good("quote", "good", "two registers, two components", good.clone()),
        bad("other-claims", "a quote beside the claims of another", Error::QuoteOther, {
            with(&|value| *value.item(2) = spliced.clone())
        }),
        bad("other-layer", "a quote beside another layer", Error::QuoteOther, {
            with(&|value| *value.item(1).item(0) = Bytes(vec![0xc1; 64]))
        }),
        bad("other-registers", "registers that were not quoted", Error::QuoteOther, {
            with(&|value| *value.item(3).item(0).item(1) = Bytes(vec![9; 32]))
        }),
        bad("register-left-out", "one of two registers", Error::QuoteOther, {
            with(&|value| drop(value.item(3).items().pop()))
        }),
        bad("register-25", "a register that no bank has", Error::FieldInvalid, {
            with(&|value| *value.item(3).item(1).item(0) = Number(24))
        }),
        bad("other-attestation", "a TPM's word on a key", Error::QuoteShape, {
            made(&claims(), CERTIFY, &identity_key())
        }),
        bad("signer-other", "by another key", Error::SignatureInvalid, {
            made(&claims(), QUOTE, &key(STRANGER))
        }),
        bad("other-nonce", "of yesterday", Error::NonceMismatch, {
            by(&Claims { nonce: Digest([1; 32]), ..claims() })
        }),
        bad("other-purpose", "a report as a check-in", Error::PurposeMismatch, {
            by(&Claims { purpose: Purpose::Report, ..claims() })
        }),
        bad("mode-other", "claims of another mode than the layer's", Error::ChainBroken, {
            by(&Claims { mode: Mode::Debug, ..claims() })
        }),
        bad("token", "evidence of the other scheme", Error::FieldInvalid, {
            evidence_of(&claims(), &NORMAL)
        }),
        bad("format-unknown", "format 3", Error::VersionUnknown, {
            with(&|value| *value.item(0) = Number(3))
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        bad("over-long", "8193 bytes", Error::FieldTooLong, vec![0; 8193]),
    ]
}
