//! On the host: the program that a ROM starts, made of its two parts as the linker left them.

use crate::map;
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use std::fmt;
use std::string::String;
use std::vec::Vec;

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(String);

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

/// The program of a secure part, which lies at [`map::CODE`], and a non-secure part, which lies at
/// [`map::NON_SECURE_CODE`] (both ELF).
///
/// # Errors
/// [`Misfit`] if one is no ELF of the chip, or has bytes outside its place.
pub fn bundle(secure: &[u8], non_secure: &[u8]) -> Result<Vec<u8>, Misfit> {
    let mut program = Vec::new();
    place(secure, map::CODE, map::NON_SECURE_OFFSET, &mut program)?;
    let mut other = Vec::new();
    place(non_secure, map::NON_SECURE_CODE, map::NON_SECURE_CODE_SIZE, &mut other)?;
    program.resize(map::NON_SECURE_OFFSET, 0xff);
    program.append(&mut other);
    Ok(program)
}

/// The program of a secure part alone.
///
/// # Errors
/// As [`bundle`].
pub fn alone(secure: &[u8]) -> Result<Vec<u8>, Misfit> {
    let mut program = Vec::new();
    place(secure, map::CODE, map::NON_SECURE_OFFSET, &mut program)?;
    Ok(program)
}

/// Writes what is loaded of an ELF into `room`, which begins at address `first`.
fn place(elf: &[u8], first: usize, size: usize, room: &mut Vec<u8>) -> Result<(), Misfit> {
    let misfit = |why: &str| Misfit(format!("a part of the program {why}"));
    let header = FileHeader32::<object::Endianness>::parse(elf);
    let header = header.map_err(|_| misfit("is no ELF of 32 bits"))?;
    let endian = header.endian().map_err(|_| misfit("has no byte order"))?;
    let loaded = header.program_headers(endian, elf).map_err(|_| misfit("has no segments"))?;
    for segment in loaded.iter().filter(|segment| segment.p_type(endian) == PT_LOAD) {
        let bytes = segment.data(endian, elf).map_err(|()| misfit("is cut short"))?;
        if bytes.is_empty() {
            continue;
        }
        let at = (segment.p_paddr(endian) as usize).checked_sub(first);
        let at = at.filter(|at| at + bytes.len() <= size);
        let at = at.ok_or_else(|| misfit("has bytes outside its place"))?;
        room.resize((at + bytes.len()).max(room.len()), 0xff);
        room.get_mut(at..at + bytes.len()).unwrap_or(&mut []).copy_from_slice(bytes);
    }
    Ok(())
}
