//! The auth role: the only process that has the root of trust, and the only one that checks in.
//!
//! A boot of the device is a start of this process: the root of trust resets, and measures what
//! runs next.

mod check_in;
mod error;
mod failed_chip;
#[cfg(test)]
mod succession_tests;
mod successors;
#[cfg(test)]
mod tests;

pub use error::AuthError;

use crate::believed::Believed;
use crate::ipc::{Refusal, serve};
use crate::roles::{AuthAnswer, AuthQuestion};
use crate::rot::{self, Rot};
use crate::succession;
use craton_rot::{AuthRole, NextLayer, Start};
use craton_trust::evidence::Measured;
use craton_trust::store::{KeptSection, SectionKind};
use craton_trust::{ComponentId, Digest};
use std::path::{Path, PathBuf};

/// The component under which the runtime, this program, is measured and published.
pub const RUNTIME: ComponentId = ComponentId(*b"craton/runtime-1");

/// The role's main.
pub fn main(device: &Path) {
    let mut auth = Auth::open(device);
    serve(|question: AuthQuestion| {
        let auth = auth.as_mut().map_err(|error| refusal(error))?;
        auth.answer(question).map_err(|error| refusal(&error))
    });
}

fn refusal(error: &AuthError) -> Refusal {
    let (fault, service_code) = (error.fault(), error.service_code());
    Refusal { fault, service_code, ..Refusal::new(error.code(), error) }
}

/// The root of trust, and the right to check in by it.
struct Auth {
    rot: Rot,
    role: AuthRole,
    folder: PathBuf,
    /// The last successor that was refused, until the monitor asks.
    refused: Option<Refusal>,
}

impl Auth {
    fn open(device: &Path) -> Result<Self, AuthError> {
        let mut rot = rot::open(device, Start::Normal)?;
        let role = rot.take_auth_role()?;
        Ok(Self { role, rot, folder: device.to_owned(), refused: None })
    }

    fn answer(&mut self, question: AuthQuestion) -> Result<AuthAnswer, AuthError> {
        match question {
            AuthQuestion::Believed => Ok(AuthAnswer::Believed(self.believed()?.to_bytes()?)),
            AuthQuestion::Boot { runtime, set, images } => {
                self.boot(Digest(runtime), set.as_deref(), &images).map(AuthAnswer::Booted)
            }
            AuthQuestion::CheckIn { service, status, kept } => {
                self.check_in(&service, status, kept.as_deref())
            }
            AuthQuestion::ChipFailure => Ok(AuthAnswer::ChipFailure(self.chip_failure()?)),
            AuthQuestion::RefusedSuccessor => Ok(AuthAnswer::RefusedSuccessor(self.refused.take())),
            AuthQuestion::Confirm => {
                self.rot.confirm()?;
                Ok(AuthAnswer::Confirmed(true))
            }
            AuthQuestion::ConfirmAgain => {
                let waits = self.rot.programs().is_ok_and(|programs| programs.is_unconfirmed());
                if !waits {
                    self.rot.confirm()?;
                }
                Ok(AuthAnswer::Confirmed(!waits))
            }
        }
    }

    /// The record of the chip's last failure, once.
    fn chip_failure(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
        let Some(failure) = self.rot.take_failure()? else { return Ok(None) };
        Ok(Some(failed_chip::record(&failure, self.rot.status()?.boot)?))
    }

    fn owner_section(&self) -> Result<KeptSection<Vec<u8>>, AuthError> {
        Ok(succession::in_force(&*self.rot, SectionKind::Owner)?)
    }

    fn believed(&self) -> Result<Believed, AuthError> {
        let status = self.rot.status()?;
        let catalog = status.owner.ok_or(AuthError::DeviceUnowned)?;
        let owner = self.owner_section()?;
        let debug = status.mode == craton_trust::dice::Mode::Debug;
        let development = owner.section().dev || debug; // SET-4
        let (class, floors) = (status.class, status.floors);
        Ok(Believed { owner, catalog, class, development, debug, floors })
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
