//! The built ROM: its bytes, its functions, and what its instructions are.

use super::board::programs;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::path::{Path, PathBuf};

const ROM: u32 = 0x1000_0000;

/// The built ROM.
pub struct Rom {
    pub file: PathBuf,
    bytes: Vec<u8>,
    pub first: u32,
    /// Where it halts.
    pub halts: Vec<u32>,
    symbols: Vec<(u32, String)>,
}

impl Rom {
    pub fn built() -> Self {
        Self::of(&programs().join("rom"))
    }

    pub fn of(file: &Path) -> Self {
        let elf = std::fs::read(file).unwrap();
        let elf = object::File::parse(&*elf).unwrap();
        let mut bytes = vec![0; 48 * 1024];
        for section in elf.sections() {
            let at = (section.address() as u32).wrapping_sub(ROM) as usize;
            if at < bytes.len() && section.file_range().is_some() {
                let data = section.data().unwrap();
                bytes[at..at + data.len()].copy_from_slice(data);
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
        let first = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) & !1;
        Self { file: file.to_path_buf(), bytes, first, halts, symbols }
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

    /// The function that an instruction is of.
    pub fn function(&self, address: u32) -> &str {
        let after = self.symbols.partition_point(|(at, _)| *at <= address);
        after.checked_sub(1).map_or("", |place| &self.symbols[place].1)
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
}
