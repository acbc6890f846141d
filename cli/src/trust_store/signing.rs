//! Whose signatures a successor has, and whose it gets.

use super::{Half, SECTION_MAX, half, newest};
use crate::error::CliError;
use crate::home::{read_file, write_file};
use crate::keys::Unlock;
use crate::output::Output;
use crate::platform::HybridRole;
use crate::session::Session;
use crate::signer::AnySigner;
use anyhow::Result;
use craton_trust::cose::Kind;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, Section, SectionKind};
use craton_trust::{PublicKey, Signed};
use std::path::Path;

/// The catalog's root keys that a successor needs: that of LMS, too, where the root is hybrid or
/// becomes so. Those that signed it before are left out.
///
/// # Errors
/// `HybridKeyMissing`, `KeyNotInRole`, and those of the key files and of the service.
pub async fn roots(session: &mut Session, file: &Path, unlock: &Unlock) -> Result<Vec<AnySigner>> {
    let (folder, bytes) = (session.folder().await?, read_file(file)?);
    let next = Section::parse(unsigned(&bytes).0);
    let next = next.map_err(|_| CliError::SuccessorUnreadable(file.to_owned()))?;
    let root = HybridRole::Root;
    let mut roots = vec![AnySigner::open(&folder.key_path(root.name()), unlock)?];
    if next.kind == SectionKind::Platform {
        let old = newest(session, Half::Platform).await?;
        let listed = [old.section().role(Role::Root), next.role(Role::Root)];
        let path = root.lms_path(&folder);
        if listed.iter().any(|role| role.lms_threshold() > 0) {
            roots.extend(root.lms_key(session, &path, &listed, unlock).await?);
        }
    }
    if roots.iter().any(|key| !key.has_signed(&bytes)) {
        roots.retain(|key| !key.has_signed(&bytes));
    }
    Ok(roots)
}

/// Adds signatures, each in place of one that names its key and is not by it; the file is replaced
/// whole.
///
/// # Errors
/// `SuccessorUnreadable`, `SignerRepeated`, and why a key does not sign.
pub fn sign(file: &Path, keys: &[AnySigner], out: Output) -> Result<()> {
    let mut bytes = read_file(file)?;
    let damaged = |_| CliError::SuccessorUnreadable(file.to_owned());
    Section::parse(unsigned(&bytes).0).map_err(damaged)?;
    for key in keys {
        bytes = key.without_forged(&bytes)?;
        bytes = key.sign_section(&bytes, unsigned(&bytes).1, SECTION_MAX)?;
    }
    write_file(file, &bytes)?;
    let section = Section::parse(unsigned(&bytes).0).map_err(damaged)?;
    told(out, file, &section, own_signatures(&bytes, &section));
    out.next(&[&format!("craton trust-store submit {}", file.display())]);
    Ok(())
}

/// The payload of a proposal, and whether anybody has signed it.
pub fn unsigned(bytes: &[u8]) -> (&[u8], bool) {
    match Signed::parse(bytes) {
        Ok(signed) => (signed.unchecked_payload(), true),
        Err(_) => (bytes, false),
    }
}

/// How many keys of the section's own root have signed it, of ES256 and of LMS. One of LMS is
/// counted once one of ES256 has signed, beside which it stands.
pub fn own_signatures(bytes: &[u8], section: &Section<'_>) -> (usize, usize) {
    let Ok(signed) = Signed::parse(bytes) else { return (0, 0) };
    let by = |role: &RoleKeysBuilder| {
        signed.verify(&Soft, Kind::TrustStore, &[role.role_keys()], Section::parse).is_ok()
    };
    let root = section.role(Role::Root);
    let signers = root.keys().filter(|key| by(&RoleKeysBuilder::of(*key)));
    let signers: Vec<PublicKey> = signers.collect();
    let beside = signers.first().map(|key| RoleKeysBuilder::of(*key));
    let lms = root.lms_keys().filter(|key| {
        let mut both = beside.clone();
        both.as_mut().is_some_and(|both| both.push_lms(*key).is_ok() && by(both))
    });
    (signers.len(), lms.count())
}

/// Says what a successor is, and who signed it.
pub fn told(out: Output, file: &Path, section: &Section<'_>, (es256, lms): (usize, usize)) {
    let (half, root) = (half(section), section.role(Role::Root));
    let by_lms = match root.lms_threshold() {
        0 => String::new(),
        threshold => format!(", and by {lms} of LMS, of which it asks for {threshold}"),
    };
    out.done(&format!(
        "{}: version {} of {half}, ceiling {}; signed by {es256} of its own root, which asks \
         for {}{by_lms}",
        file.display(),
        section.version,
        section.ceiling,
        root.threshold,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::crypto::Signer as _;
    use craton_trust::signed::{countersign, seal};
    use craton_trust::soft::SoftKey;
    use craton_trust::store::SectionBuilder;

    /// Whoever keeps a proposal can name any key in it.
    #[test]
    fn a_signature_that_only_names_a_root_is_replaced_by_the_roots_own() {
        let [root, other] = [1, 2].map(|seed| SoftKey::from_bytes(&[seed; 32]).unwrap());
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, 10);
        let mut roots = RoleKeysBuilder::of(root.public_key());
        roots.push(other.public_key()).unwrap();
        section.set_role(Role::Root, roots);
        let (mut room, mut one, mut two) = ([0; 1024], [0; 1024], [0; 1024]);
        let payload = section.encode(&mut room).unwrap();
        let parsed = Section::parse(payload).unwrap();
        let alone = seal(&Soft, Kind::TrustStore, payload, &[&root], &mut one).unwrap();
        let both = countersign(&Soft, Kind::TrustStore, alone, &other, &mut two).unwrap();
        // The last byte of the root's signature, which stands first.
        let spoilt = |object: &[u8]| {
            let mut object = object.to_vec();
            object[alone.len() - 1] ^= 1;
            object
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owner-2.successor");
        let (signer, out) = ([AnySigner::Es256(root)], Output::new(true));
        for (forged, kept, signed) in [(spoilt(alone), 0, 1), (spoilt(both), 1, 2)] {
            assert_eq!(own_signatures(&forged, &parsed).0, kept);
            std::fs::write(&file, forged).unwrap();
            sign(&file, &signer, out).unwrap();
            let bytes = std::fs::read(&file).unwrap();
            assert_eq!(own_signatures(&bytes, &parsed).0, signed);
            assert_eq!(unsigned(&bytes), (payload, true), "the section is the same");
            assert!(sign(&file, &signer, out).is_err(), "one key once");
        }
    }
}
