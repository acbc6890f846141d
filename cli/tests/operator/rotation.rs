//! The platform's publisher changes its key of ES256.

use super::hybrid::keys;
use super::world::{Service, User};

#[test]
fn a_runtime_of_the_former_key_gets_the_signature_of_the_next_one_and_keeps_its_own() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    user.does("device manufacture --folder @lamp");
    let runtime = || user.json("image upload --runtime")["envelope"].clone();
    let by_the_former = runtime();
    assert_eq!(runtime(), by_the_former, "nothing is missing");

    user.does("key create @next.key --dev");
    let publisher = keys(&user).join("platform-publisher.key");
    let former = user.json(&format!("key show {}", publisher.display()));
    let former = former["key_id"].as_str().unwrap();
    let add = format!("--add publisher={}", user.path("next.pub").display());
    user.does(&format!("trust-store propose --section platform {add} --out @second"));
    user.does("trust-store sign @second");
    user.does("trust-store submit @second");
    let remove = format!("--remove publisher={former}");
    user.does(&format!("trust-store propose --section platform {remove} --out @third"));
    user.does("trust-store sign @third");
    let signed = std::fs::read(user.path("third")).unwrap();
    user.refused("trust-store propose --section platform --ceiling 900 --out @third", 6111);
    assert_eq!(std::fs::read(user.path("third")).unwrap(), signed, "FileExists");
    user.refused("trust-store submit @third", 4183);

    std::fs::rename(user.path("next.key"), &publisher).unwrap();
    let by_both = runtime();
    assert_ne!(by_both, by_the_former);
    assert_eq!(runtime(), by_both, "once");
    user.does("trust-store submit @third");
    user.does("device trust-store apply --folder @lamp @second");
    user.does("device trust-store apply --folder @lamp @third");
}
