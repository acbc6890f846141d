//! Sealing.

use super::bench::*;
use super::world::*;
use craton_rot::{Action, Error, NextLayer, SEAL_OVERHEAD, Start};
use craton_trust::Digest;
use craton_trust::evidence::Measured;

#[test]
fn rot_5_a_newer_version_opens_older_data_and_never_the_other_way() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        boot(&mut *rot, &[(APP, 1)]);
        rot.confirm().unwrap();
        let old = seal(&mut *rot, APP).unwrap();
        assert_eq!(old.len(), 6 + SEAL_OVERHEAD);
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 70)]);
        assert_eq!(unseal(&*rot, APP, &old).unwrap(), b"secret");
        rot.confirm().unwrap();
        let new = seal(&mut *rot, APP).unwrap();
        assert_eq!(unseal(&*rot, APP, &new).unwrap(), b"secret");
        let mut newer = new.clone();
        newer[2] += 1;
        assert_eq!(unseal(&*rot, APP, &newer), Err(Error::SealedByNewer));
        let mut lower = new;
        lower[2] -= 1;
        assert_eq!(unseal(&*rot, APP, &lower), Err(Error::SealBroken));
    });
}

#[test]
fn rot_6_what_a_trial_sealed_its_fallback_opens() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        rot.confirm().unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 2)]);
        let in_trial = seal(&mut *rot, APP).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(unseal(&*rot, APP, &in_trial).unwrap(), b"secret");
    });
}

#[test]
fn rot_6_recovery_seals_and_unseals_nothing_seal_in_recovery() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let sealed = seal(&mut *rot, APP).unwrap();
        let mut rot = bench.restart(rot, Start::Recovery);
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(seal(&mut *rot, APP), Err(Error::SealInRecovery));
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::SealInRecovery));
        assert_eq!(rot.confirm(), Err(Error::NothingToConfirm));
        let evidence = report(&mut *rot).unwrap();
        assert_eq!(authentic(&*rot, &evidence).claims.mode as u8, 3);
    });
}

#[test]
fn sealed_data_is_one_components_and_every_flipped_bit_is_seal_broken() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        assert_eq!(seal(&mut *rot, APP), Err(Error::NotBooted));
        boot(&mut *rot, &[(APP, 1), (OTHER_APP, 1)]);
        let sealed = seal(&mut *rot, APP).unwrap();
        assert_eq!(unseal(&*rot, OTHER_APP, &sealed), Err(Error::SealBroken));
        let absent = craton_trust::ComponentId([0x55; 16]);
        assert_eq!(seal(&mut *rot, absent), Err(Error::ComponentNotBooted));
        assert_eq!(unseal(&*rot, absent, &sealed), Err(Error::ComponentNotBooted));
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let refused = unseal(&*rot, APP, &broken).err().unwrap();
            assert!(matches!(refused, Error::SealBroken | Error::SealedByNewer), "{bit}");
        }
        for length in 0..SEAL_OVERHEAD {
            assert_eq!(unseal(&*rot, APP, &sealed[..length]), Err(Error::SealBroken));
        }
        assert_eq!(rot.seal(APP, b"secret", &mut [0; 36]).err(), Some(Error::RoomTooSmall));
        assert_eq!(rot.unseal(APP, &sealed, &mut [0; 5]).err(), Some(Error::RoomTooSmall));
    });
}

#[test]
fn the_runtime_seals_for_itself_and_two_seals_differ() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let (one, two) = (seal(&mut *rot, RUNTIME).unwrap(), seal(&mut *rot, RUNTIME).unwrap());
        assert_ne!(one, two);
        let mut rot = bench.restart(rot, Start::Normal);
        boot_bare(&mut *rot).unwrap();
        assert_eq!(unseal(&*rot, RUNTIME, &one).unwrap(), b"secret");
    });
}

#[test]
fn rot_10_a_new_epoch_erases_what_was_sealed() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let sealed = seal(&mut *rot, APP).unwrap();
        let by_stranger = order(rot.device(), 1, Action::NewEpoch(None), MANUFACTURER);
        assert!(rot.new_epoch(&by_stranger, None).is_err());
        let erase = order(rot.device(), 1, Action::NewEpoch(None), OWNER_ROOT);
        rot.new_epoch(&erase, None).unwrap();
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::ResetNeeded));
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(rot.status().unwrap().epoch, 2);
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::SealBroken));
        let again = rot.new_epoch(&erase, None);
        assert_eq!(again, Err(Error::Trust(craton_trust::Error::OtherEpoch)));
    });
}

/// Any program, under the id of an app.
fn disguised() -> NextLayer<'static> {
    let runtime = Measured { component: APP, digest: Digest([9; 32]) };
    NextLayer { runtime, set: None, images: &[] }
}

#[test]
fn rot_12_a_runtime_named_as_a_confirmed_app_does_not_boot() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        rot.confirm().unwrap();
        let sealed = seal(&mut *rot, APP).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.boot(&disguised()), Err(Error::MeasuredNotInSet));
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::NotBooted));
        let (other, images) = (set(&[(OTHER_APP, 1)]), [measured(OTHER_APP, 1)]);
        let next = NextLayer { set: Some(&other), images: &images, ..disguised() };
        assert_eq!(rot.boot(&next), Err(Error::MeasuredNotInSet));
        assert_eq!(rot.status().unwrap().boot, 1);
    });
}

#[test]
fn rot_12_a_runtime_named_as_an_app_on_trial_opens_nothing_of_it() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let sealed = seal(&mut *rot, APP).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        rot.boot(&disguised()).unwrap();
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::SealBroken));
    });
}

#[test]
fn rot_12_a_runtime_outside_the_set_opens_nothing_of_a_verified_one() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let (with, images) = (set(&[(APP, 1), (RUNTIME, 3)]), [measured(APP, 1)]);
        let verified =
            NextLayer { runtime: measured(RUNTIME, 3), set: Some(&with), images: &images };
        rot.boot(&verified).unwrap();
        let on_trial = seal(&mut *rot, RUNTIME).unwrap();
        rot.confirm().unwrap();
        let confirmed = seal(&mut *rot, RUNTIME).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot_bare(&mut *rot).unwrap();
        assert_eq!(unseal(&*rot, RUNTIME, &on_trial), Err(Error::SealBroken));
        assert_eq!(unseal(&*rot, RUNTIME, &confirmed), Err(Error::SealedByNewer));
        let own = seal(&mut *rot, RUNTIME).unwrap();
        assert_eq!(unseal(&*rot, RUNTIME, &own).unwrap(), b"secret");
    });
}
