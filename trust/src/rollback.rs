//! Anti-rollback: what may be installed over what.
//!
//! Rules: ROLL-1 nothing below the floor is installed or booted; ROLL-2 nothing above the trust
//! store's ceiling is believed, so that one stolen signature cannot exhaust the versions; ROLL-3 a
//! floor rises only to what was verified, booted and confirmed, and never falls.

use crate::cbor::{Reader, Writer};
use crate::error::{Error, Result};
use crate::id::ComponentId;

/// The highest security version: a root of trust has a ladder of sealing keys with so many rungs,
/// two digits of base 64, and could not seal for a version above. No ceiling is higher.
pub const SECURITY_VERSION_MAX: u64 = 64 * 64 - 1;

/// The most components with a floor.
pub const FLOORS_MAX: usize = 16;

/// Refuses a version below a floor or above a ceiling.
///
/// # Errors
/// ROLL-1 `RolledBack`, ROLL-2 `AboveCeiling`.
pub const fn admit(floor: u64, version: u64, ceiling: u64) -> Result<()> {
    if version < floor {
        return Err(Error::RolledBack);
    }
    if version > ceiling {
        return Err(Error::AboveCeiling);
    }
    Ok(())
}

/// The least security version of each component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// In the order of their first rise; zeros behind.
    floors: [(ComponentId, u64); FLOORS_MAX],
    count: usize,
}

impl Default for Floors {
    fn default() -> Self {
        Self::NONE
    }
}

impl Floors {
    /// Of no component.
    pub const NONE: Self = Self { floors: [(ComponentId([0; 16]), 0); FLOORS_MAX], count: 0 };

    /// The floor of a component; 0 if it has none yet.
    #[must_use]
    pub fn of(&self, component: ComponentId) -> u64 {
        self.iter().find(|(id, _)| *id == component).map_or(0, |(_, floor)| floor)
    }

    /// Whether a version of this component was ever confirmed.
    #[must_use]
    pub fn has(&self, component: ComponentId) -> bool {
        self.iter().any(|(id, _)| id == component)
    }

    /// All floors, in the order of their first rise.
    pub fn iter(&self) -> impl Iterator<Item = (ComponentId, u64)> {
        self.floors.iter().take(self.count).copied()
    }

    /// Refuses a version that may not be installed or booted.
    ///
    /// # Errors
    /// ROLL-1 `RolledBack`, ROLL-2 `AboveCeiling`.
    pub fn admit(&self, component: ComponentId, version: u64, ceiling: u64) -> Result<()> {
        admit(self.of(component), version, ceiling)
    }

    /// Raises a floor to a confirmed version; a lower one changes nothing (ROLL-3).
    ///
    /// # Errors
    /// `FieldTooLong` when there is no place for another component.
    pub fn raise(&mut self, component: ComponentId, version: u64) -> Result<()> {
        let known = self.iter().position(|(id, _)| id == component).unwrap_or(self.count);
        let (id, floor) = self.floors.get_mut(known).ok_or(Error::FieldTooLong)?;
        (*id, *floor) = (component, version.max(*floor));
        self.count = self.count.max(known + 1);
        Ok(())
    }

    /// Reads `[[component, version], …]`.
    ///
    /// # Errors
    /// Those of the encoding; `FieldInvalid` for a component that stands twice.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut floors = Self::default();
        for _ in 0..reader.list(FLOORS_MAX)? {
            reader.array(2)?;
            let component = ComponentId(reader.fixed()?);
            if floors.has(component) {
                return Err(Error::FieldInvalid); // one table, one encoding
            }
            floors.raise(component, reader.u64()?)?;
        }
        Ok(floors)
    }

    /// Writes the floors in place.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.array(self.iter().count())?;
        self.iter().try_for_each(|(component, floor)| {
            writer.array(2)?.bytes(&component.0)?.u64(floor).map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: ComponentId = ComponentId([1; 16]);

    #[test]
    fn roll_1_refuses_a_version_below_the_floor() {
        let mut floors = Floors::default();
        floors.raise(APP, 5).unwrap();
        assert_eq!(floors.admit(APP, 4, 9), Err(Error::RolledBack));
        assert_eq!(floors.admit(APP, 5, 9), Ok(()));
    }

    #[test]
    fn roll_2_refuses_a_version_above_the_ceiling() {
        assert_eq!(Floors::default().admit(APP, 10, 9), Err(Error::AboveCeiling));
    }

    #[test]
    fn roll_3_a_floor_never_falls() {
        let mut floors = Floors::default();
        floors.raise(APP, 5).unwrap();
        floors.raise(APP, 3).unwrap();
        assert_eq!(floors.of(APP), 5);
        for other in 2..=FLOORS_MAX as u8 {
            floors.raise(ComponentId([other; 16]), 1).unwrap();
        }
        assert_eq!(floors.raise(ComponentId([99; 16]), 1), Err(Error::FieldTooLong));
    }
}
