//! Claim, succession, transfer, capabilities, and what a reply raises.

use super::bench::*;
use super::world::*;
use craton_rot::{Action, Error, NextLayer, SECTION_MAX, Start};
use craton_trust::Error as Refusal;
use craton_trust::assignment::Address;
use craton_trust::assignment::TIME_MAX;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::dice::Mode;
use craton_trust::rollback::SECURITY_VERSION_MAX;
use craton_trust::set::Purpose;
use craton_trust::store::{
    Role, RoleKeysBuilder, Section, SectionBuilder, SectionKind, catalog_id,
};
use craton_trust::{CatalogId, ComponentId, DeviceId, Digest, Signed};

#[test]
fn rot_10_a_claim_needs_the_code_once_claim_code_wrong() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        let owner = owner_section(false);
        assert_eq!(rot.section(SectionKind::Owner, &mut [0; 8]).err(), Some(Error::Unowned));
        assert_eq!(rot.claim(b"guess", &owner), Err(Error::ClaimCodeWrong));
        let platform = rot.claim(CODE, &platform_section(false));
        assert_eq!(platform, Err(Error::Trust(Refusal::SectionKind)));
        assert_eq!(rot.status().unwrap().owner, None);
        rot.claim(CODE, &owner).unwrap();
        assert_eq!(rot.claim(CODE, &owner), Err(Error::AlreadyOwned));
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().owner, Some(catalog(false)));
        let mut room = [0; SECTION_MAX];
        assert_eq!(rot.section(SectionKind::Owner, &mut room).unwrap(), owner);
        let small = rot.section(SectionKind::Owner, &mut [0; 8]).err();
        assert_eq!(small, Some(Error::RoomTooSmall));
    });
}

#[test]
fn a_used_claim_code_is_claim_code_used() {
    use craton_rot::platform::{Platform as _, Row};
    let mut bench = InMemory::default();
    let mut rot = unowned(&mut bench);
    bench.0.burn(Row::ClaimUsed, &[0xff]).unwrap();
    assert_eq!(rot.claim(CODE, &owner_section(false)), Err(Error::ClaimCodeUsed));
}

#[test]
fn every_flipped_bit_of_a_section_is_refused() {
    let bench = &mut InMemory::default();
    let mut rot = unowned(bench);
    let good = owner_section(false);
    for bit in 0..good.len() * 8 {
        let mut broken = good.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(rot.claim(CODE, &broken).is_err(), "bit {bit}");
    }
    assert_eq!(rot.status().unwrap().owner, None);
}

#[test]
fn a_successor_needs_the_old_root_and_keeps_the_installed_sets() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let (first, running) = (owner_section(false), set(&[(APP, 1)]));
        let app = envelope(APP, 1);
        let good = successor(&first, OWNER_ROOT, |_| {});
        let stranger = successor(&first, STRANGER, |_| {});
        let refused = rot.replace(&stranger, &[&running], &[&app]);
        assert_eq!(refused, Err(Error::Trust(Refusal::SignerUnknown)));
        assert_eq!(rot.replace(&good, &[], &[&app]), Err(Error::InstalledOmitted));
        assert_eq!(rot.replace(&good, &[&running], &[]), Err(Error::InstalledOmitted));
        let orphaning = successor(&first, OWNER_ROOT, |section| {
            section.set_role(Role::Publisher, section.role(Role::Root).into());
        });
        let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
        assert_eq!(rot.replace(&orphaning, &[&running], &[&app]), orphans);
        let low = successor(&first, OWNER_ROOT, |section| section.ceiling = 0);
        assert_eq!(rot.replace(&low, &[&running], &[&app]), orphans);
        let skipping = successor(&first, OWNER_ROOT, |section| section.version = 3);
        let refused = rot.replace(&skipping, &[&running], &[&app]);
        assert_eq!(refused, Err(Error::Trust(Refusal::SuccessorVersion)));
        let sealed = seal(&mut *rot, APP).unwrap();
        rot.replace(&good, &[&running], &[&app]).unwrap();
        let again = rot.replace(&good, &[&running], &[&app]);
        assert_eq!(again, Err(Error::Trust(Refusal::SuccessorVersion)));
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().owner, Some(catalog(false)));
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(unseal(&*rot, APP, &sealed).unwrap(), b"secret", "rotation keeps data");
    });
}

#[test]
fn the_confirmed_set_counts_as_installed() {
    let bench = &mut InMemory::default();
    let mut rot = running(bench);
    rot.confirm().unwrap();
    let mut rot = bench.restart(rot, Start::Normal);
    boot_bare(&mut *rot).unwrap();
    let good = successor(&owner_section(false), OWNER_ROOT, |_| {});
    assert_eq!(rot.replace(&good, &[], &[]), Err(Error::InstalledOmitted));
    // The floor of a component that left the sets still binds the ceiling.
    let low = successor(&owner_section(false), OWNER_ROOT, |section| section.ceiling = 0);
    let (set, app) = (set(&[(APP, 1)]), envelope(APP, 1));
    assert!(rot.replace(&low, &[&set], &[&app]).is_err());
    assert_eq!(rot.replace(&good, &[&set], &[&app]), Ok(()));
}

#[test]
fn a_platform_successor_is_accepted_by_its_own_root() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let next = successor(&platform_section(false), PLATFORM_ROOT, |section| {
            section.set_role(Role::Manufacturer, RoleKeysBuilder::new(0));
        });
        rot.replace(&next, &[], &[]).unwrap();
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().sections.0, digest(&next));
        let mut room = [0; SECTION_MAX];
        assert_eq!(rot.section(SectionKind::Platform, &mut room).unwrap(), next);
    });
}

/// A device whose runtime came in its set, confirmed.
pub fn with_runtime(bench: &mut dyn Bench) -> (Rot, Vec<u8>) {
    let mut rot = owned(bench);
    let (with, images) = (set(&[(APP, 1), (RUNTIME, 3)]), [measured(APP, 1)]);
    let runtime = measured(RUNTIME, 3);
    rot.boot(&NextLayer { runtime, set: Some(&with), images: &images }).unwrap();
    rot.confirm().unwrap();
    (rot, with)
}

#[test]
fn store_4_a_platform_successor_keeps_the_runtime_that_runs() {
    on_every_back_end(|bench| {
        let (mut rot, with) = with_runtime(bench);
        let (app, runtime) = (envelope(APP, 1), envelope(RUNTIME, 3));
        let first = platform_section(false);
        let publisher = successor(&first, PLATFORM_ROOT, |section| {
            section.set_role(Role::Publisher, RoleKeysBuilder::of(key(STRANGER).public_key()));
        });
        let low = successor(&first, PLATFORM_ROOT, |section| section.ceiling = 0);
        let good = successor(&first, PLATFORM_ROOT, |section| section.ceiling = 3);
        let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
        let omitted = Err(Error::InstalledOmitted);
        assert_eq!(rot.replace(&publisher, &[&with], &[&app, &runtime]), orphans);
        assert_eq!(rot.replace(&low, &[&with], &[&app, &runtime]), orphans);
        assert_eq!(rot.replace(&publisher, &[&with], &[&app]), omitted, "the runtime's");
        assert_eq!(rot.replace(&publisher, &[], &[]), omitted);
        assert_eq!(rot.status().unwrap().sections.0, digest(&first));
        rot.replace(&good, &[&with], &[&app, &runtime]).unwrap();
        assert_eq!(rot.status().unwrap().sections.0, digest(&good));
    });
}

#[test]
fn store_4_a_floor_binds_the_ceiling_of_its_own_section_only() {
    let bench = &mut InMemory::default();
    let (rot, _) = with_runtime(bench);
    let mut rot = bench.restart(rot, Start::Normal);
    let (only, app) = (set(&[(APP, 1)]), envelope(APP, 1));
    boot(&mut *rot, &[(APP, 1)]);
    rot.confirm().unwrap();
    let low = |first: &[u8], root, ceiling| successor(first, root, |s| s.ceiling = ceiling);
    let owners = low(&owner_section(false), OWNER_ROOT, 2);
    assert_eq!(rot.replace(&owners, &[&only], &[&app]), Ok(()), "3 is the runtime's floor");
    let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
    let platforms = low(&platform_section(false), PLATFORM_ROOT, 2);
    assert_eq!(rot.replace(&platforms, &[&only], &[&app]), orphans);
    let platforms = low(&platform_section(false), PLATFORM_ROOT, 3);
    assert_eq!(rot.replace(&platforms, &[&only], &[&app]), Ok(()));
}

#[test]
fn store_4_a_production_root_keeps_no_development_set() {
    on_every_back_end(|bench| {
        let mut rot = owned_by(bench, true);
        let members = [(APP, 1)];
        let development = set_for(catalog(true), Purpose::Development, &members);
        boot_set(&mut *rot, &development, &members).unwrap();
        rot.confirm().unwrap();
        let production = successor(&owner_section(true), OWNER_ROOT, |section| section.dev = false);
        let app = envelope(APP, 1);
        let refused = rot.replace(&production, &[&development], &[&app]);
        assert_eq!(refused, Err(Error::Trust(Refusal::SuccessorOrphans)));
        let mut rot = bench.restart(rot, Start::Normal);
        let set = set_for(catalog(true), Purpose::Production, &members);
        boot_set(&mut *rot, &set, &members).unwrap();
        rot.confirm().unwrap();
        rot.replace(&production, &[&set], &[&app]).unwrap();
    });
}

#[test]
fn roll_2_a_runtime_above_the_platforms_ceiling_does_not_boot() {
    let bench = &mut InMemory::default();
    let mut rot = owned(bench);
    let low = successor(&platform_section(false), PLATFORM_ROOT, |section| section.ceiling = 2);
    rot.replace(&low, &[], &[]).unwrap();
    let (with, images) = (set(&[(APP, 1), (RUNTIME, 3)]), [measured(APP, 1)]);
    let next = NextLayer { runtime: measured(RUNTIME, 3), set: Some(&with), images: &images };
    assert_eq!(rot.boot(&next), Err(Error::Trust(Refusal::AboveCeiling)));
    boot(&mut *rot, &[(APP, 3)]);
}

#[test]
fn a_transfer_names_the_next_owner_order_mismatch() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let next = owner_section_of(STRANGER, false);
        let to = |owner| order(rot.device(), 1, Action::NewEpoch(owner), OWNER_ROOT);
        let (staying, going) = (to(None), to(Some(digest(&next))));
        let elsewhere = to(Some(Digest([1; 32])));
        assert_eq!(rot.new_epoch(&staying, Some(&next)), Err(Error::OrderMismatch));
        assert_eq!(rot.new_epoch(&going, None), Err(Error::OrderMismatch));
        assert_eq!(rot.new_epoch(&elsewhere, Some(&next)), Err(Error::OrderMismatch));
        assert_eq!(rot.status().unwrap().epoch, 1);
        rot.new_epoch(&going, Some(&next)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        let status = rot.status().unwrap();
        assert_eq!((status.owner, status.epoch), (Some(catalog_id(digest(&next))), 2));
        let old = boot_set(&mut *rot, &set(&[(APP, 1)]), &[(APP, 1)]);
        assert_eq!(old, Err(Error::Trust(Refusal::OtherCatalog)));
    });
}

fn open(rot: &Rot, request: Digest) -> Address {
    Address { catalog: catalog(false), device: rot.device(), epoch: 1, request }
}

#[test]
fn a_capability_opens_exactly_one_boot_in_mode_debug() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let sealed = seal(&mut *rot, APP).unwrap();
        let challenge = rot.challenge().unwrap();
        rot.apply(&capability(open(&rot, challenge))).unwrap();
        let again = rot.apply(&capability(open(&rot, challenge)));
        assert_eq!(again, Err(Error::NoChallenge));
        let rot = bench.restart(rot, Start::Recovery);
        let mut rot = bench.restart(rot, Start::Normal);
        let development = set_for(catalog(false), Purpose::Development, &[(APP, 1)]);
        let debug = boot_set(&mut *rot, &development, &[(APP, 1)]);
        assert_eq!(debug, Ok(Mode::Debug));
        let evidence = report(&mut *rot).unwrap();
        assert_eq!(authentic(&*rot, &evidence).claims.mode, Mode::Debug);
        assert_eq!(unseal(&*rot, APP, &sealed), Err(Error::SealBroken), "other keys");
        assert_eq!(rot.confirm(), Err(Error::NothingToConfirm));
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(boot(&mut *rot, &[(APP, 1)]), Mode::Normal);
        assert_eq!(unseal(&*rot, APP, &sealed).unwrap(), b"secret");
    });
}

#[test]
fn a_capability_for_another_device_boot_or_epoch_is_refused_no_challenge() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let early = capability(open(&rot, Digest([1; 32])));
        assert_eq!(rot.apply(&early), Err(Error::NoChallenge));
        let old = rot.challenge().unwrap();
        let challenge = rot.challenge().unwrap();
        let right = open(&rot, challenge);
        let cases = [
            (open(&rot, old), Refusal::ChallengeMismatch),
            (Address { epoch: 2, ..right }, Refusal::OtherEpoch),
            (Address { device: DeviceId([1; 32]), ..right }, Refusal::OtherDevice),
        ];
        for (address, refusal) in cases {
            assert_eq!(rot.apply(&capability(address)), Err(Error::Trust(refusal)));
        }
        let mut rot = bench.restart(rot, Start::Normal);
        assert!(!rot.status().unwrap().debug_next);
        assert_eq!(rot.apply(&capability(right)), Ok(()), "a restart is no boot");
    });
}

#[test]
fn cap_2_a_challenge_is_void_once_the_next_boot_began_no_challenge() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let challenge = rot.challenge().unwrap();
        let of_this_boot = capability(open(&rot, challenge));
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(rot.apply(&of_this_boot), Err(Error::NoChallenge));
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().mode, Mode::Normal);
    });
}

#[test]
fn cap_2_a_boot_that_is_refused_leaves_no_reset_in_debug() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let challenge = rot.challenge().unwrap();
        rot.apply(&capability(open(&rot, challenge))).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().mode, Mode::Debug);
        let foreign = set_for(CatalogId([1; 32]), Purpose::Development, &[(APP, 1)]);
        assert!(boot_set(&mut *rot, &foreign, &[(APP, 1)]).is_err());
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().mode, Mode::Normal);
    });
}

/// What a former owner may sign to spoil the device for the next one, within his own rights.
fn spoiled(bench: &mut dyn Bench) -> Rot {
    let mut rot = owned(bench);
    let fill = |round: u8| {
        let id = |n: u8| ComponentId([0x40 + round * 8 + n; 16]);
        (0..8).map(|n| (id(n), SECURITY_VERSION_MAX)).collect::<Vec<_>>()
    };
    for round in 0..2 {
        boot(&mut *rot, &fill(round));
        rot.confirm().unwrap();
        rot = bench.restart(rot, Start::Normal);
    }
    let request = Digest([2; 32]);
    let latest = reply(open(&rot, request), TIME_MAX, None);
    rot.accept_reply(&latest, &request).unwrap();
    rot
}

#[test]
fn rot_13_a_transfer_takes_back_floors_and_clock_of_the_last_owner() {
    on_every_back_end(|bench| {
        let mut rot = spoiled(bench);
        assert_eq!(rot.status().unwrap().floors.iter().count(), 16);
        let full = boot_set(&mut *rot, &set(&[(APP, 1)]), &[(APP, 1)]);
        assert_eq!(full, Err(Error::Trust(Refusal::FieldTooLong)));
        let next = owner_section_of(STRANGER, false);
        let to = Action::NewEpoch(Some(digest(&next)));
        rot.new_epoch(&order(rot.device(), 1, to, OWNER_ROOT), Some(&next)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        let status = rot.status().unwrap();
        assert_eq!((status.time_floor, status.floors.iter().count()), (0, 0));
        let members = [(APP, 1)];
        let own = set_for(catalog_id(digest(&next)), Purpose::Production, &members);
        boot_set(&mut *rot, &own, &members).unwrap();
        rot.confirm().unwrap();
        let low = successor(&next, STRANGER, |section| section.ceiling = 1);
        assert_eq!(rot.replace(&low, &[&own], &[&envelope(APP, 1)]), Ok(()));
        let old = [(ComponentId([0x40; 16]), SECURITY_VERSION_MAX)];
        let mut rot = bench.restart(rot, Start::Normal);
        let refused = boot_set(&mut *rot, &set(&old), &old);
        assert_eq!(refused, Err(Error::Trust(Refusal::OtherCatalog)));
    });
}

#[test]
fn rot_13_the_floor_of_the_runtime_is_the_platforms_and_stays() {
    on_every_back_end(|bench| {
        let (mut rot, _) = with_runtime(bench);
        let next = owner_section_of(STRANGER, false);
        let to = Action::NewEpoch(Some(digest(&next)));
        rot.new_epoch(&order(rot.device(), 1, to, OWNER_ROOT), Some(&next)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        let floors = rot.status().unwrap().floors;
        assert_eq!((floors.of(RUNTIME), floors.of(APP)), (3, 0));
        let old = [(RUNTIME, 2)];
        let set = set_for(catalog_id(digest(&next)), Purpose::Production, &old);
        let next = NextLayer { runtime: measured(RUNTIME, 2), set: Some(&set), images: &[] };
        assert_eq!(rot.boot(&next), Err(Error::Trust(Refusal::RolledBack)));
        assert_eq!(boot_bare(&mut *rot), Ok(Mode::Normal), "as a runtime that nothing verified");
    });
}

#[test]
fn rot_4_time_and_checkpoint_come_from_a_verified_reply_and_never_fall() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let request = Digest([2; 32]);
        let address = open(&rot, request);
        rot.accept_reply(&reply(address, 2_000, Some(7)), &request).unwrap();
        rot.accept_reply(&reply(address, 1_000, None), &request).unwrap();
        let status = rot.status().unwrap();
        assert_eq!((status.time_floor, status.checkpoint_size), (2_000, 7));
        let shrunk = rot.accept_reply(&reply(address, 9_000, Some(6)), &request);
        assert_eq!(shrunk, Err(Error::Trust(Refusal::CheckpointShrank)));
        let other = rot.accept_reply(&reply(address, 9_000, None), &Digest([3; 32]));
        assert_eq!(other, Err(Error::Trust(Refusal::OtherRequest)));
        let mut forged = reply(address, 9_000, None);
        *forged.last_mut().unwrap() ^= 1;
        let forged = rot.accept_reply(&forged, &request);
        assert_eq!(forged, Err(Error::Trust(Refusal::SignatureInvalid)));
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().time_floor, 2_000);
    });
}

#[test]
fn a_checkpoint_that_the_owners_witnesses_did_not_cosign_raises_nothing() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let watched = successor(&owner_section(false), OWNER_ROOT, |section| {
            section.set_role(Role::Witness, RoleKeysBuilder::of(key(STRANGER).public_key()));
        });
        rot.replace(&watched, &[], &[]).unwrap();
        let request = Digest([2; 32]);
        let address = open(&rot, request);
        let alone = rot.accept_reply(&reply(address, 2_000, Some(7)), &request);
        assert_eq!(alone, Err(Error::Trust(Refusal::SignerUnknown)));
        let status = rot.status().unwrap();
        assert_eq!((status.time_floor, status.checkpoint_size), (0, 0));
        assert_eq!(rot.accept_reply(&reply(address, 2_000, None), &request), Ok(()));
    });
}

#[test]
fn the_largest_section_has_a_place() {
    let mut largest = SectionBuilder::genesis(SectionKind::Owner, false, CEILING);
    (largest.version, largest.genesis) = (u64::MAX, Some(Digest([7; 32])));
    for (place, role) in EVERY_ROLE.into_iter().enumerate() {
        let mut keys = RoleKeysBuilder::new(8);
        (0..8).for_each(|n| keys.push(key(100 + place as u8 * 8 + n).public_key()).unwrap());
        largest.set_role(role, keys);
    }
    let bytes = largest.encode(&mut [0; 8192]).unwrap().to_vec();
    let signed = sign(Kind::TrustStore, &bytes, &[100, 101, 102, 103, 104, 105, 106, 107]);
    assert!(Section::parse(Signed::parse(&signed).unwrap().unchecked_payload()).is_ok());
    assert_eq!(signed.len(), 6_927);
    assert!(signed.len() <= craton_rot::SECTION_MAX);
}

const EVERY_ROLE: [Role; 10] = [
    Role::Root,
    Role::Publisher,
    Role::Catalog,
    Role::Online,
    Role::Service,
    Role::Log,
    Role::Witness,
    Role::Manufacturer,
    Role::Approver,
    Role::Recovery,
];

#[test]
fn random_bytes_differ() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        let (mut one, mut two) = ([0; 32], [0; 32]);
        rot.random(&mut one).unwrap();
        rot.random(&mut two).unwrap();
        assert_ne!(one, two);
    });
}
