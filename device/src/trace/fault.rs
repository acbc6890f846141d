//! From the address of a fault to the kind of place it is.

use craton_trust::failure::FaultClass;

use super::memory::Mapping;

/// What the lowest addresses are kept free for (`vm.mmap_min_addr`'s default).
const NULL_PAGE_END: u64 = 64 * 1024;
/// How far from the stack pointer an access still counts as one to the stack: a frame's probes
/// touch each page, so one page and some slack would do.
const STACK_REACH: u64 = 256 * 1024;
/// `si_code` of a fault whose address the processor did not report: on x86-64 a
/// non-canonical one (asm-generic/siginfo.h, SI_KERNEL).
const SI_KERNEL: i32 = 0x80;

/// Class of a memory fault with this `si_code`; `None` when a process sent the signal.
pub fn classify(code: i32, address: u64, sp: u64, mappings: &[Mapping]) -> FaultClass {
    match code {
        SI_KERNEL => return FaultClass::NonCanonical,
        ..=0 => return FaultClass::None,
        _ => {}
    }
    if address < NULL_PAGE_END {
        return FaultClass::Null;
    }
    let hit = mappings.iter().find(|mapping| mapping.contains(address));
    let near_sp = address.abs_diff(sp) <= STACK_REACH;
    match hit {
        None if near_sp => FaultClass::StackGuard,
        None => FaultClass::Unmapped,
        Some(mapping) if near_sp && !mapping.readable => FaultClass::StackGuard,
        Some(mapping) if mapping.executable => FaultClass::Text,
        Some(_) => FaultClass::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::memory::Backing;

    const MAPERR: i32 = 1;

    fn mapping(start: u64, end: u64, allows: &str, backing: Backing) -> Mapping {
        Mapping {
            start,
            end,
            readable: allows.contains('r'),
            writable: allows.contains('w'),
            executable: allows.contains('x'),
            offset: 0,
            backing,
        }
    }

    fn process() -> Vec<Mapping> {
        let file = Backing::File { device: 1, inode: 2 };
        vec![
            mapping(0x100_0000, 0x110_0000, "rx", file),
            mapping(0x110_0000, 0x120_0000, "r", file),
            mapping(0x200_0000, 0x210_0000, "rw", Backing::Anonymous),
            mapping(0x700_0000, 0x700_1000, "", Backing::Anonymous),
            mapping(0x700_1000, 0x780_0000, "rw", Backing::Anonymous),
            mapping(0x7000_0000, 0x7010_0000, "rw", Backing::Anonymous),
        ]
    }

    #[test]
    fn each_place_has_its_class() {
        let main_sp = 0x700f_0000;
        let cases = [
            (0x10, main_sp, FaultClass::Null),
            (0x100_0010, main_sp, FaultClass::Text),
            (0x110_0010, main_sp, FaultClass::Data),
            (0x200_0010, main_sp, FaultClass::Data),
            (0x300_0000, main_sp, FaultClass::Unmapped),
            (0x6fff_ff00, 0x7000_0010, FaultClass::StackGuard),
            (0x700_0ff0, 0x700_1010, FaultClass::StackGuard),
            (0x700_2000, 0x700_2010, FaultClass::Data),
            (0x7000_0010, 0x7000_0010, FaultClass::Data),
        ];
        for (address, sp, class) in cases {
            assert_eq!(classify(MAPERR, address, sp, &process()), class, "{address:#x}");
        }
    }

    #[test]
    fn a_guard_far_from_the_stack_pointer_is_not_an_overflow() {
        assert_ne!(classify(MAPERR, 0x700_0ff0, 0x7000_0010, &process()), FaultClass::StackGuard);
    }

    #[test]
    fn a_fault_without_address_is_non_canonical_and_a_sent_signal_has_no_class() {
        assert_eq!(classify(SI_KERNEL, 0, 0, &[]), FaultClass::NonCanonical);
        assert_eq!(classify(0, 0, 0, &[]), FaultClass::None);
        assert_eq!(classify(-6, 0, 0, &[]), FaultClass::None);
    }
}
