//! What is refused without a service, each with its number and what to do.

use super::world::User;

const KEY: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\
                   0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

const MANIFEST: &str = r#"{
  "SchemaVersion": 1,
  "Name": "blink",
  "ComponentId": "5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21",
  "EntryPoint": "/bin/app",
  "Capabilities": {}
}"#;

fn app(user: &User, manifest: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(user.path("app/bin")).unwrap();
    std::fs::write(user.path("app/app_manifest.json"), manifest).unwrap();
    let program = user.path("app/bin/app");
    std::fs::write(&program, [7; 3000]).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn login_without_service_key_or_token_says_which_is_missing() {
    let user = User::new();
    // ServiceNotFound, ServiceKeyInvalid, TokenNotGiven
    user.refused("login --data @none", 6122);
    user.secret("token", "craton_x");
    let named = "login --service 127.0.0.1:1 --token-file @token --service-key";
    assert_eq!(user.refused(&format!("{named} zz"), 6120).code, 2);
    let said = user.refused(&format!("login --service 127.0.0.1:1 --service-key {KEY}"), 6123);
    assert_eq!(said.code, 2);
    let said = user.refused(&format!("{named} {KEY}"), 5401);
    assert!(!said.err.contains("craton_x"), "the token is a secret");
}

#[test]
fn a_production_catalog_needs_recovery_keys_and_an_approver_who_does_not_publish() {
    let user = User::new();
    let both = "catalog create c --recovery-key @one --recovery-key @two";
    // RecoveryKeysMissing, ApproverMissing, ApproverNotIndependent
    assert_eq!(user.refused("catalog create c", 6130).code, 2);
    user.refused("catalog create c --recovery-key @one --recovery-key @one", 6130);
    assert_eq!(user.refused(both, 6131).code, 2);
    let same = format!("{both} --approver {KEY} --publisher {KEY}");
    assert_eq!(user.refused(&same, 6132).code, 2);
    assert!(!user.path("one").exists() && !user.path("config/craton").exists());
}

#[test]
fn a_sealed_key_without_a_terminal_is_passphrase_missing() {
    let user = User::new();
    user.secret("words", "several words\n");
    let made = user.does("key create @a.key --passphrase-file @words");
    assert!(made.contains("public key"));
    app(&user, MANIFEST);
    user.does("image pack @app --version 1.0.0 --out @out");
    let sign = "image sign @out/blink-1.0.0.unsigned --key @a.key";
    user.refused(sign, 6113); // PassphraseMissing
    user.refused("key create @b.key", 6113);
    user.refused("key create @a.key --passphrase-file @words", 6111);
    user.does(&format!("{sign} --passphrase-file @words"));
}

#[test]
fn a_public_key_that_is_there_is_file_exists_and_its_name_is_no_keys() {
    let user = User::new();
    user.does("key create @a.key --dev");
    let public = std::fs::read(user.path("a.pub")).unwrap();
    for words in ["key create @a.second --dev", "key create @a.second --algorithm lms --dev"] {
        let said = user.refused(words, 6111);
        assert!(said.err.contains("a.pub exists"), "{}", said.err);
        assert!(!user.path("a.second").exists(), "no key without its public key");
    }
    assert_eq!(std::fs::read(user.path("a.pub")).unwrap(), public);
    // KeyNamePublic
    for words in ["key create @b.pub --dev", "key create @b.pub --algorithm lms --dev"] {
        user.refused(words, 6127);
        assert!(!user.path("b.pub").exists());
    }
}

#[test]
fn packing_is_refused_with_line_column_and_number() {
    let user = User::new();
    app(&user, &MANIFEST.replace("\"Capabilities\"", "\"Capabilites\""));
    let said = user.refused("image pack @app --version 1.0.0", 2103);
    assert!(said.err.contains("line 6, column 3") && said.err.contains("Capabilites"));
    assert_eq!(said.code, 1);
}

#[test]
fn a_package_shows_and_verifies_offline_by_its_publisher_alone() {
    let user = User::new();
    app(&user, MANIFEST);
    user.does("image pack @app --version 1.0.0 --out @out");
    user.does("key create @a.key --dev");
    user.does("key create @b.key --dev");
    let (unsigned, signed) = ("@out/blink-1.0.0.unsigned", "@out/blink-1.0.0.image");
    user.refused(&format!("image verify {unsigned} --publisher @a.pub"), 6140); // PackageUnsigned
    user.does(&format!("image sign {unsigned} --key @a.key"));
    let package = std::fs::read(user.path("out/blink-1.0.0.image")).unwrap();
    user.refused(&format!("image sign {unsigned} --key @b.key"), 6111); // FileExists
    user.refused(
        &format!("image sign {unsigned} --key @b.key --key @b.key --out @two.image"),
        1106,
    );
    assert_eq!(std::fs::read(user.path("out/blink-1.0.0.image")).unwrap(), package);
    assert!(!user.path("two.image").exists());
    let verify = format!("image verify {signed} --publisher");
    user.does(&format!("{verify} @a.pub --sbom @out/blink-1.0.0.cdx.json"));
    user.refused(&format!("{verify} @a.pub --sbom @app/app_manifest.json"), 6143); // SbomOther
    let said = user.refused(&format!("{verify} @b.pub"), 1103);
    assert!(said.err.contains("To mend it"), "{}", said.err);
    // ProfileMissing, CatalogUnchosen
    user.refused(&format!("image sign {unsigned}"), 6102);
    std::fs::create_dir_all(user.path("config/craton")).unwrap();
    let profile = r#"{"service":"127.0.0.1:1","service_key":"","token":"","catalog":null}"#;
    user.secret("config/craton/profile.json", profile);
    user.refused(&format!("image sign {unsigned}"), 6104);
    let shown = user.json(&format!("image show {signed}"));
    assert_eq!(shown["name"], "blink");
    assert_eq!(shown["id"].as_str().unwrap().len(), 64);
}

#[test]
fn a_device_that_is_not_there_or_there_already_is_told() {
    let user = User::new();
    let name = format!("none-{}", std::process::id());
    // DeviceNotMade, DeviceNeverRan, DeviceExists
    user.refused("device run --folder @none --service 127.0.0.1:1", 6203);
    user.refused(&format!("device status {name}"), 6201);
    std::fs::create_dir(user.path("made")).unwrap();
    for file in ["rot.bin", "endorsement.cbor"] {
        std::fs::write(user.path("made").join(file), "").unwrap();
    }
    user.refused("device manufacture --folder @made", 6202);
}

#[test]
fn unknown_words_are_usage_errors_and_no_verb_takes_a_secret() {
    let user = User::new();
    for wrong in ["frobnicate", "product", "deployment create g s --wave x", "image pack"] {
        assert_eq!(user.types(wrong).code, 2, "{wrong}");
    }
    assert_eq!(user.types("login --token craton_x").code, 2);
    assert_eq!(user.types("image sign f --passphrase words").code, 2);
}
