//! A publisher's approval of a boot, as a device keeps it and as an operator is given it.
#![no_main]

use craton_fuzz::{Believing, same};
use craton_rot::tpm2::BootApproval;
use craton_rot::tpm2::policy::BOOT_APPROVAL_MAX;
use craton_trust::quote::Selection;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(approval) = BootApproval::parse(bytes) else { return };
    same(bytes, approval.encode(&mut [0; BOOT_APPROVAL_MAX]));
    let is_of_any_boot = approval.selection == Selection(0);
    // TPM-2: what an approval of any boot opens is nothing that one of registers opens.
    let other = BootApproval { selection: Selection(u32::from(is_of_any_boot)), ..approval };
    assert!(!approval.is_akin_to(&other));
    assert_ne!(approval.opens(&Believing), other.opens(&Believing));
    // TPM-7: nor is it what another generation opens; one of any boot is of the first.
    let next = BootApproval { generation: approval.generation ^ 1, ..approval };
    assert!(approval.is_akin_to(&next));
    assert_ne!(approval.opens(&Believing), next.opens(&Believing));
    assert!(!is_of_any_boot || approval.generation == 0);
});
