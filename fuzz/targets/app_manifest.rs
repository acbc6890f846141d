//! `app_manifest.json`: a manifest or a refusal whose place lies in the file.
#![no_main]

use craton_image::app_manifest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match app_manifest::parse(bytes) {
        // What is accepted is JSON for an independent reader, too.
        Ok(manifest) => {
            let other: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
            assert_eq!(other["Name"], manifest.name.as_str());
        }
        Err(refusal) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&refusal.line) && refusal.column >= 1);
            assert!((2100..2130).contains(&refusal.code()) && !refusal.to_string().is_empty());
        }
    }
});
