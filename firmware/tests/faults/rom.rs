//! The built ROM: its bytes, its functions, and what its instructions are.

use super::board::programs;
use craton_firmware::map;
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::path::{Path, PathBuf};

/// Where it sleeps after what it cannot go on from.
const FAILS: &str = "HardFault";
pub const ROM: u32 = 0x1000_0000;
/// Where a chip of a bench goes at its reset, by the second word of the stub: there is no memory,
/// and nothing is executed there.
pub const RESET: u32 = 0xe010_0000;

/// The built ROM.
pub struct Rom {
    pub file: PathBuf,
    bytes: Vec<u8>,
    pub first: u32,
    /// Where it halts.
    pub halts: Vec<u32>,
    /// How much of the RAM its statics take.
    pub statics: usize,
    symbols: Vec<(u32, String)>,
    /// Where its sections lie, of code and of constants: from and to.
    sections: Vec<(u32, u32)>,
}

impl Rom {
    pub fn built() -> Self {
        Self::of(&programs().join("rom"))
    }

    pub fn of(file: &Path) -> Self {
        let elf = std::fs::read(file).unwrap();
        let elf = object::File::parse(&*elf).unwrap();
        let (mut bytes, mut sections) = (vec![0; 48 * 1024], Vec::new());
        for section in elf.sections() {
            let at = (section.address() as u32).wrapping_sub(ROM) as usize;
            if at < bytes.len() && section.file_range().is_some() {
                let data = section.data().unwrap();
                bytes[at..at + data.len()].copy_from_slice(data);
                sections.push((ROM + at as u32, ROM + (at + data.len()) as u32));
            }
        }
        let halts = (0..bytes.len()).step_by(2).filter(|at| bytes[*at..*at + 2] == [0x30, 0xbf]);
        let halts = halts.map(|at| ROM + at as u32).collect();
        let mut symbols: Vec<(u32, String)> = elf
            .symbols()
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text)
            .map(|s| (s.address() as u32 & !1, s.name().unwrap_or("").to_owned()))
            .collect();
        symbols.sort();
        let end = elf.symbols().find(|symbol| symbol.name() == Ok("__sheap")).unwrap();
        let statics = end.address() as usize - map::RAM;
        let first = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) & !1;
        Self { file: file.to_path_buf(), bytes, first, halts, statics, symbols, sections }
    }

    /// Of all of its memory.
    pub fn digest(&self) -> Digest {
        Soft.sha256(&[&self.bytes])
    }

    /// All of its memory.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An ELF file of nothing but the first two words, from which a chip starts. The emulator
    /// writes what is in its file at each reset, and translates that code anew; what a debugger
    /// wrote stays, and is translated once. The second word leads to [`RESET`], so that a reset is
    /// seen without a breakpoint where code is: all that is in the 1 KiB around one is executed
    /// instruction by instruction.
    pub fn stub(&self) -> Vec<u8> {
        const HEADER: u32 = 52;
        const PROGRAM: u32 = 32;
        const LOAD: u32 = 1;
        let half = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let word = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let parts: [Vec<u8>; 7] = [
            b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
            half(&[2, 40]), // executable, Arm
            word(&[1, self.first | 1, HEADER, 0, 0x0500_0000]),
            half(&[HEADER as u16, PROGRAM as u16, 1, 0, 0, 0]),
            word(&[LOAD, HEADER + PROGRAM, ROM, ROM]),
            word(&[8, 8, 5, 4]), // its size, in the file and in memory; what it is for
            [&self.bytes[..4], &(RESET | 1).to_le_bytes()].concat(),
        ];
        parts.concat()
    }

    /// Two bytes of an instruction, as a number.
    pub fn half(&self, address: u32) -> u16 {
        let at = (address - ROM) as usize;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub fn length(&self, address: u32) -> usize {
        if self.half(address) >> 11 >= 0b11101 { 4 } else { 2 }
    }

    pub fn instruction(&self, address: u32) -> &[u8] {
        &self.bytes[(address - ROM) as usize..][..self.length(address)]
    }

    /// Whether it is a call: BL, or BLX to a register.
    pub fn calls(&self, address: u32) -> bool {
        let first = self.half(address);
        if self.length(address) == 2 {
            return first & 0xff87 == 0x4780;
        }
        first >> 11 == 0b11110 && self.half(address + 2) & 0xd000 == 0xd000
    }

    /// Whether it may return: it goes to where a register or the stack says.
    pub fn returns(&self, address: u32) -> bool {
        const PC: u16 = 15;
        let first = self.half(address);
        if self.length(address) == 2 {
            return first & 0xff87 == 0x4700 || first >> 8 == 0xbd; // BX, POP
        }
        let second = self.half(address + 2);
        first == 0xe8bd && second >> PC == 1 || first == 0xf85d && second >> 12 == PC // POP.W
    }

    /// Whether it gives a frame of the stack back: it adds a number to the stack's pointer.
    pub fn frees(&self, address: u32) -> bool {
        const SP: u16 = 13;
        let first = self.half(address);
        if self.length(address) == 2 {
            return first & 0xff80 == 0xb000;
        }
        let adds = [0xf10d, 0xf20d].contains(&(first & 0xfbef));
        adds && self.half(address + 2) >> 8 & 0xf == SP
    }

    /// The function that an instruction is of.
    pub fn function(&self, address: u32) -> &str {
        let after = self.symbols.partition_point(|(at, _)| *at <= address);
        after.checked_sub(1).map_or("", |place| &self.symbols[place].1)
    }

    /// Whatever the core would take for an instruction's beginning: each half word of code, of the
    /// constants in it, and of those behind it, for all of the ROM may be executed.
    pub fn places(&self) -> Vec<u32> {
        self.sections.iter().flat_map(|(from, to)| (*from..*to).step_by(2)).collect()
    }

    /// Whether it is of the function in which the ROM waits for recovery.
    pub fn listens(&self, address: u32) -> bool {
        let asleep = self.halts.iter().map(|at| self.function(*at));
        asleep.filter(|of| *of != FAILS).any(|of| of == self.function(address))
    }

    /// Whether it is of what wipes all, and then resets the chip or sleeps for ever.
    pub fn fails(&self, address: u32) -> bool {
        self.function(address) == FAILS
    }

    /// Where functions begin whose name has this part.
    pub fn entries(&self, name: &str) -> impl Iterator<Item = u32> {
        self.symbols.iter().filter(move |(_, of)| of.contains(name)).map(|(at, _)| *at)
    }

    /// What a register gets from memory by this instruction, if it is a load of one register.
    pub fn loaded(&self, address: u32) -> Option<usize> {
        let first = self.half(address);
        if self.length(address) == 2 {
            let low = usize::from(first & 7);
            return match first >> 11 {
                0b01001 | 0b10011 => Some(usize::from(first >> 8 & 7)),
                0b01101 | 0b01111 | 0b10001 => Some(low),
                0b01010 | 0b01011 if first >> 9 & 7 >= 0b011 => Some(low),
                _ => None,
            };
        }
        let second = self.half(address + 2);
        // LDR, LDRB, LDRH, LDRSB, LDRSH in all their forms; the PC is no word of data.
        let one = first >> 9 == 0b111_1100 && first >> 4 & 1 == 1;
        // LDRD: the first of its two.
        let two = first >> 9 == 0b111_0100 && first >> 6 & 1 == 1 && first >> 4 & 1 == 1;
        let register = usize::from(second >> 12);
        ((one || two && first & 0x0120 != 0) && register != 15).then_some(register)
    }
    /// The same of any load, of one register or of more: each register but the PC, in their order.
    pub fn loads(&self, address: u32) -> Vec<usize> {
        const PC: usize = 15;
        let first = self.half(address);
        let of_list = |list: u16| (0..PC).filter(move |number| list >> number & 1 == 1).collect();
        if self.length(address) == 2 {
            return match first >> 9 {
                0b101_1110 => of_list(first & 0xff),               // POP
                of if of >> 2 == 0b11001 => of_list(first & 0xff), // LDM
                _ => self.loaded(address).into_iter().collect(),
            };
        }
        let second = self.half(address + 2);
        if [0xe890, 0xe910].contains(&(first & 0xffd0)) {
            return of_list(second); // LDM, LDMDB
        }
        let pair = first >> 9 == 0b111_0100 && first >> 6 & 1 == 1;
        let other = (pair && first & 0x0120 != 0).then_some(usize::from(second >> 8 & 0xf));
        self.loaded(address).into_iter().flat_map(|one| [Some(one), other]).flatten().collect()
    }
}

/// Instructions as the Armv8-M manual encodes them (DDI 0553, C2.4), and what each loads.
#[test]
fn each_register_of_a_load_is_told() {
    let all: [(&[u16], &[usize]); 11] = [
        (&[0x9801], &[0]),                    // LDR r0, [sp, #4]
        (&[0xbcf0], &[4, 5, 6, 7]),           // POP {r4-r7}
        (&[0xbd81], &[0, 7]),                 // POP {r0, r7, pc}
        (&[0xc80e], &[1, 2, 3]),              // LDM r0!, {r1-r3}
        (&[0xc00e], &[]),                     // STM r0!, {r1-r3}
        (&[0xb4f0], &[]),                     // PUSH {r4-r7}
        (&[0xe8bd, 0x8f00], &[8, 9, 10, 11]), // POP.W {r8-r11, pc}
        (&[0xe9d0, 0x2304], &[2, 3]),         // LDRD r2, r3, [r0, #16]
        (&[0xe9cd, 0x6044], &[]),             // STRD r6, r0, [sp, #272]
        (&[0xf8dd, 0xb00c], &[11]),           // LDR.W r11, [sp, #12]
        (&[0xe890, 0x5006], &[1, 2, 12, 14]), // LDM.W r0, {r1, r2, r12, lr}
    ];
    for (halves, registers) in all {
        let bytes = halves.iter().flat_map(|half| half.to_le_bytes()).chain([0; 2]).collect();
        let rom = Rom { bytes, ..Rom::built() };
        assert_eq!(rom.loads(ROM), registers, "{halves:x?}");
    }
}
