//! Evidence, and the device-auth key.

use super::bench::*;
use super::world::*;
use craton_rot::{AuthMessage, Error, Start};
use craton_trust::cose::{Kind, Sign1};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::evidence::{IMAGE_SET, Lifecycle, Purpose, TRUST_STORE, trust_store_digest};
use craton_trust::soft::Soft;
use craton_trust::{CatalogId, Signed};

#[test]
fn evidence_says_what_booted_and_verifies_from_the_identity() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let role = rot.take_auth_role().unwrap();
        let evidence = check_in(&mut *rot, &role, catalog(false)).unwrap();
        let claims = authentic(&*rot, &evidence).claims.clone();
        assert_eq!(claims.check(&nonce(), Purpose::CheckIn, &catalog(false)), Ok(()));
        assert_eq!(claims.device, rot.identity().device_id(&Soft));
        assert_eq!((claims.epoch, claims.boot, claims.check_in), (1, 1, 1));
        assert_eq!(claims.implementation, bench.implementation());
        assert_eq!(claims.client_key, key(40).public_key());
        let (platform, owner) = (platform_section(false), owner_section(false));
        let store = trust_store_digest(&Soft, digest(&platform), Some(digest(&owner)));
        assert_eq!(claims.measured.of(TRUST_STORE), Some(store));
        let booted = set(&[(APP, 1)]);
        let id = Signed::parse(&booted).unwrap().digest(&Soft);
        assert_eq!(claims.measured.of(IMAGE_SET), Some(id));
    });
}

#[test]
fn rot_3_only_the_auth_role_of_this_reset_checks_in() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let role = rot.take_auth_role().unwrap();
        assert_eq!(rot.take_auth_role().err(), Some(Error::AuthRoleTaken));
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 1)]);
        let late = check_in(&mut *rot, &role, catalog(false));
        assert_eq!(late, Err(Error::AuthRoleForeign));
        let role = rot.take_auth_role().unwrap();
        let foreign = check_in(&mut *rot, &role, CatalogId([1; 32]));
        assert_eq!(foreign, Err(Error::AudienceForeign));
        assert_eq!(rot.status().unwrap().check_in, 0, "a refusal counts nothing");
        assert!(check_in(&mut *rot, &role, catalog(false)).is_ok());
        let shown = report(&mut *rot).unwrap();
        assert_eq!(authentic(&*rot, &shown).claims.purpose, Purpose::Report);
    });
}

#[test]
fn rot_3_a_pair_of_boot_and_check_in_only_rises() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let mut last = (0, 0);
        for _ in 0..3 {
            boot(&mut *rot, &[(APP, 1)]);
            let role = rot.take_auth_role().unwrap();
            for _ in 0..3 {
                let evidence = check_in(&mut *rot, &role, catalog(false)).unwrap();
                let claims = &authentic(&*rot, &evidence).claims;
                assert!((claims.boot, claims.check_in) > last);
                last = (claims.boot, claims.check_in);
            }
            rot = bench.restart(rot, Start::Normal);
        }
        assert_eq!(last, (3, 3));
    });
}

#[test]
fn unowned_and_returned_devices_do_not_check_in_lifecycle_returned() {
    on_every_back_end(|bench| {
        let mut rot = unowned(bench);
        boot_bare(&mut *rot).unwrap();
        let role = rot.take_auth_role().unwrap();
        assert_eq!(check_in(&mut *rot, &role, catalog(false)), Err(Error::Unowned));
        assert!(report(&mut *rot).is_ok());
        let mut rot = bench.restart(rot, Start::Normal);
        advance(&mut *rot, Lifecycle::Returned).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        rot.claim(CODE, &owner_section(false)).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot_bare(&mut *rot).unwrap();
        let role = rot.take_auth_role().unwrap();
        let refused = check_in(&mut *rot, &role, catalog(false));
        assert_eq!(refused, Err(Error::LifecycleReturned));
    });
}

#[test]
fn a_small_buffer_gets_no_token() {
    let bench = &mut InMemory::default();
    let mut rot = running(bench);
    let ask = craton_rot::Ask {
        purpose: craton_rot::For::Report,
        audience: catalog(false),
        nonce: nonce(),
        client_key: key(40).public_key(),
    };
    let refused = rot.attest(&ask, &mut [0; 100]).err();
    assert_eq!(refused, Some(Error::Trust(craton_trust::Error::BufferTooSmall)));
}

#[test]
fn rot_8_the_device_auth_key_signs_tagged_messages_or_tls_only() {
    on_every_back_end(|bench| {
        let rot = running(bench);
        let public = rot.client_key().unwrap();
        let context = b"TLS 1.3, client CertificateVerify\0";
        let content = [&[b' '; 64][..], context, &[9; 32]].concat();
        let signature = rot.sign(&AuthMessage::CertificateVerify(&content)).unwrap();
        assert_eq!(Soft.es256_verify(&public, &[&content], &signature), Ok(()));
        let other = rot.sign(&AuthMessage::CertificateVerify(&content[1..]));
        assert_eq!(other, Err(Error::MessageUntagged));
        for kind in [Kind::Evidence, Kind::DiceCertificate] {
            assert_eq!(rot.sign(&AuthMessage::Tagged(kind, b"m")), Err(Error::MessageKind));
        }
        let tagged = rot.sign(&AuthMessage::Tagged(Kind::Assignment, b"m")).unwrap();
        let id = public.key_id(&Soft);
        let protected = [&[0xa2, 0x01, 0x26, 0x04, 0x48][..], &id].concat();
        let sign1 = [&[0x84, 0x4d][..], &protected, &[0xa0, 0xf6, 0x58, 0x40], &tagged].concat();
        let sign1 = Sign1::parse(&sign1).unwrap();
        assert_eq!(sign1.verify(&Soft, Kind::Assignment, &public, &[b"m"]), Ok(()));
    });
}

#[test]
fn the_client_key_survives_a_restart_until_it_is_renewed() {
    on_every_back_end(|bench| {
        let rot = running(bench);
        let first = rot.client_key().unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        boot(&mut *rot, &[(APP, 1)]);
        assert_eq!(rot.client_key(), Ok(first));
        let second = rot.renew_client_key().unwrap();
        assert_ne!(first, second);
        let mut rot = bench.restart(rot, Start::Recovery);
        boot_bare(&mut *rot).unwrap();
        assert!(![first, second].contains(&rot.client_key().unwrap()), "of another mode");
        assert_ne!(rot.client_key().unwrap(), rot.identity());
    });
}
