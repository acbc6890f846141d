//! One refusal each: what the service does not believe.

use std::ops::Range;
use std::sync::Arc;

use super::*;
use craton_trust::Error;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::dice::{self, Certified, Inputs, Layer};
use craton_trust::evidence::{Claims, Measured, Measurements, TRUST_STORE};
use craton_trust::quoted::SignedQuote;
use craton_trust::rollback::Floors;
use craton_trust::set::{self, ImageSetBuilder, Member};
use craton_trust::signed::seal;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::suit::{Abis, Image, ImageType};
use craton_trust::{ImageId, Signed};

const CATALOG: CatalogId = CatalogId([1; 32]);
const APP: ComponentId = ComponentId([7; 16]);
const OTHER_APP: ComponentId = ComponentId([8; 16]);
const RUNTIME: ComponentId = ComponentId([9; 16]);
const CLASS: ClassId = ClassId([4; 16]);
const PLATFORM: Digest = Digest([11; 32]);
/// A program of a root of trust, of the component that a set has another version of.
const PROGRAM: Measured = Measured { component: OTHER_APP, digest: Digest([12; 32]) };
const STORE: Measured = Measured { component: TRUST_STORE, digest: Digest([10; 32]) };

/// What was measured of an app in this version.
fn app(component: ComponentId, version: u64) -> Measured {
    Measured { component, digest: Digest([component.0[0] + version as u8 * 16; 32]) }
}

fn runtime() -> Measured {
    app(RUNTIME, 2)
}

/// A signed set of these apps, each in its version.
fn set_of(apps: &[(ComponentId, u64)]) -> Vec<u8> {
    let mut set = ImageSetBuilder::new(CATALOG, set::Purpose::Production, 1, "set");
    for (component, version) in apps {
        let none = Abis::new(&[]).unwrap();
        let image = Image {
            component: *component,
            image_type: ImageType::Application,
            vendor: [0; 16],
            class: CLASS,
            sequence: 1,
            security_version: *version,
            name: "app",
            version: "1",
            payload: app(*component, *version).digest,
            payload_size: 1,
            verity: None,
            provides: none,
            depends: none,
            sbom: Digest([0; 32]),
            support_until: 0,
        };
        set.push(Member::of(ImageId([0; 32]), &image, Digest([0; 32]), 1)).unwrap();
    }
    let (mut payload, mut signed) = ([0; 4096], [0; 8192]);
    let key = SoftKey::from_bytes(&[5; 32]).unwrap();
    let payload = set.encode(&mut payload).unwrap();
    seal(&Soft, Kind::ImageSet, payload, &[&key], &mut signed).unwrap().to_vec()
}

fn id_of(set: &[u8]) -> Measured {
    Measured { component: IMAGE_SET, digest: Signed::parse(set).unwrap().digest(&Soft) }
}

/// Published: one runtime, and a set of two apps in version 3.
struct Published;

fn booted() -> Vec<u8> {
    set_of(&[(APP, 3), (OTHER_APP, 3)])
}

impl References for Published {
    fn trust_store(&self, digest: Digest) -> Option<StoreVersions> {
        (digest == STORE.digest).then_some(StoreVersions { platform: 3, owner: 4 })
    }

    fn admitted_set(&self, set: SetId) -> Option<Arc<[u8]>> {
        let known = [booted(), set_of(&[(APP, 1)])];
        known.into_iter().find(|bytes| id_of(bytes).digest.0 == set.0).map(Arc::from)
    }

    fn runtime(&self, component: ComponentId, payload: Digest, store: Digest) -> Option<u64> {
        assert_eq!(store, STORE.digest);
        let published = [runtime(), PROGRAM].contains(&Measured { component, digest: payload });
        published.then_some(2)
    }
}

struct Device {
    identity: SoftKey,
    inputs: Inputs,
    claims: Claims,
    known: Known,
    asked: Asked,
}

fn configuration(lifecycle: Lifecycle, class: ClassId) -> [u8; 64] {
    let mut configuration = [0; 64];
    configuration[0] = 1;
    configuration[1..3].copy_from_slice(&(lifecycle as u16).to_be_bytes());
    configuration[3..19].copy_from_slice(&class.0);
    configuration
}

fn list(all: &[Measured]) -> Measurements {
    let mut measured = Measurements::default();
    all.iter().for_each(|one| measured.push(*one).unwrap());
    measured
}

fn device() -> Device {
    let identity = Layer::of_uds(&[9; 32]).private_key(&Soft, SoftKey::from_bytes).unwrap();
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
        class: CLASS,
        platform: PLATFORM,
        store: Some(StoreVersions { platform: 3, owner: 4 }),
        dev: true,
    };
    let inputs = Inputs {
        code: [1; 64],
        configuration: configuration(Lifecycle::Module1Complete, CLASS),
        authority: Soft.sha512(&[&PLATFORM.0]),
        mode: Mode::Normal as u8,
        hidden: [0; 64],
    };
    let apps = [app(APP, 3), app(OTHER_APP, 3)];
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
        measured: list(&[STORE, runtime(), id_of(&booted()), apps[0], apps[1]]),
    };
    Device { identity, inputs, claims, known, asked }
}

/// The evidence that a TPM with this identity gives.
fn quote(device: &Device) -> Vec<u8> {
    quote_of(device, 0..8)
}

/// The same with these of its registers.
fn quote_of(device: &Device, shown: Range<u8>) -> Vec<u8> {
    let Inputs { code, configuration, authority, .. } = device.inputs;
    let (mode, subject) = (device.claims.mode, device.identity.public_key());
    let layer = Certified { code, configuration, authority, mode, subject };
    let mut registers = Registers::none();
    shown.for_each(|register| registers.push(register, Digest([7; 32])).unwrap());
    let quote = |qualifying: &Digest| {
        let head = [&[0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 34][..], &[7; 34], &[0, 32]].concat();
        let (clock, selection) = ([0; 25], registers.selection.encode());
        let digest = registers.digest(&Soft).0;
        let parts = [&head[..], &qualifying.0, &clock, &selection, &[0, 32], &digest];
        let attest = parts.concat();
        let signature = device.identity.sign(&[&attest])?;
        SignedQuote::new(&attest, signature, registers)
    };
    let mut out = vec![0u8; evidence::EVIDENCE_MAX];
    quoted::write(&Soft, &device.claims, &layer, quote, &mut out).unwrap().to_vec()
}

fn evidence(device: &Device) -> Vec<u8> {
    let inputs = Inputs { mode: device.claims.mode as u8, ..device.inputs };
    let next = Layer::of_uds(&[9; 32]).next(&Soft, &inputs);
    let attester = next.private_key(&Soft, SoftKey::from_bytes).unwrap();
    let mut link = [0u8; dice::CERTIFICATE_MAX];
    let public = attester.public_key();
    let link = dice::certify(&Soft, &device.identity, &inputs, &public, &mut link).unwrap();
    let mut out = vec![0u8; evidence::EVIDENCE_MAX];
    device.claims.sign(&Soft, &attester, &[link], &mut out).unwrap().to_vec()
}

fn verdict(device: &Device) -> Result<Appraised, AttestError> {
    appraise(&device.known, &device.asked, &evidence(device), &Published)
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
fn att_10_refuses_an_older_section_than_the_device_showed_as_section_below_shown() {
    let after = |platform, owner| {
        let mut device = device();
        device.known.store = Some(StoreVersions { platform, owner });
        verdict(&device).map(|appraised| appraised.store())
    };
    let older = |section, shows, showed| AttestError::SectionBelowShown { section, shows, showed };
    assert_eq!(after(4, 4).unwrap_err(), older("platform", 3, 4));
    assert_eq!(after(3, 5).unwrap_err(), older("owner", 4, 5));
    assert_eq!(after(1, 9).unwrap_err(), older("owner", 4, 9), "each by itself");
    let shown = StoreVersions { platform: 3, owner: 4 };
    for (platform, owner) in [(3, 4), (2, 4), (3, 1)] {
        assert_eq!(after(platform, owner), Ok(shown));
    }
}

/// The verdict on a device that measured this.
fn measuring(all: &[Measured]) -> Result<Appraised, AttestError> {
    let mut device = device();
    device.claims.measured = list(all);
    verdict(&device)
}

#[test]
fn a_device_without_a_set_shows_its_trust_store_and_runtime() {
    assert!(measuring(&[STORE, runtime()]).is_ok());
}

#[test]
fn att_2_refuses_what_was_never_published_as_measurement_unknown() {
    let never = Measured { component: RUNTIME, digest: Digest([1; 32]) };
    let error = measuring(&[STORE, never]).unwrap_err();
    assert_eq!(error, AttestError::MeasurementUnknown(RUNTIME, never.digest));
    let set = set_of(&[(APP, 9)]);
    let error = measuring(&[STORE, runtime(), id_of(&set), app(APP, 9)]).unwrap_err();
    assert_eq!(error, AttestError::MeasurementUnknown(IMAGE_SET, id_of(&set).digest));
    let store = Measured { digest: Digest([2; 32]), ..STORE };
    let error = measuring(&[store, runtime()]).unwrap_err();
    assert_eq!(error, AttestError::MeasurementUnknown(TRUST_STORE, store.digest));
}

#[test]
fn att_2_an_app_counts_only_in_the_admitted_set_that_booted() {
    let unknown =
        |measured: Measured| AttestError::MeasurementUnknown(measured.component, measured.digest);
    let (now, old) = (app(APP, 3), app(APP, 1));
    assert_eq!(measuring(&[STORE, runtime(), now]).unwrap_err(), unknown(now), "no set");
    let of_another = [STORE, runtime(), id_of(&booted()), old, app(OTHER_APP, 3)];
    assert_eq!(measuring(&of_another).unwrap_err(), unknown(old), "of another set");
    let (alone, other) = (set_of(&[(APP, 1)]), app(OTHER_APP, 3));
    let more = [STORE, runtime(), id_of(&alone), old, other];
    assert_eq!(measuring(&more).unwrap_err(), unknown(other), "not in this set");
}

#[test]
fn att_2_another_own_program_than_the_sets_counts_if_it_runs_and_was_published() {
    let verdict_of = |implementation, shown: Measured, floor| {
        let mut device = device();
        device.claims.implementation = implementation;
        device.claims.floors.raise(shown.component, floor).unwrap();
        let all = [STORE, runtime(), id_of(&booted()), app(APP, 3), shown];
        device.claims.measured = list(&all);
        verdict(&device).map(|_| ())
    };
    let unknown = |one: Measured| Err(AttestError::MeasurementUnknown(one.component, one.digest));
    assert_eq!(verdict_of(PROGRAM.digest, PROGRAM, 2), Ok(()));
    assert_eq!(verdict_of(Digest([0; 32]), PROGRAM, 2), unknown(PROGRAM), "it does not run");
    let below = Err(AttestError::BelowOwnFloor(OTHER_APP));
    assert_eq!(verdict_of(PROGRAM.digest, PROGRAM, 3), below);
    let other = Measured { digest: Digest([13; 32]), ..PROGRAM };
    assert_eq!(verdict_of(other.digest, other, 0), unknown(other), "it was never published");
    // As the set has it, and no reference value any more: its publisher is not the section's.
    let revoked = app(OTHER_APP, 3);
    assert_eq!(verdict_of(Digest([0; 32]), revoked, 0), Ok(()), "an app is the set's");
    assert_eq!(verdict_of(revoked.digest, revoked, 0), unknown(revoked), "its own program is not");
}

#[test]
fn att_2_refuses_a_set_without_one_of_its_images_as_member_unmeasured() {
    let error = measuring(&[STORE, runtime(), id_of(&booted()), app(APP, 3)]).unwrap_err();
    assert_eq!(error, AttestError::MemberUnmeasured(OTHER_APP));
}

#[test]
fn att_2_refuses_what_measures_no_runtime_as_runtime_unmeasured() {
    assert_eq!(measuring(&[STORE]).unwrap_err(), AttestError::RuntimeUnmeasured);
    let apps = [STORE, id_of(&booted()), app(APP, 3), app(OTHER_APP, 3)];
    assert_eq!(measuring(&apps).unwrap_err(), AttestError::RuntimeUnmeasured);
    let mut device = device();
    device.claims.implementation = PROGRAM.digest;
    device.claims.measured = list(&[STORE, id_of(&booted()), app(APP, 3), PROGRAM]);
    let own_alone = verdict(&device).unwrap_err();
    assert_eq!(own_alone, AttestError::RuntimeUnmeasured, "its own program is no runtime");
}

#[test]
fn att_2_refuses_what_does_not_measure_its_trust_store_as_measurement_missing() {
    assert_eq!(measuring(&[runtime()]).unwrap_err(), AttestError::MeasurementMissing);
}

#[test]
fn att_5_refuses_a_layer_that_contradicts_platform_class_or_lifecycle() {
    let error = refused(|d| d.inputs.authority = [3; 64]);
    assert_eq!(error, AttestError::PlatformForeign);
    let error = refused(|d| d.known.platform = Digest([12; 32]));
    assert_eq!(error, AttestError::PlatformForeign);
    let error = refused(|d| d.known.class = ClassId([5; 16]));
    assert_eq!(error, AttestError::ClassOther);
    let error = refused(|d| d.inputs.configuration[63] = 1);
    assert_eq!(error, AttestError::ClassOther);
    let complete = configuration(Lifecycle::DeviceComplete, CLASS);
    let error = refused(|d| d.inputs.configuration = complete);
    assert_eq!(error, AttestError::LifecycleContradicts);
    let error = refused(|d| d.claims.lifecycle = Lifecycle::DeviceComplete);
    assert_eq!(error, AttestError::LifecycleContradicts);
}

#[test]
fn att_6_refuses_what_runs_below_its_own_floor_as_below_own_floor() {
    let with = |component, floor| {
        let mut device = device();
        device.claims.floors.raise(component, floor).unwrap();
        verdict(&device).map(|_| ())
    };
    assert_eq!(with(APP, 3), Ok(()));
    assert_eq!(with(APP, 4), Err(AttestError::BelowOwnFloor(APP)));
    assert_eq!(with(RUNTIME, 2), Ok(()));
    assert_eq!(with(RUNTIME, 3), Err(AttestError::BelowOwnFloor(RUNTIME)));
}

#[test]
fn att_3_refuses_a_worse_root_of_trust_as_rot_class_below() {
    assert_eq!(refused(|d| d.known.least_rot = RotClass::Tpm), AttestError::RotClassBelow);
}

#[test]
fn att_7_a_tpm_is_believed_by_its_quotes_and_nobody_else_by_one() {
    let mut device = device();
    let by = |device: &Device, evidence: &[u8]| {
        appraise(&device.known, &device.asked, evidence, &Published)
    };
    let (token, quote) = (evidence(&device), quote(&device));
    assert!(by(&device, &token).is_ok_and(|appraised| appraised.registers().is_none()));
    assert!(by(&device, &quote).is_err());
    device.known.rot = RotClass::Tpm;
    let appraised = by(&device, &quote).unwrap();
    assert_eq!((appraised.counters(), appraised.client_key()), ((3, 1), PublicKey([6; 64])));
    let shown = appraised.registers().unwrap().iter().collect::<Vec<_>>();
    assert_eq!(shown, [0, 1, 2, 3, 4, 5, 6, 7].map(|register| (register, &Digest([7; 32]))));
    // Who had the TPM's key sign a certificate for a key of his own would be believed by this.
    assert!(by(&device, &token).is_err());
}

#[test]
fn att_8_refuses_a_quote_without_what_the_firmware_measured_as_registers_missing() {
    let mut device = device();
    device.known.rot = RotClass::Tpm;
    let by = |shown| appraise(&device.known, &device.asked, &quote_of(&device, shown), &Published);
    for shown in [0..0, 0..7, 1..8, 8..24] {
        assert_eq!(by(shown).unwrap_err(), AttestError::RegistersMissing);
    }
    assert!(by(0..24).is_ok());
}

#[test]
fn att_7_what_is_refused_of_a_token_is_refused_of_a_quote() {
    let refused = |change: fn(&mut Device)| {
        let mut device = device();
        device.known.rot = RotClass::Tpm;
        change(&mut device);
        appraise(&device.known, &device.asked, &quote(&device), &Published).unwrap_err()
    };
    assert_eq!(refused(|d| d.known.last = Some((3, 1))), AttestError::CountersStale);
    assert_eq!(refused(|d| d.known.least_rot = RotClass::Silicon), AttestError::RotClassBelow);
    assert_eq!(refused(|d| d.inputs.authority = [3; 64]), AttestError::PlatformForeign);
    assert_eq!(refused(|d| d.known.class = ClassId([5; 16])), AttestError::ClassOther);
    let debug = AttestError::ModeNotNormal(Mode::Debug);
    assert_eq!(refused(|d| d.claims.mode = Mode::Debug), debug);
    let nonce = AttestError::Evidence(Error::NonceMismatch);
    assert_eq!(refused(|d| d.asked.freshness = [0; 32]), nonce);
    let unmeasured = AttestError::RuntimeUnmeasured;
    assert_eq!(refused(|d| d.claims.measured = list(&[STORE])), unmeasured);
}

#[test]
fn att_4_refuses_debug_and_recovery_as_mode_not_normal() {
    for mode in [Mode::Debug, Mode::Recovery] {
        assert_eq!(refused(|d| d.claims.mode = mode), AttestError::ModeNotNormal(mode));
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
        assert!(appraise(&device.known, &device.asked, &bad, &Published).is_err(), "bit {bit}");
    }
}
