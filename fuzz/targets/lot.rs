//! A station's list of devices, before and after its signatures are read.
#![no_main]

use craton_fuzz::{objects, same};
use craton_trust::lot::{self, Lot};
use craton_trust::soft::Soft;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(lot) = Lot::parse(&Soft, object) {
            let rows: Vec<&[u8]> = lot.rows(&Soft).map(|(_, row)| row).collect();
            same(object, lot::encode(&Soft, &rows, &mut [0u8; 128 * 1024]));
        }
    }
});
