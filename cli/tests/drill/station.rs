//! A station that is killed: at every write of its folder, and at every reply of the board, which
//! the board has done and nobody heard. Whatever it had done, it goes on and makes one device of
//! one board; and boards that are none of its business it leaves as they are.

use crate::power::{Interrupt, Power};
use crate::service::CRATON;
use craton_rot::mailbox::board::Board;
use craton_rot::mailbox::client::{Mailbox, Patience};
use craton_rot::mailbox::{ENTROPY_SIZE, EngineChip, Place};
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Engine, Manufacture, RootOfTrust as _, Start};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::Lifecycle;
use craton_trust::lot::{self, Lot};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{KeptSection, Role, RoleKeysBuilder, SectionBuilder, SectionKind};
use craton_trust::{ClassId, DeviceId, Digest, Signed, cose::Kind, signed};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

const CLASS: &str = "craton/virtual-1";

/// Kills the station when the board has made its n-th reply, which is then lost.
#[derive(Default)]
struct Killer {
    pid: Option<u32>,
    at: Option<usize>,
    replies: usize,
}

struct InMemory(MemoryPlatform);

impl Place for InMemory {
    type Platform = MemoryPlatform;
    type Crypto = Soft;

    fn parts(&mut self) -> (MemoryPlatform, Soft) {
        (self.0.clone(), Soft)
    }

    fn stir(&mut self, _: &[u8; ENTROPY_SIZE]) -> craton_rot::Result<()> {
        Ok(())
    }
}

/// A board with power.
struct Powered {
    chip: MemoryPlatform,
    socket: PathBuf,
    killer: Arc<Mutex<Killer>>,
}

struct Wire(UnixStream, Arc<Mutex<Killer>>);

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut killer = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        killer.replies += 1;
        if killer.at == Some(killer.replies) {
            killer.pid.into_iter().for_each(crate::processes::kill);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        drop(killer);
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Powered {
    /// A blank board whose mailbox is below a folder.
    fn blank(folder: &Path) -> Self {
        Self::of(folder, MemoryPlatform::new())
    }

    fn of(folder: &Path, chip: MemoryPlatform) -> Self {
        let socket = folder.join("mailbox");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let killer = Arc::new(Mutex::new(Killer::default()));
        let (inside, killers) = (chip.clone(), killer.clone());
        std::thread::spawn(move || {
            let mut board = Board::new(EngineChip::start(InMemory(inside), Start::Normal));
            for stream in listener.incoming().map_while(Result::ok) {
                board.talk(Wire(stream, killers.clone()));
            }
        });
        Self { chip, socket, killer }
    }

    /// Who it is, and where in its life, as its own mailbox says.
    fn says(&self) -> (DeviceId, Lifecycle, bool) {
        let stream = UnixStream::connect(&self.socket).unwrap();
        let mailbox = Mailbox::open(stream, Patience::default()).unwrap();
        let status = mailbox.status().unwrap();
        (mailbox.device(), status.lifecycle, status.owner.is_some())
    }

    /// Starts a process that gets no reply before it is known whom to kill.
    fn kill_at(&self, reply: usize, mut process: Command) -> Child {
        let mut killer = self.killer.lock().unwrap();
        let child = process.spawn().unwrap();
        (killer.at, killer.pid) = (Some(reply), Some(child.id()));
        child
    }
}

fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap()
}

const MANUFACTURER: u8 = 4;

/// A platform section of a root for production or for development.
fn platform(dev: bool, root: u8) -> Vec<u8> {
    let of = |seed: u8| RoleKeysBuilder::of(key(seed).public_key());
    let mut section = SectionBuilder::genesis(SectionKind::Platform, dev, 1_000);
    section.set_role(Role::Root, of(root));
    section.set_role(Role::Manufacturer, of(MANUFACTURER));
    section.set_role(Role::Publisher, of(5));
    let mut payload = vec![0; 8192];
    let payload = section.encode(&mut payload).unwrap();
    let mut room = vec![0; 8192];
    signed::seal(&Soft, Kind::TrustStore, payload, &[&key(root)], &mut room).unwrap().to_vec()
}

fn secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A station that was begun while the service was there.
struct Station {
    folder: tempfile::TempDir,
}

impl Station {
    fn begun(dev: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let station = folder.path().join("station");
        fs::create_dir_all(station.join("devices")).unwrap();
        secret(&station.join("platform.section"), &platform(dev, 1));
        let about = serde_json::json!({
            "format": "craton-station-1", "catalog": "00".repeat(32), "class": CLASS,
        });
        secret(&station.join("station.json"), about.to_string().as_bytes());
        let hex: String = [MANUFACTURER; 32].iter().map(|byte| format!("{byte:02x}")).collect();
        secret(&folder.path().join("manufacturer.key"), hex.as_bytes());
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("station")
    }

    fn command(&self, board: &Powered) -> Command {
        let mut command = Command::new(CRATON);
        command.arg("manufacture").arg(self.path()).arg("--json");
        command.arg("--key").arg(self.folder.path().join("manufacturer.key"));
        command.arg("--rot").arg(format!("unix:{}", board.socket.display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What it says, with the number of the refusal if it was one.
    fn works(&self, board: &Powered) -> Result<serde_json::Value, u16> {
        let output = self.command(board).output().unwrap();
        answer(&output)
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("station.lock") {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        found
    }

    /// The devices of the signed list, each with the digest of its claim code.
    fn listed(&self) -> Vec<(DeviceId, Digest)> {
        let bytes = fs::read(self.path().join("devices.lot")).unwrap();
        let section = fs::read(self.path().join("platform.section")).unwrap();
        let section = Signed::parse(&section).unwrap().unchecked_payload().to_vec();
        let section = KeptSection::parse(section).unwrap();
        let lot = Lot::verify(&Soft, &section.section(), &Signed::parse(&bytes).unwrap()).unwrap();
        let row = |(device, row): (DeviceId, &[u8])| {
            let signed = Signed::parse(row).unwrap();
            let endorsed = Endorsement::verify(&Soft, &section.section(), &signed).unwrap();
            (device, endorsed.claim_code)
        };
        lot.rows(&Soft).map(row).collect()
    }

    /// One board, one device, finished, in the list with its claim code; and nothing else.
    fn is_finished_with(&self, board: &Powered, how: &str) {
        let (device, lifecycle, owned) = board.says();
        assert_eq!((lifecycle, owned), (Lifecycle::DeviceComplete, false), "{how}");
        let folder = self.path().join("devices").join(device.to_string());
        let code = fs::read(folder.join("claim-code")).unwrap();
        assert_eq!(self.listed(), [(device, Soft.sha256(&[&code]))], "{how}");
        let devices = fs::read_dir(self.path().join("devices")).unwrap().count();
        assert_eq!((devices, self.path().join("bench").exists()), (1, false), "{how}");
        let before = self.files();
        assert_eq!(self.works(board), Err(6401), "BoardFinished: {how}");
        assert_eq!(self.files(), before, "{how}: done twice changes nothing");
    }
}

fn answer(output: &Output) -> Result<serde_json::Value, u16> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    let number = said.rsplit("craton: E").next().and_then(|said| said.get(..4)?.parse().ok());
    Err(number.unwrap_or_else(|| panic!("{said}")))
}

#[test]
fn a_station_killed_at_any_write_makes_one_device_of_one_board() {
    let count = {
        let station = Station::begun(false);
        let board = Powered::blank(station.folder.path());
        let path = station.path();
        let mut power = Power::start(station.command(&board), &path, &[], Interrupt::Never);
        assert!(power.child.wait().unwrap().success());
        station.is_finished_with(&board, "not interrupted");
        power.end().len()
    };
    assert!(count > 20, "{count} writes");
    for write in 0..count {
        let station = Station::begun(false);
        let board = Powered::blank(station.folder.path());
        let path = station.path();
        let mut power = Power::start(station.command(&board), &path, &[], Interrupt::Cut(write));
        let _ = power.child.wait().unwrap();
        let how = format!("killed at write {write}, {:?}", power.at());
        power.end();
        match station.works(&board) {
            Ok(_) | Err(6401) => {}
            Err(other) => panic!("{how}: E{other}"),
        }
        station.is_finished_with(&board, &how);
    }
    println!("killed at each of {count} writes");
}

#[test]
fn a_station_killed_at_any_reply_of_the_board_makes_one_device_of_one_board() {
    let mut reply = 0;
    loop {
        reply += 1;
        let station = Station::begun(false);
        let board = Powered::blank(station.folder.path());
        let mut child = board.kill_at(reply, station.command(&board));
        if child.wait().unwrap().success() {
            break;
        }
        board.killer.lock().unwrap().at = None;
        let how = format!("killed at reply {reply}");
        assert!(station.works(&board).is_ok(), "{how}");
        station.is_finished_with(&board, &how);
    }
    assert!(reply > 30, "{reply} replies");
    println!("killed at each of {} replies", reply - 1);
}

#[test]
fn a_line_makes_board_after_board_and_refuses_a_finished_one_board_finished_boards_refused() {
    let station = Station::begun(false);
    let board = Powered::blank(station.folder.path());
    let mut command = station.command(&board);
    let mut child = command.arg("--line").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\n\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answer(&output), Err(6409), "BoardsRefused: {said}");
    assert!(said.contains("E6401: ") && said.contains("1 made, 1 refused"), "{said}");
    station.is_finished_with(&board, "in a line");
    let second = Powered::blank(station.folder.path());
    let made = station.works(&second).unwrap();
    assert_eq!((&made["number"], &made["lifecycle"]), (&2.into(), &"DeviceComplete".into()));
    let lot = fs::read(station.path().join("devices.lot")).unwrap();
    assert_eq!(station.listed().len(), 2);
    // What is lost is written again, byte for byte, as the next board is finished; the order is
    // that of the devices, whichever came first.
    let mut ids: Vec<_> = station.listed().into_iter().map(|(device, _)| device).collect();
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 2);
    assert_eq!(fs::read(station.path().join("devices.lot")).unwrap(), lot);
}

/// A list that leaves out a finished device would be believed to be whole.
#[test]
fn a_lot_of_which_an_endorsement_is_lost_takes_no_board_station_damaged() {
    let station = Station::begun(false);
    let board = Powered::blank(station.folder.path());
    let made = station.works(&board).unwrap();
    let device = made["device"].as_str().unwrap();
    let endorsement = station.path().join("devices").join(device).join("endorsement.cbor");
    let away = station.folder.path().join("away");
    fs::rename(&endorsement, &away).unwrap();
    let next = Powered::blank(station.folder.path());
    let (before, writes) = (station.files(), next.chip.writes());
    let output = station.command(&next).output().unwrap();
    assert_eq!(answer(&output), Err(6408), "StationDamaged");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&endorsement.display().to_string()), "{said}");
    assert_eq!(station.files(), before, "the list is as it was");
    assert_eq!(next.chip.writes(), writes, "the board is as blank as it was");
    fs::rename(&away, &endorsement).unwrap();
    assert!(station.works(&next).is_ok());
    assert_eq!(station.listed().len(), 2);
}

#[test]
fn a_board_of_another_station_class_or_platform_is_left_as_it_is_board_foreign_board_other() {
    let station = Station::begun(false);
    let manufactured = |platform: &[u8], class: [u8; 16]| {
        let chip = MemoryPlatform::new();
        let (claim_code, class) = (Soft.sha256(&[b"theirs"]), ClassId(class));
        let with = Manufacture { platform_section: platform, claim_code, class };
        drop(Engine::manufacture(chip.clone(), Soft, &with).unwrap());
        chip
    };
    let (own, class) = (platform(false, 1), *b"craton/virtual-1");
    let refused = |chip: MemoryPlatform| {
        let writes = chip.writes();
        let board = Powered::of(station.folder.path(), chip);
        let before = station.files();
        let refused = station.works(&board).unwrap_err();
        assert_eq!(station.files(), before);
        let (_, lifecycle, owned) = board.says();
        assert_eq!((lifecycle, owned), (Lifecycle::Blank, false));
        assert_eq!(board.chip.writes(), writes, "nothing was written into it");
        refused
    };
    // The bench has the claim code of a board that was taken out: it is not this one's, either.
    fs::create_dir(station.path().join("bench")).unwrap();
    secret(&station.path().join("bench/claim-code"), b"ours");
    assert_eq!(refused(manufactured(&own, class)), 6402, "BoardForeign");
    assert_eq!(refused(manufactured(&own, [7; 16])), 6403, "BoardOther: class");
    assert_eq!(refused(manufactured(&platform(false, 2), class)), 6403, "BoardOther: platform");
}

#[test]
fn a_board_that_is_not_what_was_written_is_in_no_list_self_test_failed() {
    let station = Station::begun(false);
    let board = Powered::blank(station.folder.path());
    let mut child = board.kill_at(6, station.command(&board));
    assert!(!child.wait().unwrap().success());
    board.killer.lock().unwrap().at = None;
    board.chip.stick_random(7);
    assert_eq!(station.works(&board), Err(6404), "SelfTestFailed");
    assert!(!station.path().join("devices.lot").exists());
    assert_ne!(board.says().1, Lifecycle::DeviceComplete);
}

#[test]
fn a_development_root_ends_at_module_1_complete() {
    let station = Station::begun(true);
    let board = Powered::blank(station.folder.path());
    let made = station.works(&board).unwrap();
    assert_eq!(made["lifecycle"], "Module1Complete");
    assert_eq!(board.says().1, Lifecycle::Module1Complete);
    assert_eq!(station.listed().len(), 1);
    assert_eq!(station.works(&board), Err(6401));
}

#[test]
fn a_station_is_one_process_of_one_class_and_of_so_many_devices_lot_full_station_runs() {
    let station = Station::begun(false);
    let board = Powered::blank(station.folder.path());
    let refused = |arguments: &[&str]| {
        answer(&station.command(&board).args(arguments).output().unwrap()).unwrap_err()
    };
    assert_eq!(refused(&["--class", "another"]), 6406, "StationOther");
    let other = station.folder.path().join("other.key");
    secret(&other, "09".repeat(32).as_bytes());
    let mut command = Command::new(CRATON);
    command.arg("manufacture").arg(station.path()).arg("--key").arg(&other);
    command.arg("--rot").arg(format!("unix:{}", board.socket.display()));
    assert_eq!(answer(&command.output().unwrap()), Err(6161), "KeyNotInRole");
    let lock = fs::File::create(station.path().join("station.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(refused(&[]), 6407, "StationRuns");
    drop(lock);
    for number in 1..=lot::DEVICES_MAX {
        let device = format!("{number:064x}");
        let folder = station.path().join("devices").join(&device);
        fs::create_dir(&folder).unwrap();
        let journal = serde_json::json!({"device": device, "number": number, "step": "listed"});
        secret(&folder.join("journal.json"), journal.to_string().as_bytes());
        secret(&folder.join("endorsement.cbor"), b"theirs");
    }
    let writes = board.chip.writes();
    assert_eq!(refused(&[]), 6405, "LotFull");
    assert_eq!(board.chip.writes(), writes, "the board is as blank as it was");
    secret(&station.path().join("station.json"), b"{}");
    assert_eq!(refused(&[]), 6408, "StationDamaged");
}
