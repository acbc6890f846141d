//! Make images: pack, sign, image set, EROFS, verity, delta, SBOM.
#![forbid(unsafe_code)]

pub mod app_manifest;
pub mod delta;
pub mod erofs;
pub mod pack;
pub mod package;
pub mod sbom;
pub mod verity;
