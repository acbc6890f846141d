//! Flat calls to an engine that believes every signature: whatever their fields, it does not panic,
//! no counter falls, and a device stays the device that it is.
#![no_main]

use craton_fuzz::Believing;
use craton_rot::boot::Status;
use craton_rot::engine::Start;
use craton_rot::mailbox::{Call, Chip, ENTROPY_SIZE, EngineChip, Operation, Place, serve};
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Result, RootOfTrust};
use craton_trust::DeviceId;
use craton_trust::crypto::Crypto;

const PLATFORM: &[u8] = include_bytes!("../../spec/vectors/trust-store/good-platform/object.cbor");
const OWNER: &[u8] = include_bytes!("../../spec/vectors/trust-store/good-owner/object.cbor");
const CODE: &[u8] = b"code";

struct OnChip(MemoryPlatform);

impl Place for OnChip {
    type Platform = MemoryPlatform;
    type Crypto = Believing;

    fn parts(&mut self) -> (MemoryPlatform, Believing) {
        (self.0.clone(), Believing)
    }

    fn stir(&mut self, _: &[u8; ENTROPY_SIZE]) -> Result<()> {
        Ok(())
    }
}

/// A field as drawn, or of one of the sizes and contents that operations take.
fn field((class, mut bytes): (u8, Vec<u8>)) -> Vec<u8> {
    let size = match class % 9 {
        0 => bytes.len(),
        1 => 16,
        2 => 32,
        3 => 48,
        4 => 64,
        5 => return PLATFORM.to_vec(),
        6 => return OWNER.to_vec(),
        7 => return CODE.to_vec(),
        _ => return Believing.sha256(&[CODE]).0.to_vec(),
    };
    bytes.resize(size, class);
    bytes
}

fn state(chip: &mut impl Chip) -> Option<(DeviceId, Status)> {
    let rot = chip.rot().ok()?;
    Some((rot.device(), rot.status().expect("memory does not fail")))
}

fn compare(before: &(DeviceId, Status), after: &(DeviceId, Status)) {
    assert_eq!(before.0, after.0);
    let (before, after) = (&before.1, &after.1);
    assert_eq!(before.class, after.class);
    assert!(before.epoch <= after.epoch && before.boot <= after.boot);
    assert!(before.lifecycle as u16 <= after.lifecycle as u16);
    assert!(before.boot < after.boot || before.check_in <= after.check_in);
    if before.epoch == after.epoch {
        assert!(before.time_floor <= after.time_floor);
        assert!(before.checkpoint_size <= after.checkpoint_size);
        assert!(before.floors.iter().all(|(id, floor)| floor <= after.floors.of(id)));
    }
}

/// Operation, numbers, and the fields with their classes.
type Drawn = (u8, Vec<u16>, Vec<(u8, Vec<u8>)>);

libfuzzer_sys::fuzz_target!(|calls: Vec<Drawn>| {
    let mut chip = EngineChip::start(OnChip(MemoryPlatform::new()), Start::Normal);
    let mut out = vec![0u8; 12 * 1024];
    for (operation, numbers, fields) in calls.into_iter().take(24) {
        let place = usize::from(operation) % Operation::ALL.len();
        let (operation, _) = Operation::ALL[place];
        let numbers: Vec<u64> = numbers.into_iter().map(u64::from).collect();
        let fields: Vec<Vec<u8>> = fields.into_iter().map(field).collect();
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let Ok(call) = Call::new(operation as u64, &numbers, &fields) else { continue };
        let before = state(&mut chip);
        let answer = serve(&mut chip, &call, &mut out);
        assert!(answer.length <= out.len());
        if let (Some(before), Some(after)) = (before, state(&mut chip)) {
            compare(&before, &after);
        }
    }
});
