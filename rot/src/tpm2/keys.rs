//! The keys that never leave the TPM: the identity, which quotes, and the device-auth keys.
//!
//! Rules: TPM-3 the identity signs quotes and nothing else, by the policy that it was made with: a
//! host that is broken into cannot have it certify a key of its own; TPM-4 a primary key is made
//! anew from the TPM's seed and a label that comes from the device secret, so that nothing of it is
//! stored, and who has the TPM but not the state does not get it.

use super::command::{Loaded, Tpm};
use super::enrol::{Enclosed, Kind};
use super::policy::{QUOTE, quotes_only};
use super::template;
use crate::engine::derive_from;
use crate::error::{Error, Result};
use crate::secret::Secret;
use craton_trust::crypto::Signature;
use craton_trust::quote::{Quote, Selection};
use craton_trust::quoted::SignedQuote;
use craton_trust::soft::Soft;
use craton_trust::{Digest, PublicKey};
use zeroize::Zeroize as _;

/// How often a quote is tried whose registers move while they are read.
const QUOTES_MAX: u32 = 8;

/// The keys that are loaded.
pub struct Keys {
    quoted: Selection,
    identity: Option<Loaded>,
    client: Option<Client>,
}

struct Client {
    unique: Secret,
    auth: Secret,
    loaded: Loaded,
}

impl Keys {
    /// None yet; evidence will quote these registers.
    pub const fn new(quoted: Selection) -> Self {
        Self { quoted, identity: None, client: None }
    }

    /// Unloads all.
    pub fn let_go(&mut self, tpm: &mut Tpm) {
        let client = self.client.take().map(|client| client.loaded);
        for loaded in [self.identity.take(), client].into_iter().flatten() {
            // A TPM that was reset has none of them.
            let _ = tpm.flush(loaded.handle);
        }
    }

    /// The identity, which stays loaded.
    pub fn identity(&mut self, tpm: &mut Tpm, uds: &Secret) -> Result<PublicKey> {
        let unique = derive_from(&Soft, uds, &[b"craton/1/tpm/identity"]);
        let loaded =
            tpm.create_primary(&template::identity(&quotes_only(&Soft).0, &unique.0), &[])?;
        self.identity = Some(loaded);
        Ok(loaded.key)
    }

    /// The name of the identity, which is loaded.
    pub fn loaded_identity(&self) -> Result<Loaded> {
        self.identity.ok_or(Error::NotManufactured)
    }

    /// What was enclosed for the identity and this TPM's endorsement key (TPM-5).
    pub fn activate(&mut self, tpm: &mut Tpm, enclosed: &Enclosed) -> Result<Secret> {
        let identity = self.loaded_identity()?.handle;
        let endorsement = match enclosed.to {
            Kind::P256 => tpm.create_endorsement()?.handle,
            Kind::Rsa2048 => tpm.create_endorsement_of_rsa()?.0,
        };
        let session = tpm.start_policy().and_then(|session| {
            tpm.policy_endorsement(session)?;
            Ok(session)
        });
        let opened = session.and_then(|session| {
            tpm.activate(identity, endorsement, session, &enclosed.blob, &enclosed.seed)
        });
        tpm.flush(endorsement)?;
        let mut opened = opened?;
        let secret = opened.as_slice().try_into().map(Secret::new);
        opened.as_mut_slice().zeroize();
        secret.map_err(|_| Error::TpmResponseBroken)
    }

    /// A quote by the identity, and the registers that it is over.
    pub fn quote(&mut self, tpm: &mut Tpm, qualifying: &Digest) -> Result<SignedQuote> {
        let key = self.loaded_identity()?.handle;
        for _ in 0..QUOTES_MAX {
            let registers = tpm.registers(self.quoted)?;
            let session = tpm.start_policy()?;
            tpm.policy_command(session, QUOTE)?;
            let (attest, signature) = tpm.quote(key, session, qualifying, self.quoted)?;
            if Quote::parse(&attest)?.registers == registers.digest(&Soft) {
                return Ok(SignedQuote::new(&attest, signature, registers)?);
            }
        }
        Err(Error::TpmRefused)
    }

    /// The device-auth key of a seed.
    pub fn client_key(&mut self, tpm: &mut Tpm, seed: &Secret) -> Result<PublicKey> {
        self.client(tpm, seed).map(|client| client.loaded.key)
    }

    /// Signs by the device-auth key of a seed.
    pub fn client_sign(
        &mut self,
        tpm: &mut Tpm,
        seed: &Secret,
        message: &Digest,
    ) -> Result<Signature> {
        let client = self.client(tpm, seed)?;
        tpm.sign(client.loaded.handle, &client.auth.0, message)
    }

    fn client(&mut self, tpm: &mut Tpm, seed: &Secret) -> Result<&Client> {
        let unique = derive_from(&Soft, seed, &[b"craton/1/tpm/client"]);
        let client = match self.client.take() {
            Some(client) if client.unique.0 == unique.0 => client,
            other => {
                if let Some(other) = other {
                    tpm.flush(other.loaded.handle)?;
                }
                Self::load(tpm, seed, unique)?
            }
        };
        Ok(self.client.insert(client))
    }

    fn load(tpm: &mut Tpm, seed: &Secret, unique: Secret) -> Result<Client> {
        let auth = derive_from(&Soft, seed, &[b"craton/1/tpm/client-auth"]);
        let loaded = tpm.create_primary(&template::device_auth(&unique.0), &auth.0)?;
        Ok(Client { unique, auth, loaded })
    }
}
