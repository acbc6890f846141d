//! Asking for successors of the trust store: before the evidence, on the connection of the
//! check-in.
//!
//! The device asks for the version after its own; a service that has none says so. It needs no
//! assignment, certificate or clock for it (STORE-1): a device that was away while the keys of
//! every online role were replaced comes back by root signatures alone.

use super::{Auth, AuthError};
use crate::ipc::Refusal;
use crate::link::{Link, LinkError};
use crate::succession;
use craton_api::device::TRUST_STORE_PATH;
use craton_rot::SECTION_MAX;
use craton_trust::store::{CHAIN_MAX, SectionKind};
use craton_trust::{CatalogId, SetId};

impl Auth {
    /// Takes what the service has, section by section; returns how many successors were taken. One
    /// that is refused ends its section's chain and is kept for the monitor; the device goes on
    /// with what is in force.
    pub(super) async fn successors(
        &mut self,
        link: &mut Link,
        catalog: CatalogId,
        kept: Option<&[[u8; 32]]>,
    ) -> Result<u64, AuthError> {
        let Some(kept) = kept else { return Ok(0) };
        let kept: Vec<SetId> = kept.iter().map(|set| SetId(*set)).collect();
        let mut taken = 0;
        for (kind, name) in [(SectionKind::Platform, "platform"), (SectionKind::Owner, "owner")] {
            taken += self.chain(link, catalog, &kept, (kind, name)).await?;
        }
        Ok(taken)
    }

    async fn chain(
        &mut self,
        link: &mut Link,
        catalog: CatalogId,
        kept: &[SetId],
        (kind, name): (SectionKind, &str),
    ) -> Result<u64, AuthError> {
        let mut taken = 0;
        // STORE-1; a longer chain goes on after the boot that this one makes necessary.
        for _ in 0..CHAIN_MAX {
            let now = succession::in_force(&*self.rot, kind)?.section().version;
            let path = format!("{TRUST_STORE_PATH}{name}/{}?catalog={catalog}", now + 1);
            let successor = match link.get(&path, SECTION_MAX).await {
                Ok(none) if none.is_empty() => break,
                Ok(successor) => successor,
                Err(error @ LinkError::ServiceUnreachable(..)) => return Err(error.into()),
                // The check-in must not hang on an answer that is no successor.
                Err(error) => {
                    self.refused = Some(Refusal::new(error.code(), error));
                    break;
                }
            };
            match succession::take(&mut *self.rot, &self.folder, kept, &successor) {
                Ok(_) => taken += 1,
                Err(error) => {
                    self.refused = Some(Refusal::new(error.code(), error));
                    break;
                }
            }
        }
        Ok(taken)
    }
}
