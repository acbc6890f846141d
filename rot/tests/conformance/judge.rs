//! What must be true of a device whose power went, whatever it was doing, on whatever back-end.

use super::steps::*;
use super::world::*;
use craton_rot::boot::Status;
use craton_rot::{Error, RootOfTrust, SECTION_MAX};
use craton_trust::dice::Mode;
use craton_trust::store::SectionKind;

/// Boot and check-in of a token.
pub type Pair = (u64, u64);

/// All of a device that must be as before a command or as after it; counts are checked apart.
pub fn lasting(status: Status) -> Status {
    Status { boot: 0, check_in: 0, booted: false, mode: Mode::Normal, ..status }
}

/// A device that started again and did not boot yet: counts never fell, sealed data opens exactly
/// in its epoch, and check-ins go on. `prepare` boots it, `note` gets the pair that leaves it.
pub fn judge(
    rot: &mut dyn RootOfTrust,
    before: &Status,
    sealed: &[u8],
    prepare: impl Fn(&mut dyn RootOfTrust),
    note: impl FnOnce(Pair),
) -> Status {
    let status = rot.status().unwrap();
    assert!(status.boot >= before.boot && status.epoch >= before.epoch);
    assert!(status.floors.of(APP) >= before.floors.of(APP));
    for kind in [SectionKind::Platform, SectionKind::Owner] {
        let read = rot.section(kind, &mut [0; SECTION_MAX]).map(drop);
        assert!(matches!(read, Ok(()) | Err(Error::Unowned)), "{kind:?}: {read:?}");
    }
    prepare(rot);
    let role = rot.take_auth_role().unwrap();
    if let Ok(evidence) = check_in(rot, &role, catalog(false)) {
        let claims = &authentic(rot, &evidence).claims;
        note((claims.boot, claims.check_in));
    }
    if rot.status().unwrap().mode == Mode::Normal {
        let opened = unseal(rot, RUNTIME, sealed);
        assert_eq!(opened.is_ok(), status.epoch == before.epoch, "{opened:?}");
    }
    status
}
