use super::crc32c::crc32c;
use super::directory::{Dirent, check_sorted, decode_block};
use super::layout::{
    BLOCK_BITS, COMPAT_CHECKSUM, INODE_BYTES, Inode, KIND_DIRECTORY, KIND_FILE, MAGIC,
    MODE_DIRECTORY, MODE_EXECUTABLE, MODE_FILE, ROOT_NID, SET_ID_BITS, SUPERBLOCK_AT,
    TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK, TYPE_SYMLINK, superblock, u32_at,
};
use super::tree::check_name;
use super::write::write_to;
use super::{
    BLOCK_BYTES, DEPTH_MAX, ENTRIES_MAX, ErofsError, FILE_BYTES_MAX, IMAGE_BYTES_MAX, Tree,
};
use std::io::{self, Write};
use std::ops::Range;

/// The tree of an untrusted image, its files borrowing `image`; refuses everything that
/// [`super::write`] would not have written.
///
/// First a bounded walk names what is wrong, then the tree is written again and compared, which is
/// what proves that the form is canonical. Memory: the tree's paths, at most 16 MiB, and one copy
/// of the metadata. Time: one pass over the metadata and one over the image.
pub fn read(image: &[u8]) -> Result<Tree<'_>, ErofsError> {
    check_superblock(image)?;
    let found = Walk::over(image)?;
    check_extents(&found)?;
    let mut tree = Tree::new();
    for entry in found.entries {
        match entry.mode {
            MODE_DIRECTORY => tree.insert_directory(&entry.path)?,
            mode => tree.insert_file(&entry.path, entry.bytes, mode == MODE_EXECUTABLE)?,
        }
    }
    check_canonical(&tree, image)?;
    Ok(tree)
}

fn check_superblock(image: &[u8]) -> Result<(), ErofsError> {
    if image.len() as u64 > IMAGE_BYTES_MAX {
        return Err(ErofsError::ImageTooLarge);
    }
    let block = image.get(SUPERBLOCK_AT..BLOCK_BYTES).ok_or(ErofsError::ImageTruncated)?;
    let field = |at| u32_at(block, at).ok_or(ErofsError::ImageTruncated);
    if field(superblock::MAGIC)? != MAGIC {
        return Err(ErofsError::SuperblockMagicWrong);
    }
    if block.get(superblock::BLOCK_BITS) != Some(&BLOCK_BITS) {
        return Err(ErofsError::BlockSizeWrong);
    }
    let unknown = (field(superblock::COMPAT)? ^ COMPAT_CHECKSUM) | field(superblock::INCOMPAT)?;
    if unknown != 0 {
        return Err(ErofsError::FeatureUnknown(unknown));
    }
    let mut unsummed = block.to_vec();
    unsummed[superblock::CHECKSUM..][..4].fill(0);
    if field(superblock::CHECKSUM)? != crc32c(&unsummed) {
        return Err(ErofsError::SuperblockChecksumWrong);
    }
    let stated = u64::from(field(superblock::BLOCKS)?) * BLOCK_BYTES as u64;
    match (image.len() as u64).cmp(&stated) {
        std::cmp::Ordering::Less => Err(ErofsError::ImageTruncated),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ErofsError::ImageTrailingBytes),
    }
}

/// One file or directory of the image, the root not among them.
struct Entry<'a> {
    path: String,
    mode: u16,
    bytes: &'a [u8],
}

/// What a walk found: entries with checked names, modes and places.
struct Found<'a> {
    entries: Vec<Entry<'a>>,
    /// Blocks in use and the path that uses them.
    extents: Vec<(Range<u64>, String)>,
    inodes: usize,
}

struct Walk<'a> {
    image: &'a [u8],
    found: Found<'a>,
    /// Inodes met so far, by their place in the table.
    met: Vec<bool>,
    waiting: Vec<Directory>,
}

struct Directory {
    path: String,
    depth: usize,
    nid: u64,
    parent: u64,
}

impl<'a> Walk<'a> {
    /// Visits every directory once. Each of its blocks holds at least one entry, so `ENTRIES_MAX`
    /// bounds the work whatever sizes the inodes claim.
    fn over(image: &'a [u8]) -> Result<Found<'a>, ErofsError> {
        let found = Found { entries: Vec::new(), extents: Vec::new(), inodes: 1 };
        let mut walk =
            Walk { image, found, met: vec![false; ENTRIES_MAX + 1], waiting: Vec::new() };
        let root = Directory { path: String::new(), depth: 0, nid: ROOT_NID, parent: ROOT_NID };
        walk.meet(ROOT_NID, "", true)?;
        walk.waiting.push(root);
        while let Some(directory) = walk.waiting.pop() {
            walk.visit(&directory)?;
        }
        Ok(walk.found)
    }

    fn visit(&mut self, directory: &Directory) -> Result<(), ErofsError> {
        let path = directory.path.as_str();
        let inode = self.inode(directory.nid, path)?;
        if inode.mode & TYPE_MASK != TYPE_DIRECTORY {
            return Err(ErofsError::EntryKindWrong(path.into()));
        }
        let contents = self.contents(&inode, path)?;
        let mut entries = Vec::new();
        for block in contents.chunks(BLOCK_BYTES) {
            let block = decode_block(block);
            entries.extend(block.ok_or_else(|| ErofsError::DirectoryMalformed(path.into()))?);
            if self.found.inodes + entries.len() > ENTRIES_MAX + 3 {
                return Err(ErofsError::EntriesTooMany);
            }
        }
        check_sorted(&entries, path)?;
        check_dots(&entries, directory)?;
        entries.retain(|entry| !is_dots(entry));
        self.found.inodes += entries.len();
        entries.iter().try_for_each(|entry| self.enter(entry, directory))
    }

    fn enter(&mut self, entry: &Dirent, parent: &Directory) -> Result<(), ErofsError> {
        let name = check_name(entry.name)?;
        let path = match parent.path.as_str() {
            "" => name.to_string(),
            above => format!("{above}/{name}"),
        };
        let depth = parent.depth + 1;
        if depth > DEPTH_MAX {
            return Err(ErofsError::DepthTooGreat(path));
        }
        let inode = self.inode(entry.nid, &path)?;
        let is_directory = inode.mode == MODE_DIRECTORY;
        if entry.kind != if is_directory { KIND_DIRECTORY } else { KIND_FILE } {
            return Err(ErofsError::EntryKindWrong(path));
        }
        self.meet(entry.nid, &path, is_directory)?;
        let bytes = if is_directory {
            let (nid, parent) = (entry.nid, parent.nid);
            self.waiting.push(Directory { path: path.clone(), depth, nid, parent });
            &[]
        } else {
            self.contents(&inode, &path)?
        };
        self.found.entries.push(Entry { path, mode: inode.mode, bytes });
        Ok(())
    }

    /// Notes that a path leads to `nid`, which no other path may.
    fn meet(&mut self, nid: u64, path: &str, is_directory: bool) -> Result<(), ErofsError> {
        let index = nid.checked_sub(ROOT_NID).and_then(|index| usize::try_from(index).ok());
        let met = index.and_then(|index| self.met.get_mut(index));
        let met = met.ok_or_else(|| ErofsError::InodeOutOfRange(path.into()))?;
        match (std::mem::replace(met, true), is_directory) {
            (false, _) => Ok(()),
            (true, true) => Err(ErofsError::DirectoryLoop(path.into())),
            (true, false) => Err(ErofsError::HardLink(path.into())),
        }
    }

    fn inode(&self, nid: u64, path: &str) -> Result<Inode, ErofsError> {
        let inode = Inode::decode(self.image, nid)
            .ok_or_else(|| ErofsError::InodeOutOfRange(path.into()))?;
        check_inode(&inode, path)?;
        Ok(inode)
    }

    /// The bytes that `inode` places in the image, and a note of the blocks they take.
    fn contents(&mut self, inode: &Inode, path: &str) -> Result<&'a [u8], ErofsError> {
        let length = u64::from(inode.bytes);
        if length > FILE_BYTES_MAX {
            return Err(ErofsError::FileTooLarge(path.into()));
        }
        let block = u64::from(inode.block);
        let blocks = block..block + length.div_ceil(BLOCK_BYTES as u64);
        let start = block * BLOCK_BYTES as u64;
        let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
        let bytes = range
            .and_then(|(start, end)| self.image.get(start..end))
            .ok_or_else(|| ErofsError::ExtentOutOfRange(path.into()))?;
        if length > 0 {
            self.found.extents.push((blocks, path.into()));
        }
        Ok(bytes)
    }
}

fn check_inode(inode: &Inode, path: &str) -> Result<(), ErofsError> {
    let path = || path.to_string();
    match inode.mode & TYPE_MASK {
        TYPE_FILE | TYPE_DIRECTORY => {}
        TYPE_SYMLINK => return Err(ErofsError::SymbolicLink(path())),
        _ => return Err(ErofsError::SpecialFile(path())),
    }
    if inode.format != 0 {
        return Err(ErofsError::InodeLayoutUnknown(path()));
    }
    if inode.xattrs != 0 {
        return Err(ErofsError::ExtendedAttributes(path()));
    }
    if inode.mode & SET_ID_BITS != 0 {
        return Err(ErofsError::ModeSetId(path()));
    }
    if ![MODE_DIRECTORY, MODE_FILE, MODE_EXECUTABLE].contains(&inode.mode) {
        return Err(ErofsError::ModeUnusual(path()));
    }
    if inode.uid != 0 || inode.gid != 0 {
        return Err(ErofsError::OwnerNotRoot(path()));
    }
    if inode.mode != MODE_DIRECTORY && inode.links != 1 {
        return Err(ErofsError::HardLink(path()));
    }
    Ok(())
}

fn is_dots(entry: &Dirent) -> bool {
    entry.name == b"." || entry.name == b".."
}

/// `.` must lead to the directory itself and `..` to the one above it.
fn check_dots(entries: &[Dirent], directory: &Directory) -> Result<(), ErofsError> {
    let leads_to = |name: &[u8], nid| {
        let mut named = entries.iter().filter(|entry| entry.name == name);
        named.any(|entry| entry.nid == nid && entry.kind == KIND_DIRECTORY)
    };
    if leads_to(b".", directory.nid) && leads_to(b"..", directory.parent) {
        Ok(())
    } else {
        Err(ErofsError::DotEntryWrong(directory.path.clone()))
    }
}

/// No block belongs to two, and none to the superblock or the inode table.
fn check_extents(found: &Found) -> Result<(), ErofsError> {
    let mut extents: Vec<_> = found.extents.iter().collect();
    extents.sort_by_key(|(blocks, _)| blocks.start);
    let mut free_from = 1 + (found.inodes * INODE_BYTES).div_ceil(BLOCK_BYTES) as u64;
    for (blocks, path) in extents {
        if blocks.start < free_from {
            return Err(ErofsError::ExtentOverlap(path.clone()));
        }
        free_from = blocks.end;
    }
    Ok(())
}

fn check_canonical(tree: &Tree, image: &[u8]) -> Result<(), ErofsError> {
    let mut expected = Comparison { rest: image };
    let written = write_to(tree, &mut expected);
    let Comparison { rest } = expected;
    if written.is_ok() && rest.is_empty() {
        Ok(())
    } else {
        Err(ErofsError::NotCanonical((image.len() - rest.len()) as u64))
    }
}

/// Takes only the bytes that it expects next; `rest` is what is still expected.
struct Comparison<'a> {
    rest: &'a [u8],
}

impl Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(rest) = self.rest.strip_prefix(bytes) {
            self.rest = rest;
            return Ok(bytes.len());
        }
        let equal = bytes.iter().zip(self.rest).take_while(|(ours, theirs)| ours == theirs).count();
        self.rest = self.rest.get(equal..).unwrap_or_default();
        Err(io::ErrorKind::InvalidData.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
