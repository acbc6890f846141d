//! `app_manifest.json`: what an application is and what it asks for, read strictly.
//!
//! The fields are Azure Sphere's. An unknown field, a field named twice, a value of another type or
//! beyond its limit is a refusal with a number and a place; so is a capability that nothing
//! enforces yet. `docs/src/app-manifest.md` has the tables.

mod capability;
mod error;
mod fields;
mod json;

pub use capability::{CONNECTIONS_MAX, Capabilities, Host, MUTABLE_STORAGE_KIB_MAX, PROXY_PORT};
use craton_trust::ComponentId;
pub use error::{ManifestError, Refusal};
use error::{Refused, shown};
use json::Value;

pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// The newest runtime that an application may ask for.
///
/// Off-spec: it counts Craton's runtimes; Azure Sphere's numbers (12 and more) name its own.
pub const RUNTIME_VERSION_MAX: u32 = 1;

const NAME_BYTES_MAX: usize = 255;
const NAME_IN_PACKAGE_CHARS_MAX: usize = 31;
const ENTRY_POINT_BYTES_MAX: usize = 255;
const ARGUMENTS_MAX: usize = 64;
const ARGUMENTS_BYTES_MAX: usize = 4096;

/// A manifest that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppManifest {
    pub name: String,
    pub component_id: ComponentId,
    /// Absolute in the package: `/bin/app`. Whether the file is there, the packer checks.
    pub entry_point: String,
    /// What follows the program's name in `argv`.
    pub cmd_args: Vec<String>,
    pub malloc_version: MallocVersion,
    pub target_application_runtime_version: u32,
    pub capabilities: Capabilities,
}

/// Recorded only: an application brings its own allocator with its C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MallocVersion {
    V1,
    V2,
}

impl AppManifest {
    /// The name's first 31 characters, as a package keeps it.
    #[must_use]
    pub fn name_in_package(&self) -> &str {
        let end = self.name.char_indices().nth(NAME_IN_PACKAGE_CHARS_MAX);
        end.map_or(&self.name, |(at, _)| self.name.get(..at).unwrap_or(&self.name))
    }
}

/// Reads a whole file. Nothing of a manifest that is refused is returned.
pub fn parse(bytes: &[u8]) -> Result<AppManifest, ManifestError> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        let refused = Refused { at: 0, refusal: Refusal::ManifestTooLarge };
        return Err(ManifestError::new("", refused));
    }
    let text = std::str::from_utf8(bytes).map_err(|broken| {
        let good = bytes.get(..broken.valid_up_to()).unwrap_or_default();
        let what = "it is not UTF-8";
        let refused = Refused { at: good.len(), refusal: Refusal::ManifestNotJson { what } };
        ManifestError::new(std::str::from_utf8(good).unwrap_or(""), refused)
    })?;
    json::read(text).and_then(|root| manifest(&root)).map_err(|r| ManifestError::new(text, r))
}

fn manifest(root: &Value) -> Result<AppManifest, Refused> {
    let object = root.object()?;
    object.only(&[
        "SchemaVersion",
        "Name",
        "ComponentId",
        "EntryPoint",
        "CmdArgs",
        "ApplicationType",
        "MallocVersion",
        "TargetApplicationRuntimeVersion",
        "Capabilities",
    ])?;
    schema_version(object.required("SchemaVersion")?)?;
    if let Some(value) = object.optional("ApplicationType") {
        application_type(value)?;
    }
    let malloc_version = object.optional("MallocVersion").map(malloc_version).transpose()?;
    let runtime = object.optional("TargetApplicationRuntimeVersion").map(runtime_version);
    Ok(AppManifest {
        name: name(object.required("Name")?)?,
        component_id: component_id(object.required("ComponentId")?)?,
        entry_point: entry_point(object.required("EntryPoint")?)?,
        cmd_args: object.optional("CmdArgs").map(cmd_args).transpose()?.unwrap_or_default(),
        malloc_version: malloc_version.unwrap_or(MallocVersion::V1),
        target_application_runtime_version: runtime.transpose()?.unwrap_or(RUNTIME_VERSION_MAX),
        capabilities: capability::read(object.required("Capabilities")?)?,
    })
}

fn schema_version(value: &Value) -> Result<(), Refused> {
    match value.integer()? {
        1 => Ok(()),
        found => Refused::err(value.at, Refusal::ManifestSchemaVersionUnknown { found }),
    }
}

fn name(value: &Value) -> Result<String, Refused> {
    let name = value.text()?;
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
    match fits {
        true => Ok(name.to_string()),
        false => Refused::err(value.at, Refusal::ManifestNameInvalid),
    }
}

fn component_id(value: &Value) -> Result<ComponentId, Refused> {
    let id = uuid(value.text()?).map(ComponentId);
    id.ok_or(Refused { at: value.at, refusal: Refusal::ManifestComponentIdInvalid })
}

/// A path that cannot leave the package: absolute, each part a plain name.
fn entry_point(value: &Value) -> Result<String, Refused> {
    let path = value.text()?;
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    let parts = path.strip_prefix('/').filter(|_| path.len() <= ENTRY_POINT_BYTES_MAX);
    match parts.is_some_and(|parts| parts.split('/').all(plain)) {
        true => Ok(path.to_string()),
        false => Refused::err(value.at, Refusal::ManifestEntryPointInvalid),
    }
}

fn cmd_args(value: &Value) -> Result<Vec<String>, Refused> {
    let invalid = |at| Refused { at, refusal: Refusal::ManifestCmdArgsInvalid };
    let (mut arguments, mut bytes) = (Vec::new(), 0);
    for entry in value.list(usize::MAX)? {
        let argument = entry.text()?;
        bytes += argument.len() + 1;
        let over = bytes > ARGUMENTS_BYTES_MAX || arguments.len() == ARGUMENTS_MAX;
        if over || argument.contains('\0') {
            return Err(invalid(entry.at));
        }
        arguments.push(argument.to_string());
    }
    Ok(arguments)
}

fn application_type(value: &Value) -> Result<(), Refused> {
    let text = value.text()?;
    let found = shown(text);
    let refusal = match text {
        "Default" => return Ok(()),
        "RealTimeCapable" | "Debugger" => Refusal::ManifestApplicationTypeNotSupported { found },
        _ => Refusal::ManifestApplicationTypeUnknown { found },
    };
    Refused::err(value.at, refusal)
}

fn malloc_version(value: &Value) -> Result<MallocVersion, Refused> {
    match value.integer()? {
        1 => Ok(MallocVersion::V1),
        2 => Ok(MallocVersion::V2),
        found => Refused::err(value.at, Refusal::ManifestMallocVersionUnknown { found }),
    }
}

fn runtime_version(value: &Value) -> Result<u32, Refused> {
    let (found, max) = (value.integer()?, RUNTIME_VERSION_MAX);
    let version = u32::try_from(found).ok().filter(|version| (1..=max).contains(version));
    let refusal = Refusal::ManifestRuntimeVersionUnsupported { found, max };
    version.ok_or(Refused { at: value.at, refusal })
}

/// The 16 bytes of `8-4-4-4-12` hexadecimal digits, in the order they are written (RFC 9562 §4).
fn uuid(text: &str) -> Option<[u8; 16]> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.iter().map(|part| part.len()).ne([8, 4, 4, 4, 12]) {
        return None;
    }
    craton_trust::id::from_hex(&parts.concat().to_ascii_lowercase())
}
