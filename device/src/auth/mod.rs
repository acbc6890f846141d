//! The auth role: the only process that has the root of trust, and the only one that checks in.
//!
//! A boot of the device is a start of this process: the root of trust resets, and measures what
//! runs next.

mod check_in;
mod error;
#[cfg(test)]
mod tests;

pub use error::AuthError;

use crate::believed::Believed;
use crate::folder::{ENDORSEMENT_FILE, ROT_FILE};
use crate::ipc::{Refusal, serve};
use crate::roles::{AuthAnswer, AuthQuestion};
use craton_rot::platform::file::FilePlatform;
use craton_rot::{AuthRole, Engine, NextLayer, RootOfTrust, SECTION_MAX, Start};
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::Measured;
use craton_trust::soft::Soft;
use craton_trust::store::{Section, SectionKind};
use craton_trust::{ClassId, ComponentId, Digest, Signed};
use std::path::Path;
use std::time::{Duration, Instant};

/// The component under which the runtime, this program, is measured and published.
pub const RUNTIME: ComponentId = ComponentId(*b"craton/runtime-1");

/// How long an earlier role may keep the root of trust.
const LOCK_WITHIN: Duration = Duration::from_secs(45);

/// The role's main.
pub fn main(device: &Path) {
    let mut auth = Auth::open(device);
    serve(|question: AuthQuestion| {
        let auth = auth.as_mut().map_err(|error| refusal(error))?;
        auth.answer(question).map_err(|error| refusal(&error))
    });
}

fn refusal(error: &AuthError) -> Refusal {
    Refusal { fault: error.fault(), ..Refusal::new(error.code(), error) }
}

/// The root of trust, and the right to check in by it.
struct Auth {
    rot: Engine<FilePlatform, Soft>,
    role: AuthRole,
    class: ClassId,
}

impl Auth {
    fn open(device: &Path) -> Result<Self, AuthError> {
        let platform = open_platform(&device.join(ROT_FILE))?;
        let mut rot = Engine::reset(platform, Soft, Start::Normal)?;
        let role = rot.take_auth_role()?;
        Ok(Self { role, rot, class: endorsed_class(device)? })
    }

    fn answer(&mut self, question: AuthQuestion) -> Result<AuthAnswer, AuthError> {
        match question {
            AuthQuestion::Believed => Ok(AuthAnswer::Believed(self.believed()?.to_bytes()?)),
            AuthQuestion::Boot { runtime, set, images } => {
                self.boot(Digest(runtime), set.as_deref(), &images).map(AuthAnswer::Booted)
            }
            AuthQuestion::CheckIn { service, status } => {
                self.check_in(&service, status).map(AuthAnswer::CheckedIn)
            }
            AuthQuestion::Confirm => {
                self.rot.confirm()?;
                Ok(AuthAnswer::Confirmed)
            }
        }
    }

    fn owner_section(&self) -> Result<Section, AuthError> {
        let mut room = vec![0u8; SECTION_MAX];
        let signed = Signed::parse(self.rot.section(SectionKind::Owner, &mut room)?)?;
        // The root of trust verified it when it took it in.
        Ok(Section::parse(signed.unchecked_payload())?)
    }

    fn believed(&self) -> Result<Believed, AuthError> {
        let status = self.rot.status()?;
        let catalog = status.owner.ok_or(AuthError::DeviceUnowned)?;
        let owner = self.owner_section()?;
        let debug = status.mode == craton_trust::dice::Mode::Debug;
        let development = owner.dev || debug; // SET-4
        Ok(Believed { owner, catalog, class: self.class, development, floors: status.floors })
    }

    fn boot(
        &mut self,
        runtime: Digest,
        set: Option<&[u8]>,
        images: &[crate::roles::MeasuredBytes],
    ) -> Result<u64, AuthError> {
        let measured = |(component, digest): &crate::roles::MeasuredBytes| Measured {
            component: ComponentId(*component),
            digest: Digest(*digest),
        };
        let images: Vec<Measured> = images.iter().map(measured).collect();
        let runtime = Measured { component: RUNTIME, digest: runtime };
        self.rot.boot(&NextLayer { runtime, set, images: &images })?;
        Ok(self.rot.status()?.boot)
    }
}

/// Opens the root of trust, waiting for the role of an earlier boot to let go of it: after a
/// monitor was killed, its auth role ends only when its check-in does.
fn open_platform(path: &Path) -> Result<FilePlatform, AuthError> {
    let until = Instant::now() + LOCK_WITHIN;
    loop {
        match FilePlatform::open(path) {
            Err(craton_rot::Error::StorageLocked) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => return Ok(opened?),
        }
    }
}

fn endorsed_class(device: &Path) -> Result<ClassId, AuthError> {
    let path = device.join(ENDORSEMENT_FILE);
    let bytes = std::fs::read(&path).map_err(|error| AuthError::EndorsementLost(path, error))?;
    Ok(Endorsement::parse(Signed::parse(&bytes)?.unchecked_payload())?.class)
}
