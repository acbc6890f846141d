//! A program's symbols: an unstripped ELF file that someone uploaded, so not to be trusted. Its
//! build id must be the one it was uploaded for; wrong contents give wrong names and nothing
//! else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use addr2line::Context;
use gimli::{DwarfSections, EndianSlice, RunTimeEndian};
use object::{Endianness, File, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};

use super::names::{bounded, readable};

/// The largest symbol file, bytes.
pub const SYMBOLS_LEN_MAX: usize = 64 << 20;
/// Functions taken from a file's symbol table.
const FUNCTIONS_MAX: usize = 1 << 20;
/// Functions inlined into one another at one place.
const PLACES_MAX: usize = 16;
const FILE_NAME_MAX: usize = 256;

type Bytes<'a> = EndianSlice<'a, RunTimeEndian>;

/// Why a file is no use as symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    #[error("E4701: the symbol file is larger than 64 MiB. Build with debuginfo=1.")]
    SymbolsTooLarge,
    #[error("E4702: the symbol file is not a readable ELF file. Send the program as linked.")]
    SymbolsUnreadable,
    #[error("E4703: the symbol file has no build id. Link with --build-id=sha1.")]
    SymbolsUnnamed,
    #[error("E4704: the symbol file is of another build. Send the one the package was made of.")]
    SymbolsOfOther,
    #[error("E4705: the symbol file's debug sections are compressed. Build without compression.")]
    SymbolsCompressed,
    #[error("E4706: the symbol file is stripped. Send the program as it was before `strip`.")]
    SymbolsStripped,
}

impl SymbolError {
    /// The number in `spec/errors.toml`.
    pub fn code(&self) -> u16 {
        match self {
            SymbolError::SymbolsTooLarge => 4701,
            SymbolError::SymbolsUnreadable => 4702,
            SymbolError::SymbolsUnnamed => 4703,
            SymbolError::SymbolsOfOther => 4704,
            SymbolError::SymbolsCompressed => 4705,
            SymbolError::SymbolsStripped => 4706,
        }
    }
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Demangled, without hash; printable, at most 512 bytes.
    pub function: String,
    pub file: Option<String>,
    pub line: Option<u32>,
}

/// The symbols of one program, ready to be asked.
pub struct Symbols<'a> {
    build_id: &'a [u8],
    context: Option<Context<Bytes<'a>>>,
    /// By ascending address.
    functions: Vec<Function<'a>>,
}

struct Function<'a> {
    start: u64,
    size: u64,
    name: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// Opens the file uploaded as the symbols of `build_id`.
    pub fn open(bytes: &'a [u8], build_id: &[u8]) -> Result<Symbols<'a>, SymbolError> {
        let symbols = Symbols::read(bytes)?;
        if symbols.build_id == build_id { Ok(symbols) } else { Err(SymbolError::SymbolsOfOther) }
    }

    /// Opens a file whatever build it is of.
    pub fn read(bytes: &'a [u8]) -> Result<Symbols<'a>, SymbolError> {
        if bytes.len() > SYMBOLS_LEN_MAX {
            return Err(SymbolError::SymbolsTooLarge);
        }
        // The parsers are made for hostile input, but not all arithmetic in them is.
        catch_unwind(|| read(bytes)).unwrap_or(Err(SymbolError::SymbolsUnreadable))
    }

    pub fn build_id(&self) -> &[u8] {
        self.build_id
    }

    /// What lies at a linked address, innermost first; empty if unknown.
    pub fn places(&self, pc: u64) -> Vec<Place> {
        let looked = AssertUnwindSafe(|| self.places_by_dwarf(pc));
        let places = catch_unwind(looked).ok().flatten().unwrap_or_default();
        if places.is_empty() { self.function_at(pc).into_iter().collect() } else { places }
    }

    fn places_by_dwarf(&self, pc: u64) -> Option<Vec<Place>> {
        let context = self.context.as_ref()?;
        let mut frames = context.find_frames(pc).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref()?.raw_name().ok()?;
            let location = frame.location;
            places.push(Place {
                function: readable(name.as_bytes()),
                file: location.as_ref().and_then(|at| at.file).map(file_name),
                line: location.as_ref().and_then(|at| at.line).filter(|line| *line > 0),
            });
            if places.len() == PLACES_MAX {
                break;
            }
        }
        Some(places)
    }

    /// By the symbol table: for code that has no debug information, such as the C library.
    fn function_at(&self, pc: u64) -> Option<Place> {
        let after = self.functions.partition_point(|function| function.start <= pc);
        let function = self.functions.get(after.checked_sub(1)?)?;
        let inside = pc - function.start < function.size.max(1);
        inside.then(|| Place { function: readable(function.name), file: None, line: None })
    }
}

fn read(bytes: &[u8]) -> Result<Symbols<'_>, SymbolError> {
    let file = File::parse(bytes).map_err(|_| SymbolError::SymbolsUnreadable)?;
    if file.format() != object::BinaryFormat::Elf {
        return Err(SymbolError::SymbolsUnreadable);
    }
    let build_id = file.build_id().map_err(|_| SymbolError::SymbolsUnreadable)?;
    let build_id = build_id.filter(|id| !id.is_empty()).ok_or(SymbolError::SymbolsUnnamed)?;
    let functions = functions(&file);
    let context = context(&file)?;
    if functions.is_empty() && context.is_none() {
        return Err(SymbolError::SymbolsStripped);
    }
    Ok(Symbols { build_id, context, functions })
}

fn functions<'a>(file: &File<'a>) -> Vec<Function<'a>> {
    let mut functions: Vec<Function<'a>> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let name = symbol.name_bytes().ok()?;
            Some(Function { start: symbol.address(), size: symbol.size(), name })
        })
        .take(FUNCTIONS_MAX)
        .collect();
    functions.sort_by_key(|function| (function.start, function.size));
    functions
}

fn context<'a>(file: &File<'a>) -> Result<Option<Context<Bytes<'a>>>, SymbolError> {
    if file.section_by_name(".debug_info").is_none() {
        return Ok(None);
    }
    let endian = match file.endianness() {
        Endianness::Little => RunTimeEndian::Little,
        Endianness::Big => RunTimeEndian::Big,
    };
    let sections = DwarfSections::load(|id| section(file, id.name()))?;
    let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, endian));
    Context::from_dwarf(dwarf).map(Some).map_err(|_| SymbolError::SymbolsUnreadable)
}

/// A section's bytes, empty if it has none. Compressed ones are refused: a small file could
/// then ask for any amount of memory.
fn section<'a>(file: &File<'a>, name: &str) -> Result<&'a [u8], SymbolError> {
    let Some(section) = file.section_by_name(name) else { return Ok(&[]) };
    let compressed = match section.flags() {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.0 & object::elf::SHF_COMPRESSED.0 != 0,
        _ => false,
    };
    if compressed {
        return Err(SymbolError::SymbolsCompressed);
    }
    section.data().map_err(|_| SymbolError::SymbolsUnreadable)
}

/// A source file as its maker wrote it: paths under the build folder are given from `.` on.
fn file_name(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    bounded(path, FILE_NAME_MAX)
}
