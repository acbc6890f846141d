//! Lifecycle: fuses that are burned one after another, each on a signed order (ROT-2).

use super::{Engine, Phase};
use crate::error::{Error, Result};
use crate::order::{Action, Order};
use crate::platform::{Platform, Row, Source};
use craton_trust::crypto::KeyedCrypto;
use craton_trust::evidence::{Lifecycle, trust_store_digest};
use craton_trust::store::{Role, Section, SectionKind};
use craton_trust::{Digest, Signed};

/// Whether a byte of fuses counts as burned: most of its bits, so that one bit decides nothing.
const fn burned(byte: u8) -> bool {
    byte.count_ones() > 4
}

/// Whether manufacturing was finished.
pub fn is_manufactured(platform: &impl Source) -> Result<bool> {
    Ok(rows(platform)?.first().copied().is_some_and(burned))
}

/// Whether the claim code was used.
pub fn is_claim_used(platform: &impl Source) -> Result<bool> {
    let mut used = [0u8; 1];
    platform.row(Row::ClaimUsed, &mut used)?;
    Ok(burned(used[0]))
}

/// Where in its life the device is.
pub fn read(platform: &impl Source) -> Result<Lifecycle> {
    let [_, module, device, returned] = rows(platform)?;
    Ok(match (burned(module), burned(device), burned(returned)) {
        (_, _, true) => Lifecycle::Returned,
        (_, true, _) => Lifecycle::DeviceComplete,
        (true, ..) => Lifecycle::Module1Complete,
        _ => Lifecycle::Blank,
    })
}

fn rows(platform: &impl Source) -> Result<[u8; 4]> {
    let mut rows = [0u8; 4];
    platform.row(Row::Lifecycle, &mut rows)?;
    Ok(rows)
}

/// The fuses of a step; `None` if there is no such step.
const fn step(from: Lifecycle, to: Lifecycle) -> Option<[u8; 4]> {
    match (from, to) {
        (Lifecycle::Blank, Lifecycle::Module1Complete) => Some([0, 0xff, 0, 0]),
        (Lifecycle::Module1Complete, Lifecycle::DeviceComplete) => Some([0, 0, 0xff, 0]),
        (Lifecycle::Returned, _) => None,
        (_, Lifecycle::Returned) => Some([0, 0, 0, 0xff]),
        _ => None,
    }
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// The order must be by the platform section's Manufacturer (ROT-2).
    pub(super) fn move_lifecycle(&mut self, order: &[u8]) -> Result<()> {
        let to = match self.manufacturers_order(order)? {
            Action::Lifecycle(to) => to,
            Action::NewEpoch(_) => return Err(Error::OrderMismatch),
        };
        let fuses = step(read(&self.platform)?, to).ok_or(Error::LifecycleStep)?;
        if to == Lifecycle::DeviceComplete {
            self.refuse_dev(SectionKind::Platform)?;
            if self.state.owner.is_some() {
                self.refuse_dev(SectionKind::Owner)?;
            }
        }
        self.platform.burn(Row::Lifecycle, &fuses)?; // the write that commits
        self.phase = Phase::Over;
        Ok(())
    }

    pub(super) fn manufacturers_order(&self, order: &[u8]) -> Result<Action> {
        let mut room = [0u8; Section::excerpt_size(1)];
        let roles = [Role::Manufacturer];
        let section = self.load_section(SectionKind::Platform, &roles, &mut room)?;
        let role = section.role(Role::Manufacturer);
        let (device, epoch) = (crate::RootOfTrust::device(self), self.state.epoch);
        let order = Order::verify(&self.crypto, role, device, epoch, &Signed::parse(order)?)?;
        Ok(order.action)
    }

    fn refuse_dev(&self, kind: SectionKind) -> Result<()> {
        let (_, dev) = self.load_limits(kind)?;
        if dev { Err(Error::DevelopmentRoot) } else { Ok(()) }
    }

    /// What evidence carries for the trust store: both sections' digests, hashed.
    pub(super) fn trust_store_digest(&self) -> Digest {
        trust_store_digest(
            &self.crypto,
            self.state.platform.section,
            self.state.owner.map(|owner| owner.section),
        )
    }
}
