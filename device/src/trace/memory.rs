//! Reading the memory of a traced process, bounded, and the list of what is mapped in it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Mappings looked at; a process that has more is unwound with what these cover.
const MAPPINGS_MAX: usize = 4096;
const LIST_BYTES_MAX: usize = 1 << 20;
const LIST_CHUNK: usize = 16 * 1024;

/// Memory that can be looked into by address. All or nothing: a short read is no read.
pub trait Peek {
    fn read(&self, address: u64, into: &mut [u8]) -> Option<()>;

    fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// `length` bytes, refused above `length_max`.
    fn bytes(&self, address: u64, length: u64, length_max: u64) -> Option<Vec<u8>> {
        if length > length_max {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.read(address, &mut bytes)?;
        Some(bytes)
    }
}

/// The open memory of one program run. Opened when the program begins, it stays readable even
/// if the process later makes itself undumpable.
#[derive(Debug)]
pub struct Memory {
    contents: File,
    list: File,
}

impl Memory {
    pub fn open(pid: i32) -> io::Result<Memory> {
        let contents = File::open(format!("/proc/{pid}/mem"))?;
        let list = File::open(format!("/proc/{pid}/maps"))?;
        Ok(Memory { contents, list })
    }

    /// What is mapped now, by ascending address; empty when the process is gone.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut text = Vec::new();
        let mut chunk = [0; LIST_CHUNK];
        while text.len() < LIST_BYTES_MAX {
            match self.list.read_at(&mut chunk, text.len() as u64) {
                Ok(length) if length > 0 => text.extend(chunk.iter().take(length)),
                _ => break,
            }
        }
        text.split(|byte| *byte == b'\n').filter_map(Mapping::parse).take(MAPPINGS_MAX).collect()
    }
}

impl Peek for Memory {
    fn read(&self, address: u64, into: &mut [u8]) -> Option<()> {
        self.contents.read_exact_at(into, address).ok()
    }
}

/// What backs a mapping. A path is not kept, only which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    File {
        device: u64,
        inode: u64,
    },
    Anonymous,
    /// Code that the kernel itself maps (`[vdso]`).
    Kernel,
}

/// One line of `/proc/PID/maps` (proc_pid_maps(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    /// First address after it.
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    pub offset: u64,
    pub backing: Backing,
}

impl Mapping {
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    fn parse(line: &[u8]) -> Option<Mapping> {
        let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
        let (start, end) = hex_pair(fields.next()?, '-')?;
        let allows = fields.next()?;
        let offset = hex(std::str::from_utf8(fields.next()?).ok()?)?;
        let (major, minor) = hex_pair(fields.next()?, ':')?;
        let inode = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let backing = match (inode, fields.next()) {
            (0, Some(b"[vdso]")) => Backing::Kernel,
            (0, _) => Backing::Anonymous,
            _ => Backing::File { device: (major << 32) | minor, inode },
        };
        Some(Mapping {
            start,
            end,
            readable: allows.contains(&b'r'),
            writable: allows.contains(&b'w'),
            executable: allows.contains(&b'x'),
            offset,
            backing,
        })
    }
}

fn hex_pair(field: &[u8], between: char) -> Option<(u64, u64)> {
    let (first, second) = std::str::from_utf8(field).ok()?.split_once(between)?;
    Some((hex(first)?, hex(second)?))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_file_is_read() {
        let line = b"7f00-8000 r-xp 00001000 fe:01 1234       /some where (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x8000, 0x1000));
        assert!(mapping.readable && mapping.executable && !mapping.writable);
        assert_eq!(mapping.backing, Backing::File { device: 0xfe_0000_0001, inode: 1234 });
    }

    #[test]
    fn kernel_names_are_told_from_files_of_the_same_name() {
        let kernel = Mapping::parse(b"10-20 r-xp 00000000 00:00 0    [vdso]").unwrap();
        let file = Mapping::parse(b"10-20 r-xp 00000000 00:01 7    [vdso]").unwrap();
        assert_eq!(kernel.backing, Backing::Kernel);
        assert_eq!(file.backing, Backing::File { device: 1, inode: 7 });
    }

    #[test]
    fn lines_that_are_no_mapping_are_passed_over() {
        for line in [&b""[..], b"x", b"10 rw-p 0 0:0 0", b"10-zz rw-p 0 0:0 0", b"1-2 r 0 0:0"] {
            assert_eq!(Mapping::parse(line), None);
        }
    }
}
