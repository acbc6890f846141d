//! All that survives a reset, as one value and one encoding: changing it is one write.

use super::journal::BODY_MAX;
use crate::error::{Error, Result};
use crate::secret::Secret;
use craton_trust::cbor::{Reader, Writer};
use craton_trust::rollback::Floors;
use craton_trust::store::SectionKind;
use craton_trust::{ComponentId, Digest, SetId};

/// Where an installed section of the trust store lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// In the second of its two sectors.
    pub second: bool,
    /// Bytes of the signed section.
    pub length: usize,
    /// SHA-256 of those bytes: what is read back is what was believed.
    pub digest: Digest,
    /// SHA-256 of the section's signed payload.
    pub section: Digest,
    /// Digest of the first version's signed payload.
    pub genesis: Digest,
}

/// A program of the root of trust itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its component.
    pub component: ComponentId,
    /// Its security version, or the least one.
    pub security_version: u64,
}

/// Where the floor of a program stands, behind its head and its component with that one's head.
const FLOOR_AT: usize = 2 + 16;
/// The most bytes of a floor.
pub const FLOOR_SIZE: usize = 9;

impl Program {
    pub(super) fn read(reader: &mut Reader<'_>) -> craton_trust::error::Result<Self> {
        reader.array(2)?;
        Ok(Self { component: ComponentId(reader.fixed()?), security_version: reader.u64()? })
    }

    pub(super) fn write_optional(
        program: Option<&Self>,
        writer: &mut Writer<'_>,
    ) -> craton_trust::error::Result<()> {
        match program {
            Some(program) => {
                writer.array(2)?.bytes(&program.component.0)?.u64(program.security_version)?
            }
            None => writer.null()?,
        };
        Ok(())
    }
}

/// All that survives a reset, beside the fuses.
#[derive(Clone)]
pub struct State {
    /// How often it booted.
    pub boot: u64,
    /// Check-ins since then.
    pub check_in: u64,
    /// Ownership epoch.
    pub epoch: u64,
    /// Overwriting it erases everything sealed before.
    pub epoch_secret: Secret,
    /// Number of the client key.
    pub client_key: u64,
    /// Seconds since 1970; time is never before it.
    pub time_floor: u64,
    /// Size of the last checkpoint believed.
    pub checkpoint_size: u64,
    /// Least security versions.
    pub floors: Floors,
    /// The last confirmed image set.
    pub confirmed: Option<SetId>,
    /// The component of the runtime that was confirmed as part of a set; its floor is the
    /// platform's.
    pub runtime: Option<ComponentId>,
    /// The open capability challenge.
    pub challenge: Option<Digest>,
    /// Whether the next normal boot is a Debug one.
    pub debug_next: bool,
    /// The byte that this was read from, for who doubts how it was read (ROT-18).
    pub debug_head: u8,
    /// Whether the other copy of the state still holds the epoch secret that was overwritten in
    /// this one.
    pub erasing: bool,
    /// The platform section.
    pub platform: Installed,
    /// The owner section; `None` while unowned.
    pub owner: Option<Installed>,
    /// The program that a ROM starts: the component that was confirmed, and its floor. `None` where
    /// there is no ROM, and before the first confirm.
    pub own: Option<Program>,
    /// The bytes that its floor was read from, and what follows: for a ROM, as `debug_head`.
    pub floor_bytes: [u8; FLOOR_SIZE],
}

const FORMAT: u64 = 3;
/// Before a ROM kept a floor of its own: as 3, without its last field.
const FORMAT_WITHOUT_OWN: u64 = 2;
const FIELDS: usize = 17;

impl State {
    /// Of a chip that has just been manufactured.
    pub fn first(epoch_secret: Secret, platform: Installed) -> Self {
        Self {
            boot: 0,
            check_in: 0,
            epoch: 0,
            epoch_secret,
            client_key: 0,
            time_floor: 0,
            checkpoint_size: 0,
            floors: Floors::NONE,
            confirmed: None,
            runtime: None,
            challenge: None,
            debug_next: false,
            debug_head: 0,
            erasing: false,
            platform,
            owner: None,
            own: None,
            floor_bytes: [0; FLOOR_SIZE],
        }
    }

    /// Of which nothing was read yet.
    pub fn blank() -> Self {
        let digest = Digest([0; 32]);
        let platform =
            Installed { second: false, length: 0, digest, section: digest, genesis: digest };
        Self::first(Secret::zero(), platform)
    }

    /// Reads a state into this blank one, which is in no use after a refusal.
    ///
    /// # Errors
    /// `StorageDamaged`: its digest was right, so another program wrote it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<()> {
        self.fill(bytes).map_err(|_| Error::StorageDamaged)
    }

    /// As [`State::read`], of what a ROM decides by alone: an owner chooses ids, times and counts,
    /// and a ROM has no word in its memory that somebody chose (ROT-25).
    ///
    /// # Errors
    /// As there.
    pub fn read_of_rom(&mut self, bytes: &[u8]) -> Result<()> {
        self.fill_of_rom(bytes).map_err(|_| Error::StorageDamaged)
    }

    #[inline(never)] // as below
    fn fill_of_rom(&mut self, bytes: &[u8]) -> craton_trust::error::Result<()> {
        /// From the check-ins to the challenge.
        const OWNERS: usize = 10;
        let (mut reader, with_own) = begin(bytes)?;
        self.boot = reader.u64()?;
        (0..OWNERS).try_for_each(|_| reader.raw().map(|_| ()))?;
        self.debug_head = reader.rest().first().copied().unwrap_or(0);
        self.debug_next = reader.bool()?;
        reader.raw()?;
        self.platform = read_installed(&mut reader)?;
        reader.raw()?;
        if with_own {
            let floor = reader.rest().get(FLOOR_AT..).unwrap_or(&[]);
            self.floor_bytes.iter_mut().zip(floor).for_each(|(place, byte)| *place = *byte);
            self.own = reader.optional(Program::read)?;
        }
        reader.end()
    }

    #[inline(never)] // each field comes to its place at once: moving them would be most of the code
    fn fill(&mut self, bytes: &[u8]) -> craton_trust::error::Result<()> {
        let (mut reader, with_own) = begin(bytes)?;
        self.boot = reader.u64()?;
        self.check_in = reader.u64()?;
        self.epoch = reader.u64()?;
        self.epoch_secret.0 = reader.fixed()?;
        self.client_key = reader.u64()?;
        self.time_floor = reader.u64()?;
        self.checkpoint_size = reader.u64()?;
        self.floors = Floors::read(&mut reader)?;
        self.confirmed = reader.optional(|r| Ok(SetId(r.fixed()?)))?;
        self.runtime = reader.optional(|r| Ok(ComponentId(r.fixed()?)))?;
        self.challenge = reader.optional(Reader::digest)?;
        self.debug_head = reader.rest().first().copied().unwrap_or(0);
        self.debug_next = reader.bool()?;
        self.erasing = reader.bool()?;
        self.platform = read_installed(&mut reader)?;
        self.owner = reader.optional(read_installed)?;
        if with_own {
            self.own = reader.optional(Program::read)?;
        }
        reader.end()?;
        // What was confirmed has a floor, if only 0: a table that lost it admits no older version.
        if self.runtime.is_some_and(|component| !self.floors.has(component)) {
            return Err(craton_trust::Error::FieldInvalid);
        }
        Ok(())
    }

    /// Writes the state into `out`; returns the length.
    ///
    /// # Errors
    /// `BufferTooSmall`, which no state reaches: floors are bounded.
    pub fn encode(&self, out: &mut [u8; BODY_MAX]) -> Result<usize> {
        let mut writer = Writer::new(out);
        writer.array(FIELDS)?.u64(FORMAT)?.u64(self.boot)?.u64(self.check_in)?;
        writer.u64(self.epoch)?.bytes(&self.epoch_secret.0)?.u64(self.client_key)?;
        writer.u64(self.time_floor)?.u64(self.checkpoint_size)?;
        self.floors.write(&mut writer)?;
        writer.bytes_or_null(self.confirmed.as_ref().map(|set| &set.0[..]))?;
        writer.bytes_or_null(self.runtime.as_ref().map(|component| &component.0[..]))?;
        writer.bytes_or_null(self.challenge.as_ref().map(|digest| &digest.0[..]))?;
        writer.bool(self.debug_next)?.bool(self.erasing)?;
        write_installed(&self.platform, &mut writer)?;
        match &self.owner {
            Some(owner) => write_installed(owner, &mut writer)?,
            None => writer.null().map(|_| ())?,
        }
        Program::write_optional(self.own.as_ref(), &mut writer)?;
        Ok(writer.length())
    }

    /// The installed section of a kind.
    pub const fn installed(&self, kind: SectionKind) -> Option<&Installed> {
        match kind {
            SectionKind::Platform => Some(&self.platform),
            SectionKind::Owner => self.owner.as_ref(),
        }
    }
}

/// Behind the format, and whether a ROM's program is in it.
fn begin(bytes: &[u8]) -> craton_trust::error::Result<(Reader<'_>, bool)> {
    let mut reader = Reader::new(bytes)?;
    let fields = reader.list(FIELDS)?;
    match (reader.u64()?, fields) {
        (FORMAT, FIELDS) => Ok((reader, true)),
        (FORMAT_WITHOUT_OWN, n) if n + 1 == FIELDS => Ok((reader, false)),
        _ => Err(craton_trust::Error::VersionUnknown),
    }
}

fn read_installed(reader: &mut Reader<'_>) -> craton_trust::error::Result<Installed> {
    reader.array(5)?;
    Ok(Installed {
        second: reader.bool()?,
        length: reader.u32()? as usize,
        digest: reader.digest()?,
        section: reader.digest()?,
        genesis: reader.digest()?,
    })
}

fn write_installed(
    installed: &Installed,
    writer: &mut Writer<'_>,
) -> craton_trust::error::Result<()> {
    writer.array(5)?.bool(installed.second)?.u64(installed.length as u64)?;
    writer.bytes(&installed.digest.0)?.bytes(&installed.section.0)?;
    writer.bytes(&installed.genesis.0).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> State {
        let digest = Digest([1; 32]);
        let platform =
            Installed { second: false, length: 9, digest, section: digest, genesis: digest };
        State::first(Secret::new([7; 32]), platform)
    }

    #[test]
    fn rot_25_a_rom_reads_what_it_decides_by_and_nothing_that_an_owner_chose() {
        let mut state = first();
        let chosen = [0x5a; 16];
        (state.boot, state.debug_next, state.time_floor) = (3, true, 0x5a5a_5a5a);
        (state.confirmed, state.challenge) = (Some(SetId([0x5a; 32])), Some(Digest([0x5a; 32])));
        state.runtime = Some(ComponentId(chosen));
        state.floors.raise(ComponentId(chosen), 4).unwrap();
        state.owner = Some(state.platform);
        state.own = Some(Program { component: ComponentId([2; 16]), security_version: 9 });
        let mut body = [0; BODY_MAX];
        let length = state.encode(&mut body).unwrap();
        let mut read = State::blank();
        read.read_of_rom(&body[..length]).unwrap();
        assert_eq!((read.boot, read.debug_next, read.debug_head), (3, true, 0xf5));
        assert!(read.platform == state.platform && read.own == state.own);
        assert_eq!(read.floor_bytes, [9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(read.owner.is_none() && read.floors == Floors::NONE && read.runtime.is_none());
        assert_eq!((read.confirmed, read.challenge, read.time_floor), (None, None, 0));
        assert_eq!(read.epoch_secret.0, [0; 32]);
        for cut in 0..length {
            assert!(State::blank().read_of_rom(&body[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn rot_15_a_state_that_lost_the_floor_of_its_runtime_is_damaged() {
        let mut state = first();
        let (mut body, runtime) = ([0; BODY_MAX], ComponentId([3; 16]));
        state.runtime = Some(runtime);
        let length = state.encode(&mut body).unwrap();
        assert_eq!(State::blank().read(&body[..length]), Err(Error::StorageDamaged));
        state.floors.raise(runtime, 0).unwrap();
        let length = state.encode(&mut body).unwrap();
        let mut again = State::blank();
        again.read(&body[..length]).unwrap();
        assert_eq!(again.runtime, Some(runtime));
    }
}
