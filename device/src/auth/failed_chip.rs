//! The failure of a root of trust that is a chip of its own, as the record of any failure.

use craton_rot::{ChipFailure, ChipFailureKind};
use craton_trust::error::Result;
use craton_trust::failure::{ChipCode, Failure, FailureKind, Frame, RECORD_MAX};
use craton_trust::{ComponentId, Digest, ImageId};

/// The record, for the spool: the frames are places in the program, which its digest names.
pub fn record(failure: &ChipFailure, boot: u64) -> Result<Vec<u8>> {
    let kind = match failure.kind {
        ChipFailureKind::Watchdog => FailureKind::Watchdog,
        _ => FailureKind::ChipReset,
    };
    let component = failure.component.unwrap_or(ComponentId([0; 16]));
    let mut record = Failure::new(kind, component, ImageId([0; 32]), Digest([0; 32]));
    let (stage, how) = (failure.stage as u8, failure.kind as u8);
    record.code = ChipCode { stage, how, status: failure.status }.number();
    record.boot = boot;
    let build_id = failure.program.as_ref().map_or(&[][..], |program| program);
    for pc in failure.pc.into_iter().chain(failure.lr) {
        record.push(Frame { build_id, pc: pc.into() })?;
    }
    let mut room = [0; RECORD_MAX];
    record.encode(&mut room).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_rot::Stage;

    #[test]
    fn a_chips_failure_names_its_program_and_its_places() {
        let failure = ChipFailure {
            stage: Stage::Mailbox,
            kind: ChipFailureKind::SecureFault,
            resets: 2,
            pc: Some(0x10),
            lr: None,
            status: 0x82,
            secure_status: 8,
            component: Some(ComponentId([5; 16])),
            program: Some([6; 16]),
        };
        let bytes = record(&failure, 9).unwrap();
        let read = Failure::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.component.0, read.boot), (FailureKind::ChipReset, [5; 16], 9));
        assert_eq!(read.frames(), [Frame { build_id: &[6; 16], pc: 0x10 }]);
        assert_eq!(ChipCode::of(read.code), ChipCode { stage: 3, how: 2, status: 0x82 });
        let hung = ChipFailure { kind: ChipFailureKind::Watchdog, program: None, ..failure };
        let bytes = record(&hung, 9).unwrap();
        let read = Failure::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.frames()[0].build_id.len()), (FailureKind::Watchdog, 0));
    }
}
