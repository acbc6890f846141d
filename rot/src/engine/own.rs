//! The root of trust's own program: the next one is written beside the one that runs.
//!
//! Rule ROT-20: only the slot that does not run is written, and not while it is what a trial falls
//! back to. It is armed only if the ROM would start it, which is found out from what lies in flash;
//! and on an owned chip only as a member of a set that the owner's publisher and catalog signed. So
//! the platform's publisher alone puts no program on a chip that somebody owns. A chip gets an
//! owner with the program that runs on it: what was armed for it before has none of his approvals.
//!
//! Rule ROT-21: a confirm marks the slot of the program that runs, then raises the floor, then
//! gives the other slot up if its program is below. Each is one write, and the next confirm does
//! what is left of them. An unowned chip has no set to confirm: there a boot in mode Normal
//! suffices.
//!
//! What arming promises is that the ROM has no reason to refuse. It decides nothing for the ROM,
//! which looks at its own copy.

use super::rom::{PUBLISHER_SIZE, judge, publisher};
use super::{Engine, Phase};
use crate::error::{Error, Result};
use crate::platform::{Platform, SlotFlash};
use crate::programs::Programs;
use crate::slots::{self, Marks, Slot, Standing};
use craton_trust::ImageId;
use craton_trust::crypto::KeyedCrypto;
use craton_trust::dice::Mode;
use craton_trust::set::ImageSet;
use craton_trust::store::{Section, SectionKind, keeps_images};
use craton_trust::suit::{self, ENVELOPE_MAX, FOOTER_SIZE, Footer, ImageType};

/// A package that is being written.
#[derive(Clone, Copy)]
pub struct Install {
    slot: Slot,
    length: usize,
    written: usize,
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    fn flash(&self) -> Result<&dyn SlotFlash> {
        self.platform.slots().ok_or(Error::NoSlots)
    }

    fn flash_mut(&mut self) -> Result<&mut dyn SlotFlash> {
        self.platform.slots_mut().ok_or(Error::NoSlots)
    }

    pub(super) fn show_programs(&self) -> Result<Programs> {
        let flash = self.flash()?;
        let [a, b] = [flash.slot_marks(Slot::A)?, flash.slot_marks(Slot::B)?];
        Ok(Programs {
            running: self.layer.slot,
            standings: [a.standing_beside(&b), b.standing_beside(&a)],
            security_version: self.layer.program.map_or(0, |program| program.security_version),
            floor: self.state.own.map_or(0, |own| own.security_version),
        })
    }

    pub(super) fn begin_install(&mut self, length: usize) -> Result<()> {
        if matches!(self.phase, Phase::Over) {
            return Err(Error::ResetNeeded);
        }
        let running = self.layer.slot;
        let flash = self.flash_mut()?;
        if !(FOOTER_SIZE..=flash.slot_room()).contains(&length) {
            return Err(Error::ProgramTooLarge);
        }
        let marks = [flash.slot_marks(Slot::A)?, flash.slot_marks(Slot::B)?];
        // Of two slots that do not run the one is written that would start last.
        let [_, last] = slots::order(&marks);
        let slot = running.map_or(last, Slot::other);
        let [beside, own] = if slot == Slot::A { [marks[1], marks[0]] } else { marks };
        if running.is_some() && !beside.leaves_free(&own) {
            return Err(Error::ProgramOnTrial); // ROT-20
        }
        flash.slot_erase_marks(slot)?;
        flash.slot_erase_room(slot)?;
        for write in Marks::begin(&beside, length as u32) {
            flash.slot_mark(slot, write)?;
        }
        self.install = Some(Install { slot, length, written: 0 });
        Ok(())
    }

    pub(super) fn write_install(&mut self, offset: usize, piece: &[u8]) -> Result<()> {
        self.flash()?;
        let mut install = self.install.ok_or(Error::ProgramNotBegun)?;
        let end = offset.checked_add(piece.len()).filter(|end| *end <= install.length);
        let end = end.filter(|_| offset == install.written).ok_or(Error::ProgramPiece)?;
        self.install = None; // flash that failed is not programmed again
        self.flash_mut()?.slot_program(install.slot, offset, piece)?;
        install.written = end;
        self.install = Some(install);
        Ok(())
    }

    pub(super) fn arm_install(&mut self, set: Option<&[u8]>) -> Result<()> {
        if matches!(self.phase, Phase::Over) {
            return Err(Error::ResetNeeded); // who owns the chip may have changed
        }
        self.flash()?;
        let whole = self.install.filter(|install| install.written == install.length);
        let Install { slot, length, .. } = whole.ok_or(Error::ProgramNotBegun)?;
        let program = self.examine(slot, length)?;
        self.approve(program, set)?;
        let flash = self.flash_mut()?;
        flash.slot_mark(slot, Marks::arm())?; // the write that commits
        let armed = flash.slot_marks(slot)?.standing() == Standing::Trial;
        self.install = None;
        if armed { Ok(()) } else { Err(Error::StorageFailed) }
    }

    /// ROT-20: what lies in the slot is what a ROM would start. Gives its manifest's digest.
    #[inline(never)] // its rooms leave the stack before a set comes to it
    fn examine(&self, slot: Slot, length: usize) -> Result<ImageId> {
        let flash = self.flash()?;
        let marks = flash.slot_marks(slot)?;
        if !marks.has_begun(&flash.slot_marks(slot.other())?, length as u32) {
            return Err(Error::StorageFailed);
        }
        let mut room = [0u8; PUBLISHER_SIZE];
        let (authority, _) = publisher(&self.platform, &self.crypto, &self.state, &mut room)?;
        self.examine_by(&authority, slot, length)
    }

    #[inline(never)] // the envelope comes to the stack after the section left it
    fn examine_by(&self, authority: &Section<'_>, slot: Slot, length: usize) -> Result<ImageId> {
        let flash = self.flash()?;
        let mut room = [0u8; ENVELOPE_MAX];
        let (payload_size, envelope) = envelope(flash, slot, length, &mut room)?;
        let (by, wanted) = ((&self.state, authority), ImageType::RootOfTrust);
        let image = judge(&self.platform, &self.crypto, by, wanted, envelope)?;
        let digest = flash.slot_sha256(&self.crypto, slot, payload_size)?;
        image.check_payload(&digest, payload_size as u64)?;
        Ok(ImageId(image.digest().0))
    }

    /// ROT-20, before an owner comes: before the write that commits, so that no cut leaves him with
    /// what was armed. A program that nobody confirmed is refused where it runs, and given up
    /// beside one that was; under a recovery program it would be all that there is.
    pub(super) fn settle_programs(&mut self) -> Result<()> {
        let running = self.layer.slot;
        let Ok(flash) = self.flash_mut() else { return Ok(()) };
        let mut armed = None;
        for slot in Slot::BOTH {
            match flash.slot_marks(slot)?.standing() {
                Standing::Empty | Standing::Confirmed => {}
                _ if running == Some(slot.other()) => armed = Some(slot),
                _ => return Err(Error::ProgramOnTrial),
            }
        }
        armed.map_or(Ok(()), |slot| flash.slot_mark(slot, Marks::give_up()))
    }

    /// The owner's two approvals, where there is an owner.
    #[inline(never)] // as above
    fn approve(&self, program: ImageId, set: Option<&[u8]>) -> Result<()> {
        let Some(set) = set else {
            let free = self.state.owner.is_none();
            return if free { Ok(()) } else { Err(Error::ProgramNotInSet) };
        };
        // A capability holds for one boot, and what is armed stays: no set of a development's.
        let (set, _) = self.verify_set(set, Mode::Normal)?;
        if names(&set, program) { Ok(()) } else { Err(Error::ProgramNotInSet) }
    }

    /// Whether a confirm has something to do though no set was booted: this chip has none yet.
    pub(super) fn confirms_alone(&self) -> bool {
        self.state.owner.is_none() && self.layer.slot.is_some() && self.layer.mode == Mode::Normal
    }

    /// ROT-21: the program that runs is no trial any more.
    pub(super) fn confirm_slot(&mut self) -> Result<()> {
        let (Some(slot), Ok(flash)) = (self.layer.slot, self.flash_mut()) else { return Ok(()) };
        let Some(write) = flash.slot_marks(slot)?.confirm() else { return Ok(()) };
        flash.slot_mark(slot, write)?;
        let confirmed = flash.slot_marks(slot)?.standing() == Standing::Confirmed;
        if confirmed { Ok(()) } else { Err(Error::StorageFailed) }
    }

    /// ROT-21: the ROM would refuse what is below the floor. Recovery: the next confirm redoes it.
    #[inline(never)] // its room leaves the stack with it
    pub(super) fn give_up_older(&mut self) -> Result<()> {
        let (slot, flash) = (self.layer.slot.map(Slot::other), self.flash());
        let (Some(slot), Some(own), Ok(flash)) = (slot, self.state.own, flash) else {
            return Ok(());
        };
        let marks = flash.slot_marks(slot)?;
        if marks.standing() == Standing::Empty {
            return Ok(());
        }
        let mut room = [0u8; ENVELOPE_MAX];
        let found = envelope(flash, slot, marks.length() as usize, &mut room);
        let image = found.and_then(|(_, bytes)| Ok(suit::unchecked_parse(&self.crypto, bytes)?.1));
        let below = image.is_ok_and(|image| image.security_version < own.security_version);
        if below { self.flash_mut()?.slot_mark(slot, Marks::give_up()) } else { Ok(()) }
    }

    /// STORE-4 for the programs that the ROM may start. No caller passes their envelopes: what a
    /// ROM will read counts, in either slot, and one that it could not read starts nothing.
    #[inline(never)]
    pub(super) fn keeps_own_program(&self, section: &Section<'_>) -> Result<()> {
        let Some(own) = self.state.own.filter(|_| section.kind == SectionKind::Platform) else {
            return Ok(());
        };
        if own.security_version > section.ceiling {
            return Err(Error::Trust(craton_trust::Error::SuccessorOrphans));
        }
        let flash = self.platform.slots().ok_or(Error::InstalledOmitted)?;
        let (mut room, mut kept) = ([0u8; ENVELOPE_MAX], 0);
        for slot in Slot::BOTH {
            let marks = flash.slot_marks(slot)?;
            let found = envelope(flash, slot, marks.length() as usize, &mut room);
            let Some((_, envelope)) = found.ok().filter(|_| marks.standing() != Standing::Empty)
            else {
                continue;
            };
            keeps_images(&self.crypto, section, [envelope])?;
            kept += 1;
        }
        if kept > 0 { Ok(()) } else { Err(Error::InstalledOmitted) }
    }
}

#[inline(never)] // a member is on the stack here alone
fn names(set: &ImageSet<'_>, program: ImageId) -> bool {
    set.members().any(|member| member.image == program)
}

/// The size of the payload in a slot, and the envelope, which is read into `room`.
fn envelope<'o>(
    flash: &dyn SlotFlash,
    slot: Slot,
    length: usize,
    room: &'o mut [u8],
) -> Result<(usize, &'o [u8])> {
    let invalid = Error::Trust(craton_trust::Error::FooterInvalid);
    let footer_at = length.checked_sub(FOOTER_SIZE).filter(|_| length <= flash.slot_room());
    let mut footer = [0u8; FOOTER_SIZE];
    flash.slot_read(slot, footer_at.ok_or(invalid)?, &mut footer)?;
    let footer = Footer::parse(&footer, length as u64)?;
    let payload_size = usize::try_from(footer.payload_size).map_err(|_| invalid)?;
    let envelope_size = usize::try_from(footer.envelope_size).map_err(|_| invalid)?;
    let room = room.get_mut(..envelope_size).ok_or(invalid)?;
    flash.slot_read(slot, payload_size, room)?;
    Ok((payload_size, room))
}
