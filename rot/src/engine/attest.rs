//! Evidence, and the device-auth key.

use super::device_auth::{DeviceAuth, Kept};
use super::ladder::derive_from;
use super::{Engine, lifecycle};
use crate::RootOfTrust as _;
use crate::auth::{Ask, AuthMessage, AuthRole, For, check_certificate_verify};
use crate::error::{Error, Result};
use crate::platform::Platform;
use craton_trust::cose::{self, Kind, SIGN1_SIZE};
use craton_trust::crypto::{KeyedCrypto, Signature};
use craton_trust::evidence::{Claims, Lifecycle};
use craton_trust::{Digest, PublicKey, quoted};

/// Each fails once in 2³²: more than a few never happen.
const CANDIDATES_MAX: u8 = 8;

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    pub(super) fn quote<'o>(&mut self, ask: &Ask<'_>, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let lifecycle = lifecycle::read(&self.platform)?;
        self.booted()?;
        if let For::CheckIn(role) = &ask.purpose {
            self.refuse_check_in(role, ask, lifecycle)?;
            // ROT-3: durable before the token exists; a cut after it loses a number, never repeats
            // one.
            self.change(&mut |next| next.check_in = next.check_in.saturating_add(1))?;
        }
        self.sign_claims(ask, lifecycle, out)
    }

    fn sign_claims<'o>(
        &self,
        ask: &Ask<'_>,
        lifecycle: Lifecycle,
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let claims = Claims {
            client_key: ask.client_key,
            nonce: ask.nonce,
            device: self.device(),
            implementation: self.layer.implementation,
            lifecycle,
            mode: self.layer.mode,
            purpose: ask.purpose.purpose(),
            audience: ask.audience,
            epoch: self.state.epoch,
            boot: self.state.boot,
            check_in: self.state.check_in,
            floors: self.state.floors,
            measured: self.booted()?.measured.clone(),
        };
        let Some(vault) = self.platform.vault() else {
            let chain = [self.layer.certificate()];
            return Ok(claims.sign(&self.crypto, &self.attester, &chain, out)?);
        };
        let genesis = &self.state.platform.genesis;
        let layer = self.layer.certified(&self.platform, &self.crypto, genesis)?;
        let quote = |qualifying: &Digest| vault.quote(qualifying);
        quoted::write(&self.crypto, &claims, &layer, quote, out)
    }

    fn refuse_check_in(&self, role: &AuthRole, ask: &Ask<'_>, lifecycle: Lifecycle) -> Result<()> {
        if role.session != self.auth_session {
            return Err(Error::AuthRoleForeign);
        }
        if lifecycle == Lifecycle::Returned {
            return Err(Error::LifecycleReturned);
        }
        if ask.audience != self.catalog()? {
            return Err(Error::AudienceForeign);
        }
        Ok(())
    }

    /// The device-auth key: derived, so that it survives a restart without being stored; numbered,
    /// so that a fresh one is one write away; of this boot's mode, owner and epoch only.
    fn device_auth_key(&self) -> Result<DeviceAuth<'_, C>> {
        let root = &self.booted()?.client_root;
        let number = self.state.client_key.to_be_bytes();
        if let Some(vault) = self.platform.vault() {
            let seed = derive_from(&self.crypto, root, &[&number, &[0]]);
            return Kept::new(vault, &self.crypto, seed).map(DeviceAuth::Kept);
        }
        for candidate in 0..CANDIDATES_MAX {
            let secret = derive_from(&self.crypto, root, &[&number, &[candidate]]);
            if let Ok(key) = self.crypto.key(&secret.0) {
                return Ok(DeviceAuth::Derived(key));
            }
        }
        Err(Error::Trust(craton_trust::Error::KeyInvalid))
    }

    pub(super) fn device_auth_public(&self) -> Result<PublicKey> {
        Ok(self.device_auth_key()?.public_key())
    }

    pub(super) fn device_auth_renew(&mut self) -> Result<PublicKey> {
        self.booted()?;
        self.change(&mut |next| next.client_key = next.client_key.saturating_add(1))?;
        self.device_auth_public()
    }

    pub(super) fn device_auth_sign(&self, message: &AuthMessage<'_>) -> Result<Signature> {
        match message {
            AuthMessage::CertificateVerify(content) => {
                check_certificate_verify(content)?; // ROT-8
                self.device_auth_key()?.signed(|key| key.sign(&[content]))
            }
            AuthMessage::Tagged(Kind::Evidence | Kind::DiceCertificate, _) => {
                Err(Error::MessageKind)
            }
            AuthMessage::Tagged(kind, payload) => {
                let key = self.device_auth_key()?;
                let mut room = [0u8; SIGN1_SIZE];
                let sign1 =
                    key.signed(|key| cose::sign(&self.crypto, key, *kind, &[payload], &mut room))?;
                let raw = sign1.last_chunk::<64>().ok_or(Error::RoomTooSmall)?;
                Ok(*raw)
            }
        }
    }
}
