//! A device whose root of trust is in a TPM: made for an approved boot, run, and stopped by another
//! boot until the publisher's word for that one is there.

use super::world::{Running, Service, User, until};
use craton_rot::tpm2::Address;
use craton_rot::tpm2::command::Tpm;
use craton_trust::event_log::EventLog;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// swtpm behind a socket; it ends with the test.
struct Emulator(Child);

impl Emulator {
    fn start(user: &User) -> Self {
        let folder = user.path("tpm");
        std::fs::create_dir(&folder).unwrap();
        Self::on(&folder)
    }

    /// One that swtpm's own tool certified as many makers do: its endorsement keys of RSA 2048 and
    /// of P-384, and none on P-256.
    fn certified(user: &User) -> Self {
        let folder = user.path("tpm");
        std::fs::create_dir(&folder).unwrap();
        authority(user, "ca");
        let at = |name: &str| user.path(name).display().to_string();
        let setup = format!(
            "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
            at("ca.conf"),
            at("ca.options")
        );
        std::fs::write(user.path("setup.conf"), setup).unwrap();
        let state = format!("dir://{}", folder.display());
        let words = ["--tpm2", "--create-ek-cert", "--tpmstate", &state, "--config"];
        run("swtpm_setup", &[&words[..], &[&at("setup.conf")]].concat());
        Self::on(&folder)
    }

    fn on(folder: &Path) -> Self {
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.display())])
            .args(["--server", &format!("type=unixio,path={}/socket", folder.display())])
            .args(["--ctrl", &format!("type=unixio,path={}/socket.ctrl", folder.display())])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is not here: `cargo xtask test` installs it");
        let end = Instant::now() + Duration::from_secs(30);
        while !folder.join("socket").exists() {
            assert!(Instant::now() < end, "swtpm did not open its socket");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What another program than the approved one would do.
fn measure_something_else(socket: &Path) {
    let done = Command::new("tpm2_pcrextend")
        .args(["-T", &format!("swtpm:path={}", socket.display())])
        .arg(format!("4:sha256={}", "07".repeat(32)))
        .status();
    assert!(done.expect("tpm2-tools are not here: `cargo xtask test` installs them").success());
}

/// Measures into the emulator what a log says that a firmware measured. Register 0 is left as it
/// is: the emulator was not started from locality 3, which the log counts there.
fn boot_as(log: &[u8], socket: &Path) {
    let events: Vec<_> = EventLog::parse(log).unwrap().events().collect();
    for event in events.iter().filter(|event| event.register != 0) {
        let extend = format!("{}:sha256={}", event.register, event.digest.unwrap());
        run("tpm2_pcrextend", &["-T", &format!("swtpm:path={}", socket.display()), &extend]);
    }
}

/// The same log, and what [`measure_something_else`] does after it.
fn and_something_else(log: &[u8]) -> Vec<u8> {
    let head = [4u32, 0xd, 1].map(u32::to_le_bytes).concat();
    let said = b"other.efi";
    let data = [&(said.len() as u32).to_le_bytes()[..], said].concat();
    [log, &head, &[0x0b, 0], &[7; 32], &data].concat()
}

/// Runs a program that must succeed.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|_| panic!("{program} is not here: `cargo xtask test` installs it"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

/// Says where a CA of swtpm's own, which makes itself, has its files.
fn authority(user: &User, name: &str) {
    let ca = user.path(name);
    std::fs::create_dir(&ca).unwrap();
    let configuration = format!(
        "statedir = {ca}\nsigningkey = {ca}/key.pem\nissuercert = {ca}/issuer.pem\n\
         certserial = {ca}/serial\n",
        ca = ca.display()
    );
    std::fs::write(user.path(&format!("{name}.conf")), configuration).unwrap();
    std::fs::write(user.path(&format!("{name}.options")), "").unwrap();
}

/// Has such a CA certify the emulator's endorsement key on P-256, and puts the certificate where a
/// maker does.
fn certify(user: &User, ca: &str, socket: &Path) {
    let endorsement = Address::Unix(socket.to_owned()).connect().and_then(Tpm::new);
    let key = endorsement.unwrap().create_endorsement().unwrap().key;
    let hex = |half: &[u8]| half.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (x, y) = key.0.split_at(32);
    let at = |name: &str| user.path(name).display().to_string();
    authority(user, ca);
    let ek = format!("x={},y={},id=secp256r1", hex(x), hex(y));
    let about = ["--tpm-spec-family", "2.0", "--tpm-spec-level", "0", "--tpm-spec-revision", "164"];
    let maker = ["--tpm-manufacturer", "id:1014", "--tpm-model", "swtpm", "--tpm-version", "id:1"];
    let (conf, options) = (format!("{ca}.conf"), format!("{ca}.options"));
    let (folder, conf, options) = (at(""), at(&conf), at(&options));
    let files = ["--dir", &folder, "--configfile", &conf, "--optsfile", &options];
    let words = ["--type", "ek", "--tpm2", "--ek", &ek];
    run("swtpm_localca", &[&words[..], &about, &maker, &files].concat());
    let tpm = format!("swtpm:path={}", socket.display());
    let size = std::fs::metadata(user.path("ek.cert")).unwrap().len();
    // Some makers define more than they fill.
    let (size, index) = ((size + 20).to_string(), "0x01c0000a");
    let rights = "ownerwrite|ownerread|authread|no_da";
    run("tpm2_nvdefine", &["-T", &tpm, "-C", "o", "-s", &size, "-a", rights, index]);
    run("tpm2_nvwrite", &["-T", &tpm, "-C", "o", "-i", &at("ek.cert"), index]);
}

/// The values that `tpm2_eventlog` computes in the SHA-256 bank, by register.
fn by_the_tool(log: &Path) -> Vec<String> {
    let said = Command::new("tpm2_eventlog").arg(log).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let pcrs = said.split("pcrs:").nth(1).unwrap().split("sha256:").nth(1).unwrap();
    let lines = pcrs.lines().filter_map(|line| line.split_once(": 0x"));
    lines.map(|(register, value)| format!("{} {value}", register.trim())).collect()
}

#[test]
fn tpm_6_a_log_is_believed_as_far_as_the_tpm_says_the_same() {
    let user = User::new();
    let _emulator = Emulator::start(&user);
    let socket = user.path("tpm/socket");
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/event-log/uefi.bin");
    let bytes = std::fs::read(&log).unwrap();
    boot_as(&bytes, &socket);
    let words = format!("--tpm unix:{} --log {}", socket.display(), log.display());
    let shown = user.json(&format!("boot-approval events {words} --registers 2,4,7,14"));
    assert_eq!(shown["explained"], serde_json::json!([2, 4, 7, 14]));
    assert_eq!(shown["events"].as_array().unwrap().len(), 8);
    user.refused(&format!("boot-approval events {words} --registers 0,4"), 6175);
    user.refused(&format!("boot-approval events {words} --registers none"), 6176);
    std::fs::write(user.path("cut"), &bytes[..bytes.len() - 1]).unwrap();
    let cut = words.replace(&log.display().to_string(), "@cut");
    user.refused(&format!("boot-approval events {cut}"), 1710);
    measure_something_else(&socket);
    user.refused(&format!("boot-approval events {words} --registers 2,4"), 6175);
    let ours = include_str!("../../../spec/event-log/uefi.registers");
    let theirs = by_the_tool(&log);
    let same = ours.lines().filter(|line| theirs.iter().any(|other| other == line)).count();
    assert_eq!(
        (same, theirs.len()),
        (4, 5),
        "register 0 aside, whose locality the tool leaves out"
    );
}

#[test]
fn a_device_in_a_tpm_is_endorsed_by_who_named_its_maker_alone() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let _emulator = Emulator::start(&user);
    let socket = user.path("tpm/socket");
    let manufacture = format!(
        "device manufacture --folder @lamp --rot tpm:unix:{} --tpm-issuer @ca/issuer.pem \
         --tpm-maker",
        socket.display()
    );
    std::fs::write(user.path("nothing"), "").unwrap();
    let root = "@ca/swtpm-localca-rootca-cert.pem";
    certify(&user, "ca", &socket);
    user.refused(&format!("{manufacture} @nothing"), 6174);
    let without_issuer = format!("{manufacture} {root}").replace("--tpm-issuer @ca/issuer.pem", "");
    user.refused(&without_issuer, 6172);
    assert!(!user.path("lamp/rot.tpm").exists(), "nothing was made");
    assert!(user.does(&format!("{manufacture} {root}")).contains("tpm"));
}

#[test]
fn a_tpm_whose_maker_certified_its_rsa_key_alone_is_endorsed_and_its_device_made_again() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let _emulator = Emulator::certified(&user);
    let tpm = format!("unix:{}", user.path("tpm/socket").display());
    let words = format!("--rot tpm:{tpm} --tpm-maker @ca/swtpm-localca-rootca-cert.pem");
    let manufacture = format!("device manufacture --folder @lamp {words}");
    user.refused(&manufacture, 6172);
    let words = format!("{words} --tpm-issuer @ca/issuer.pem");
    let manufacture = format!("device manufacture --folder @lamp {words}");
    let made = user.json(&manufacture)["device"].clone();
    user.refused(&manufacture, 6202);
    // Cut before the endorsement was written, and before the place was noted: it goes on.
    for files in [&["endorsement.cbor"][..], &["endorsement.cbor", "rot.place"]] {
        files.iter().for_each(|file| std::fs::remove_file(user.path("lamp").join(file)).unwrap());
        if files.contains(&"rot.place") {
            user.refused("device discard --folder @lamp", 6206);
        }
        assert_eq!(user.json(&manufacture)["device"], made);
    }
    // It makes room, and nothing but its own folder says that it may.
    let second = format!("device manufacture --folder @second {words}");
    user.refused(&second, 3154);
    user.refused("device discard --folder @service", 6205);
    assert!(user.does("device discard --folder @lamp").contains("lost for ever"));
    user.refused("device discard --folder @lamp", 6205);
    for left in ["claim-code", "endorsement.cbor", "boot-approvals"] {
        assert!(!user.path("lamp").join(left).exists(), "{left} would be taken for the next one's");
    }
    // Another vendor's certificate beside the maker's takes nothing away.
    certify(&user, "other", &user.path("tpm/socket"));
    user.does(&second);
    std::fs::remove_dir_all(user.path("second")).unwrap();
    user.refused(&second, 3154);
    assert!(user.does(&format!("device discard --erase-tpm {tpm}")).contains("lost for ever"));
    user.does(&second);
}

#[test]
fn a_device_in_a_tpm_runs_on_the_boots_that_its_publisher_approved() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp --least-class tpm");
    let socket = user.path("tpm/socket");
    let tpm = format!("unix:{}", socket.display());
    let manufacture = format!("device manufacture --folder @lamp --rot tpm:{tpm}");
    user.refused(&manufacture, 3151);
    let _emulator = Emulator::start(&user);
    let log = include_bytes!("../../../spec/event-log/uefi.bin");
    boot_as(log, &socket);
    user.refused("device manufacture --folder @other --rot tpm:nowhere", 3156);
    assert!(user.does(&manufacture).contains("tpm"));
    user.refused(&manufacture, 6202);
    user.refused(&manufacture.replace("@lamp", "@second"), 3154);
    user.does("device claim --folder @lamp --group Lamp/Development");
    let devices = user.json("device list");
    let id = devices["items"][0]["id"].as_str().unwrap().to_owned();
    let (show, boot) = (format!("device show {id}"), format!("device boot {id}"));
    std::fs::write(user.path("lamp/boot-log"), log).unwrap();
    let running = Running::start(&user, "lamp");
    until("the claim", &user, &show, |device| device["state"] == "claimed");
    let shown = until("the log of that boot", &user, &boot, |boot| boot["log"].is_object());
    assert_eq!(shown["log"]["explains"], serde_json::json!([1, 2, 3, 4, 5, 6, 7]), "not 0");
    drop(running);
    measure_something_else(&socket);
    std::fs::write(user.path("lamp/boot-log"), and_something_else(log)).unwrap();
    user.refused("device capability challenge --folder @lamp --out @challenge", 3155);
    // The registers travel to where the publisher's key is, and his word travels back.
    let registers = user.does(&format!("boot-approval registers --json --tpm {tpm}"));
    std::fs::write(user.path("registers.json"), registers).unwrap();
    user.does("key create @stranger.key --dev");
    let sign = "boot-approval sign --values @registers.json --out";
    user.does(&format!("{sign} @stranger.approval --key @stranger.key"));
    user.refused("boot-approval install --folder @lamp @stranger.approval", 3157);
    user.does(&format!("{sign} @next.approval"));
    user.refused(&format!("{sign} @more.approval --registers 0,8"), 6170);
    user.does("boot-approval install --folder @lamp @next.approval");
    let before = user.json(&show)["last_seen_s"].as_u64();
    let _running = Running::start(&user, "lamp");
    let shown = until("another check-in", &user, &show, |device| {
        device["last_seen_s"].as_u64() > before && !device["boot_changed_s"].is_null()
    });
    assert_eq!(shown["mode"], "normal", "{shown}");
    assert!(user.does("device list").contains("BOOT CHANGED"));
    // What the publisher approved, an operator still has to look at.
    let words = boot;
    let boot = until("the log of the next boot", &user, &words, |boot| boot["log"].is_object());
    let fourth = boot["registers"].as_array().unwrap().iter().find(|it| it["register"] == 4);
    assert_ne!(fourth.unwrap()["value"], fourth.unwrap()["baseline"]);
    let events = &fourth.unwrap()["events"];
    assert_eq!((&events["gone"], &events["new"][1]), (&serde_json::json!([]), &Value::Null));
    let new = &events["new"][0];
    assert_eq!((&new["what"], &new["said"]), (&"loader".into(), &"other.efi".into()), "{events}");
    let lines = user.does(&words);
    let line = lines.lines().find(|line| line.trim_start().starts_with("now "));
    assert!(line.is_some_and(|it| it.ends_with(" loader 0707070707070707 other.efi")), "{lines}");
    // The log itself, which other tools read.
    user.does(&format!("{words} --raw @sent.log"));
    assert_eq!(std::fs::read(user.path("sent.log")).unwrap(), and_something_else(log));
    assert_eq!(by_the_tool(&user.path("sent.log")).len(), 5, "registers");
    let accept = |digest: &str| format!("device accept-boot {id} {digest}");
    user.refused(&accept(&"00".repeat(32)), 4191);
    user.does(&accept(boot["digest"].as_str().unwrap()));
    assert!(user.json(&show)["boot_changed_s"].is_null());
}

#[test]
fn tpm_7_a_boot_is_revoked_by_the_newer_generation_of_another() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let _emulator = Emulator::start(&user);
    let socket = user.path("tpm/socket");
    let tpm = format!("unix:{}", socket.display());
    let manufacture = format!("device manufacture --folder @lamp --rot tpm:{tpm}");
    user.refused(&format!("{manufacture} --registers none --generation 1"), 6177);
    user.does(&manufacture);
    let (revoke, opens) = (
        "boot-approval revoke --folder @lamp",
        "device capability challenge --folder @lamp --out @challenge",
    );
    user.refused(revoke, 3159);
    measure_something_else(&socket);
    let sign = format!("boot-approval sign --tpm {tpm} --out");
    assert!(user.does(&format!("{sign} @next.approval")).contains("generation 0"));
    let signed = user.does(&format!("{sign} @newer.approval --generation 1"));
    assert!(signed.contains("generation 1"), "{signed}");
    let install = |file: &str| format!("boot-approval install --folder @lamp @{file}.approval");
    let kept = user.does(&install("newer"));
    assert!(kept.contains("the device is in generation 0"), "{kept}");
    user.refused(opens, 3152);
    user.does(&install("next"));
    assert!(user.does(revoke).contains("generation 1"));
    user.refused(revoke, 3159);
    user.refused(opens, 3206); // it opens, and has no owner yet
    // What the publisher said before is not taken for the next start any more (GenerationOlder).
    let (kept, away) = (user.path("lamp/boot-approvals"), user.path("away"));
    std::fs::rename(&kept, &away).unwrap();
    let said = user.refused(&install("next"), 6179);
    assert!(said.err.contains("is of generation 0") && said.err.contains("--generation 1"));
    assert!(!kept.exists(), "nothing was kept");
    // Nor would it count, though nothing else is there.
    std::fs::create_dir(&kept).unwrap();
    std::fs::copy(user.path("next.approval"), kept.join("0.approval")).unwrap();
    user.refused(opens, 3152);
    std::fs::remove_dir_all(&kept).unwrap();
    user.does("key create @stranger.key --dev");
    user.does(&format!("{sign} @stranger.approval --key @stranger.key --generation 1"));
    user.refused(&install("stranger"), 3157);
    user.does(&install("newer"));
    user.refused(opens, 3206);
    user.refused("boot-approval revoke --folder @service", 6203);
}

#[test]
fn a_device_is_not_made_in_another_generation_than_it_was_begun_in_generation_begun() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    let _emulator = Emulator::start(&user);
    let tpm = format!("unix:{}", user.path("tpm/socket").display());
    let in_generation = |number: u16| {
        format!("device manufacture --folder @lamp --rot tpm:{tpm} --generation {number}")
    };
    let made = user.json(&in_generation(1))["device"].clone();
    // Cut before the endorsement; then before the place was noted, and before there was a file.
    for files in [&["endorsement.cbor"][..], &["endorsement.cbor", "rot.place"]] {
        files.iter().for_each(|file| std::fs::remove_file(user.path("lamp").join(file)).unwrap());
        for other in [0, 2] {
            let said = user.refused(&in_generation(other), 6207); // GenerationBegun
            assert!(said.err.contains("--generation 1"), "{}", said.err);
        }
        let kept = std::fs::read_dir(user.path("lamp/boot-approvals")).unwrap().count();
        assert_eq!(kept, 1, "nothing was approved");
        assert_eq!(user.json(&in_generation(1))["device"], made);
    }
    user.does("device discard --folder @lamp");
    user.does(&in_generation(0));
}
