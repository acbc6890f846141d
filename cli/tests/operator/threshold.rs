//! A hybrid root of two of three: each of its people signs by two keys, on a machine of his own.

use super::board::says;
use super::hybrid::{keys, leaves};
use super::mailbox::power_on;
use super::world::{Running, Service, User, until};

const WORDS: &str = "--passphrase-file @words";

/// The catalog's machine, and that of a second person.
struct People {
    user: User,
    away: User,
}

impl People {
    /// The second person signs a file of the catalog's machine by one of his keys.
    fn second_signs(&self, file: &str, key: &str) {
        std::fs::copy(self.user.path(file), self.away.path(file)).unwrap();
        self.away.does(&format!("trust-store sign @{file} --key @{key}"));
        std::fs::copy(self.away.path(file), self.user.path(file)).unwrap();
    }

    /// Both sign a proposal; what lacks a signer or an algorithm is refused, by the service and by
    /// a device that is stopped.
    fn sign(&self, file: &str) {
        let user = &self.user;
        let refused = |number| {
            user.refused(&format!("trust-store submit @{file}"), number);
            user.refused(&format!("device trust-store apply --folder @lamp @{file}"), number);
        };
        user.does(&format!("trust-store sign @{file} {WORDS}"));
        let alone = std::fs::read(user.path(file)).unwrap();
        refused(1105); // ThresholdNotMet: one signer
        self.second_signs(file, "one-lms.key");
        refused(1105); // two by LMS, one by ES256
        std::fs::write(user.path(file), &alone).unwrap();
        self.second_signs(file, "one.key");
        refused(1109); // HybridUnmet: two by ES256, one by LMS
        self.second_signs(file, "one-lms.key");
        let shown = user.does(&format!("trust-store show @{file}"));
        assert!(shown.contains("signed by 2 of its own root, which asks for 2"), "{shown}");
        assert!(shown.contains("by 2 of LMS, of which it asks for 2"), "{shown}");
    }
}

/// A production catalog whose runtime ES256 alone signed, a virtual device, and a key of LMS for
/// each of the three who have a root key.
fn people() -> (Service, People) {
    let (user, away) = (User::new(), User::new());
    let service = Service::start(&user);
    user.secret("words", "several words\n");
    user.does("login --data @service");
    user.does("key create @second.key --dev");
    let create = "catalog create fleet --recovery-key @one.key --recovery-key @two.key";
    user.does(&format!("{create} --approver @second.pub {WORDS}"));
    user.does("product create Lamp");
    user.does(&format!("device manufacture --folder @lamp {WORDS}"));
    let new = ["--for root", "--for platform-publisher", "@two-lms.key --algorithm lms"];
    new.iter().for_each(|words| drop(user.does(&format!("key create {words} --dev"))));
    // The second person's keys move to his machine; the one that counts is adopted there.
    user.does("key create @one-lms.key --algorithm lms --dev");
    for name in ["one.key", "one-lms.key"] {
        std::fs::rename(user.path(name), away.path(name)).unwrap();
    }
    away.does("key adopt @one-lms.key --next 0");
    (service, People { user, away })
}

/// A board of the catalog, made at a station and claimed; its folder is `board`.
fn board(user: &User) -> Running {
    power_on(&user.path("mailbox"));
    let mailbox = user.path("mailbox").display().to_string();
    let made = user.json(&format!("manufacture @station --rot unix:{mailbox} {WORDS}"));
    assert_eq!(made["lifecycle"], "DeviceComplete");
    user.does("device claim --lot @station/devices.lot --group Lamp/Production");
    let id = made["device"].as_str().unwrap();
    std::fs::rename(user.path("station/devices").join(id), user.path("board")).unwrap();
    std::fs::write(user.path("board/rot.place"), format!("mailbox unix:{mailbox}\n")).unwrap();
    user.does("device claim --folder @board --group Lamp/Production");
    let running = Running::start(user, "board");
    until("the claim", user, &format!("device show {id}"), |it| it["state"] == "claimed");
    running
}

#[test]
fn two_of_three_by_both_algorithms_replace_a_section_and_one_less_of_either_does_not() {
    let (_service, people) = people();
    let user = &people.user;
    let key = |name: &str| keys(user).join(name).display().to_string();
    let beside = |name: &str| user.path(name).display().to_string();
    let roots = [key("root-lms.pub"), beside("one-lms.pub"), beside("two-lms.pub")];
    let add = roots.map(|root| format!("--add root={root}")).join(" ");
    let publisher = format!("--add publisher={}", key("platform-publisher-lms.pub"));
    user.does(&format!("trust-store propose --section platform {add} {publisher} --out @second"));
    people.sign("second");
    assert_eq!(leaves(&user.path("second")).len(), 2);
    // Every device would be refused with the runtime that ES256 alone signed.
    user.refused("trust-store submit @second", 4183);
    user.does(&format!("image upload --runtime {WORDS}"));
    user.does("trust-store submit @second");
    user.does("device trust-store apply --folder @lamp @second");
    let shown = user.does("trust-store show");
    assert_eq!(shown.matches("2 of 3").count(), 9, "3 and 3 of the platform, 3 of the owner");

    let _board = board(user);
    user.does("trust-store propose --section platform --ceiling 900 --out @third");
    people.sign("third");
    user.does("trust-store submit @third");
    user.does("device trust-store apply --folder @lamp @third");
    says(user, "1 successors of the trust store taken");
}
