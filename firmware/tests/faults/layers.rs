//! The layer that a program found when it was started, and those that it must not have.

use super::board::{package, package_with};
use super::journal::Verdict;
use super::lab::{Lab, Outcome};
use super::refusal;
use super::world::*;
use craton_firmware::map;
use craton_rot::engine::{HANDOVER_MAX, rom};
use craton_rot::platform::Platform as _;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::slots::Slot;
use craton_rot::{Engine, NextLayer, RootOfTrust as _, Start};
use craton_trust::assignment::Address;
use craton_trust::cbor::Reader;
use craton_trust::dice::Mode;
use craton_trust::soft::Soft;
use craton_trust::suit::ImageType;

/// A layer as it is handed over: its mode, of which none is 0, and the keys that attest and seal.
#[derive(PartialEq, Eq, Debug)]
pub struct Keys {
    mode: u8,
    attester: [u8; 32],
    sealing: [u8; 32],
}

impl Keys {
    fn shares_a_key_with(&self, other: &Self) -> bool {
        self.attester == other.attester || self.sealing == other.sealing
    }

    /// Of a handover; zeros for what is none, which a good boot's is not.
    fn of(bytes: &[u8]) -> Self {
        let read = || {
            let (head, body) = bytes.split_first_chunk::<12>()?;
            let length = u32::from_le_bytes(*head.last_chunk()?) as usize;
            let mut reader = Reader::new(body.get(..length)?).ok()?;
            reader.list(FIELDS_MAX).ok()?;
            reader.u64().ok()?;
            reader.fixed::<64>().ok()?;
            let mode = reader.u8().ok()?;
            reader.digest().ok()?;
            Some(Self { mode, attester: reader.fixed().ok()?, sealing: reader.fixed().ok()? })
        };
        read().unwrap_or(Self { mode: 0, attester: [0; 32], sealing: [0; 32] })
    }
}

/// More than a handover has; what comes after the keys is not looked at.
const FIELDS_MAX: usize = 16;

/// The layer of a program's start, and those that it must not have then.
pub struct Layers {
    own: Keys,
    /// As a whole it is no harm.
    harmless: Option<(&'static str, Keys)>,
    others: Vec<(&'static str, Keys)>,
}

impl Layers {
    /// Of this chip's normal start, whose program found `own`. The layer of mode Recovery is no
    /// harm: it unseals nothing, and three failures in a row give it, too.
    pub fn of_normal(chip: &MemoryPlatform, own: Keys) -> Self {
        let recovery = ("in mode Recovery", layer(chip, &package(|_| ()), Start::Recovery));
        Self::of(own, Some(recovery), vec![debug(chip), another(chip, Start::Normal)])
    }

    /// Of a start over the wire of the same program, which found `own`.
    pub fn of_recovery(chip: &MemoryPlatform, own: Keys) -> Self {
        let normal = ("in mode Normal", layer(chip, &package(|_| ()), Start::Normal));
        Self::of(own, None, vec![normal, debug(chip), another(chip, Start::Recovery)])
    }

    fn of(
        own: Keys,
        harmless: Option<(&'static str, Keys)>,
        others: Vec<(&'static str, Keys)>,
    ) -> Self {
        let mut all = harmless.iter().chain(&others);
        assert!(all.all(|(_, keys)| !keys.shares_a_key_with(&own)), "they tell nothing");
        Self { own, harmless, others }
    }

    /// What became of a boot whose program may have been started.
    pub fn judge(&self, lab: &mut Lab<'_>, outcome: &Outcome) -> Verdict {
        if *outcome != Outcome::Started {
            return Ok(refusal(outcome));
        }
        let verdict = self.verdict(&handed_over(lab));
        if is_secret_readable(lab) {
            return Err("can read the device secret".to_owned());
        }
        verdict
    }

    /// What a program has that found this. A mixture of two layers is none that is harmless.
    fn verdict(&self, found: &Keys) -> Verdict {
        let Self { own, harmless, others } = self;
        if found == own {
            return Ok("as without a fault".to_owned());
        }
        if let Some((name, keys)) = harmless
            && keys == found
        {
            return Ok((*name).to_owned());
        }
        let mut all = others.iter().chain(harmless);
        if let Some((name, _)) = all.find(|(_, keys)| found.shares_a_key_with(keys)) {
            return Err(format!("with a key {name}"));
        }
        match Mode::from_number(found.mode) {
            Ok(mode) if found.mode != own.mode && found.shares_a_key_with(own) => {
                return Err(format!("with its keys in mode {mode:?}"));
            }
            Err(_) if found.mode != 0 => return Ok("in no mode that is one".to_owned()),
            _ => {}
        }
        Ok("with keys of nobody".to_owned())
    }
}

/// The layer of its program's next normal start after the owner allowed mode Debug.
fn debug(chip: &MemoryPlatform) -> (&'static str, Keys) {
    let mut with_capability = chip.duplicate();
    allow_debugging(&mut with_capability);
    ("in mode Debug", layer(&with_capability, &package(|_| ()), Start::Normal))
}

/// What attests of another program; the sealing key depends on authority and mode, and not on the
/// program.
fn another(chip: &MemoryPlatform, start: Start) -> (&'static str, Keys) {
    let other = package_with(PLATFORM_PUBLISHER, b"another program", |_| ());
    let keys = Keys { sealing: [0xff; 32], ..layer(chip, &other, start) };
    ("of another program", keys)
}

/// What the last boot left for the program.
pub fn handed_over(lab: &mut Lab<'_>) -> Keys {
    Keys::of(&lab.memory(map::HANDOVER as u32, HANDOVER_MAX).unwrap())
}

/// Whether the program could read the device secret: the MPU's third region begins before it ends.
fn is_secret_readable(lab: &mut Lab<'_>) -> bool {
    const CONTROL: u32 = 0xe000_ed94;
    const BASE_OF_THIRD: u32 = 0xe000_edac;
    let mut word = |at| u32::from_le_bytes(lab.memory(at, 4).unwrap().try_into().unwrap());
    let hidden_to = (map::FUSES + map::SECRET_SIZE) as u32;
    word(CONTROL) & 1 == 0 || word(BASE_OF_THIRD) & !0x1f < hidden_to
}

fn layer(chip: &MemoryPlatform, package: &[u8], start: Start) -> Keys {
    let mut chip = chip.duplicate();
    chip.reset();
    let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, package).unwrap();
    let mut bytes = [0; HANDOVER_MAX];
    runtime.layer(&mut chip, &Soft, start, Some(Slot::A)).unwrap().hand_over(&mut bytes).unwrap();
    Keys::of(&bytes)
}

/// The next normal start is one in mode Debug.
fn allow_debugging(chip: &mut MemoryPlatform) {
    chip.reset();
    let package = package(|_| ());
    let runtime = rom::select(chip, &Soft, ImageType::RootOfTrust, &package).unwrap();
    let layer = runtime.layer(chip, &Soft, Start::Normal, Some(Slot::A)).unwrap();
    let mut rot = Engine::resume(chip.clone(), Soft, layer).unwrap();
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    let runtime = measured(RUNTIME, 1);
    rot.boot(&NextLayer { runtime, set: Some(&set), images: &images }).unwrap();
    let request = rot.challenge().unwrap();
    let address = Address { catalog: catalog(false), device: rot.device(), epoch: 1, request };
    rot.apply(&capability(address)).unwrap();
}

#[test]
fn of_two_modes_recovery_alone_is_no_harm_and_no_mixture_is() {
    let keys =
        |mode, attester, sealing| Keys { mode, attester: [attester; 32], sealing: [sealing; 32] };
    let layers = Layers {
        own: keys(1, 1, 1),
        harmless: Some(("in mode Recovery", keys(3, 3, 3))),
        others: vec![("in mode Debug", keys(2, 2, 2)), ("of another program", keys(1, 4, 0xff))],
    };
    for (found, what) in [
        (keys(1, 1, 1), Ok("as without a fault")),
        (keys(3, 3, 3), Ok("in mode Recovery")),
        (keys(2, 2, 2), Err("with a key in mode Debug")),
        (keys(1, 2, 1), Err("with a key in mode Debug")),
        (keys(1, 1, 2), Err("with a key in mode Debug")),
        (keys(1, 3, 3), Err("with a key in mode Recovery")),
        (keys(3, 3, 1), Err("with a key in mode Recovery")),
        (keys(1, 4, 1), Err("with a key of another program")),
        (keys(2, 1, 1), Err("with its keys in mode Debug")),
        (keys(3, 1, 9), Err("with its keys in mode Recovery")),
        (keys(255, 1, 1), Ok("in no mode that is one")),
        (keys(1, 1, 9), Ok("with keys of nobody")),
        (keys(0, 0, 0), Ok("with keys of nobody")),
    ] {
        let what = what.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(layers.verdict(&found), what, "{found:?}");
    }
}
