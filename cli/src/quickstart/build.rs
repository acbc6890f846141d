//! Builds the sample app with plain `rustc`: static-pie, build id, unwind tables; symbols beside
//! it.

use crate::error::CliError;
use anyhow::{Context as _, Result};
use craton_image::pack::{Facts, MANIFEST_NAME, Packed};
use craton_image::package::{Package, sha256};
use craton_image::sbom::{Component, cyclonedx};
use craton_trust::crypto::Signer;
use object::Object as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const OPTIONS: &str = include_str!("../../../samples/rustc.args");

/// One version of the sample: its number, its source, its manifest.
pub struct Sample {
    /// 1, 2, 3.
    pub number: u64,
    source: &'static str,
    manifest: &'static str,
}

/// `samples/blink` in its three versions.
pub const BLINK: [Sample; 3] = [
    Sample {
        number: 1,
        source: include_str!("../../../samples/blink/v1/src/main.rs"),
        manifest: include_str!("../../../samples/blink/v1/app_manifest.json"),
    },
    Sample {
        number: 2,
        source: include_str!("../../../samples/blink/v2/src/main.rs"),
        manifest: include_str!("../../../samples/blink/v2/app_manifest.json"),
    },
    Sample {
        number: 3,
        source: include_str!("../../../samples/blink/v3/src/main.rs"),
        manifest: include_str!("../../../samples/blink/v3/app_manifest.json"),
    },
];

/// A built version: the signed package, and the program with its symbols.
pub struct Built {
    /// The package.
    pub package: Package,
    /// The unstripped program.
    pub symbols: Vec<u8>,
    /// Its build id, hexadecimal.
    pub build_id: String,
}

/// Builds, packs and signs one version below `folder`.
///
/// # Errors
/// When rustc or strip is missing or fails, and the packer's.
pub fn build(sample: &Sample, folder: &Path, publisher: &dyn Signer) -> Result<Built> {
    let folder = folder.join(format!("v{}", sample.number));
    let app = folder.join("app");
    fs::create_dir_all(folder.join("src"))?;
    fs::create_dir_all(app.join("bin"))?;
    fs::write(folder.join("src/main.rs"), sample.source)?;
    fs::write(folder.join("rustc.args"), OPTIONS)?;
    fs::write(app.join(MANIFEST_NAME), sample.manifest)?;
    let program = compile(&folder)?;
    let symbols = fs::read(&program)?;
    let stripped = app.join("bin/app");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&stripped).arg(&program);
    finish(strip, "strip", "It comes with the C compiler: apt-get install binutils")?;
    fs::set_permissions(&stripped, fs::Permissions::from_mode(0o755))?;
    let packed = Packed::of(&app)?;
    let facts = Facts {
        version: format!("{}.0.0", sample.number),
        security_version: 1,
        sequence: sample.number,
        vendor: *b"craton/samples-1",
        class: crate::virtual_device::VIRTUAL_CLASS,
        sbom: sha256(&sbom(sample)),
        support_until: 1_924_992_000,
    };
    let image = packed.image(&facts)?;
    let package = Package::sign(packed.payload.clone(), &image, &[publisher])?;
    let build_id = build_id(&symbols)?;
    Ok(Built { package, symbols, build_id })
}

fn compile(folder: &Path) -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let program = folder.join("blink");
    let mut command = Command::new(rustc);
    command.current_dir(folder).arg("@rustc.args").args(["--crate-name", "blink"]);
    let mut remap = std::ffi::OsString::from("--remap-path-prefix=");
    remap.push(folder.as_os_str());
    remap.push("=.");
    command.arg(remap).arg("-o").arg(&program).arg("src/main.rs");
    finish(command, "rustc", "Install Rust from rustup.rs and a C compiler")?;
    Ok(program)
}

fn finish(mut command: Command, tool: &'static str, mend: &'static str) -> Result<(), CliError> {
    let output = command.output().map_err(|source| CliError::ToolMissing { tool, mend, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(CliError::ToolFailed { tool, mend, said })
}

fn build_id(program: &[u8]) -> Result<String> {
    let file = object::File::parse(program).context("the built program is no ELF file")?;
    let id = file.build_id()?.context("the built program has no build id")?;
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The sample has no dependencies: its bill of materials is itself.
fn sbom(sample: &Sample) -> Vec<u8> {
    let app = Component {
        name: "blink".into(),
        version: format!("{}.0.0", sample.number),
        purl: None,
        sha256: Some(sha256(sample.source.as_bytes())),
        licence: Some("Apache-2.0 OR MIT".into()),
    };
    cyclonedx(&app, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_missing_or_fails_is_told_with_what_to_install() {
        let missing = finish(Command::new("/nonexistent/rustc"), "rustc", "Install it");
        assert!(matches!(missing, Err(CliError::ToolMissing { .. })));
        let failed = finish(Command::new("false"), "false", "Install it").unwrap_err();
        assert!(matches!(failed, CliError::ToolFailed { .. }));
        assert_eq!(
            failed.to_string(),
            "E6302: false failed. Check that the disk has room. Install it\n"
        );
    }
}
