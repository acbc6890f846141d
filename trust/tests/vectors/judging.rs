//! What believes a vector: the public interface of the crate, with no more than the vector's files
//! say.

use crate::vector::Expect;
use crate::world::{self, sha256};
use craton_trust::assignment::{Address, Assignment};
use craton_trust::capability::Capability;
use craton_trust::cbor::{self, Reader};
use craton_trust::endorsement::Endorsement;
use craton_trust::error::{Error, Result};
use craton_trust::evidence::{self, Claims, Purpose};
use craton_trust::failure::Failure;
use craton_trust::key::LmsPublicKey;
use craton_trust::lot::Lot;
use craton_trust::merkle::{self, Checkpoint, PATH_MAX};
use craton_trust::quoted;
use craton_trust::rollback::Floors;
use craton_trust::set::ImageSet;
use craton_trust::slots::Slots;
use craton_trust::soft::Soft;
use craton_trust::store::{
    self, KeptSection, Role, RoleKeysBuilder, Section, SectionBuilder, SectionKind,
};
use craton_trust::suit::{self, FOOTER_SIZE, Footer, Image};
use craton_trust::{CatalogId, ClassId, DeviceId, Digest, PublicKey, Signed, Verified, dice};

pub const OBJECTS: [&str; 19] = [
    "assignment",
    "capability",
    "cbor",
    "checkpoint",
    "consistency",
    "dice-certificate",
    "endorsement",
    "evidence",
    "failure",
    "footer",
    "image",
    "image-set",
    "inclusion",
    "lot",
    "package",
    "quote",
    "slots",
    "successor",
    "trust-store",
];

/// The verdict on `bytes` as an object of this kind.
pub fn verdict(object: &str, bytes: &[u8], expect: &Expect) -> Result<()> {
    match object {
        "assignment" => assignment(bytes, expect),
        "capability" => {
            let signed = Signed::parse(bytes)?;
            Capability::verify(&Soft, &section(expect).section(), &address(expect), &signed)
                .map(drop)
        }
        "cbor" => cbor::canonical(bytes),
        "checkpoint" => {
            let (kept, signed) = (section(expect), Signed::parse(bytes)?);
            let section = kept.section();
            let size_least = expect.number("size_least");
            Checkpoint::verify(&Soft, &section, catalog(expect), size_least, &signed).map(drop)
        }
        "consistency" => consistency(bytes),
        "dice-certificate" => dice::verify(&Soft, &key(expect, "issuer"), bytes).map(drop),
        "endorsement" => {
            Endorsement::verify(&Soft, &section(expect).section(), &Signed::parse(bytes)?).map(drop)
        }
        "evidence" => {
            let authentic = evidence::verify(&Soft, &key(expect, "identity"), bytes)?;
            check(&authentic.claims, expect)
        }
        "failure" => Failure::parse(bytes).map(drop),
        "footer" => footer(bytes, expect),
        "image" => image(bytes, expect).map(drop),
        "image-set" => image_set(bytes, expect),
        "inclusion" => inclusion(bytes),
        "lot" => {
            let (kept, signed) = (section(expect), Signed::parse(bytes)?);
            let lot = Lot::verify(&Soft, &kept.section(), &signed)?;
            assert_eq!(lot.rows(&Soft).count() as u64, expect.number("devices"));
            Ok(())
        }
        "package" => package(bytes, expect),
        "quote" => {
            let quoted = quoted::verify(&Soft, &key(expect, "identity"), bytes)?;
            check(&quoted.authentic.claims, expect)
        }
        "slots" => Slots::parse(bytes).map(drop),
        "successor" => successor(bytes, expect),
        "trust-store" => store::accept_genesis(&Soft, &Signed::parse(bytes)?).map(drop),
        other => panic!("no object is called {other}"),
    }
}

pub const ROLES: [Role; 10] = [
    Role::Root,
    Role::Publisher,
    Role::Catalog,
    Role::Online,
    Role::Service,
    Role::Log,
    Role::Witness,
    Role::Manufacturer,
    Role::Approver,
    Role::Recovery,
];

fn section(expect: &Expect) -> KeptSection<Vec<u8>> {
    let kind = match expect.text("section") {
        "owner" => SectionKind::Owner,
        "platform" => SectionKind::Platform,
        other => panic!("no section is called {other}"),
    };
    let mut section = SectionBuilder::genesis(kind, false, 0);
    // No section is without a root, although only some of the objects are judged by it.
    section.set_role(Role::Root, RoleKeysBuilder::of(world::public(world::STRANGER)));
    for keys in &expect.role {
        let named = |role: &Role| format!("{role:?}").to_lowercase() == keys.name;
        let role = ROLES.into_iter().find(named).expect("a role");
        section.set_role(role, role_keys(keys.threshold, &keys.keys));
    }
    world::kept(&section)
}

fn role_keys(threshold: u8, keys: &[String]) -> RoleKeysBuilder {
    let mut role = RoleKeysBuilder::new(threshold);
    for cose in keys {
        let cose = crate::vector::unhex(cose);
        match LmsPublicKey::from_cose(&cose) {
            Ok(key) => role.push_lms(key),
            Err(_) => role.push(PublicKey::from_cose(&cose).expect("a COSE_Key")),
        }
        .expect("distinct keys");
    }
    role
}

fn key(expect: &Expect, name: &str) -> PublicKey {
    PublicKey::from_cose(&expect.bytes(name)).expect("a COSE_Key")
}

fn catalog(expect: &Expect) -> CatalogId {
    CatalogId(expect.array("catalog"))
}

fn address(expect: &Expect) -> Address {
    Address {
        catalog: catalog(expect),
        device: DeviceId(expect.array("device")),
        epoch: expect.number("epoch"),
        request: Digest(expect.array("request")),
    }
}

fn assignment(bytes: &[u8], expect: &Expect) -> Result<()> {
    let (kept, signed) = (section(expect), Signed::parse(bytes)?);
    let section = kept.section();
    let assignment = Assignment::verify(&Soft, &section, &address(expect), &signed)?;
    assignment.online_for(expect.flag("asked_online"))?;
    if let Some(target) = &assignment.target {
        target.verify_logged(&Soft, &section, catalog(expect), expect.number("size_least"))?;
    }
    Ok(())
}

fn check(claims: &Claims, expect: &Expect) -> Result<()> {
    let purpose = match expect.number("purpose") {
        1 => Purpose::CheckIn,
        _ => Purpose::Report,
    };
    let nonce = Digest(expect.array("nonce"));
    claims.check(&nonce, purpose, &CatalogId(expect.array("audience")))
}

fn footer(bytes: &[u8], expect: &Expect) -> Result<()> {
    let footer = bytes.try_into().expect("as many bytes as a footer has");
    Footer::parse(footer, expect.number("file_size")).map(drop)
}

fn image<'b>(envelope: &'b [u8], expect: &Expect) -> Result<Verified<Image<'b>>> {
    let kept = section(expect);
    let image = suit::verify(&Soft, kept.section().role(Role::Publisher), envelope)?;
    image.check_class(ClassId(expect.array("class")))?;
    let mut floors = Floors::default();
    floors.raise(image.component, expect.number("floor"))?;
    floors.admit(image.component, image.security_version, expect.number("ceiling"))?;
    Ok(image)
}

fn package(file: &[u8], expect: &Expect) -> Result<()> {
    let footer = file.last_chunk::<FOOTER_SIZE>().ok_or(Error::FooterInvalid)?;
    let footer = Footer::parse(footer, file.len() as u64)?;
    let middle = usize::try_from(footer.payload_size).expect("it is inside the file");
    let (payload, rest) = file.split_at(middle);
    let image = image(&rest[..rest.len() - FOOTER_SIZE], expect)?;
    image.check_payload(&sha256(payload), payload.len() as u64)
}

fn image_set(bytes: &[u8], expect: &Expect) -> Result<()> {
    let (kept, development) = (section(expect), expect.flag("development"));
    let section = kept.section();
    let signed = Signed::parse(bytes)?;
    let set = ImageSet::verify(&Soft, &section, catalog(expect), development, &signed)?;
    set.check_class(ClassId(expect.array("class")))?;
    for envelope in expect.list("envelopes") {
        let image = suit::verify(&Soft, section.role(Role::Publisher), &envelope)?;
        let mut members = set.members();
        let member = members.find(|member| member.component == image.component);
        member.ok_or(Error::SetEnvelopeMismatch)?.check_image(&image)?;
    }
    Ok(())
}

fn path(reader: &mut Reader<'_>) -> Result<Vec<Digest>> {
    (0..reader.list(PATH_MAX + 1)?).map(|_| reader.digest()).collect()
}

/// `[leaf, index, size, [hash…], root]`.
fn inclusion(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes)?;
    reader.array(5)?;
    let (leaf, index, size) = (reader.digest()?, reader.u64()?, reader.u64()?);
    let (path, root) = (path(&mut reader)?, reader.digest()?);
    merkle::inclusion(&Soft, leaf, index, size, &path, &root)
}

/// `[old size, old root, new size, new root, [hash…]]`.
fn consistency(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes)?;
    reader.array(5)?;
    let old = (reader.u64()?, reader.digest()?);
    let new = (reader.u64()?, reader.digest()?);
    merkle::consistency(&Soft, old, new, &path(&mut reader)?)
}

fn successor(bytes: &[u8], expect: &Expect) -> Result<()> {
    let old = expect.bytes("old");
    let old = Section::parse(&old).expect("the old section is good");
    let genesis = Digest(expect.array("genesis"));
    let new = store::accept_successor(&Soft, &old, genesis, &Signed::parse(bytes)?)?;
    let (sets, images) = (expect.list("installed_sets"), expect.list("installed_images"));
    store::keeps_installed(&Soft, &new, sets.iter().map(Vec::as_slice))?;
    store::keeps_images(&Soft, &new, images.iter().map(Vec::as_slice))
}
