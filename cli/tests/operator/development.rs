//! A newcomer's way: from a service that just started to an update that fell back, and its cause.

use super::world::{Running, Service, User, build_sample, until};

pub fn ship(user: &User, version: u32, more: &str) -> String {
    build_sample(user, &format!("v{version}"));
    user.does(&format!("image pack @v{version}/app --version {version}.0.0 --out @out"));
    user.does(&format!("image sign @out/blink-{version}.0.0.unsigned"));
    user.does(&format!("symbols upload @v{version}/blink"));
    user.does(&format!("image upload @out/blink-{version}.0.0.image"));
    let set = user.json(&format!("image-set create @out/blink-{version}.0.0.image {more}"));
    assert_eq!((&set["state"], &set["purpose"]), (&"admitted".into(), &"development".into()));
    set["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_newcomer_ships_an_app_and_sees_why_its_next_version_fell_back() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    assert!(user.does("catalog create shed --dev").contains("craton product create NAME"));
    assert_eq!(user.json("catalog list")["items"][0]["name"], "shed");
    user.refused("catalog create shed --dev", 4152);
    user.does("product create Lamp");
    assert!(user.does("device-group list Lamp").contains("Lamp/Development"));
    user.does("device manufacture --folder @lamp");
    user.does("device claim --folder @lamp --group Lamp/Development");
    let devices = user.json("device list");
    let id = devices["items"][0]["id"].as_str().unwrap().to_owned();
    let show = format!("device show {id}");
    let _running = Running::start(&user, "lamp");
    until("the claim", &user, &show, |device| device["state"] == "claimed");

    let first = ship(&user, 1, "");
    user.does(&format!("deployment create Lamp/Development {}", &first[..8]));
    until("the first update", &user, &show, |device| {
        device["attested_set"] == first.as_str() && device["trial"] == "confirmed"
    });

    let third = ship(&user, 3, "--before @out/blink-1.0.0.image");
    let rule = "--pause-failures 1 --pause-outcomes 1";
    let deployment = user.json(&format!("deployment create Lamp/Development {third} {rule}"));
    let deployment = deployment["id"].as_str().unwrap();
    until("the fallback", &user, &show, |device| {
        device["attested_set"] == first.as_str() && device["trial"] == "fell-back"
    });
    let crash = |groups: &serde_json::Value| {
        let groups = groups["items"].as_array().unwrap().clone();
        groups.into_iter().find(|group| group["title"].as_str().unwrap().contains("SIG"))
    };
    let groups = until("the failure", &user, "failure groups", |groups| crash(groups).is_some());
    let group = crash(&groups).unwrap();
    let title = group["title"].as_str().unwrap();
    assert!(title.contains("blink::brightness (src/main.rs:33)"), "{title}");
    let fingerprint = group["fingerprint"].as_str().unwrap();
    assert!(user.does(&format!("failure show {}", &fingerprint[..6])).contains("stack"));
    assert!(user.does("failure export").starts_with("id,device,image,received_s,"));
    let paused = format!("deployment show {deployment}");
    until("the pause", &user, &paused, |deployment| deployment["state"] == "paused");
    let back = user.json(&format!("deployment revert {deployment}"));
    assert_eq!(back["image_set"], first.as_str());
    the_rest(&user, &id);
}

/// What the way above did not use.
fn the_rest(user: &User, device: &str) {
    user.does("audit checkpoint");
    assert!(user.does("audit leaves").contains("image-set"));
    let leaf = user.json("audit leaves --start 1 --limit 1");
    let leaf = leaf["items"][0]["hash"].as_str().unwrap().to_owned();
    let before = user.json(&format!("audit verify --leaf {leaf}"));
    assert_eq!((&before["sets"], &before["size_before"]), (&2.into(), &0.into()));
    user.does("delta create @out/blink-1.0.0.image @out/blink-3.0.0.image");
    assert_eq!(user.json("delta list")["items"].as_array().unwrap().len(), 1);
    user.does(&format!("device move {device} Lamp/FieldTest"));
    user.does("device-group create Lamp/Bench --development");
    user.does("device-group change Lamp/Bench --description desk");
    assert!(user.does("device-group show Lamp/Bench").contains("desk"));
    user.does("device-group delete Lamp/Bench");
    user.does("product create Kettle --no-groups");
    user.does("product show Kettle");
    user.does("product delete Kettle");
    assert_eq!(user.json("product list")["items"].as_array().unwrap().len(), 1);
    let images = user.json("image list");
    let blink = images["items"].as_array().unwrap().iter().find(|it| it["version"] == "3.0.0");
    let id = blink.unwrap()["id"].as_str().unwrap();
    user.does(&format!("image download {} --out @again.image", &id[..10]));
    let same = |name: &str| std::fs::read(user.path(name)).unwrap();
    assert_eq!(same("again.image"), same("out/blink-3.0.0.image"));
    user.does("image verify @again.image");
    assert_eq!(user.json("symbols list")["items"].as_array().unwrap().len(), 2);
    assert_eq!(user.does("service health"), "ok\n");
    assert!(user.does("service metrics").contains("craton_devices 1"));
    assert_eq!(user.does("service openapi"), user.does("openapi"));
    user.does("service show");
    user.does("token show");
    user.does("token create build --role publisher --out token");
    user.refused("token create again --role reader --out @token", 6111);
    user.does("token revoke build");
    assert_eq!(user.json("token list")["items"].as_array().unwrap().len(), 0);
    user.does(&format!("device retire {device}"));
    let after = user.json("audit verify");
    assert_eq!(after["size_before"], before["size"], "the log is remembered and grew");
    assert!(after["size"].as_u64() > before["size"].as_u64());
}
