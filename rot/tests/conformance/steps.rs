//! What a back-end is to the suite, and the steps that most tests begin with.

use super::world::*;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{
    Action, Ask, AuthRole, Engine, For, Manufacture, NextLayer, RootOfTrust, RotClass, Start,
};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::dice::Mode;
use craton_trust::evidence::{Authentic, EVIDENCE_MAX, Lifecycle, Measured};
use craton_trust::soft::Soft;
use craton_trust::{CatalogId, ComponentId, Digest, evidence, quoted};

pub type Rot = Box<dyn RootOfTrust>;

/// One back-end and the place where its device lives.
pub trait Bench {
    /// Manufactures a device.
    fn make(&mut self, with: &Manufacture<'_>) -> Rot;
    /// Takes its power away and gives it back.
    fn restart(&mut self, rot: Rot, start: Start) -> Rot;
    /// What it is.
    fn class(&self) -> RotClass {
        RotClass::Software
    }
    /// The implementation id that its evidence carries.
    fn implementation(&self) -> Digest {
        craton_rot::engine::implementation(&Soft)
    }
}

/// The engine on a chip in memory: also for tests of what no board can be told to do.
#[derive(Default)]
pub struct InMemory(pub MemoryPlatform);

impl Bench for InMemory {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        Box::new(Engine::manufacture(self.0.clone(), Soft, with).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        Box::new(Engine::reset(self.0.clone(), Soft, start).unwrap())
    }
}

pub fn manufacture(platform_section: &[u8]) -> Manufacture<'_> {
    Manufacture { platform_section, claim_code: Soft.sha256(&[CODE]), class: CLASS }
}

/// A manufactured device without an owner.
pub fn unowned(bench: &mut dyn Bench) -> Rot {
    bench.make(&manufacture(&platform_section(false)))
}

/// A device with an owner, reset and not booted.
pub fn owned_by(bench: &mut dyn Bench, dev: bool) -> Rot {
    let mut rot = unowned(bench);
    rot.claim(CODE, &owner_section(dev)).unwrap();
    bench.restart(rot, Start::Normal)
}

pub fn owned(bench: &mut dyn Bench) -> Rot {
    owned_by(bench, false)
}

pub fn runtime() -> Measured {
    measured(RUNTIME, 0)
}

/// Boots a set of these components as they should be.
pub fn boot_set(
    rot: &mut dyn RootOfTrust,
    set: &[u8],
    members: &[(ComponentId, u64)],
) -> craton_rot::Result<Mode> {
    let images: Vec<Measured> = members.iter().map(|(id, v)| measured(*id, *v)).collect();
    rot.boot(&NextLayer { runtime: runtime(), set: Some(set), images: &images })
}

pub fn boot(rot: &mut dyn RootOfTrust, members: &[(ComponentId, u64)]) -> Mode {
    boot_set(rot, &set(members), members).unwrap()
}

pub fn boot_bare(rot: &mut dyn RootOfTrust) -> craton_rot::Result<Mode> {
    rot.boot(&NextLayer { runtime: runtime(), set: None, images: &[] })
}

/// A device of an owner that booted version 1 of an app.
pub fn running(bench: &mut dyn Bench) -> Rot {
    let mut rot = owned(bench);
    assert_eq!(boot(&mut *rot, &[(APP, 1)]), Mode::Normal);
    rot
}

pub fn nonce() -> Digest {
    Digest([5; 32])
}

pub fn check_in(
    rot: &mut dyn RootOfTrust,
    role: &AuthRole,
    audience: CatalogId,
) -> craton_rot::Result<Vec<u8>> {
    let client_key = key(40).public_key();
    let ask = Ask { purpose: For::CheckIn(role), audience, nonce: nonce(), client_key };
    let mut room = [0; EVIDENCE_MAX];
    rot.attest(&ask, &mut room).map(<[u8]>::to_vec)
}

pub fn report(rot: &mut dyn RootOfTrust) -> craton_rot::Result<Vec<u8>> {
    let (audience, client_key) = (CatalogId([6; 32]), key(40).public_key());
    let ask = Ask { purpose: For::Report, audience, nonce: nonce(), client_key };
    let mut room = [0; EVIDENCE_MAX];
    rot.attest(&ask, &mut room).map(<[u8]>::to_vec)
}

/// What the evidence says, by the scheme of the back-end's class.
pub fn authentic(rot: &dyn RootOfTrust, evidence: &[u8]) -> Authentic {
    let identity = rot.identity();
    match rot.capabilities().class {
        RotClass::Tpm => quoted::verify(&Soft, &identity, evidence).unwrap().authentic.clone(),
        _ => (*evidence::verify(&Soft, &identity, evidence).unwrap()).clone(),
    }
}

pub fn advance(rot: &mut dyn RootOfTrust, to: Lifecycle) -> craton_rot::Result<()> {
    let epoch = rot.status().unwrap().epoch;
    rot.advance_lifecycle(&order(rot.device(), epoch, Action::Lifecycle(to), MANUFACTURER))
}

pub fn seal(rot: &mut dyn RootOfTrust, component: ComponentId) -> craton_rot::Result<Vec<u8>> {
    let mut room = [0; 64];
    rot.seal(component, b"secret", &mut room).map(<[u8]>::to_vec)
}

pub fn unseal(
    rot: &dyn RootOfTrust,
    component: ComponentId,
    sealed: &[u8],
) -> craton_rot::Result<Vec<u8>> {
    let mut room = [0; 64];
    rot.unseal(component, sealed, &mut room).map(<[u8]>::to_vec)
}
