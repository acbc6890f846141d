//! The strict reader: one hostile image for each reason of refusal, and none that panics.

use craton_image::erofs::{
    BLOCK_BYTES, DEPTH_MAX, ENTRIES_MAX, ErofsError, IMAGE_BYTES_MAX, Tree, read, write,
};

const SUPERBLOCK: usize = 1024;
const ROOT_NID: usize = 128;

/// A valid image to be spoilt. Inodes are numbered as the writer does: 0 is the root, then the
/// tree's entries in order.
struct Forge {
    image: Vec<u8>,
}

/// Fields of an inode record: (offset, bytes).
const FORMAT: (usize, usize) = (0, 2);
const XATTRS: (usize, usize) = (2, 2);
const MODE: (usize, usize) = (4, 2);
const LINKS: (usize, usize) = (6, 2);
const SIZE: (usize, usize) = (8, 4);
const BLOCK: (usize, usize) = (16, 4);
const UID: (usize, usize) = (24, 2);
const GID: (usize, usize) = (26, 2);

impl Forge {
    /// `d` (inode 1) holding `f` (2); files `x` (3) and `y` (4).
    fn small() -> Forge {
        let mut tree = Tree::new();
        tree.insert_file("d/f", &b"file in a folder"[..], false).unwrap();
        tree.insert_file("x", vec![b'x'; 5000], true).unwrap();
        tree.insert_file("y", vec![b'y'; 4096], false).unwrap();
        Forge { image: write(&tree) }
    }

    fn inode_at(inode: usize) -> usize {
        (ROOT_NID + inode) * 32
    }

    fn get(&self, inode: usize, (offset, bytes): (usize, usize)) -> usize {
        let field = &self.image[Self::inode_at(inode) + offset..][..bytes];
        field.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
    }

    fn set(mut self, inode: usize, (offset, bytes): (usize, usize), value: usize) -> Forge {
        let field = &mut self.image[Self::inode_at(inode) + offset..][..bytes];
        field.copy_from_slice(&value.to_le_bytes()[..bytes]);
        self
    }

    fn contents_at(&self, inode: usize) -> usize {
        self.get(inode, BLOCK) * BLOCK_BYTES
    }

    /// Overwrites bytes of an inode's contents.
    fn put(mut self, inode: usize, offset: usize, bytes: &[u8]) -> Forge {
        let at = self.contents_at(inode) + offset;
        self.image[at..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Replaces the contents of directory `inode` by `entries`, stored in the blocks of `lender`.
    fn relist(self, inode: usize, lender: usize, entries: &[(&[u8], usize, u8)]) -> Forge {
        let listing = listing(entries);
        let block = self.get(lender, BLOCK);
        self.put(lender, 0, &listing).set(inode, SIZE, listing.len()).set(inode, BLOCK, block)
    }

    fn superblock(mut self, offset: usize, bytes: &[u8]) -> Forge {
        self.image[SUPERBLOCK + offset..][..bytes.len()].copy_from_slice(bytes);
        self.summed()
    }

    fn summed(mut self) -> Forge {
        self.image[SUPERBLOCK + 4..][..4].fill(0);
        let sum = self.image[SUPERBLOCK..BLOCK_BYTES].iter().fold(u32::MAX, |crc, byte| {
            let shift = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
            (0..8).fold(crc ^ u32::from(*byte), shift)
        });
        self.image[SUPERBLOCK + 4..][..4].copy_from_slice(&sum.to_le_bytes());
        self
    }

    fn refusal(&self) -> ErofsError {
        read(&self.image).expect_err("must be refused")
    }
}

/// One directory block: name, inode, kind (1 file, 2 directory).
fn listing(entries: &[(&[u8], usize, u8)]) -> Vec<u8> {
    let mut block = Vec::new();
    let mut name_at = entries.len() * 12;
    for (name, inode, kind) in entries {
        block.extend((ROOT_NID as u64 + *inode as u64).to_le_bytes());
        block.extend((name_at as u16).to_le_bytes());
        block.extend([*kind, 0]);
        name_at += name.len();
    }
    entries.iter().for_each(|(name, ..)| block.extend(*name));
    block
}

/// Entries of the root of `small`, to be changed.
fn root_with(name: &[u8]) -> Forge {
    let mut entries = vec![(&b"."[..], 0, 2), (b"..", 0, 2), (b"d", 1, 2), (name, 3, 1)];
    entries.sort();
    Forge::small().relist(0, 4, &entries)
}

#[test]
fn the_forge_starts_from_an_image_that_is_accepted() {
    assert_eq!(read(&Forge::small().image).unwrap().len(), 4);
    assert_eq!(read(&Forge::small().summed().image).unwrap().len(), 4);
}

#[test]
fn a_short_image_is_refused_at_every_length() {
    let image = Forge::small().image;
    for length in 0..image.len() {
        assert_eq!(read(&image[..length]), Err(ErofsError::ImageTruncated), "{length}");
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for extra in [1, BLOCK_BYTES] {
        let mut image = Forge::small().image;
        image.resize(image.len() + extra, 0);
        assert_eq!(read(&image), Err(ErofsError::ImageTrailingBytes));
    }
}

#[test]
fn an_image_over_the_bound_is_refused() {
    let image = vec![0; IMAGE_BYTES_MAX as usize + 1];
    assert_eq!(read(&image), Err(ErofsError::ImageTooLarge));
}

#[test]
fn a_foreign_superblock_is_refused() {
    assert_eq!(read(&[0; 8192]), Err(ErofsError::SuperblockMagicWrong));
    let refusal = |offset, bytes: &[u8]| Forge::small().superblock(offset, bytes).refusal();
    assert_eq!(refusal(0, b"\xe3"), ErofsError::SuperblockMagicWrong);
    assert_eq!(refusal(12, &[9]), ErofsError::BlockSizeWrong);
    assert_eq!(refusal(12, &[16]), ErofsError::BlockSizeWrong);
}

#[test]
fn every_feature_flag_is_refused() {
    for bit in 0..32 {
        let flag = 1_u32 << bit;
        let compatible = Forge::small().superblock(8, &(1 ^ flag).to_le_bytes());
        assert_eq!(compatible.refusal(), ErofsError::FeatureUnknown(flag));
        let incompatible = Forge::small().superblock(80, &flag.to_le_bytes());
        assert_eq!(incompatible.refusal(), ErofsError::FeatureUnknown(flag));
    }
}

#[test]
fn a_wrong_superblock_checksum_is_refused() {
    let mut forge = Forge::small();
    forge.image[SUPERBLOCK + 64] = b'v';
    assert_eq!(forge.refusal(), ErofsError::SuperblockChecksumWrong);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    assert_eq!(root_with(b"a/b").refusal(), ErofsError::NameHasSlash);
    assert_eq!(root_with(b"../../etc/passwd").refusal(), ErofsError::NameHasSlash);
    assert_eq!(root_with(b"/").refusal(), ErofsError::NameHasSlash);
    assert_eq!(root_with(b"").refusal(), ErofsError::NameEmpty);
    assert_eq!(root_with(b"a\0b").refusal(), ErofsError::NameHasNul);
    assert_eq!(root_with(&[b'n'; 256]).refusal(), ErofsError::NameTooLong);
    assert_eq!(root_with(b"\xff\xfe").refusal(), ErofsError::NameNotText);
    assert_eq!(root_with(b"a\nb").refusal(), ErofsError::NameNotText);
}

#[test]
fn dots_that_are_missing_or_lead_astray_are_refused() {
    let root = |entries: &[(&[u8], usize, u8)]| Forge::small().relist(0, 4, entries).refusal();
    let wrong = ErofsError::DotEntryWrong("".into());
    assert_eq!(root(&[(b".", 0, 2), (b"..", 1, 2), (b"x", 3, 1)]), wrong);
    assert_eq!(root(&[(b".", 1, 2), (b"..", 0, 2), (b"x", 3, 1)]), wrong);
    assert_eq!(root(&[(b".", 0, 2), (b"..", 0, 1), (b"x", 3, 1)]), wrong);
    assert_eq!(root(&[(b".", 0, 2), (b"x", 3, 1)]), wrong);
    assert_eq!(root(&[]), wrong);
    let child = Forge::small().relist(1, 4, &[(b".", 1, 2), (b"..", 1, 2)]).refusal();
    assert_eq!(child, ErofsError::DotEntryWrong("d".into()));
}

#[test]
fn names_that_repeat_or_are_out_of_order_are_refused() {
    let root = |last: [(&[u8], usize, u8); 2]| {
        let entries = [&[(&b"."[..], 0, 2), (b"..", 0, 2)][..], &last].concat();
        Forge::small().relist(0, 4, &entries).refusal()
    };
    let unsorted = ErofsError::DirectoryUnsorted("".into());
    assert_eq!(root([(b"x", 3, 1), (b"x", 4, 1)]), unsorted);
    assert_eq!(root([(b"x", 3, 1), (b"d", 1, 2)]), unsorted);
    assert_eq!(root([(b"..", 0, 2), (b"x", 3, 1)]), unsorted);
}

#[test]
fn malformed_directory_blocks_are_refused() {
    let malformed = |path: &str| ErofsError::DirectoryMalformed(path.into());
    let names_at = |value: u16| Forge::small().put(1, 8, &value.to_le_bytes()).refusal();
    for value in [0, 7, 13, 4092, 0xffff] {
        assert_eq!(names_at(value), malformed("d"), "names at {value}");
    }
    // The second and third entries' names start inside the records, end before they start, or lie
    // outside the block.
    for (record, value) in [(1, 3_u16), (1, 4000), (2, 36), (2, 5000)] {
        let forge = Forge::small().put(1, record * 12 + 8, &value.to_le_bytes());
        assert_eq!(forge.refusal(), malformed("d"), "record {record} at {value}");
    }
    let short = Forge::small().set(1, SIZE, 9).refusal();
    assert_eq!(short, malformed("d"));
}

#[test]
fn a_loop_of_directories_is_refused() {
    let to_root = Forge::small().relist(1, 4, &[(b".", 1, 2), (b"..", 0, 2), (b"up", 0, 2)]);
    assert_eq!(to_root.refusal(), ErofsError::DirectoryLoop("d/up".into()));
    let to_self = Forge::small().relist(1, 4, &[(b".", 1, 2), (b"..", 0, 2), (b"me", 1, 2)]);
    assert_eq!(to_self.refusal(), ErofsError::DirectoryLoop("d/me".into()));
}

#[test]
fn hard_links_are_refused() {
    let twice = [(&b"."[..], 0, 2), (b"..", 0, 2), (b"x", 3, 1), (b"z", 3, 1)];
    let forge = Forge::small().relist(0, 4, &twice);
    assert_eq!(forge.refusal(), ErofsError::HardLink("z".into()));
    assert_eq!(Forge::small().set(3, LINKS, 2).refusal(), ErofsError::HardLink("x".into()));
}

#[test]
fn symbolic_links_are_refused() {
    let forge = Forge::small().set(3, MODE, 0o120_777);
    assert_eq!(forge.refusal(), ErofsError::SymbolicLink("x".into()));
}

#[test]
fn devices_pipes_and_sockets_are_refused() {
    for kind in [0o020_000, 0o060_000, 0o010_000, 0o140_000, 0, 0o170_000] {
        let forge = Forge::small().set(3, MODE, kind | 0o644);
        assert_eq!(forge.refusal(), ErofsError::SpecialFile("x".into()), "{kind:o}");
    }
}

#[test]
fn setuid_setgid_and_sticky_bits_are_refused() {
    for bit in [0o4000, 0o2000, 0o1000] {
        let file = Forge::small().set(3, MODE, 0o100_755 | bit);
        assert_eq!(file.refusal(), ErofsError::ModeSetId("x".into()));
        let directory = Forge::small().set(1, MODE, 0o040_755 | bit);
        assert_eq!(directory.refusal(), ErofsError::ModeSetId("d".into()));
    }
}

#[test]
fn other_modes_are_refused() {
    for mode in [0o100_777, 0o100_600, 0o100_000, 0o040_777, 0o040_644] {
        let forge = Forge::small().set(3, MODE, mode);
        assert_eq!(forge.refusal(), ErofsError::ModeUnusual("x".into()), "{mode:o}");
    }
}

#[test]
fn owners_other_than_root_are_refused() {
    for field in [UID, GID] {
        let forge = Forge::small().set(2, field, 1000);
        assert_eq!(forge.refusal(), ErofsError::OwnerNotRoot("d/f".into()));
    }
}

#[test]
fn extended_compressed_and_inline_inodes_are_refused() {
    for format in [1, 2, 4, 6, 8, 0x10, 0x8000] {
        let forge = Forge::small().set(3, FORMAT, format);
        assert_eq!(forge.refusal(), ErofsError::InodeLayoutUnknown("x".into()), "{format}");
    }
}

#[test]
fn extended_attributes_are_refused() {
    let forge = Forge::small().set(3, XATTRS, 1);
    assert_eq!(forge.refusal(), ErofsError::ExtendedAttributes("x".into()));
}

#[test]
fn contents_outside_the_image_are_refused() {
    let outside = ErofsError::ExtentOutOfRange("y".into());
    let last = Forge::small().image.len() / BLOCK_BYTES - 1;
    for block in [last + 1, 0x7fff_ffff, 0xffff_ffff] {
        assert_eq!(Forge::small().set(4, BLOCK, block).refusal(), outside, "{block}");
    }
    assert_eq!(Forge::small().set(4, SIZE, 4097).refusal(), outside);
}

#[test]
fn contents_that_overlap_are_refused() {
    let forge = Forge::small();
    let shared = forge.get(3, BLOCK);
    assert_eq!(forge.set(4, BLOCK, shared).refusal(), ErofsError::ExtentOverlap("y".into()));
    for metadata_block in [0, 1] {
        let forge = Forge::small().set(4, BLOCK, metadata_block);
        assert_eq!(forge.refusal(), ErofsError::ExtentOverlap("y".into()));
    }
}

#[test]
fn a_file_size_over_the_bound_is_refused() {
    for size in [(128 << 20) + 1, 0xffff_ffff] {
        let forge = Forge::small().set(3, SIZE, size);
        assert_eq!(forge.refusal(), ErofsError::FileTooLarge("x".into()));
    }
}

#[test]
fn an_entry_of_another_kind_than_its_inode_is_refused() {
    let as_directory = [(&b"."[..], 0, 2), (b"..", 0, 2), (b"x", 3, 2)];
    let forge = Forge::small().relist(0, 4, &as_directory);
    assert_eq!(forge.refusal(), ErofsError::EntryKindWrong("x".into()));
    let as_file = [(&b"."[..], 0, 2), (b"..", 0, 2), (b"d", 1, 1)];
    let forge = Forge::small().relist(0, 4, &as_file);
    assert_eq!(forge.refusal(), ErofsError::EntryKindWrong("d".into()));
    for kind in [0, 3, 7, 255] {
        let entries = [(&b"."[..], 0, 2), (b"..", 0, 2), (b"x", 3, kind)];
        let forge = Forge::small().relist(0, 4, &entries);
        assert_eq!(forge.refusal(), ErofsError::EntryKindWrong("x".into()));
    }
    let file_as_root = Forge::small().set(0, MODE, 0o100_755);
    assert_eq!(file_as_root.set(0, LINKS, 1).refusal(), ErofsError::EntryKindWrong("".into()));
}

#[test]
fn inode_numbers_outside_the_table_are_refused() {
    let beyond = [(&b"."[..], 0, 2), (b"..", 0, 2), (b"x", 1 << 40, 1)];
    let forge = Forge::small().relist(0, 4, &beyond);
    assert_eq!(forge.refusal(), ErofsError::InodeOutOfRange("x".into()));
    // A slot before the root's: inside the image, yet no place for an inode.
    let mut forge = Forge::small().set(3, LINKS, 1);
    let root = forge.contents_at(0);
    let record = forge.image[Forge::inode_at(3)..][..32].to_vec();
    forge.image[100 * 32..][..32].copy_from_slice(&record);
    let x_record = root + 3 * 12;
    forge.image[x_record..][..8].copy_from_slice(&100_u64.to_le_bytes());
    assert_eq!(forge.summed().refusal(), ErofsError::InodeOutOfRange("x".into()));
}

#[test]
fn paths_deeper_than_the_bound_are_refused() {
    let mut tree = Tree::new();
    tree.insert_directory(&vec!["d"; DEPTH_MAX].join("/")).unwrap();
    tree.insert_file("x", vec![0; 4096], false).unwrap();
    let lender = DEPTH_MAX + 1;
    let forge = Forge { image: write(&tree) };
    let entries = [(&b"."[..], 16, 2), (b"..", 15, 2), (b"f", lender, 1)];
    let path = format!("{}f", "d/".repeat(DEPTH_MAX));
    assert_eq!(
        forge.relist(DEPTH_MAX, lender, &entries).refusal(),
        ErofsError::DepthTooGreat(path)
    );
}

#[test]
fn entries_over_the_bound_are_refused() {
    let mut tree = Tree::new();
    tree.insert_directory("d").unwrap();
    for index in 0..ENTRIES_MAX - 2 {
        tree.insert_directory(&format!("e{index}")).unwrap();
    }
    tree.insert_file("x", vec![0; 4096], false).unwrap();
    let image = write(&tree);
    assert_eq!(read(&image).unwrap().len(), ENTRIES_MAX);
    let entries = [(&b"."[..], 1, 2), (b"..", 0, 2), (b"f", ENTRIES_MAX, 1)];
    let forge = Forge { image }.relist(1, ENTRIES_MAX, &entries);
    assert_eq!(forge.refusal(), ErofsError::EntriesTooMany);
}

#[test]
fn what_the_writer_would_have_written_otherwise_is_not_canonical() {
    let at = |forge: &Forge| match forge.refusal() {
        ErofsError::NotCanonical(at) => at as usize,
        other => panic!("{other}"),
    };
    let padding = Forge::small().put(3, 5000, b"!");
    assert_eq!(at(&padding), padding.contents_at(3) + 5000);
    let volume_name = Forge::small().superblock(64, b"v");
    assert_eq!(at(&volume_name), SUPERBLOCK + 4);
    let inode_number = Forge::small().set(3, (20, 4), 77);
    assert_eq!(at(&inode_number), Forge::inode_at(3) + 20);
    let mut boot_code = Forge::small();
    boot_code.image[17] = 1;
    assert_eq!(at(&boot_code), 17);
}

#[test]
fn a_flipped_bit_is_refused_or_shows_in_the_tree() {
    let image = Forge::small().image;
    let tree = read(&image).unwrap();
    for at in 0..image.len() {
        let mut spoilt = image.clone();
        spoilt[at] ^= 1 << (at % 8);
        match read(&spoilt) {
            // Contents and their lengths are free: the signed digest speaks for them.
            Ok(other) => assert!(other != tree && write(&other) == spoilt, "byte {at}"),
            Err(refusal) => assert!((2200..2260).contains(&refusal.code())),
        }
    }
}
