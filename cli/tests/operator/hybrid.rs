//! A platform whose root and publisher become hybrid, and are so no longer; and keys of LMS as
//! people treat them.

use super::board::{firmware, lamp, says};
use super::world::{Running, Service, User, build_sample};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Where the catalog's keys are.
pub fn keys(user: &User) -> PathBuf {
    let catalogs = std::fs::read_dir(user.path("config/craton/catalogs")).unwrap();
    catalogs.map(|catalog| catalog.unwrap().path()).next().unwrap()
}

/// The leaves by which a file is signed: a protected header of HSS/LMS, nothing unprotected, no
/// payload, and 1 504 bytes of signature, which begin with no more levels and the leaf.
pub fn leaves(file: &Path) -> Vec<u32> {
    let bytes = std::fs::read(file).unwrap();
    let head = [0x4e, 0xa2, 0x01, 0x38, 0x2d, 0x04, 0x48];
    let heads = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&head));
    let signatures = heads.map(|at| &bytes[at + head.len() + 8..]);
    let leaf = |rest: &[u8]| {
        assert_eq!(rest[..9], [0xa0, 0xf6, 0x59, 0x05, 0xe0, 0, 0, 0, 0]);
        u32::from_be_bytes(rest[9..13].try_into().unwrap())
    };
    signatures.map(leaf).collect()
}

fn next_leaf(user: &User, file: &Path) -> u64 {
    user.json(&format!("key show {}", file.display()))["leaves"]["next"].as_u64().unwrap()
}

/// The catalog's keys of LMS, and the built firmware that one of them signs.
struct Platform {
    user: User,
    firmware: String,
    root: PathBuf,
    publisher: PathBuf,
}

impl Platform {
    fn package(&self, name: &str, version: u32) -> String {
        let firmware = &self.firmware;
        format!("board package @{name} --firmware {firmware} --security-version {version}")
    }

    /// Adds a key of LMS to each of the two roles, and has the device take that.
    fn become_hybrid(&self) {
        let Self { user, root, publisher, .. } = self;
        let [root_pub, publisher_pub] = [root, publisher].map(|key| key.with_extension("pub"));
        let add = format!(
            "--add root={} --add publisher={}",
            root_pub.display(),
            publisher_pub.display()
        );
        user.does(&format!("trust-store propose --section platform {add} --out @second"));
        let away = user.path("away.key");
        std::fs::rename(root, &away).unwrap();
        user.refused("trust-store sign @second", 6138);
        let es256 = keys(user).join("root.key");
        user.does(&format!("trust-store sign @second --key {}", es256.display()));
        user.refused("trust-store submit @second", 1109);
        std::fs::rename(&away, root).unwrap();
        assert!(user.does("trust-store sign @second").contains("by 1 of LMS"));
        assert_eq!(leaves(&user.path("second")), [0]);
        let running = Running::start(user, "lamp");
        user.does("trust-store submit @second");
        says(user, "1 successors of the trust store taken");
        assert_eq!(user.does("trust-store show").matches("LMS").count(), 2);
        drop(running);
    }

    /// Gives the board a program that both keys signed, and no other one.
    fn update(&self) {
        let Self { user, root, publisher, .. } = self;
        user.refused("device rot-update --folder @lamp @alone.image", 1109);
        user.refused("image-set create @alone.image", 1109);
        let away = user.path("away.key");
        std::fs::rename(publisher, &away).unwrap();
        let (none, both) = (self.package("no.image", 2), self.package("both.image", 2));
        user.refused(&none, 6138);
        user.refused(&format!("{none} --lms-key @none"), 6105);
        user.refused(&format!("{none} --lms-key {}", root.display()), 6161);
        user.does(&format!("{both} --lms-key {}", away.display()));
        std::fs::rename(&away, publisher).unwrap();
        assert_eq!(leaves(&user.path("both.image")).len(), 1);
        let created = user.json("image-set create @both.image");
        let set = created["id"].as_str().unwrap();
        user.does(&format!("image-set download {set} --out @both.set"));
        user.does("device rot-update --folder @lamp @both.image --set @both.set");
        let running = Running::start(user, "lamp");
        says(user, "the root of trust's program is confirmed");
        drop(running);
    }

    /// Restores a copy of the publisher's key: what it signed since is remembered here, and
    /// without that it is at the service.
    fn restore_a_copy(&self) {
        let Self { user, publisher, .. } = self;
        let copy = std::fs::read(publisher).unwrap();
        let next = next_leaf(user, publisher);
        user.does(&self.package("next.image", 3));
        user.json("image-set create @next.image");
        std::fs::write(publisher, copy).unwrap();
        user.refused(&self.package("no.image", 4), 6117);
        std::fs::remove_dir_all(user.path("state/craton/lms")).unwrap();
        user.refused(&self.package("no.image", 4), 6118);
        let adopt = |file: &Path, next| format!("key adopt {} --next {next}", file.display());
        user.does(&adopt(publisher, next));
        user.refused(&self.package("no.image", 4), 6117);
        user.does(&adopt(publisher, next + 1));
        user.does(&self.package("last.image", 4));
        user.does(&adopt(&self.root, next_leaf(user, &self.root)));
    }

    /// Takes the keys of LMS from both roles again, signed by them.
    fn drop_second_keys(&self) {
        let Self { user, root, publisher, .. } = self;
        let id = |file: &PathBuf| {
            let shown = user.json(&format!("key show {}", file.display()));
            shown["key_id"].as_str().unwrap().to_owned()
        };
        let remove = format!("--remove root={} --remove publisher={}", id(root), id(publisher));
        user.does(&format!("trust-store propose --section platform {remove} --out @third"));
        user.does("trust-store sign @third");
        let _running = Running::start(user, "lamp");
        user.does("trust-store submit @third");
        says(user, "1 successors of the trust store taken");
        assert_eq!(user.does("trust-store show").matches("LMS").count(), 0);
    }
}

#[test]
fn a_platform_becomes_hybrid_runs_what_both_signed_and_drops_the_second_key() {
    let Some(firmware) = firmware() else { return };
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    let alone = "board package @alone.image --security-version 2 --firmware";
    user.does(&format!("{alone} {firmware}"));
    user.does("image upload @alone.image");
    let runtime = || user.json("image upload --runtime")["envelope"].clone();
    let by_one = runtime();
    // From here on the publisher signs by both, before anybody asks for it.
    user.does("key create --for root --dev");
    user.does("key create --for platform-publisher --dev");
    let _board = lamp(&user, &firmware);
    let [root, publisher] = ["root-lms.key", "platform-publisher-lms.key"];
    let [root, publisher] = [root, publisher].map(|name| keys(&user).join(name));
    // What was there before gets the second signature, once.
    let (by_both, next) = (runtime(), next_leaf(&user, &publisher));
    assert_ne!(by_both, by_one, "the runtime is signed by both");
    assert_eq!((runtime(), next_leaf(&user, &publisher)), (by_both, next));
    let sign = format!("image sign @alone.image --key {}", publisher.display());
    user.does(&format!("{sign} --out @signed.image"));
    user.json("image-set create @signed.image");
    let platform = Platform { user, firmware, root, publisher };
    platform.become_hybrid();
    platform.update();
    platform.restore_a_copy();
    platform.drop_second_keys();
}

/// A package, a key of each algorithm, and the words by which both sign it.
fn bench(user: &User) -> String {
    build_sample(user, "v1");
    user.does("image pack @v1/app --version 1.0.0 --out @out");
    user.does("key create @es256.key --dev");
    user.does("key create @lms.key --algorithm lms --dev");
    "image sign @out/blink-1.0.0.unsigned --key @es256.key --key @lms.key --out".to_owned()
}

#[test]
fn processes_that_sign_at_once_or_are_killed_never_use_one_leaf_twice() {
    const SIGNERS: u32 = 8;
    const KILLED: u32 = 24;
    let user = User::new();
    let sign = bench(&user);
    let start = |name: String| -> Child {
        let words = format!("{sign} @{name}");
        user.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<Child> = (0..SIGNERS).map(|number| start(format!("one-{number}"))).collect();
    for mut one in all {
        assert!(one.wait().unwrap().success());
    }
    // Killed some time after the file of the key was begun anew, from at once to when it is done.
    let begun = |before: &Metadata| {
        let now = std::fs::metadata(user.path("lms.key")).unwrap();
        now.ino() != before.ino() || user.path("lms.key.new").exists()
    };
    for number in 0..KILLED {
        let _ = std::fs::remove_file(user.path("lms.key.new"));
        let before = std::fs::metadata(user.path("lms.key")).unwrap();
        let mut one = start(format!("killed-{number}"));
        while !begun(&before) && one.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(u64::from(number) * 200));
        let _ = one.kill();
        one.wait().unwrap();
    }
    user.does(&format!("{sign} @last"));
    let names = (0..SIGNERS).map(|number| format!("one-{number}"));
    let names = names.chain((0..KILLED).map(|number| format!("killed-{number}")));
    let files = names.map(|name| user.path(&name)).filter(|path| path.exists());
    let used: Vec<u32> = files.flat_map(|path| leaves(&path)).collect();
    let distinct: BTreeSet<u32> = used.iter().copied().collect();
    let last = leaves(&user.path("last"));
    println!("{} signatures of {SIGNERS} + {KILLED} processes; then {last:?}", used.len());
    assert_eq!(distinct.len(), used.len());
    assert!(used.iter().all(|leaf| *leaf < last[0]), "{used:?} {last:?}");
}

#[test]
fn keys_of_lms_are_refused_where_they_have_no_place() {
    let user = User::new();
    let sign = bench(&user);
    let text = std::fs::read_to_string(user.path("lms.key")).unwrap();
    assert!(user.does("key show @lms.key").contains("1024 of 1024"));
    assert!(user.json("key show @lms.pub")["leaves"].is_null());
    user.refused("image sign @out/blink-1.0.0.unsigned --key @lms.key", 6137);
    user.refused("image verify @out/blink-1.0.0.unsigned --publisher @lms.pub", 6140);
    user.does(&format!("{sign} @both.image"));
    user.refused("image verify @both.image --publisher @lms.pub", 6137);
    user.does("image verify @both.image --publisher @es256.pub");
    // Beside what signed it before; one key once, and then no leaf is spent.
    user.refused("image sign @both.image --key @lms.key", 1106);
    user.refused(&format!("{sign} @twice.image --key @lms.key"), 1106);
    user.refused(&format!("{sign} @both.image"), 6111); // FileExists
    let lms = user.path("lms.key");
    assert_eq!((leaves(&user.path("both.image")), next_leaf(&user, &lms)), (vec![0], 1));
    // The last leaves are told, and none is left after them.
    user.does("key adopt @lms.key --next 1023");
    let told = user.types(&format!("{sign} @last.image"));
    assert!(told.code == 0 && told.err.contains("has 0 leaves left"), "{}", told.err);
    user.refused(&format!("{sign} @none.image"), 6116);
    user.refused("key adopt @lms.key --next 5", 6119);
    assert!(!user.path("none.image").exists());
    // An older copy, a second name, another machine.
    let newest = std::fs::read(&lms).unwrap();
    std::fs::write(&lms, text).unwrap();
    user.refused(&format!("{sign} @none.image"), 6117);
    std::fs::write(&lms, newest).unwrap();
    std::fs::hard_link(&lms, user.path("second.key")).unwrap();
    user.refused(&format!("{sign} @none.image"), 6136);
    std::fs::remove_file(user.path("second.key")).unwrap();
    std::fs::rename(user.path("state"), user.path("elsewhere")).unwrap();
    user.refused(&format!("{sign} @none.image"), 6118);
    user.refused("key adopt @lms.key", 6118);
}

/// A signature that is there holds whoever signs next: what drops it is said, and not silent.
#[test]
fn a_signature_more_keeps_those_that_are_there() {
    let user = User::new();
    let sign = bench(&user);
    user.does(&format!("{sign} @both.image"));
    user.does("key create @next.key --dev");
    user.does("image sign @both.image --key @next.key --out @three.image");
    assert_eq!(leaves(&user.path("three.image")), [0]);
    let verify = |image: &str, key: &str| format!("image verify @{image} --publisher @{key}.pub");
    user.does(&verify("three.image", "es256"));
    user.does(&verify("three.image", "next"));
    // One key signs once, and that is told before another one's leaf is spent.
    user.does("key create @other.key --algorithm lms --dev");
    user.refused("image sign @three.image --key @other.key --key @es256.key", 1106);
    assert_eq!(next_leaf(&user, &user.path("other.key")), 0);
    user.does("image sign @three.image --key @next.key --anew --out @alone.image");
    assert!(leaves(&user.path("alone.image")).is_empty());
    user.refused(&verify("alone.image", "es256"), 1103);
    user.does(&verify("alone.image", "next"));
    user.refused("image sign @three.image --key @other.key --anew", 6137);
}
