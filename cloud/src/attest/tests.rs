//! One refusal each: what the service does not believe.

use super::*;
use craton_trust::Error;
use craton_trust::crypto::Signer as _;
use craton_trust::dice::{self, Inputs, Layer};
use craton_trust::evidence::{Claims, Measured, Measurements};
use craton_trust::rollback::Floors;
use craton_trust::soft::{Soft, SoftKey};

const CATALOG: CatalogId = CatalogId([1; 32]);
const APP: ComponentId = ComponentId([7; 16]);

fn store() -> Measured {
    Measured { component: TRUST_STORE, digest: Digest([10; 32]) }
}

struct Device {
    identity: SoftKey,
    claims: Claims,
    known: Known,
    asked: Asked,
}

fn layer(mode: Mode) -> (SoftKey, Layer, Inputs) {
    let inputs = Inputs {
        code: [1; 64],
        configuration: [2; 64],
        authority: [3; 64],
        mode: mode as u8,
        hidden: [0; 64],
    };
    let uds = Layer::of_uds(&[9; 32]);
    let identity = uds.private_key(&Soft, SoftKey::from_bytes).unwrap();
    let next = uds.next(&Soft, &inputs);
    (identity, next, inputs)
}

fn device() -> Device {
    let (identity, _, _) = layer(Mode::Normal);
    let asked = Asked {
        freshness: [4; 32],
        request: Digest([5; 32]),
        client_key: PublicKey([6; 64]),
        epoch: 1,
    };
    let known = Known {
        catalog: CATALOG,
        identity: identity.public_key(),
        rot: RotClass::Software,
        least_rot: RotClass::Software,
        epoch: 1,
        last: Some((2, 9)),
        dev: true,
    };
    let mut measured = Measurements::default();
    measured.push(store()).unwrap();
    measured.push(Measured { component: APP, digest: Digest([8; 32]) }).unwrap();
    let claims = Claims {
        client_key: asked.client_key,
        nonce: check_in_nonce(&Soft, &CATALOG, &asked.freshness, &asked.request),
        device: identity.public_key().device_id(&Soft),
        implementation: Digest([0; 32]),
        lifecycle: Lifecycle::Module1Complete,
        mode: Mode::Normal,
        purpose: Purpose::CheckIn,
        audience: CATALOG,
        epoch: 1,
        boot: 3,
        check_in: 1,
        floors: Floors::default(),
        measured,
    };
    Device { identity, claims, known, asked }
}

fn evidence(device: &Device) -> Vec<u8> {
    let (_, next, inputs) = layer(device.claims.mode);
    let attester = next.private_key(&Soft, SoftKey::from_bytes).unwrap();
    let mut link = [0u8; dice::CERTIFICATE_MAX];
    let public = attester.public_key();
    let link = dice::certify(&Soft, &device.identity, &inputs, &public, &mut link).unwrap();
    let mut out = vec![0u8; evidence::EVIDENCE_MAX];
    device.claims.sign(&Soft, &attester, &[link], &mut out).unwrap().to_vec()
}

fn verdict(device: &Device) -> Result<Appraised, AttestError> {
    appraise(&device.known, &device.asked, &evidence(device), |component, digest| {
        (component == APP && digest == Digest([8; 32])) || store().digest == digest
    })
}

/// A good device that asks for a certificate of this key.
pub fn appraised(client_key: PublicKey) -> Appraised {
    let mut device = device();
    (device.claims.client_key, device.asked.client_key) = (client_key, client_key);
    verdict(&device).unwrap()
}

fn refused(change: impl FnOnce(&mut Device)) -> AttestError {
    let mut device = device();
    change(&mut device);
    verdict(&device).unwrap_err()
}

#[test]
fn a_good_device_is_appraised() {
    let appraised = verdict(&device()).unwrap();
    assert_eq!(appraised.counters(), (3, 1));
    assert_eq!(appraised.client_key(), PublicKey([6; 64]));
}

#[test]
fn att_1_refuses_a_pair_not_above_the_last_as_counters_stale() {
    for last in [(3, 1), (3, 2), (4, 0)] {
        assert_eq!(refused(|d| d.known.last = Some(last)), AttestError::CountersStale);
    }
}

#[test]
fn att_2_refuses_what_was_never_published_as_measurement_unknown() {
    let other = Measured { component: APP, digest: Digest([9; 32]) };
    let error = refused(|d| {
        d.claims.measured = Measurements::default();
        d.claims.measured.push(store()).unwrap();
        d.claims.measured.push(other).unwrap();
    });
    assert_eq!(error, AttestError::MeasurementUnknown(APP, other.digest));
}

#[test]
fn att_2_refuses_what_does_not_measure_its_trust_store_as_measurement_missing() {
    let error = refused(|d| d.claims.measured = Measurements::default());
    assert_eq!(error, AttestError::MeasurementMissing);
}

#[test]
fn att_3_refuses_a_worse_root_of_trust_as_rot_class_below() {
    assert_eq!(refused(|d| d.known.least_rot = RotClass::Tpm), AttestError::RotClassBelow);
}

#[test]
fn att_4_refuses_debug_and_recovery_as_mode_not_normal() {
    for mode in [Mode::Debug, Mode::Recovery] {
        assert_eq!(refused(|d| d.claims.mode = mode), AttestError::ModeNotNormal);
    }
}

#[test]
fn another_nonce_purpose_audience_or_connection_is_refused() {
    let wrong = |error| AttestError::Evidence(error);
    assert_eq!(refused(|d| d.asked.freshness = [0; 32]), wrong(Error::NonceMismatch));
    assert_eq!(refused(|d| d.asked.request = Digest([0; 32])), wrong(Error::NonceMismatch));
    assert_eq!(refused(|d| d.claims.purpose = Purpose::Report), wrong(Error::PurposeMismatch));
    let other = CatalogId([2; 32]);
    assert_eq!(refused(|d| d.claims.audience = other), wrong(Error::AudienceMismatch));
}

#[test]
fn another_epoch_client_key_or_identity_is_refused() {
    assert_eq!(refused(|d| d.known.epoch = 2), AttestError::EpochOther);
    assert_eq!(refused(|d| d.claims.epoch = 2), AttestError::EpochOther);
    let key = PublicKey([7; 64]);
    assert_eq!(refused(|d| d.asked.client_key = key), AttestError::ClientKeyOther);
    let stranger = SoftKey::from_bytes(&[8; 32]).unwrap().public_key();
    let error = refused(|d| d.known.identity = stranger);
    assert_eq!(error, AttestError::Evidence(Error::SignatureInvalid));
    let device = DeviceId([0; 32]);
    let error = refused(|d| d.claims.device = device);
    assert_eq!(error, AttestError::Evidence(Error::IdentityMismatch));
}

#[test]
fn a_lifecycle_that_is_not_finished_or_over_is_lifecycle_refused() {
    for lifecycle in [Lifecycle::Blank, Lifecycle::Returned] {
        let error = refused(|d| d.claims.lifecycle = lifecycle);
        assert_eq!(error, AttestError::LifecycleRefused(lifecycle.name()));
    }
    let error = refused(|d| d.known.dev = false);
    assert_eq!(error, AttestError::LifecycleRefused("Module1Complete"));
}

#[test]
fn every_flipped_bit_of_evidence_is_refused() {
    let device = device();
    let good = evidence(&device);
    for bit in (0..good.len() * 8).step_by(3) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(appraise(&device.known, &device.asked, &bad, |_, _| true).is_err(), "bit {bit}");
    }
}
