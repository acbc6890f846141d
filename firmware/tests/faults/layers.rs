//! The layer that a program found when it was started, and those that it must not have.

use super::board::{package, package_with};
use super::lab::Lab;
use super::world::*;
use craton_firmware::map;
use craton_rot::engine::{HANDOVER_MAX, rom};
use craton_rot::platform::Platform as _;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::slots::Slot;
use craton_rot::{Engine, NextLayer, RootOfTrust as _, Start};
use craton_trust::assignment::Address;
use craton_trust::cbor::Reader;
use craton_trust::soft::Soft;
use craton_trust::suit::ImageType;

/// The keys of a layer, as they are handed over: what attests, and what seals.
#[derive(PartialEq, Eq, Debug)]
pub struct Keys {
    attester: [u8; 32],
    sealing: [u8; 32],
}

impl Keys {
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.attester == other.attester || self.sealing == other.sealing
    }

    /// Of a handover; zeros for what is none, which a good boot's is not.
    fn of(bytes: &[u8]) -> Self {
        let read = || {
            let (head, body) = bytes.split_first_chunk::<12>()?;
            let length = u32::from_le_bytes(*head.last_chunk()?) as usize;
            let mut reader = Reader::new(body.get(..length)?).ok()?;
            reader.array(9).ok()?;
            reader.u64().ok()?;
            reader.fixed::<64>().ok()?;
            reader.u8().ok()?;
            reader.digest().ok()?;
            Some(Self { attester: reader.fixed().ok()?, sealing: reader.fixed().ok()? })
        };
        read().unwrap_or(Self { attester: [0; 32], sealing: [0; 32] })
    }
}

/// What the last boot left for the program.
pub fn handed_over(lab: &mut Lab<'_>) -> Keys {
    Keys::of(&lab.memory(map::HANDOVER as u32, HANDOVER_MAX).unwrap())
}

/// Whether the program could read the device secret: the MPU's third region begins before it ends.
pub fn is_secret_readable(lab: &mut Lab<'_>) -> bool {
    const CONTROL: u32 = 0xe000_ed94;
    const BASE_OF_THIRD: u32 = 0xe000_edac;
    let mut word = |at| u32::from_le_bytes(lab.memory(at, 4).unwrap().try_into().unwrap());
    let hidden_to = (map::FUSES + map::SECRET_SIZE) as u32;
    word(CONTROL) & 1 == 0 || word(BASE_OF_THIRD) & !0x1f < hidden_to
}

/// The layers of this chip's other modes. The sealing key depends on authority and mode alone, so
/// it is left out where the mode is the same: of another program.
pub fn of_other_starts(chip: &MemoryPlatform) -> Vec<(&'static str, Keys)> {
    let mut with_capability = chip.duplicate();
    allow_debugging(&mut with_capability);
    let other = package_with(PLATFORM_PUBLISHER, b"another program", |_| ());
    let mut another = layer(chip, &other, Start::Normal);
    another.sealing = [0xff; 32];
    Vec::from([
        ("mode Recovery", layer(chip, &package(|_| ()), Start::Recovery)),
        ("mode Debug", layer(&with_capability, &package(|_| ()), Start::Normal)),
        ("another program", another),
    ])
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
