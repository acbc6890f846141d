//! What the ROM leaves for the program that it starts: a fixed place in RAM, read once and wiped.

use crate::map;
use crate::register::{read_register, write_register};
use core::hint::black_box;
use core::ptr;
use craton_rot::engine::rom::Runtime;
use craton_rot::engine::{HANDOVER_MAX, Layer0};
use craton_rot::slots::Slot;
use craton_rot::{Error, Result, Start};
use craton_trust::copy;
use zeroize::Zeroize as _;

/// How a program was started.
#[expect(clippy::large_enum_variant, reason = "there is one, and no heap to put it on")]
pub enum Handover {
    /// As the runtime of a manufactured chip, with its layer.
    Layer(Layer0),
    /// On a blank chip, which has no secret: nothing was verified.
    Blank,
}

const BLANK: &[u8; 8] = b"craton\x01b";

impl Handover {
    /// Leaves it for the next program.
    ///
    /// # Errors
    /// `RoomTooSmall`.
    pub fn leave(&self) -> Result<()> {
        let place = place();
        match self {
            Self::Layer(layer) => layer.hand_over(place).map(drop),
            Self::Blank => {
                copy(place.get_mut(..BLANK.len()).ok_or(Error::RoomTooSmall)?, BLANK);
                Ok(())
            }
        }
    }

    /// What speaks against the place holding this layer of a program, from this slot or none: 0 is
    /// nothing.
    #[must_use]
    pub fn doubt(&self, runtime: &Runtime<'_>, slot: Option<Slot>) -> u32 {
        match self {
            Self::Layer(layer) => runtime.doubt_handed(black_box(place()), layer, slot),
            Self::Blank => !0,
        }
    }

    /// Takes it, and wipes the place.
    ///
    /// # Errors
    /// `HandoverInvalid`.
    pub fn take() -> Result<Self> {
        let place = place();
        let taken = if place.starts_with(BLANK) {
            Ok(Self::Blank)
        } else {
            Layer0::take_over(place).map(Self::Layer)
        };
        place.zeroize();
        taken
    }
}

/// Asks for how the next start is.
pub fn request(start: Start) {
    let word = if start == Start::Recovery { map::RECOVERY } else { 0 };
    write_register(map::RETAINED, word);
}

/// How a program is to start.
#[derive(Clone, Copy)]
pub struct Asked {
    /// As it was read at first.
    pub start: Start,
    /// As it was read once more: 0 if Recovery was asked for (ROT-18).
    pub unasked: u32,
}

impl Asked {
    /// For a start in mode Recovery.
    pub const RECOVERY: Self = Self { start: Start::Recovery, unasked: 0 };
}

/// How to start, which is forgotten by it. What a RAM holds after power came is no request.
#[must_use]
pub fn requested() -> Asked {
    let start =
        if read_register(map::RETAINED) == map::RECOVERY { Start::Recovery } else { Start::Normal };
    let unasked = read_register(map::RETAINED) ^ map::RECOVERY;
    write_register(map::RETAINED, 0);
    Asked { start, unasked }
}

/// The place.
fn place() -> &'static mut [u8] {
    let place = ptr::with_exposed_provenance_mut(map::HANDOVER);
    // SAFETY: no linker script of ours has this part of the RAM, and no two of the functions
    // above that call this have it at once.
    unsafe { core::slice::from_raw_parts_mut(place, HANDOVER_MAX) }
}
