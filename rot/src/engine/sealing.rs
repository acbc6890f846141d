//! Sealing: to authority, mode, component and epoch, at a security version.
//!
//! Rules: ROT-5 version n opens what m ≤ n sealed, and no other (see `ladder`); ROT-6 data is
//! sealed at the *confirmed* version, so that a trial can fall back and still read it, and mode
//! Recovery seals and unseals nothing. Sealed: format (1 byte), version (2), nonce (12),
//! ciphertext, tag (16); AES-256-GCM with the first 15 bytes as associated data.

use super::Engine;
use super::gcm::{self, NONCE_SIZE, TAG_SIZE};
use crate::SEAL_OVERHEAD;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::secret::Secret;
use craton_trust::crypto::KeyedCrypto;
use craton_trust::dice::Mode;
use craton_trust::{ComponentId, copy, join};
use zeroize::Zeroize as _;

const FORMAT: u8 = 1;
const HEAD_SIZE: usize = 15;

const _: () = assert!(HEAD_SIZE + TAG_SIZE == SEAL_OVERHEAD);

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    pub(super) fn seal_for<'o>(
        &mut self,
        component: ComponentId,
        plain: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let (version, key) = self.sealing_key(component, None)?;
        let out = out.get_mut(..plain.len() + SEAL_OVERHEAD).ok_or(Error::RoomTooSmall)?;
        let mut nonce = [0u8; NONCE_SIZE];
        self.platform.random(&mut nonce)?;
        let (head, rest) = out.split_first_chunk_mut::<HEAD_SIZE>().ok_or(Error::RoomTooSmall)?;
        let (text, tag) = rest.split_last_chunk_mut().ok_or(Error::RoomTooSmall)?;
        join(head, &[&[FORMAT], &version.to_be_bytes(), &nonce]);
        copy(text, plain);
        *tag = gcm::encrypt(&key.0, &nonce, head, text);
        Ok(out)
    }

    pub(super) fn unseal_for<'o>(
        &self,
        component: ComponentId,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let (head, rest) = sealed.split_first_chunk::<HEAD_SIZE>().ok_or(Error::SealBroken)?;
        let (text, tag) = rest.split_last_chunk().ok_or(Error::SealBroken)?;
        let [FORMAT, high, low, nonce @ ..] = head else { return Err(Error::SealBroken) };
        let version = u16::from_be_bytes([*high, *low]);
        let (_, key) = self.sealing_key(component, Some(version))?;
        let out = out.get_mut(..text.len()).ok_or(Error::RoomTooSmall)?;
        copy(out, text);
        if !gcm::decrypt(&key.0, nonce, head, out, tag) {
            out.zeroize();
            return Err(Error::SealBroken);
        }
        Ok(out)
    }

    /// The key of a version; without one, of the confirmed version (ROT-6).
    fn sealing_key(&self, component: ComponentId, version: Option<u16>) -> Result<(u16, Secret)> {
        let boot = self.booted()?;
        if self.layer.mode == Mode::Recovery {
            return Err(Error::SealInRecovery);
        }
        let rung = boot.rung(component)?;
        let floor = u16::try_from(self.state.floors.of(component)).unwrap_or(rung.version);
        let version = version.unwrap_or(floor.min(rung.version));
        Ok((version, rung.key(&self.crypto, version)?))
    }
}
