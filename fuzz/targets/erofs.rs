//! A file system image: what is read can be written again, byte for byte.
#![no_main]

use craton_image::erofs::{self, Tree};
use std::sync::LazyLock;

/// An image of our own, which inputs patch: behind its checksum the reader goes on.
static OWN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut tree = Tree::new();
    for (path, size) in [("a", 0), ("bin/app", 5000), ("etc/deep/er/file", 100), ("z", 4096)] {
        tree.insert_file(path, vec![7; size], path == "bin/app").expect("a plain path");
    }
    erofs::write(&tree)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut patched = OWN.clone();
    for patch in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([patch[0], patch[1]])) % patched.len();
        patched[at] = patch[2];
    }
    for image in [bytes, &patched] {
        if let Ok(tree) = erofs::read(image) {
            assert_eq!(erofs::write(&tree), image);
        }
    }
});
