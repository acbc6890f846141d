//! Manufacture: what is burned and written once, before a device has an identity.
//!
//! Recovery: the fuse `manufactured` is burned last. Until then everything can be done again with
//! the same values.

use super::journal::{BODY_MAX, Journal};
use super::sections;
use super::state::State;
use super::{Engine, Start, lifecycle};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::secret::Secret;
use craton_trust::crypto::Crypto;
use craton_trust::rollback::Floors;
use craton_trust::store::{SectionKind, accept_genesis};
use craton_trust::{ClassId, Digest, Signed};
use zeroize::Zeroize as _;

/// What a manufacturer gives a device.
#[derive(Clone, Copy, Debug)]
pub struct Manufacture<'a> {
    /// The first version of the platform section, signed by its own root.
    pub platform_section: &'a [u8],
    /// SHA-256 of the one-time claim code.
    pub claim_code: Digest,
    /// The class of devices.
    pub class: ClassId,
}

impl<P: Platform, C: Crypto> Engine<P, C> {
    /// Gives a blank chip its secret and its platform, and starts it; its lifecycle is `Blank`.
    ///
    /// # Errors
    /// `AlreadyManufactured`, `FuseMismatch`; `Trust` for the section; `RandomFailed`,
    /// `StorageFailed`.
    pub fn manufacture(mut platform: P, crypto: C, with: &Manufacture<'_>) -> Result<Self> {
        platform.reset();
        if lifecycle::is_manufactured(&platform)? {
            return Err(Error::AlreadyManufactured);
        }
        let signed = Signed::parse(with.platform_section)?;
        let section = accept_genesis(&crypto, &signed)?;
        if section.kind != SectionKind::Platform {
            return Err(Error::Trust(craton_trust::Error::SectionKind));
        }
        let genesis = section.digest();
        burn_same(&mut platform, Row::ClaimCode, &with.claim_code.0)?;
        burn_same(&mut platform, Row::PlatformGenesis, &genesis.0)?;
        burn_same(&mut platform, Row::Class, &with.class.0)?;
        let bytes = with.platform_section;
        let installed = sections::write(&mut platform, &crypto, false, &section, genesis, bytes)?;
        let (mut uds, mut epoch_secret) = (Secret::<32>::zero(), Secret::<32>::zero());
        platform.random(&mut uds.0)?;
        platform.random(&mut epoch_secret.0)?;
        // After a cut the secret gets more ones; it stays as hard to guess.
        platform.burn(Row::Uds, &uds.0)?;
        write_first(&mut platform, &crypto, &first_state(epoch_secret, installed))?;
        platform.burn(Row::Lifecycle, &[0xff, 0, 0, 0])?; // the write that commits
        Self::reset(platform, crypto, Start::Normal)
    }
}

fn first_state(epoch_secret: Secret, platform: super::state::Installed) -> State {
    State {
        boot: 0,
        check_in: 0,
        epoch: 0,
        epoch_secret,
        client_key: 0,
        time_floor: 0,
        checkpoint_size: 0,
        floors: Floors::default(),
        confirmed: None,
        runtime: None,
        challenge: None,
        debug_next: false,
        erasing: false,
        platform,
        owner: None,
    }
}

fn write_first(platform: &mut impl Platform, crypto: &impl Crypto, state: &State) -> Result<()> {
    let mut body = [0u8; BODY_MAX];
    let length = state.encode(&mut body)?;
    // Twice, so that whatever an earlier try left in the other copy is gone.
    let mut journal = Journal::blank();
    for _ in 0..2 {
        journal.write(platform, crypto, body.get(..length).unwrap_or(&[]))?;
    }
    body.zeroize();
    Ok(())
}

/// Burns a row that must hold exactly these bits.
fn burn_same<const N: usize>(platform: &mut impl Platform, row: Row, bits: &[u8; N]) -> Result<()> {
    let mut found = [0u8; N];
    platform.fuses(row, &mut found)?;
    if found.iter().zip(bits).any(|(old, new)| old & !new != 0) {
        return Err(Error::FuseMismatch);
    }
    platform.burn(row, bits)
}
