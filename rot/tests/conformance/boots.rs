//! Boot, floors, and the log of a boot.

use super::bench::*;
use super::world::*;
use craton_rot::boot::replay;
use craton_rot::{Error, Manufacture, NextLayer, Start};
use craton_trust::Error as Refusal;
use craton_trust::dice::Mode;
use craton_trust::evidence::{IMAGE_SET, Measured, RESERVED, TRUST_STORE};
use craton_trust::rollback::SECURITY_VERSION_MAX;
use craton_trust::set::Purpose;
use craton_trust::soft::Soft;
use craton_trust::{CatalogId, ClassId, ComponentId, Digest};

#[test]
fn each_boot_is_counted_once_already_booted() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        assert_eq!(report(&mut *rot), Err(Error::NotBooted));
        assert_eq!(rot.extend(APP, Digest([0; 32])), Err(Error::NotBooted));
        assert_eq!(rot.confirm(), Err(Error::NotBooted));
        assert_eq!(rot.client_key().err(), Some(Error::NotBooted));
        assert_eq!(boot_bare(&mut *rot), Ok(Mode::Normal));
        assert_eq!(boot_bare(&mut *rot), Err(Error::AlreadyBooted));
        assert_eq!(rot.status().unwrap().boot, 1);
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().boot, 1);
        boot_bare(&mut *rot).unwrap();
        assert_eq!(rot.status().unwrap().boot, 2);
    });
}

#[test]
fn a_set_boots_only_as_it_was_signed() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let members = [(APP, 1), (OTHER_APP, 1)];
        let good = set(&members);
        let boot = |rot: &mut Rot, images: &[_]| {
            rot.boot(&NextLayer { runtime: runtime(), set: Some(&good), images: &images })
        };
        let (app, other) = (measured(APP, 1), measured(OTHER_APP, 1));
        assert_eq!(boot(&mut rot, &[app]), Err(Error::MemberNotMeasured));
        let changed = [app, measured(OTHER_APP, 2)];
        assert_eq!(boot(&mut rot, &changed), Err(Error::MeasurementMismatch));
        let more = [app, other, measured(ComponentId([3; 16]), 1)];
        assert_eq!(boot(&mut rot, &more), Err(Error::MeasuredNotInSet));
        let twice = [app, other, app];
        assert_eq!(boot(&mut rot, &twice), Err(Error::Trust(Refusal::MeasuredTwice)));
        let without = NextLayer { runtime: runtime(), set: None, images: &[app] };
        assert_eq!(rot.boot(&without), Err(Error::MeasuredNotInSet));
        assert_eq!(rot.status().unwrap().boot, 0);
        assert_eq!(boot(&mut rot, &[other, app]), Ok(Mode::Normal));
    });
}

#[test]
fn every_flipped_bit_of_a_set_is_refused() {
    let bench = &mut InMemory::default();
    let mut rot = owned(bench);
    let good = set(&[(APP, 1)]);
    for bit in 0..good.len() * 8 {
        let mut broken = good.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(boot_set(&mut *rot, &broken, &[(APP, 1)]).is_err(), "bit {bit}");
    }
    assert_eq!(rot.status().unwrap().boot, 0);
}

#[test]
fn a_runtime_in_the_set_must_be_the_sets() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let with = set(&[(APP, 1), (RUNTIME, 3)]);
        let images = [measured(APP, 1)];
        let mut next = NextLayer { runtime: runtime(), set: Some(&with), images: &images };
        assert_eq!(rot.boot(&next), Err(Error::MeasurementMismatch));
        next.runtime = measured(RUNTIME, 3);
        assert_eq!(rot.boot(&next), Ok(Mode::Normal));
        rot.confirm().unwrap();
        assert_eq!(rot.status().unwrap().floors.of(RUNTIME), 3);
    });
}

#[test]
fn sets_of_others_and_development_sets_are_refused() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        let members = [(APP, 1)];
        assert_eq!(boot_set(&mut *rot, &set(&members), &members), Err(Error::Unowned));
        rot.claim(CODE, &owner_section(false)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        let foreign = set_for(CatalogId([1; 32]), Purpose::Production, &members);
        let refused = boot_set(&mut *rot, &foreign, &members);
        assert_eq!(refused, Err(Error::Trust(Refusal::OtherCatalog)));
        let development = set_for(catalog(false), Purpose::Development, &members);
        let refused = boot_set(&mut *rot, &development, &members);
        assert_eq!(refused, Err(Error::Trust(Refusal::DevelopmentSet)));
    });
    on_every_back_end(|bench| {
        let mut rot = owned_by(bench, true);
        let development = set_for(catalog(true), Purpose::Development, &[(APP, 1)]);
        assert_eq!(boot_set(&mut *rot, &development, &[(APP, 1)]), Ok(Mode::Normal));
    });
}

#[test]
fn rot_4_floors_rise_to_what_booted_and_was_confirmed_and_never_fall() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        boot_bare(&mut *rot).unwrap();
        assert_eq!(rot.confirm(), Err(Error::NothingToConfirm));
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 3)]);
        assert_eq!(rot.status().unwrap().floors.of(APP), 0, "a trial raises nothing");
        rot.confirm().unwrap();
        rot.confirm().unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().floors.of(APP), 3);
        let old = boot_set(&mut *rot, &set(&[(APP, 2)]), &[(APP, 2)]);
        assert_eq!(old, Err(Error::Trust(Refusal::RolledBack)));
        boot(&mut *rot, &[(APP, 4)]);
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 3)]);
        assert_eq!(rot.status().unwrap().floors.of(APP), 3, "the fallback still boots");
    });
}

#[test]
fn roll_2_versions_up_to_the_highest_ceiling_boot_and_none_above() {
    let bench = &mut InMemory::default();
    let mut rot = owned(bench);
    let above = [(APP, SECURITY_VERSION_MAX + 1)];
    let refused = boot_set(&mut *rot, &set(&above), &above);
    assert_eq!(refused, Err(Error::Trust(Refusal::AboveCeiling)));
    boot(&mut *rot, &[(APP, SECURITY_VERSION_MAX)]);
}

#[test]
fn rot_9_the_replayed_log_is_what_evidence_quotes() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        assert_eq!(rot.event(0), Ok(None));
        boot(&mut *rot, &[(APP, 1), (OTHER_APP, 2)]);
        let later = ComponentId([0x77; 16]);
        rot.extend(later, Digest([8; 32])).unwrap();
        let again = rot.extend(later, Digest([9; 32]));
        assert_eq!(again, Err(Error::Trust(Refusal::MeasuredTwice)));
        let evidence = report(&mut *rot).unwrap();
        let claims = &authentic(&*rot, &evidence).claims;
        let replayed = replay((0..).map_while(|place| rot.event(place).unwrap())).unwrap();
        assert_eq!(replayed.measured, claims.measured);
        assert_eq!(replayed.boot, Some((claims.boot, claims.mode)));
        let order: Vec<_> = claims.measured.iter().map(|m| m.component).collect();
        assert_eq!(order, [TRUST_STORE, RUNTIME, IMAGE_SET, APP, OTHER_APP, later]);
        assert_eq!(claims.measured.of(OTHER_APP), Some(payload(OTHER_APP, 2)));
    });
}

#[test]
fn rot_12_nobody_measures_a_set_or_trust_store_of_his_own_component_reserved() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let verified = set(&[(APP, 1)]);
        let id = craton_trust::Signed::parse(&verified).unwrap().digest(&Soft);
        for component in RESERVED {
            let named = Measured { component, digest: id };
            let next = NextLayer { runtime: named, set: None, images: &[] };
            assert_eq!(rot.boot(&next), Err(Error::ComponentReserved));
            let images = [measured(APP, 1), named];
            let next = NextLayer { runtime: runtime(), set: Some(&verified), images: &images };
            assert_eq!(rot.boot(&next), Err(Error::ComponentReserved));
        }
        boot_bare(&mut *rot).unwrap();
        for component in RESERVED {
            assert_eq!(rot.extend(component, id), Err(Error::ComponentReserved));
        }
        let evidence = report(&mut *rot).unwrap();
        assert_eq!(authentic(&*rot, &evidence).claims.measured.of(IMAGE_SET), None);
    });
}

#[test]
fn rot_12_an_app_with_a_floor_is_not_measured_outside_its_set() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        rot.confirm().unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(OTHER_APP, 1)]);
        assert_eq!(rot.extend(APP, payload(APP, 1)), Err(Error::MeasuredNotInSet));
        let twice = rot.extend(OTHER_APP, payload(OTHER_APP, 2));
        assert_eq!(twice, Err(Error::Trust(Refusal::MeasuredTwice)));
        let evidence = report(&mut *rot).unwrap();
        assert_eq!(authentic(&*rot, &evidence).claims.measured.of(APP), None);
    });
}

#[test]
fn set_5_a_set_for_another_class_of_devices_does_not_boot() {
    on_every_back_end(|bench| {
        let section = platform_section(false);
        let with = Manufacture { class: ClassId([8; 16]), ..manufacture(&section) };
        let mut rot = bench.make(&with);
        rot.claim(CODE, &owner_section(false)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().class, ClassId([8; 16]));
        let refused = boot_set(&mut *rot, &set(&[(APP, 1)]), &[(APP, 1)]);
        assert_eq!(refused, Err(Error::Trust(Refusal::ClassMismatch)));
        assert_eq!(rot.status().unwrap().boot, 0);
    });
}
