use super::crc32c::crc32c;
use super::directory::{self, Dirent};
use super::layout::INODE_BYTES;
use super::layout::{
    BLOCK_BITS, COMPAT_CHECKSUM, Inode, KIND_DIRECTORY, KIND_FILE, MAGIC, MODE_DIRECTORY,
    MODE_EXECUTABLE, MODE_FILE, ROOT_NID, SUPERBLOCK_AT, superblock,
};
use super::{BLOCK_BYTES, Node, Tree};
use std::collections::HashMap;
use std::io::{self, Write};

/// The image of `tree`: a whole number of 4096-byte blocks, the same for the same tree.
pub fn write(tree: &Tree) -> Vec<u8> {
    let mut image = Vec::new();
    write_to(tree, &mut image).expect("a Vec takes every write");
    image
}

/// Like [`write`], without holding the image: fails only where `out` fails.
pub fn write_to(tree: &Tree, out: &mut impl Write) -> io::Result<()> {
    let plan = Plan::of(tree);
    out.write_all(&plan.superblock())?;
    let inodes: Vec<u8> = plan.inodes().iter().flat_map(Inode::encode).collect();
    write_blocks(&inodes, out)?;
    for place in &plan.places {
        if let Contents::Directory { bytes, .. } = &place.contents {
            write_blocks(bytes, out)?;
        }
    }
    for place in &plan.places {
        if let Contents::File { bytes, .. } = &place.contents {
            write_blocks(bytes, out)?;
        }
    }
    Ok(())
}

/// Where everything goes: the root, then the tree's entries in order.
struct Plan<'t> {
    places: Vec<Place<'t>>,
    blocks: u32,
}

struct Place<'t> {
    contents: Contents<'t>,
    block: u32,
}

enum Contents<'t> {
    Directory { bytes: Vec<u8>, directories_inside: u16 },
    File { bytes: &'t [u8], executable: bool },
}

impl<'t> Plan<'t> {
    fn of(tree: &'t Tree) -> Plan<'t> {
        let listings = listings(tree);
        let root = Place { contents: directory_contents(&listings, ""), block: 0 };
        let entries = tree.iter().map(|(path, node)| {
            let contents = match node {
                Node::Directory => directory_contents(&listings, path),
                Node::File { bytes, executable } => {
                    Contents::File { bytes, executable: *executable }
                }
            };
            Place { contents, block: 0 }
        });
        let mut plan = Plan { places: [root].into_iter().chain(entries).collect(), blocks: 0 };
        plan.blocks = 1 + blocks_of(plan.places.len() * INODE_BYTES);
        plan.assign_blocks(|contents| matches!(contents, Contents::Directory { .. }));
        plan.assign_blocks(|contents| matches!(contents, Contents::File { .. }));
        plan
    }

    fn assign_blocks(&mut self, wanted: impl Fn(&Contents) -> bool) {
        for place in self.places.iter_mut().filter(|place| wanted(&place.contents)) {
            let blocks = blocks_of(place.contents.bytes().len());
            if blocks > 0 {
                place.block = self.blocks;
                self.blocks += blocks;
            }
        }
    }

    fn superblock(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| {
            block[SUPERBLOCK_AT + at..][..bytes.len()].copy_from_slice(bytes);
        };
        put(superblock::MAGIC, &MAGIC.to_le_bytes());
        put(superblock::COMPAT, &COMPAT_CHECKSUM.to_le_bytes());
        put(superblock::BLOCK_BITS, &[BLOCK_BITS]);
        put(superblock::ROOT_NID, &(ROOT_NID as u16).to_le_bytes());
        put(superblock::INODES, &(self.places.len() as u64).to_le_bytes());
        put(superblock::BLOCKS, &self.blocks.to_le_bytes());
        let checksum = crc32c(&block[SUPERBLOCK_AT..]).to_le_bytes();
        block[SUPERBLOCK_AT + superblock::CHECKSUM..][..4].copy_from_slice(&checksum);
        block
    }

    fn inodes(&self) -> Vec<Inode> {
        self.places.iter().zip(1..).map(|(place, number)| place.inode(number)).collect()
    }
}

impl Place<'_> {
    fn inode(&self, number: u32) -> Inode {
        let (mode, links) = match &self.contents {
            Contents::Directory { directories_inside, .. } => {
                (MODE_DIRECTORY, 2 + directories_inside)
            }
            Contents::File { executable: true, .. } => (MODE_EXECUTABLE, 1),
            Contents::File { executable: false, .. } => (MODE_FILE, 1),
        };
        let bytes = self.contents.bytes().len() as u32;
        let plain = Inode {
            format: 0,
            xattrs: 0,
            mode: 0,
            links,
            bytes,
            block: self.block,
            number,
            uid: 0,
            gid: 0,
        };
        Inode { mode, ..plain }
    }
}

impl Contents<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Contents::Directory { bytes, .. } => bytes,
            Contents::File { bytes, .. } => bytes,
        }
    }
}

/// The entries of every directory by its path; the root's path is empty.
type Listings<'t> = HashMap<&'t str, Vec<Dirent<'t>>>;

fn listings<'t>(tree: &'t Tree) -> Listings<'t> {
    let mut listings: Listings = HashMap::new();
    listings.insert("", dots(ROOT_NID, ROOT_NID));
    let mut nids: HashMap<&str, u64> = HashMap::from([("", ROOT_NID)]);
    for ((path, node), nid) in tree.iter().zip(ROOT_NID + 1..) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let kind = match node {
            Node::Directory => KIND_DIRECTORY,
            Node::File { .. } => KIND_FILE,
        };
        listings.entry(parent).or_default().push(Dirent { name: name.as_bytes(), nid, kind });
        if kind == KIND_DIRECTORY {
            nids.insert(path, nid);
            listings.insert(path, dots(nid, nids[parent]));
        }
    }
    listings.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.name));
    listings
}

fn dots(nid: u64, parent: u64) -> Vec<Dirent<'static>> {
    let entry = |name, nid| Dirent { name, nid, kind: KIND_DIRECTORY };
    vec![entry(b".", nid), entry(b"..", parent)]
}

fn directory_contents<'t>(listings: &Listings, path: &str) -> Contents<'t> {
    let entries = &listings[path];
    let directories = entries.iter().filter(|entry| entry.kind == KIND_DIRECTORY).count();
    // `.` and `..` are counted as the directory's own two links.
    let directories_inside = (directories - 2) as u16;
    Contents::Directory { bytes: directory::encode(entries), directories_inside }
}

fn blocks_of(bytes: usize) -> u32 {
    bytes.div_ceil(BLOCK_BYTES) as u32
}

fn write_blocks(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(bytes)?;
    let padding = bytes.len().next_multiple_of(BLOCK_BYTES) - bytes.len();
    out.write_all(&[0; BLOCK_BYTES][..padding])
}
