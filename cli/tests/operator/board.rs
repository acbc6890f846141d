//! A device whose root of trust is on a virtual board, and gets another program.

use super::development::ship;
use super::world::{Running, Service, User, until};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The built firmware, if there is one.
pub fn firmware() -> Option<String> {
    let firmware = std::env::var("CRATON_FIRMWARE").ok();
    if firmware.is_none() {
        println!("NOT CHECKED: CRATON_FIRMWARE names no built firmware: cargo xtask test");
    }
    firmware
}

/// A virtual board that has power.
pub struct Powered(Child);

impl Powered {
    /// The one in this user's `board`, which is made the first time.
    pub fn on(user: &User, firmware: &str) -> Self {
        let run = format!("board run @board --firmware {firmware}");
        let board = Self(user.command(&run).stdout(Stdio::null()).spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(60);
        while !user.path("board/mailbox").exists() {
            assert!(Instant::now() < until, "the board's mailbox did not come");
            std::thread::sleep(Duration::from_millis(50));
        }
        board
    }
}

impl Drop for Powered {
    fn drop(&mut self) {
        // SIGTERM: it takes its board with it.
        let told = Command::new("kill").arg(self.0.id().to_string()).status();
        if told.is_err() {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// What the device said since its start.
fn log(user: &User) -> String {
    std::fs::read_to_string(user.path("device.log")).unwrap()
}

/// Waits until it says this.
pub fn says(user: &User, words: &str) {
    let end = Instant::now() + Duration::from_secs(120);
    while !log(user).contains(words) {
        assert!(Instant::now() < end, "it never said {words}:\n{}", log(user));
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Makes a device whose root of trust is on this user's board, and has it run a first set.
pub fn lamp(user: &User, firmware: &str) -> Powered {
    let board = Powered::on(user, firmware);
    let mailbox = user.path("board/mailbox").display().to_string();
    user.does(&format!("device manufacture --folder @lamp --rot unix:{mailbox}"));
    user.does("device claim --folder @lamp --group Lamp/Development");
    let devices = user.json("device list");
    let show = format!("device show {}", devices["items"][0]["id"].as_str().unwrap());
    let _running = Running::start(user, "lamp");
    let first = ship(user, 1, "");
    user.does(&format!("deployment create Lamp/Development {first}"));
    until("the first update", user, &show, |device| {
        device["attested_set"] == first.as_str() && device["trial"] == "confirmed"
    });
    board
}

/// A program on trial, in a boot of a set that is confirmed long since: it is not confirmed before
/// it checked in, so that one that cannot falls back.
#[test]
fn rot_21_a_program_of_the_board_is_confirmed_by_a_check_in_and_not_by_a_boot() {
    const CONFIRMED: &str = "the root of trust's program is confirmed";
    let Some(firmware) = firmware() else { return };
    let user = User::new();
    let service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    let _board = lamp(&user, &firmware);
    user.does(&format!("board package @rot.image --firmware {firmware} --security-version 2"));
    let update = "device rot-update --folder @lamp @rot.image";
    user.refused(update, 3516);
    let created = user.json("image-set create @rot.image");
    let set = created["id"].as_str().unwrap();
    user.does(&format!("image-set download {set} --out @rot.set"));
    let update = format!("{update} --set @rot.set");
    user.does(&update);

    service.stand();
    let running = Running::start(&user, "lamp");
    says(&user, "lamp on");
    says(&user, "E5401");
    drop(running);
    assert!(!log(&user).contains(CONFIRMED), "{}", log(&user));
    user.refused(&update, 3513);
    service.go_on();
    let _running = Running::start(&user, "lamp");
    says(&user, CONFIRMED);
}
