//! The two slots of the program in the PSRAM.

use crate::board::{Chip, change, marking, read};
use crate::map;
use crate::register::read_register;
use core::ptr;
use craton_rot::platform::SlotFlash;
use craton_rot::slots::{Marks, Slot, Write};
use craton_rot::{Error, Result};
use craton_trust::Digest;
use craton_trust::crypto::Crypto;

impl Chip {
    /// Counts a start that is not confirmed, before it (ROT-19).
    ///
    /// # Errors
    /// `StorageFailed` if the flash keeps no mark: such a trial would never end.
    pub fn count_start(&mut self, slot: Slot, marks: &Marks) -> Result<()> {
        let Some(write) = marks.start() else { return Ok(()) };
        marking(|| self.slot_mark(slot, write))?;
        let left = self.slot_marks(slot)?.start();
        if left == Some(write) { Err(Error::StorageFailed) } else { Ok(()) }
    }
}

/// The address of `length` bytes of a slot's room.
fn place(slot: Slot, offset: usize, length: usize) -> Result<usize> {
    let end = offset.checked_add(length).filter(|end| *end <= map::CODE_SIZE);
    end.ok_or(Error::StorageFailed)?;
    Ok(map::slot(slot) + map::SLOT_HEADER_SIZE + offset)
}

impl SlotFlash for Chip {
    fn slot_room(&self) -> usize {
        map::CODE_SIZE
    }

    fn slot_marks(&self, slot: Slot) -> Result<Marks> {
        Ok(Marks::of_words(|place| read_register(map::slot(slot) + 4 * place)))
    }

    fn slot_mark(&mut self, slot: Slot, write: Write) -> Result<()> {
        let at = map::slot(slot) + write.offset;
        change(at..at + 4, write.bytes().into_iter(), |old, new| old & new);
        Ok(())
    }

    fn slot_erase_marks(&mut self, slot: Slot) -> Result<()> {
        let at = map::slot(slot);
        change(at..at + map::SLOT_HEADER_SIZE, core::iter::repeat(0xff), |_, new| new);
        Ok(())
    }

    fn slot_erase_room(&mut self, slot: Slot) -> Result<()> {
        let at = place(slot, 0, map::CODE_SIZE)?;
        change(at..at + map::CODE_SIZE, core::iter::repeat(0xff), |_, new| new);
        Ok(())
    }

    fn slot_read(&self, slot: Slot, offset: usize, into: &mut [u8]) -> Result<()> {
        read(place(slot, offset, into.len())?, into);
        Ok(())
    }

    fn slot_program(&mut self, slot: Slot, offset: usize, bytes: &[u8]) -> Result<()> {
        let at = place(slot, offset, bytes.len())?;
        change(at..at + bytes.len(), bytes.iter().copied(), |old, new| old & new);
        Ok(())
    }

    fn slot_sha256(&self, crypto: &dyn Crypto, slot: Slot, length: usize) -> Result<Digest> {
        let at = ptr::with_exposed_provenance::<u8>(place(slot, 0, length)?);
        // SAFETY: the room is memory, and this chip writes nothing to it meanwhile. A host that
        // changes the file behind it gets the digest of some mixture, which it could have had
        // written: nothing is started for it.
        Ok(crypto.sha256(&[unsafe { core::slice::from_raw_parts(at, length) }]))
    }
}
