//! A station, from the service that it begins with to devices that check in.

use super::board::{Powered, firmware};
use super::mailbox::power_on;
use super::world::{Running, Service, User, until};

/// Two boards become devices, all that the station made is claimed at once, and one of them is put
/// to use: its own evidence, of a closed lifecycle, names the catalog.
#[test]
fn what_a_station_made_is_claimed_at_once_and_checks_in() {
    let user = User::new();
    let _service = Service::start(&user);
    user.secret("words", "several words\n");
    user.secret("other", "quite other words\n");
    user.does("login --data @service");
    user.does("key create @second.key --passphrase-file @other");
    let keys = "--recovery-key @one.key --recovery-key @two.key --approver @second.pub";
    user.does(&format!("catalog create fleet {keys} --passphrase-file @words"));
    user.does("product create Lamp");
    user.does("image upload --runtime --passphrase-file @words");
    let station = |board: &str| {
        let mailbox = user.path(board).display().to_string();
        format!("manufacture @station --rot unix:{mailbox} --passphrase-file @words")
    };
    for board in ["first", "second"] {
        power_on(&user.path(board));
        let made = user.json(&station(board));
        assert_eq!(made["lifecycle"], "DeviceComplete");
    }
    user.refused(&station("first"), 6401);
    let claim = "device claim --lot @station/devices.lot --group Lamp/Production";
    let claimed = user.json(claim);
    assert_eq!(claimed["rows"].as_array().unwrap().len(), 2);
    assert!(user.does(claim).contains("known"), "the same lot again");
    let pending = user.json("device list --state pending");
    assert_eq!(pending["items"].as_array().unwrap().len(), 2);

    // What goes with a board into the field: who it is, its claim code, and where its mailbox is.
    let id = claimed["rows"][0]["device"].as_str().unwrap();
    let made = user.path("station/devices").join(id);
    let number = std::fs::read_to_string(made.join("journal.json")).unwrap();
    let board = if number.contains("\"number\": 1,") { "first" } else { "second" };
    std::fs::rename(&made, user.path("lamp")).unwrap();
    let place = format!("mailbox unix:{}\n", user.path(board).display());
    std::fs::write(user.path("lamp/rot.place"), place).unwrap();
    user.does("device claim --folder @lamp --group Lamp/Production");
    let running = Running::start(&user, "lamp");
    let shown = until("the claim", &user, &format!("device show {id}"), |device| {
        device["state"] == "claimed"
    });
    assert_eq!(shown["group"], "Lamp/Production");
    drop(running);
}

/// The platform's second section names another manufacturer: boards get it before his orders, and
/// what he endorsed is claimed.
#[test]
fn a_station_brings_a_board_the_newest_platform_section() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    user.does("key create @next.key --dev");
    let next = user.path("next.pub").display().to_string();
    let add = format!("--section platform --add manufacturer={next}");
    user.does(&format!("trust-store propose {add} --out @two"));
    user.does("trust-store sign @two");
    user.does("trust-store submit @two");
    power_on(&user.path("board"));
    let mailbox = user.path("board").display().to_string();
    let station = format!("manufacture @station --rot unix:{mailbox} --key @next.key");
    user.does(&station);
    user.refused(&station, 6401);
    assert!(user.path("station/platform-2.section").exists());
    let claim = "device claim --lot @station/devices.lot --group Lamp/Development";
    assert_eq!(user.json(claim)["rows"].as_array().unwrap().len(), 1);
}

/// The same on a chip, of a development root.
#[test]
fn a_station_makes_a_virtual_board_a_device() {
    let Some(firmware) = firmware() else { return };
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let board = Powered::on(&user, &firmware);
    let mailbox = user.path("board/mailbox").display().to_string();
    let station = format!("manufacture @station --rot unix:{mailbox}");
    let made = user.json(&station);
    let fields = ["rot", "lifecycle", "number"].map(|field| made[field].to_string());
    assert_eq!(fields, ["\"firmware\"", "\"Module1Complete\"", "1"]);
    user.refused(&station, 6401);
    drop(board);
}
