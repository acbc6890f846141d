//! A device whose root of trust is behind a mailbox: the commands are those of any other.

use super::development::ship;
use super::world::{Running, Service, User, until};
use craton_image::package::Package;
use craton_rot::mailbox::board::Board;
use craton_rot::mailbox::{ENTROPY_SIZE, EngineChip, Place};
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{ChipFailure, ChipFailureKind, Result, Stage, Start};
use craton_trust::set::ImageSet;
use craton_trust::soft::Soft;
use craton_trust::suit::ImageType;
use craton_trust::{ComponentId, Signed};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// A chip in memory, and what it tells of its last failure.
struct InMemory(MemoryPlatform, Option<ChipFailure>);

const FAILURE: ChipFailure = ChipFailure {
    stage: Stage::Runtime,
    kind: ChipFailureKind::Panic,
    resets: 1,
    pc: Some(0x1234),
    lr: None,
    status: 0,
    secure_status: 0,
    component: Some(ComponentId([0xbb; 16])),
    program: Some([6; 16]),
};

impl Place for InMemory {
    type Platform = MemoryPlatform;
    type Crypto = Soft;

    fn parts(&mut self) -> (MemoryPlatform, Soft) {
        (self.0.clone(), Soft)
    }

    fn stir(&mut self, _: &[u8; ENTROPY_SIZE]) -> Result<()> {
        Ok(())
    }

    fn take_failure(&mut self) -> Option<ChipFailure> {
        self.1.take()
    }
}

/// Gives power to a blank board whose mailbox is this socket.
pub fn power_on(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let chip = EngineChip::start(InMemory(MemoryPlatform::new(), Some(FAILURE)), Start::Normal);
        Board::new(chip).listen(&listener);
    });
}

#[test]
fn a_device_behind_a_mailbox_is_made_claimed_run_updated_and_asked_when_it_stands() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    let address = format!("unix:{}", user.path("mailbox").display());
    let manufacture = format!("device manufacture --folder @lamp --rot {address}");
    user.refused(&manufacture, 3701);
    power_on(&user.path("mailbox"));
    assert!(user.does(&manufacture).contains("software"), "as the engine in memory says");
    user.refused(&manufacture, 6202);
    user.refused("device manufacture --folder @other --rot nowhere", 3712);
    a_manufacture_that_was_cut_goes_on(&user, &manufacture);
    user.does("device claim --folder @lamp --group Lamp/Development");
    let devices = user.json("device list");
    let id = devices["items"][0]["id"].as_str().unwrap().to_owned();
    let show = format!("device show {id}");
    let running = Running::start(&user, "lamp");
    until("the claim", &user, &show, |device| device["state"] == "claimed");
    let first = ship(&user, 1, "");
    user.does(&format!("deployment create Lamp/Development {first}"));
    until("the first update", &user, &show, |device| {
        device["attested_set"] == first.as_str() && device["trial"] == "confirmed"
    });
    let told = until("the chip's failure", &user, "failure groups", |groups| {
        groups["items"].as_array().is_some_and(|items| !items.is_empty())
    });
    let group = &told["items"][0];
    assert_eq!((group["kind"].as_str(), group["count"].as_u64()), (Some("chip-reset"), Some(1)));
    assert_eq!(group["frames"][0], "0x1234 in 06060606");
    drop(running);
    user.does("device capability challenge --folder @lamp --out @challenge");
    let challenge = std::fs::read_to_string(user.path("challenge")).unwrap();
    assert!(challenge.contains(&id), "{challenge}");
}

/// What `cargo xtask firmware` leaves, of a program that no chip would run.
fn firmware(user: &User) {
    let folder = user.path("firmware");
    std::fs::create_dir(&folder).unwrap();
    let layout = br#"{"machine": "m", "flash_size": 1, "fuses_size": 1, "seed_at": 0,
        "seed_size": 1, "slot_at": 0, "slot_header_size": 0, "slot_size": 1}"#;
    std::fs::write(folder.join("board.json"), layout).unwrap();
    std::fs::write(folder.join("rot.bin"), b"a root of trust").unwrap();
}

#[test]
fn the_root_of_trusts_own_program_has_a_package_and_a_set_and_is_no_slots_elsewhere() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    firmware(&user);
    user.refused("board package @rot.image --firmware @nowhere", 6307);
    user.does("board package @rot.image --firmware @firmware --security-version 2");
    user.does("device manufacture --folder @engine");
    user.refused("device rot-update --folder @engine @rot.image", 3511);
    user.does("image-set create @rot.image");
    let set = user.json("image-set list")["items"][0]["id"].as_str().unwrap().to_owned();
    user.does(&format!("image-set download {set} --out @rot.set"));
    user.refused("device rot-update --folder @engine @rot.image --set @rot.set", 3511);
    let signed = std::fs::read(user.path("rot.set")).unwrap();
    let signed = Signed::parse(&signed).unwrap();
    let set = ImageSet::parse(signed.unchecked_payload()).unwrap();
    let package = Package::parse(&std::fs::read(user.path("rot.image")).unwrap()).unwrap();
    let (id, image) = package.image().unwrap();
    assert_eq!((image.image_type, image.security_version), (ImageType::RootOfTrust, 2));
    assert!(set.members().any(|member| member.image == id), "what arming asks");
}

/// The chip was made, and the host killed before it could note it; or before it was endorsed.
fn a_manufacture_that_was_cut_goes_on(user: &User, manufacture: &str) {
    let file = |name: &str| user.path("lamp").join(name);
    let endorsed = std::fs::read(file("endorsement.cbor")).unwrap();
    for lost in [&["endorsement.cbor", "rot.place"][..], &["endorsement.cbor"]] {
        lost.iter().for_each(|name| std::fs::remove_file(file(name)).unwrap());
        user.does(manufacture);
        assert_eq!(std::fs::read(file("endorsement.cbor")).unwrap(), endorsed);
    }
    // Without the claim code it is nobody's of this folder: AlreadyManufactured.
    let kept = std::fs::read(file("claim-code")).unwrap();
    for lost in ["endorsement.cbor", "rot.place"] {
        std::fs::remove_file(file(lost)).unwrap();
    }
    user.secret("lamp/claim-code", "another code");
    user.refused(manufacture, 3202);
    user.secret("lamp/claim-code", std::str::from_utf8(&kept).unwrap());
    user.does(manufacture);
}
