//! A set as a device holds it, verified by the runtime's own functions before each start.

use craton_device::believed::Believed;
use craton_device::installed::{self, InstalledError};
use craton_image::package::sha256;
use craton_trust::evidence::Measured;
use craton_trust::suit::ImageType;
use craton_trust::{ComponentId, SetId};
use std::sync::Arc;

/// One component of a held set.
#[derive(Clone)]
pub struct Part {
    /// Which.
    pub component: ComponentId,
    /// As signed.
    pub envelope: Vec<u8>,
    /// As signed.
    pub payload: Arc<Vec<u8>>,
}

/// A set with all its parts.
#[derive(Clone)]
pub struct Held {
    /// The set as it was signed.
    pub signed: Vec<u8>,
    /// In order of their component.
    pub parts: Vec<Part>,
}

impl Held {
    /// Verifies everything, and gives what is to be measured.
    ///
    /// # Errors
    /// As `craton_device::installed`.
    pub fn verify(&self, set: SetId, believed: &Believed) -> Result<Vec<Measured>, InstalledError> {
        let verified = installed::verify_set(&self.signed, set, believed)?;
        let mut measured = Vec::new();
        for member in verified.members() {
            let part = self.parts.iter().find(|part| part.component == member.component);
            let part = part.ok_or_else(|| InstalledError::SetIncomplete("a part".into()))?;
            let image = installed::verify_member(&part.envelope, &member, believed)?;
            let digest = sha256(&part.payload);
            image.check_payload(&digest, part.payload.len() as u64)?;
            if image.image_type == ImageType::Application {
                installed::app_tree(&image, &part.payload)?;
            }
            measured.push(Measured { component: member.component, digest });
        }
        Ok(measured)
    }
}
