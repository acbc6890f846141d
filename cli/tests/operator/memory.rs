//! What the client remembers of a service, when a file of it is damaged.

use super::hybrid::keys;
use super::world::{Service, User};

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
    std::fs::write(user.path("b.image"), "").unwrap();
    let other = std::fs::read(folder.join("owner.section")).unwrap();
    for (name, words) in [
        ("platform.section", "trust-store show"),
        ("owner.section", "trust-store show"),
        ("checkpoint", "audit verify"),
    ] {
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
