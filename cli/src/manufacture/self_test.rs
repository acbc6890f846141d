//! The self-test: what a board does is compared with what was written into it.
//!
//! It uses nothing up but a number of the boot count. Evidence is verified as the service would,
//! from the identity down; the line between is not believed.

use crate::error::CliError;
use crate::virtual_device::is_claim_code;
use anyhow::Result;
use craton_rot::auth::{Ask, AuthMessage, For};
use craton_rot::{Error, NextLayer, RootOfTrust};
use craton_trust::cose::Kind;
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::evidence::{
    self, EVIDENCE_MAX, Lifecycle, Measured, Purpose, TRUST_STORE, layer_configuration,
    trust_store_digest,
};
use craton_trust::soft::Soft;
use craton_trust::store::SectionKind;
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest};

/// What a board boots for its test: no runtime, so that nothing of one can be unsealed by it.
const SELF_TEST: ComponentId = ComponentId(*b"craton/self-test");

/// What was written into a board, and what it must be now.
pub struct Written<'w> {
    pub device: DeviceId,
    pub class: ClassId,
    pub lifecycle: Lifecycle,
    /// The signed platform section in force.
    pub platform: &'w [u8],
    /// Its digest.
    pub section: Digest,
    /// That of the first one.
    pub genesis: Digest,
    pub claim_code: &'w str,
}

/// Tests a board that was just reset.
///
/// # Errors
/// `SelfTestFailed`; those of the root of trust.
pub fn run(rot: &mut dyn RootOfTrust, written: &Written<'_>) -> Result<()> {
    let claim_code = written.claim_code.as_bytes();
    check(written, "who it is", rot.device() == written.device)?;
    let status = rot.status()?;
    check(written, "its class", status.class == written.class)?;
    check(written, "its lifecycle", status.lifecycle == written.lifecycle)?;
    check(written, "its mode", status.mode == Mode::Normal)?;
    check(written, "that nobody owns it", status.owner.is_none() && status.epoch == 0)?;
    let mut room = vec![0; craton_rot::SECTION_MAX];
    let section = rot.section(SectionKind::Platform, &mut room)?;
    check(written, "its trust store", section == written.platform)?;
    check(written, "its claim code", is_claim_code(rot, claim_code)?)?;
    check(written, "its claim code", !is_claim_code(rot, b"another code")?)?;
    random(rot, written)?;
    attest(rot, written)?;
    sign(rot, written)?;
    seal(rot, written)
}

fn check(written: &Written<'_>, what: &'static str, right: bool) -> Result<(), CliError> {
    let device = written.device.to_string();
    if right { Ok(()) } else { Err(CliError::SelfTestFailed { device, what }) }
}

fn random(rot: &mut dyn RootOfTrust, written: &Written<'_>) -> Result<()> {
    let mut draws = [[0u8; 32]; 3];
    for draw in &mut draws {
        rot.random(draw)?;
    }
    let [one, two, three] = draws;
    Ok(check(written, "its randomness", one != two && two != three && one != three)?)
}

/// Evidence for nobody in particular, over a fresh nonce.
fn attest(rot: &mut dyn RootOfTrust, written: &Written<'_>) -> Result<()> {
    let runtime = Measured { component: SELF_TEST, digest: Digest([0; 32]) };
    rot.boot(&NextLayer { runtime, set: None, images: &[] })?;
    let (mut nonce, audience) = ([0u8; 32], CatalogId([0; 32]));
    aws_lc_rs::rand::fill(&mut nonce)?;
    let (nonce, client_key) = (Digest(nonce), rot.client_key()?);
    let ask = Ask { purpose: For::Report, audience, nonce, client_key };
    let mut room = vec![0; EVIDENCE_MAX];
    let evidence = rot.attest(&ask, &mut room)?;
    let believed = evidence::verify(&Soft, &rot.identity(), evidence)?;
    believed.claims.check(&nonce, Purpose::Report, &audience)?;
    let (claims, layer) = (&believed.claims, &believed.layer);
    check(written, "who attests", claims.device == written.device)?;
    check(written, "whose key is attested", claims.client_key == client_key)?;
    check(written, "its attested lifecycle", claims.lifecycle == written.lifecycle)?;
    check(written, "its attested mode", claims.mode == Mode::Normal)?;
    let configuration = layer_configuration(written.lifecycle, &written.class);
    check(written, "its attested class", layer.configuration == configuration)?;
    let authority = Soft.sha512(&[&written.genesis.0]);
    check(written, "its attested platform", layer.authority == authority)?;
    let store = trust_store_digest(&Soft, written.section, None);
    let measured = claims.measured.of(TRUST_STORE) == Some(store);
    Ok(check(written, "its attested trust store", measured)?)
}

/// The device-auth key signs, and only what it may.
fn sign(rot: &mut dyn RootOfTrust, written: &Written<'_>) -> Result<()> {
    let mut content = vec![b' '; 64];
    content.extend_from_slice(b"TLS 1.3, client CertificateVerify\0");
    content.extend_from_slice(&written.genesis.0);
    let key = rot.client_key()?;
    let signature = rot.sign(&AuthMessage::CertificateVerify(&content))?;
    let right = Soft.es256_verify(&key, &[&content], &signature).is_ok();
    check(written, "its signature", right)?;
    let evidence = rot.sign(&AuthMessage::Tagged(Kind::Evidence, b"forged"));
    Ok(check(written, "what it signs", evidence == Err(Error::MessageKind))?)
}

fn seal(rot: &mut dyn RootOfTrust, written: &Written<'_>) -> Result<()> {
    let (plain, component) = (b"what a device keeps", SELF_TEST);
    let (mut room, mut opened) = ([0u8; 64], [0u8; 64]);
    let mut sealed = rot.seal(component, plain, &mut room)?.to_vec();
    let again = rot.unseal(component, &sealed, &mut opened)?;
    check(written, "what it seals", again == plain)?;
    if let Some(last) = sealed.last_mut() {
        *last ^= 1;
    }
    let broken = rot.unseal(component, &sealed, &mut opened).err();
    Ok(check(written, "what it unseals", broken == Some(Error::SealBroken))?)
}
