//! A vector: an object, what is needed to judge it, and the verdict. One folder for each.

use crate::value::Value;
use crate::world;
use craton_trust::PublicKey;
use craton_trust::error::Error;
use craton_trust::store::{Role, RoleKeysBuilder};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One folder `spec/vectors/<object>/<way>`.
pub struct Vector {
    pub object: &'static str,
    pub way: &'static str,
    pub bytes: Vec<u8>,
    pub expect: Expect,
}

/// What `expect.toml` holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is true of the object.
    pub says: String,
    /// The error's name; a good object has none.
    pub error: Option<String>,
    /// Its number.
    pub code: Option<u16>,
    #[serde(default)]
    pub context: BTreeMap<String, Field>,
    #[serde(default)]
    pub role: Vec<Keys>,
}

/// One fact of the context; bytes are hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Field {
    Number(u64),
    Flag(bool),
    Text(String),
    List(Vec<String>),
}

/// A role of the judging section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub name: String,
    pub threshold: u8,
    /// Each a COSE_Key, hexadecimal.
    pub keys: Vec<String>,
}

impl From<u64> for Field {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Field {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<&[u8]> for Field {
    fn from(bytes: &[u8]) -> Self {
        Self::Text(hex(bytes))
    }
}

impl From<&[Vec<u8>]> for Field {
    fn from(list: &[Vec<u8>]) -> Self {
        Self::List(list.iter().map(|bytes| hex(bytes)).collect())
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |place| u8::from_str_radix(&text[place..place + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// What judges the vectors of one object, unless a vector says otherwise.
#[derive(Clone, Default)]
pub struct Judge {
    context: BTreeMap<String, Field>,
    role: Vec<Keys>,
}

impl Judge {
    pub fn with(mut self, name: &str, field: impl Into<Field>) -> Self {
        self.context.insert(name.to_string(), field.into());
        self
    }

    pub fn role(mut self, role: Role, keys: &RoleKeysBuilder) -> Self {
        let threshold = keys.threshold;
        let name = format!("{role:?}").to_lowercase();
        self.role.retain(|other| other.name != name);
        let (cose, keys) = (|key: PublicKey| hex(&key.to_cose()), keys.role_keys());
        let lms = keys.lms_keys().map(|key| hex(&key.to_cose()));
        let keys = keys.keys().map(cose).chain(lms).collect::<Vec<_>>();
        self.role.push(Keys { name, threshold, keys });
        self
    }

    /// A role of one key, by its seed.
    pub fn signer(self, role: Role, seed: u8) -> Self {
        self.role(role, &world::role(1, &[seed]))
    }

    pub fn good(&self, object: &'static str, way: &'static str, says: &str, b: Vec<u8>) -> Vector {
        self.vector(object, way, says, None, b)
    }

    pub fn bad(
        &self,
        object: &'static str,
        way: &'static str,
        says: &str,
        error: Error,
        bytes: Vec<u8>,
    ) -> Vector {
        self.vector(object, way, says, Some(error), bytes)
    }

    fn vector(
        &self,
        object: &'static str,
        way: &'static str,
        says: &str,
        error: Option<Error>,
        bytes: Vec<u8>,
    ) -> Vector {
        let expect = Expect {
            says: says.to_string(),
            error: error.map(|error| error.name().to_string()),
            code: error.map(Error::code),
            context: self.context.clone(),
            role: self.role.clone(),
        };
        Vector { object, way, bytes, expect }
    }
}

impl Expect {
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        match self.context.get(name) {
            Some(Field::Text(text)) => unhex(text),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().expect("the right length")
    }

    pub fn number(&self, name: &str) -> u64 {
        match self.context.get(name) {
            Some(Field::Number(number)) => *number,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.context.get(name) == Some(&Field::Flag(true))
    }

    pub fn text(&self, name: &str) -> &str {
        match self.context.get(name) {
            Some(Field::Text(text)) => text,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn list(&self, name: &str) -> Vec<Vec<u8>> {
        match self.context.get(name) {
            Some(Field::List(list)) => list.iter().map(|text| unhex(text)).collect(),
            _ => Vec::new(),
        }
    }

    fn to_toml(&self) -> String {
        let mut text = format!("says = {:?}\n", self.says);
        if let (Some(error), Some(code)) = (&self.error, self.code) {
            writeln!(text, "error = {error:?}\ncode = {code}").expect("a string grows");
        }
        if !self.context.is_empty() {
            text.push_str("\n[context]\n");
        }
        for (name, field) in &self.context {
            let value = match field {
                Field::Number(number) => number.to_string(),
                Field::Flag(flag) => flag.to_string(),
                Field::Text(text) => format!("{text:?}"),
                Field::List(list) => lines(list),
            };
            writeln!(text, "{name} = {value}").expect("a string grows");
        }
        for Keys { name, threshold, keys } in &self.role {
            let keys = lines(keys);
            writeln!(text, "\n[[role]]\nname = {name:?}\nthreshold = {threshold}\nkeys = {keys}")
                .expect("a string grows");
        }
        text
    }
}

fn lines(list: &[String]) -> String {
    let lines: String = list.iter().map(|text| format!("    {text:?},\n")).collect();
    format!("[\n{lines}]")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors")
}

impl Vector {
    fn folder(&self) -> PathBuf {
        folder().join(self.object).join(self.way)
    }

    /// Writes the folder anew.
    pub fn bless(&self) {
        let folder = self.folder();
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("object.cbor"), &self.bytes).expect("written");
        std::fs::write(folder.join("expect.toml"), self.expect.to_toml()).expect("written");
    }

    /// Whether the folder says the same, byte for byte.
    pub fn is_checked_in(&self) -> bool {
        let file = |name| std::fs::read(self.folder().join(name)).ok();
        file("object.cbor").as_ref() == Some(&self.bytes)
            && file("expect.toml") == Some(self.expect.to_toml().into_bytes())
    }

    /// The vector as another implementation finds it: from its two files alone.
    pub fn from_disk(object: &str, way: &str) -> (Vec<u8>, Expect) {
        let folder = folder().join(object).join(way);
        let bytes = std::fs::read(folder.join("object.cbor")).expect("object.cbor");
        let text = std::fs::read_to_string(folder.join("expect.toml")).expect("expect.toml");
        (bytes, toml::from_str(&text).expect("expect.toml reads"))
    }
}

/// Every `<object>/<way>` that is checked in.
pub fn checked_in() -> BTreeSet<String> {
    let names = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().expect("a name"))
    };
    let inside = |object: String| {
        let ways = names(folder().join(&object));
        ways.map(move |way| format!("{object}/{way}")).collect::<Vec<_>>()
    };
    names(folder()).flat_map(inside).collect()
}

/// A list of hashes as it stands in a proof's vector.
pub fn hashes(path: &[craton_trust::Digest]) -> Value {
    Value::Array(path.iter().map(|digest| Value::bytes(digest.0)).collect())
}
