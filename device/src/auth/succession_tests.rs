//! Successors of the trust store from a real service on loopback, taken by a real root of trust on
//! a file.

use super::*;
use crate::link::LinkError;
use crate::roles::StatusBytes;
use crate::tests::{ONLINE, ROOT, Server, answer, key, owned, owner_section, seal};
use craton_api::device::{CHECK_IN_PATH, CheckIn, Request, TRUST_STORE_PATH};
use craton_trust::Signed;
use craton_trust::assignment::{Address, Assignment, Online};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::Soft;
use craton_trust::store::{CHAIN_MAX, Role, RoleKeysBuilder, Section, SectionBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const STATUS: StatusBytes = StatusBytes { running: None, trial: false, failed: None, isolation: 0 };
const NEXT_ONLINE: u8 = 40;

/// What the service has, by `owner/2` and the like; and the key of its online role.
#[derive(Default)]
struct Has {
    sections: BTreeMap<String, Vec<u8>>,
    online: u8,
}

struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    has: Arc<Mutex<Has>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let has = Arc::new(Mutex::new(Has { online: ONLINE, ..Has::default() }));
        let gives = has.clone();
        let server = Server::start(move |asked| {
            let has = gives.lock().unwrap();
            match asked.path.strip_prefix(TRUST_STORE_PATH) {
                Some(rest) => {
                    let (name, catalog) = rest.split_once("?catalog=").unwrap();
                    assert_eq!(catalog.len(), 64);
                    match has.sections.get(name) {
                        Some(section) => answer(200, section),
                        None => answer(204, b""),
                    }
                }
                None => answer(200, &reply(&asked.body, has.online)),
            }
        });
        owned(folder.path(), &server);
        Self { folder, server, has }
    }

    /// The owner's section of `version`, changed by `change` and signed by `root`.
    fn successor(
        &self,
        version: u64,
        root: u8,
        change: impl FnOnce(&mut SectionBuilder),
    ) -> Vec<u8> {
        let first = owner_section(Some(&self.server));
        let first = Signed::parse(&first).unwrap();
        let mut section = SectionBuilder::from(&Section::parse(first.unchecked_payload()).unwrap());
        (section.genesis, section.version) = (Some(first.digest(&Soft)), version);
        change(&mut section);
        seal(Kind::TrustStore, section.encode(&mut [0; 8192]).unwrap(), &[root])
    }

    fn give(&self, version: u64, section: Vec<u8>) {
        self.has.lock().unwrap().sections.insert(format!("owner/{version}"), section);
    }

    /// One boot, up to the answer of its first check-in; and which successor it refused.
    fn boot(&self) -> (Result<AuthAnswer, AuthError>, Option<u16>) {
        let mut auth = Auth::open(self.folder.path()).ok().unwrap();
        let boot = AuthQuestion::Boot { runtime: [1; 32], set: None, images: Vec::new() };
        auth.answer(boot).ok().unwrap();
        let service = self.server.address.clone();
        let kept = Some(Vec::new());
        let answer = auth.answer(AuthQuestion::CheckIn { service, status: STATUS, kept });
        let Ok(AuthAnswer::RefusedSuccessor(refused)) = auth.answer(AuthQuestion::RefusedSuccessor)
        else {
            panic!()
        };
        (answer, refused.map(|why| why.code))
    }

    fn version(&self) -> u64 {
        let auth = Auth::open(self.folder.path()).ok().unwrap();
        auth.owner_section().ok().unwrap().section().version
    }

    fn check_ins(&self) -> usize {
        self.server.asked().iter().filter(|asked| asked.path == CHECK_IN_PATH).count()
    }
}

fn reply(body: &[u8], online: u8) -> Vec<u8> {
    let request = CheckIn::parse(body).unwrap().request;
    let digest = Soft.sha256(&[request]);
    let Request { catalog, device, epoch, .. } = Request::parse(request).unwrap();
    let address = Address { catalog, device, epoch, request: digest };
    let given = Some(Online { time: 1_800_000_000, certificate: b"certificate" });
    let assignment = Assignment { address, online: given, next_check_in_s: 60, target: None };
    seal(Kind::Assignment, assignment.encode(&mut [0; 8192]).unwrap(), &[online])
}

#[test]
fn store_1_a_chain_is_taken_before_the_check_in_and_the_next_boot_checks_in_under_it() {
    let bench = Bench::new();
    bench.give(2, bench.successor(2, ROOT, |_| {}));
    let new_online = RoleKeysBuilder::of(key(NEXT_ONLINE).public_key());
    bench.give(3, bench.successor(3, ROOT, |section| section.set_role(Role::Online, new_online)));
    // The device's own section names no key by which the service still signs.
    bench.has.lock().unwrap().online = NEXT_ONLINE;
    let (taken, refused) = bench.boot();
    assert!(matches!(taken, Ok(AuthAnswer::Succeeded(2))));
    assert_eq!((refused, bench.version(), bench.check_ins()), (None, 3, 0));
    let (checked_in, refused) = bench.boot();
    assert!(matches!(checked_in, Ok(AuthAnswer::CheckedIn(_))), "by the new online key");
    assert_eq!((refused, bench.check_ins()), (None, 1));
}

#[test]
fn a_refused_successor_is_told_and_the_check_in_goes_on_as_before() {
    let bench = Bench::new();
    bench.give(2, bench.successor(2, ONLINE, |_| {}));
    let (checked_in, refused) = bench.boot();
    assert!(matches!(checked_in, Ok(AuthAnswer::CheckedIn(_))));
    assert_eq!(refused, Some(craton_trust::Error::SignerUnknown.code()));
    assert_eq!((bench.version(), bench.check_ins()), (1, 1));
    // Version 3 as version 2, and garbage.
    bench.give(2, bench.successor(3, ROOT, |_| {}));
    assert_eq!(bench.boot().1, Some(craton_trust::Error::SuccessorVersion.code()));
    bench.give(2, b"no section".to_vec());
    let (checked_in, refused) = bench.boot();
    assert!(matches!(checked_in, Ok(AuthAnswer::CheckedIn(_))) && refused.is_some());
    bench.give(2, vec![0; craton_rot::SECTION_MAX + 1]);
    assert_eq!(bench.boot().1, Some(LinkError::AnswerTooLarge(0).code()));
    assert_eq!(bench.version(), 1);
}

#[test]
fn store_1_a_boot_takes_no_more_than_the_longest_chain() {
    let bench = Bench::new();
    let most = CHAIN_MAX as u64;
    for version in 2..=most + 2 {
        bench.give(version, bench.successor(version, ROOT, |_| {}));
    }
    let (taken, _) = bench.boot();
    assert!(matches!(taken, Ok(AuthAnswer::Succeeded(taken)) if taken == most));
    assert_eq!(bench.version(), most + 1);
    assert!(matches!(bench.boot().0, Ok(AuthAnswer::Succeeded(1))), "the next boot goes on");
}

#[test]
fn the_services_key_is_pinned_by_the_newest_section() {
    let bench = Bench::new();
    let other = RoleKeysBuilder::of(key(NEXT_ONLINE).public_key());
    bench.give(2, bench.successor(2, ROOT, |section| section.set_role(Role::Service, other)));
    assert!(matches!(bench.boot().0, Ok(AuthAnswer::Succeeded(1))));
    let (refused, _) = bench.boot();
    let other = matches!(refused, Err(AuthError::Link(LinkError::ServiceKeyOther(_))));
    assert!(other, "what answers has the key of the section before");
}

#[test]
fn a_boot_that_may_take_no_successor_asks_for_none() {
    let bench = Bench::new();
    bench.give(2, bench.successor(2, ROOT, |_| {}));
    let mut auth = Auth::open(bench.folder.path()).ok().unwrap();
    let boot = AuthQuestion::Boot { runtime: [1; 32], set: None, images: Vec::new() };
    auth.answer(boot).ok().unwrap();
    let service = bench.server.address.clone();
    let question = AuthQuestion::CheckIn { service, status: STATUS, kept: None };
    assert!(matches!(auth.answer(question), Ok(AuthAnswer::CheckedIn(_))));
    assert_eq!(bench.server.asked().len(), 1, "the check-in alone");
}
