//! What boots next, and what a boot leaves behind.
//!
//! Rule ROT-9: the log of a boot, replayed, is what evidence quotes.

use crate::error::Result;
use craton_trust::dice::Mode;
use craton_trust::evidence::{Lifecycle, Measured, Measurements};
use craton_trust::rollback::Floors;
use craton_trust::{CatalogId, ClassId, Digest};

/// What the root of trust verifies and measures before it runs.
#[derive(Clone, Copy)]
pub struct NextLayer<'a> {
    /// The runtime: its component, and the SHA-256 of its program. If the set names that component,
    /// it must be the payload that the set names.
    pub runtime: Measured,
    /// The signed image set; `None` before one is installed.
    pub set: Option<&'a [u8]>,
    /// Each image of the set as it lies on the device: its component, and the SHA-256 of its
    /// payload, just computed.
    pub images: &'a dyn Images,
}

impl NextLayer<'_> {
    /// The images, in the caller's order.
    pub fn images(&self) -> impl Iterator<Item = Measured> {
        (0..usize::MAX).map_while(|place| self.images.get(place))
    }
}

/// Measured images: a list, or what a message says of them. A chip has no room to make a list of
/// that, 48 bytes an image.
pub trait Images: Sync {
    /// The one at `place`; `None` past the end.
    fn get(&self, place: usize) -> Option<Measured>;
}

impl<T: AsRef<[Measured]> + Sync> Images for T {
    fn get(&self, place: usize) -> Option<Measured> {
        self.as_ref().get(place).copied()
    }
}

/// Lifecycle, mode, owner, counters and floors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where in its life the device is.
    pub lifecycle: Lifecycle,
    /// The class of devices that was burned into it.
    pub class: ClassId,
    /// The mode of this reset.
    pub mode: Mode,
    /// Whether it booted since the reset.
    pub booted: bool,
    /// The owner's catalog; `None` while unowned.
    pub owner: Option<CatalogId>,
    /// Digests of the signed payloads of platform and owner section.
    pub sections: (Digest, Option<Digest>),
    /// Ownership epoch: 0 until the first claim.
    pub epoch: u64,
    /// How often it booted.
    pub boot: u64,
    /// Check-ins since then.
    pub check_in: u64,
    /// Seconds since 1970; time is never before it.
    pub time_floor: u64,
    /// Size of the last checkpoint believed.
    pub checkpoint_size: u64,
    /// Least security versions.
    pub floors: Floors,
    /// Whether the next normal boot is a Debug one.
    pub debug_next: bool,
}

/// One entry of a boot's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The boot began.
    Booted {
        /// Its number.
        boot: u64,
        /// Its mode.
        mode: Mode,
    },
    /// Something was measured.
    Measured(Measured),
}

/// What a log says when it is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Number and mode of the boot; `None` for an empty log.
    pub boot: Option<(u64, Mode)>,
    /// What was measured.
    pub measured: Measurements,
}

/// Replays a log (ROT-9).
///
/// # Errors
/// `Trust(MeasuredTwice)`, `Trust(FieldTooLong)`.
pub fn replay(events: impl IntoIterator<Item = Event>) -> Result<Replayed> {
    let mut replayed = Replayed { boot: None, measured: Measurements::default() };
    for event in events {
        match event {
            Event::Booted { boot, mode } => replayed.boot = Some((boot, mode)),
            Event::Measured(measured) => replayed.measured.push(measured)?,
        }
    }
    Ok(replayed)
}
