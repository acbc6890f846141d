//! Manufacture: what is burned and written once, before a device has an identity.
//!
//! Recovery: the fuse `manufactured` is burned last. Until then everything can be done again with
//! the same values. The device secret is burned just before it, and is the exception (ROT-14):
//! fuses only gain ones, so that a second random value over a first one has fewer bits that anybody
//! must guess. Whatever row R is found, of a burn that was cut or of somebody who burned it before
//! us and knows it, `R | r` for a fresh random r of 256 bits has exactly 256 − |R| bits that nobody
//! can know. With |R| ≤ 128 these are at least 128, the strength of the P-256 keys made of it,
//! however often it was cut before. A row with more ones is refused: the chip is to be discarded.
//! That befalls half of those whose power goes between the burn of the secret and the last burn.

use super::journal::{self, Journal};
use super::sections;
use super::state::State;
use super::{Engine, Start, lifecycle, write_state};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::secret::Secret;
use core::ops::RangeInclusive;
use craton_trust::crypto::{Crypto, KeyedCrypto};
use craton_trust::store::{SectionKind, accept_genesis};
use craton_trust::{ClassId, Digest, Signed};

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

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// Gives a blank chip its secret and its platform, and starts it; its lifecycle is `Blank`. A
    /// chip of little memory does both itself: [`provision`], then [`Engine::resume_in`].
    ///
    /// # Errors
    /// Those of [`provision`] and [`Engine::reset`].
    pub fn manufacture(mut platform: P, crypto: C, with: &Manufacture<'_>) -> Result<Self> {
        platform.reset();
        provision(&mut platform, &crypto, with)?;
        Self::reset(platform, crypto, Start::Normal)
    }
}

/// Gives a blank chip its secret and its platform; its next reset has an identity.
///
/// # Errors
/// `AlreadyManufactured`, `FuseMismatch`; `Trust` for the section; `RandomFailed`, `StorageFailed`.
pub fn provision(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    with: &Manufacture<'_>,
) -> Result<()> {
    if lifecycle::is_manufactured(platform)? {
        return Err(Error::AlreadyManufactured);
    }
    let signed = Signed::parse(with.platform_section)?;
    let section = accept_genesis(crypto, &signed)?;
    if section.kind != SectionKind::Platform {
        return Err(Error::Trust(craton_trust::Error::SectionKind));
    }
    let genesis = section.digest();
    burn_same(platform, Row::ClaimCode, &with.claim_code.0)?;
    burn_same(platform, Row::PlatformGenesis, &genesis.0)?;
    burn_same(platform, Row::Class, &with.class.0)?;
    let bytes = with.platform_section;
    let installed = sections::write(platform, crypto, false, &section, genesis, bytes)?;
    let mut epoch_secret = Secret::<32>::zero();
    platform.random(&mut epoch_secret.0)?;
    let secret = draw_secret(platform)?;
    let key = journal::key_of(crypto, &secret); // ROT-24
    write_first(platform, crypto, key, &State::first(epoch_secret, installed))?;
    burn_secret(platform, &secret)?;
    platform.burn(Row::Lifecycle, &[0xff, 0, 0, 0]) // the write that commits
}

fn write_first(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    key: Secret,
    state: &State,
) -> Result<()> {
    // Twice, so that whatever an earlier try left in the other copy is gone.
    let mut journal = Journal::under(key);
    write_state(platform, crypto, &mut journal, state)?;
    write_state(platform, crypto, &mut journal, state)
}

/// The most ones that a row may have before the device secret is burned into it (ROT-14).
const ONES_BEFORE_MAX: u32 = 128;
/// How many ones 32 random bytes have: six standard deviations to each side of 128, so that a good
/// source is refused once in 10⁸ times, and one that is stuck always.
const ONES: RangeInclusive<u32> = 80..=176;

/// The device secret that a burn of fresh bits makes of the row as it is.
fn draw_secret(platform: &mut impl Platform) -> Result<Secret> {
    let (mut before, mut fresh) = (Secret::<32>::zero(), Secret::<32>::zero());
    platform.fuses(Row::Uds, &mut before.0)?;
    if ones(&before) > ONES_BEFORE_MAX {
        return Err(Error::FuseMismatch); // ROT-14
    }
    platform.random(&mut fresh.0)?;
    if !ONES.contains(&ones(&fresh)) {
        return Err(Error::RandomFailed);
    }
    before.0.iter_mut().zip(&fresh.0).for_each(|(old, new)| *old |= new);
    Ok(before)
}

/// Burns the device secret, and reads it back: a fuse that does not take is refused.
fn burn_secret(platform: &mut impl Platform, secret: &Secret) -> Result<()> {
    platform.burn(Row::Uds, &secret.0)?;
    let mut after = Secret::<32>::zero();
    platform.fuses(Row::Uds, &mut after.0)?;
    if after.0 == secret.0 { Ok(()) } else { Err(Error::FuseMismatch) }
}

fn ones(secret: &Secret) -> u32 {
    secret.0.iter().map(|byte| byte.count_ones()).sum()
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
