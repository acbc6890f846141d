//! The footer of a package file, by the size of the file.
#![no_main]

use craton_trust::suit::{FOOTER_SIZE, Footer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((rest, footer)) = bytes.split_last_chunk::<FOOTER_SIZE>() else { return };
    let stated = rest.first_chunk::<8>().map_or(0, |size| u64::from_le_bytes(*size));
    for size in [stated, bytes.len() as u64] {
        if let Ok(parsed) = Footer::parse(footer, size) {
            assert_eq!(parsed.encode(), *footer);
            let sum = u128::from(parsed.payload_size) + u128::from(parsed.envelope_size);
            assert_eq!(sum + FOOTER_SIZE as u128, u128::from(size));
        }
    }
});
