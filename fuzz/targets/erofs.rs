//! A file system image: what is read can be written again, byte for byte.
#![no_main]

use craton_image::{erofs, verity};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut image = bytes.to_vec();
    // Fill up to whole blocks, so that short inputs reach the reader, too.
    image.resize(bytes.len().next_multiple_of(4096), 0);
    for image in [bytes, &image] {
        if let Ok(tree) = erofs::read(image) {
            assert_eq!(erofs::write(&tree), image);
        }
    }
    let _refusal = verity::tree(&image);
});
