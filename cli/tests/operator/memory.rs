//! What the client remembers of a service, when a file of it is damaged.

use super::hybrid::keys;
use super::world::{Service, User};
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

/// A file whose damage made the client forget would be worth more to an attacker than the service.
#[test]
fn what_is_remembered_is_believed_whole_or_refused_as_memory_damaged() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let folder = keys(&user);
    let first = std::fs::read(folder.join("platform.section"));
    assert!(first.is_ok(), "who made a catalog knows its platform from the beginning");
    user.does("audit verify");
    let store = user.json("trust-store show");
    let digest = |section: &str| {
        let versions = store["sections"].as_array().unwrap();
        let first = versions.iter().find(|it| it["section"] == section && it["version"] == 1);
        first.unwrap()["digest"].as_str().unwrap().to_owned()
    };
    let root = user.json("audit checkpoint")["root"].as_str().unwrap().to_owned();
    let shown = user.does("trust-store show");
    std::fs::write(user.path("b.image"), "").unwrap();
    let other = std::fs::read(folder.join("owner.section")).unwrap();
    for (name, words, compared) in [
        ("platform.section", "trust-store show", digest("platform")),
        ("owner.section", "trust-store show", digest("owner")),
        ("checkpoint", "audit verify", root.clone()),
    ] {
        assert!(compared == root || shown.contains(&compared), "{shown}");
        let file = folder.join(name);
        let good = std::fs::read(&file).unwrap();
        let mut all = vec![Vec::new(), good[..good.len() / 2].to_vec(), b"something".to_vec()];
        if name != "owner.section" {
            all.push(other.clone());
        }
        // Its version, what else it says, and its signature.
        for byte in (0..good.len()).step_by(good.len().div_ceil(12)) {
            let mut flipped = good.clone();
            flipped[byte] ^= 1;
            all.push(flipped);
        }
        for damaged in all {
            std::fs::write(&file, &damaged).unwrap();
            let said = user.refused(words, 6128);
            assert!(said.err.contains(&file.display().to_string()), "{}", said.err);
            assert!(said.err.contains(&compared), "nothing to compare: {}", said.err);
            assert_eq!(std::fs::read(&file).unwrap(), damaged, "nothing takes its place");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        user.refused(words, 6110); // FileUnreadable
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, &good).unwrap();
        user.does(words);
    }
}

/// The file as it is on the disk: another one after each write.
fn written(folder: &Path) -> [u64; 3] {
    ["owner.section", "platform.section", "checkpoint"]
        .map(|name| std::fs::metadata(folder.join(name)).unwrap().ino())
}

/// Several at once remember the same, and none of them loses, damages or rewrites it.
#[test]
fn several_processes_at_once_remember_what_one_does() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let folder = keys(&user);
    user.does("key create @next.key --dev");
    let next = user.path("next.pub").display().to_string();
    for round in 0..3 {
        // Something new to remember, for all of them.
        let change = if round % 2 == 0 { "add" } else { "remove" };
        let proposal = format!("trust-store propose --{change} publisher={next} --out @{round}");
        user.does(&proposal);
        user.does(&format!("trust-store sign @{round}"));
        user.does(&format!("trust-store submit @{round}"));
        let all: Vec<_> = (0..8)
            .map(|_| {
                let mut command = user.command("audit verify");
                command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for one in all {
            let output = one.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "round {round}: {said}");
        }
        let before = written(&folder);
        user.does("audit verify");
        user.does("trust-store show");
        assert_eq!(written(&folder), before, "nothing new was written");
    }
    let left = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.filter(|it| it.to_string_lossy().ends_with(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// One that holds the memory and does not end is told, instead of waited for.
#[test]
fn a_memory_that_another_process_holds_is_memory_busy() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let lock = std::fs::File::create(keys(&user).join("platform.section.lock")).unwrap();
    lock.lock().unwrap();
    let said = user.refused("trust-store show", 6129); // MemoryBusy
    assert!(said.err.contains("platform.section.lock"), "{}", said.err);
    drop(lock);
    let shown: Value = user.json("trust-store show");
    assert!(shown["sections"].is_array());
}

/// A profile that does not read is no profile without a catalog.
#[test]
fn a_damaged_profile_is_told_where_a_file_is_verified_without_the_service() {
    let user = User::new();
    user.does("key create @a.key --dev");
    std::fs::create_dir_all(user.path("config/craton")).unwrap();
    user.secret("config/craton/profile.json", "{");
    user.refused("image verify @none.image", 6103);
}

/// Nothing is done to the catalog in use when another one is named.
#[test]
fn a_catalog_that_is_named_counts_without_the_service_too() {
    let user = User::new();
    let service = Service::start(&user);
    user.does("login --data @service");
    let first = user.json("catalog create shed --dev")["id"].as_str().unwrap().to_owned();
    let second = user.json("catalog create yard --dev")["id"].as_str().unwrap().to_owned();
    drop(service);
    let key = |catalog: &str| {
        user.path("config/craton/catalogs").join(catalog).join("root-lms.key").exists()
    };
    user.refused("--catalog shed key create --for root --dev", 6124);
    assert!(!key(&first) && !key(&second));
    user.does(&format!("--catalog {} key create --for root --dev", &first[..12]));
    assert!(key(&first) && !key(&second));
    user.does("key create --for root --dev");
    assert!(key(&second));
}
