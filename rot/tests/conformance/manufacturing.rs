//! Manufacture, identity and lifecycle.

use super::bench::*;
use super::world::*;
use craton_rot::platform::Platform as _;
use craton_rot::platform::Row;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Action, Engine, Error, Limit, Manufacture, RotClass, Start};
use craton_trust::Error as Refusal;
use craton_trust::dice;
use craton_trust::evidence::Lifecycle;
use craton_trust::soft::Soft;
use craton_trust::{Digest, PublicKey};

#[test]
fn rot_1_the_device_secret_is_locked_after_reset_as_uds_locked() {
    let chip = MemoryPlatform::new();
    let section = platform_section(false);
    let engine = Engine::manufacture(chip, Soft, &manufacture(&section)).ok().unwrap();
    let mut room = [0; 32];
    let platform = engine.into_platform();
    assert_eq!(platform.fuses(Row::Uds, &mut room), Err(Error::UdsLocked));
    assert_eq!(room, [0; 32]);
}

#[test]
fn rot_1_the_identity_stays_and_certifies_the_layer() {
    on_every_back_end(|bench| {
        let rot = unowned(bench);
        let identity = rot.identity();
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.identity(), identity);
        assert_ne!(identity, PublicKey([0; 64]));
        if rot.capabilities().limits.contains(&Limit::NoLayerCertificate) {
            assert_eq!(rot.certificate(0), None);
            return;
        }
        let certified = dice::verify(&Soft, &identity, rot.certificate(0).unwrap()).unwrap();
        assert_eq!(certified.configuration[..3], [1, 0, 0]);
        assert_eq!(certified.configuration[3..19], CLASS.0);
        assert_eq!(certified.mode, dice::Mode::Normal);
        assert_eq!(rot.certificate(1), None);
    });
}

#[test]
fn a_chip_is_manufactured_once_or_already_manufactured() {
    let (chip, section) = (MemoryPlatform::new(), platform_section(false));
    let blank = Engine::reset(chip.clone(), Soft, Start::Normal).err();
    assert_eq!(blank, Some(Error::NotManufactured));
    let with = manufacture(&section);
    assert!(Engine::manufacture(chip.clone(), Soft, &with).is_ok());
    let again = Engine::manufacture(chip, Soft, &with).err();
    assert_eq!(again, Some(Error::AlreadyManufactured));
}

#[test]
fn other_values_after_a_cut_are_a_fuse_mismatch() {
    let (mut chip, section) = (MemoryPlatform::new(), platform_section(false));
    chip.burn(Row::ClaimCode, &[0xff; 32]).unwrap();
    let with = Manufacture { claim_code: Digest([1; 32]), ..manufacture(&section) };
    let refused = Engine::manufacture(chip, Soft, &with).err();
    assert_eq!(refused, Some(Error::FuseMismatch));
}

#[test]
fn an_owner_section_is_no_platform_section() {
    let (chip, section) = (MemoryPlatform::new(), owner_section(false));
    let refused = Engine::manufacture(chip, Soft, &manufacture(&section)).err();
    assert_eq!(refused, Some(Error::Trust(Refusal::SectionKind)));
}

#[test]
fn without_randomness_nothing_is_made_random_failed() {
    let (chip, section) = (MemoryPlatform::new(), platform_section(false));
    chip.fail_random(true);
    let refused = Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).err();
    assert_eq!(refused, Some(Error::RandomFailed));
    chip.fail_random(false);
    assert!(Engine::manufacture(chip, Soft, &manufacture(&section)).is_ok());
}

#[test]
fn capabilities_say_what_a_back_end_cannot_do() {
    on_every_back_end(|bench| {
        let capabilities = unowned(bench).capabilities();
        assert_eq!(capabilities.class, bench.class());
        let says = |limit| capabilities.limits.contains(&limit);
        let tpm = capabilities.class == RotClass::Tpm;
        assert!(says(Limit::SecretReadableByHost) && says(Limit::NextLayerMeasuresItself));
        assert_eq!(says(Limit::StorageCanBeRolledBack), !tpm);
        assert_eq!(says(Limit::HostUsesKeys) && says(Limit::SnapshotRollsBack), tpm);
        assert!(capabilities.limits.iter().all(|limit| !limit.words().is_empty()));
    });
}

#[test]
fn the_lifecycle_moves_step_by_step_and_never_back_lifecycle_step() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        assert_eq!(advance(&mut *rot, Lifecycle::DeviceComplete), Err(Error::LifecycleStep));
        for to in [Lifecycle::Module1Complete, Lifecycle::DeviceComplete, Lifecycle::Returned] {
            advance(&mut *rot, to).unwrap();
            assert_eq!(boot_bare(&mut *rot), Err(Error::ResetNeeded));
            assert_eq!(report(&mut *rot), Err(Error::ResetNeeded));
            rot = bench.restart(rot, Start::Normal);
            assert_eq!(rot.status().unwrap().lifecycle, to);
            let back = advance(&mut *rot, Lifecycle::Module1Complete);
            assert_eq!(back, Err(Error::LifecycleStep));
        }
        assert_eq!(advance(&mut *rot, Lifecycle::Returned), Err(Error::LifecycleStep));
        boot_bare(&mut *rot).unwrap();
        let evidence = report(&mut *rot).unwrap();
        let shown = authentic(&*rot, &evidence);
        assert_eq!(shown.claims.lifecycle, Lifecycle::Returned);
        assert_eq!(shown.layer.configuration[1..3], [0x60, 0x00]);
    });
}

#[test]
fn rot_2_an_order_is_the_manufacturers_for_this_device_and_epoch() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        let (device, to) = (rot.device(), Action::Lifecycle(Lifecycle::Module1Complete));
        let other = craton_trust::DeviceId([1; 32]);
        let cases = [
            (order(device, 0, to, STRANGER), Error::Trust(Refusal::SignerUnknown)),
            (order(device, 0, to, PLATFORM_ROOT), Error::Trust(Refusal::SignerUnknown)),
            (order(other, 0, to, MANUFACTURER), Error::Trust(Refusal::OtherDevice)),
            (order(device, 1, to, MANUFACTURER), Error::Trust(Refusal::OtherEpoch)),
            (order(device, 0, Action::NewEpoch(None), MANUFACTURER), Error::OrderMismatch),
        ];
        for (order, refusal) in cases {
            assert_eq!(rot.advance_lifecycle(&order), Err(refusal));
        }
        assert_eq!(rot.status().unwrap().lifecycle, Lifecycle::Blank);
        assert!(rot.advance_lifecycle(&order(device, 0, to, MANUFACTURER)).is_ok());
    });
}

#[test]
fn device_complete_refuses_a_dev_platform_as_development_root() {
    on_every_back_end(|bench| {
        let mut rot = bench.make(&manufacture(&platform_section(true)));
        advance(&mut *rot, Lifecycle::Module1Complete).unwrap();
        assert_eq!(advance(&mut *rot, Lifecycle::DeviceComplete), Err(Error::DevelopmentRoot));
        assert_eq!(rot.status().unwrap().lifecycle, Lifecycle::Module1Complete);
    });
}

#[test]
fn device_complete_refuses_a_dev_owner_before_and_after() {
    on_every_back_end(|bench| {
        let mut rot = owned_by(bench, true);
        advance(&mut *rot, Lifecycle::Module1Complete).unwrap();
        assert_eq!(advance(&mut *rot, Lifecycle::DeviceComplete), Err(Error::DevelopmentRoot));
    });
    let bench = &mut InMemory::default();
    let mut rot = unowned(bench);
    advance(&mut *rot, Lifecycle::Module1Complete).unwrap();
    advance(&mut *rot, Lifecycle::DeviceComplete).unwrap();
    assert_eq!(rot.claim(CODE, &owner_section(true)), Err(Error::DevelopmentRoot));
    assert!(rot.claim(CODE, &owner_section(false)).is_ok());
}

#[test]
fn rot_14_a_row_that_somebody_burned_before_is_a_fuse_mismatch() {
    let section = platform_section(false);
    let mut known = [0; 32];
    known[..16].fill(0xff);
    let mut chip = MemoryPlatform::new();
    chip.burn(Row::Uds, &known).unwrap();
    let made = Engine::manufacture(chip.clone(), Soft, &manufacture(&section));
    assert!(made.is_ok(), "128 bits are left to chance");
    known[16] = 1;
    let mut chip = MemoryPlatform::new();
    chip.burn(Row::Uds, &known).unwrap();
    let refused = Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).err();
    assert_eq!(refused, Some(Error::FuseMismatch));
    let blank = Engine::reset(chip, Soft, Start::Normal).err();
    assert_eq!(blank, Some(Error::NotManufactured));
}

/// Each cut burn adds ones; before the mend the sixth try gave a secret of about eight zeros.
#[test]
fn rot_14_burns_that_were_cut_leave_128_bits_or_refuse_the_chip() {
    use craton_rot::platform::memory::Cut;
    let section = platform_section(false);
    let mut chip = MemoryPlatform::new();
    // The last burns of a manufacture: the secret, and then the lifecycle.
    let secret = {
        let whole = MemoryPlatform::new();
        let made = Engine::manufacture(whole.clone(), Soft, &manufacture(&section));
        drop(made.ok().unwrap());
        whole.writes() - 2
    };
    for _ in 0..8 {
        chip.reset();
        let mut row = [0; 32];
        chip.fuses(Row::Uds, &mut row).unwrap();
        let ones: u32 = row.iter().map(|byte| byte.count_ones()).sum();
        chip.cut_at(secret, Cut::Whole);
        let refused = Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).err();
        chip.power_on();
        let right = if ones > 128 { Error::FuseMismatch } else { Error::StorageFailed };
        assert_eq!(refused, Some(right), "{ones}");
    }
    let refused = Engine::manufacture(chip, Soft, &manufacture(&section)).err();
    assert_eq!(refused, Some(Error::FuseMismatch));
}

#[test]
fn rot_14_a_stuck_source_is_random_failed_and_a_stuck_fuse_a_mismatch() {
    let section = platform_section(false);
    for byte in [0, 1, 0xfe, 0xff] {
        let chip = MemoryPlatform::new();
        chip.stick_random(byte);
        let refused = Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).err();
        assert_eq!(refused, Some(Error::RandomFailed), "{byte:02x}");
    }
    let chip = MemoryPlatform::new();
    chip.stick_random(0x55);
    chip.stick_fuse(Row::Uds, 3);
    let refused = Engine::manufacture(chip, Soft, &manufacture(&section)).err();
    assert_eq!(refused, Some(Error::FuseMismatch));
}
