//! A production catalog: a root of two of three, a second person who approves, and a witness.

use super::world::{Service, User, build_sample};
use std::os::unix::fs::PermissionsExt as _;

const RECOVERY: &str = "--recovery-key @one.key --recovery-key @two.key";

#[test]
fn a_production_set_is_refused_until_the_second_person_approves_it() {
    let user = User::new();
    let service = Service::start(&user);
    user.secret("words", "several words\n");
    user.secret("other", "quite other words\n");
    log_in_by_fingerprint(&user, &service);
    user.does("key create @second.key --passphrase-file @other");
    let create = format!("catalog create fleet {RECOVERY} --approver @second.pub --witness");
    let said = user.does(&format!("{create} --passphrase-file @words"));
    assert!(said.contains("Recovery keys: ") && said.contains("production"), "{said}");
    let mode = |name: &str| user.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("one.key"), mode("config/craton/profile.json")), (0o600, 0o600));
    user.refused(&format!("{create} --passphrase-file @words"), 6111);
    refused_catalog_leaves_no_key(&user);

    user.does("product create Lamp");
    user.does("image upload --runtime --passphrase-file @words");
    build_sample(&user, "v1");
    user.does("image pack @v1/app --version 1.0.0 --out @out");
    let sign = "image sign @out/blink-1.0.0.unsigned --passphrase-file";
    user.refused(&format!("{sign} @other"), 6112);
    user.does(&format!("{sign} @words"));
    let set = user.json("image-set create @out/blink-1.0.0.image --passphrase-file @words");
    assert_eq!((&set["state"], &set["purpose"]), (&"uploaded".into(), &"production".into()));
    let set = &set["id"].as_str().unwrap()[..12];

    let deploy = format!("deployment create Lamp/Production {set}");
    user.refused(&deploy, 4224);
    user.refused(&format!("image-set admit {set}"), 4165);
    let keys = std::fs::read_dir(user.path("config/craton/catalogs")).unwrap();
    let folder = keys.map(|folder| folder.unwrap().path()).next().unwrap();
    let publisher = folder.join("publisher.key").display().to_string();
    // ApproverUnknown: the publisher does not approve what he published.
    let approve = format!("image-set approve {set} --key");
    user.refused(&format!("{approve} {publisher} --passphrase-file @words"), 6135);
    user.refused(&deploy, 4224);
    let approved = user.json(&format!("{approve} @second.key --passphrase-file @other"));
    assert_eq!(approved["state"], "admitted");
    assert_eq!(user.json(&deploy)["state"], "active");

    let seen = user.json("audit verify");
    assert_eq!((&seen["witnessed"], &seen["cosigned"]), (&true.into(), &false.into()));
    let signed = user.json("audit verify --cosign --passphrase-file @words");
    assert_eq!(signed["cosigned"], true);
    another_machine_reads(&user, &service);
}

/// FingerprintOther, and the right one.
fn log_in_by_fingerprint(user: &User, service: &Service) {
    let login =
        format!("login --service {} --token-file @service/operator-token", service.address());
    let (first, rest) = service.fingerprint.split_at(1);
    let other = if first == "0" { "1" } else { "0" };
    let said = user.refused(&format!("{login} --service-key {other}{rest}"), 6121);
    assert!(said.err.contains(&service.fingerprint));
    assert!(!user.path("config/craton/profile.json").exists());
    user.does(&format!("{login} --service-key {}", service.fingerprint));
}

/// The service says no to the name: the new keys go again, the first catalog's stay.
fn refused_catalog_leaves_no_key(user: &User) {
    let new = "--recovery-key @three.key --recovery-key @four.key --approver @second.pub";
    user.refused(&format!("catalog create fleet {new} --passphrase-file @words"), 4152);
    assert!(!user.path("three.key").exists() && !user.path("four.key").exists());
    let catalogs = std::fs::read_dir(user.path("config/craton/catalogs")).unwrap();
    assert_eq!(catalogs.count(), 1);
}

fn another_machine_reads(user: &User, service: &Service) {
    user.does("token create auditor --role reader --out @token");
    let other = User::new();
    other.secret("token", &std::fs::read_to_string(user.path("token")).unwrap());
    let (address, key) = (service.address(), &service.fingerprint);
    other.does(&format!("login --service {address} --service-key {key} --token-file @token"));
    assert_eq!(other.json("product list")["items"][0]["name"], "Lamp");
    // The token is a leaf, too: nobody has cosigned the checkpoint over it yet.
    let seen = other.json("audit verify");
    assert_eq!((&seen["sets"], &seen["witnessed"]), (&1.into(), &true.into()));
    let said = other.refused("product create Kettle", 4123);
    assert_eq!(said.code, 1);
    other.refused("--catalog elsewhere product list", 6124);
    other.does("catalog use fleet");
}
