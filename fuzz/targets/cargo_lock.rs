//! A `Cargo.lock` of which an SBOM is made.
#![no_main]

use craton_image::sbom;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(parts) = sbom::components_of_lock(text, "app")
        && let Some(first) = parts.first()
    {
        let document = sbom::cyclonedx(first, &parts);
        serde_json::from_slice::<serde_json::Value>(&document).expect("JSON");
    }
});
