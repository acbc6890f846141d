//! A software bill of materials: CycloneDX 1.6 as JSON, the same bytes for the same parts.
//!
//! There is no time in it, and its serial number is made from its content, so that a package can be
//! built again and compared. It lists parts; it does not say which part uses which.

use craton_trust::Digest;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// One part of an image, or the image's application itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub name: String,
    pub version: String,
    /// Package URL, such as `pkg:cargo/minicbor@2.3.0`.
    pub purl: Option<String>,
    /// Of the source archive, or of the file in the image.
    pub sha256: Option<Digest>,
    /// An SPDX expression, such as `MIT OR Apache-2.0`.
    pub licence: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SbomError {
    #[error(
        "E2190: Cargo.lock, line {line}: this is not what cargo writes. Let cargo write it anew."
    )]
    SbomLockMalformed { line: usize },
}

impl SbomError {
    /// The stable number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::SbomLockMalformed { .. } => 2190,
        }
    }
}

/// The document for `subject`, which is made of `parts`. Their order and repetition do not matter.
#[must_use]
pub fn cyclonedx(subject: &Component, parts: &[Component]) -> Vec<u8> {
    let mut parts: Vec<&Component> = parts.iter().collect();
    parts.sort();
    parts.dedup();
    let mut document = Document {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata: Metadata { component: part("application", subject) },
        components: parts.into_iter().map(|component| part("library", component)).collect(),
    };
    document.serial_number = Some(serial_number(&to_json(&document)));
    to_json(&document)
}

/// Every package of a `Cargo.lock` but `subject`, which is what the document is about.
pub fn components_of_lock(lock: &str, subject: &str) -> Result<Vec<Component>, SbomError> {
    let mut found: Vec<Component> = Vec::new();
    let (mut in_package, mut from_registry) = (false, false);
    for (i, line) in lock.lines().enumerate() {
        let malformed = SbomError::SbomLockMalformed { line: i + 1 };
        if line.starts_with('[') {
            in_package = line == "[[package]]";
            from_registry = false;
            continue;
        }
        let Some((key, value)) = line.split_once(" = ").filter(|_| in_package) else { continue };
        match (key, quoted(value), found.last_mut()) {
            ("name", Some(name), _) => found.push(unversioned(name)),
            ("version", Some(version), Some(last)) => last.version = version.to_string(),
            ("source", Some(source), Some(_)) => from_registry = source.starts_with("registry+"),
            ("checksum", Some(sum), Some(last)) => {
                last.sha256 = Some(Digest(craton_trust::id::from_hex(sum).ok_or(malformed)?));
                let url = || format!("pkg:cargo/{}@{}", last.name, last.version);
                last.purl = from_registry.then(url);
            }
            ("name" | "version" | "source" | "checksum", ..) => return Err(malformed),
            _ => {}
        }
    }
    match found.iter().any(|component| component.version.is_empty()) || found.is_empty() {
        true => Err(SbomError::SbomLockMalformed { line: lock.lines().count() }),
        false => Ok(found.into_iter().filter(|component| component.name != subject).collect()),
    }
}

fn unversioned(name: &str) -> Component {
    let name = name.to_string();
    Component { name, version: String::new(), purl: None, sha256: None, licence: None }
}

/// The text of a quoted value; cargo escapes nothing in the values that are read here.
fn quoted(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty() && !inner.contains(['"', '\\'])).then_some(inner)
}

/// A UUID of version 8 (RFC 9562 §5.8): the first bytes of the content's digest.
fn serial_number(content: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(content).into();
    let mut uuid = Digest(digest).to_string();
    uuid.truncate(32);
    uuid.replace_range(12..13, "8");
    uuid.replace_range(16..17, "8");
    for dash in [20, 16, 12, 8] {
        uuid.insert(dash, '-');
    }
    format!("urn:uuid:{uuid}")
}

fn to_json(document: &Document) -> Vec<u8> {
    // Strings and lists only: serialising them to memory has no way to fail.
    let mut bytes = serde_json::to_vec_pretty(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn part<'a>(kind: &'static str, component: &'a Component) -> Part<'a> {
    let Component { name, version, purl, sha256, licence } = component;
    let hash = |digest: &Digest| Hash { alg: "SHA-256", content: digest.to_string() };
    Part {
        kind,
        bom_ref: purl.clone().unwrap_or_else(|| format!("{name}@{version}")),
        name,
        version,
        hashes: sha256.iter().map(hash).collect(),
        licenses: licence.iter().map(|expression| Licence { expression }).collect(),
        purl: purl.as_deref(),
    }
}

// The names and their order are CycloneDX's.

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    component: Part<'a>,
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Licence<'a> {
    expression: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n\
        dependencies = [\n \"minicbor\",\n]\n\n[[package]]\nname = \"minicbor\"\n\
        version = \"2.3.1\"\nsource = \"registry+https://example.org/index\"\n\
        checksum = \"0707070707070707070707070707070707070707070707070707070707070707\"\n";

    fn component(name: &str) -> Component {
        let licence = Some("MIT OR Apache-2.0".to_string());
        Component { version: "1.0.0".into(), licence, ..unversioned(name) }
    }

    #[test]
    fn the_document_is_the_same_for_any_order_and_repetition() {
        let (a, b) = (component("a"), component("b"));
        let one = cyclonedx(&component("app"), &[a.clone(), b.clone()]);
        let other = cyclonedx(&component("app"), &[b.clone(), a.clone(), b]);
        assert_eq!(one, other);
        assert_ne!(one, cyclonedx(&component("app"), &[a]));
    }

    #[test]
    fn the_document_is_cyclonedx_1_6() {
        let parts = components_of_lock(LOCK, "app").expect("a lock file");
        let bytes = cyclonedx(&component("app"), &parts);
        let document: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(document["bomFormat"], "CycloneDX");
        assert_eq!(document["specVersion"], "1.6");
        assert_eq!(document["metadata"]["component"]["name"], "app");
        let part = &document["components"][0];
        assert_eq!((&part["type"], &part["name"]), (&"library".into(), &"minicbor".into()));
        assert_eq!(part["purl"], "pkg:cargo/minicbor@2.3.1");
        assert_eq!(part["bom-ref"], part["purl"]);
        assert_eq!(part["hashes"][0]["alg"], "SHA-256");
        assert_eq!(part["hashes"][0]["content"], "07".repeat(32));
        let licence = &document["metadata"]["component"]["licenses"][0]["expression"];
        assert_eq!(licence, "MIT OR Apache-2.0");
        assert!(document.get("timestamp").is_none());
    }

    #[test]
    fn the_serial_number_is_a_uuid_of_version_8() {
        let serial = serial_number(b"content");
        let uuid = serial.strip_prefix("urn:uuid:").expect("a urn");
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("8", "8"));
        assert_ne!(serial, serial_number(b"other"));
    }

    #[test]
    fn a_lock_file_gives_names_versions_and_checksums() {
        let parts = components_of_lock(LOCK, "app").expect("a lock file");
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].name.as_str(), parts[0].version.as_str()), ("minicbor", "2.3.1"));
        assert_eq!(parts[0].sha256, Some(Digest([7; 32])));
        let own = components_of_lock(LOCK, "").expect("a lock file");
        assert_eq!((own.len(), &own[0].purl), (2, &None));
    }

    #[test]
    fn a_lock_file_that_cargo_did_not_write_is_refused() {
        let refused = |text: &str| components_of_lock(text, "app").err().map(|e| e.code());
        let cases = [
            String::new(),
            LOCK.replace("\"2.3.1\"", "2.3.1"),
            LOCK.replace("version = \"2.3.1\"\n", ""),
            LOCK.replace("07\"", "0\""),
            "[[package]]\nversion = \"1\"\n".to_string(),
        ];
        for text in cases {
            assert_eq!(refused(&text), Some(2190), "{text}");
        }
        let place = components_of_lock(&LOCK.replace("\"2.3.1\"", "7"), "app");
        assert_eq!(place, Err(SbomError::SbomLockMalformed { line: 12 }));
    }
}
