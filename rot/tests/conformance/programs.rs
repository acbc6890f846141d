//! The root of trust's own program: a back-end has slots for it, or says that it has none.

use super::bench::{on_every_back_end, owned};
use craton_rot::{Error, Limit, RootOfTrust};

fn refusals(rot: &mut dyn RootOfTrust) -> [Option<Error>; 4] {
    [
        rot.programs().err(),
        rot.begin_program(0).err(),
        rot.write_program(0, b"piece").err(),
        rot.arm_program(None).err(),
    ]
}

#[test]
fn a_back_end_without_slots_says_so_and_refuses_as_no_slots() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let none = rot.capabilities().limits.contains(&Limit::NoSlots);
        let (no, begun) = (Some(Error::NoSlots), Some(Error::ProgramNotBegun));
        let here = [None, Some(Error::ProgramTooLarge), begun, begun];
        assert_eq!(refusals(&mut *rot), if none { [no; 4] } else { here });
    });
}
