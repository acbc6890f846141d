//! The auth role against a real root of trust on a file and a real service on loopback.

use super::check_in::{Expected, believe};
use super::*;
use crate::ipc::Fault;
use crate::link::LinkError;
use crate::roles::StatusBytes;
use crate::tests::{
    Asked, Behind, CATALOG, CLAIM_CODE, FAILURE, LOG, ONLINE, Server, answer, catalog, files,
    manufacture, nobody, owned, owner_section, seal,
};
use craton_api::device::{CHECK_IN_PATH, CheckIn, Request};
use craton_trust::Signed;
use craton_trust::assignment::{Address, Assignment, Online, Target};
use craton_trust::cose::Kind;
use craton_trust::crypto::Crypto as _;
use craton_trust::evidence::check_in_nonce;
use craton_trust::merkle::{self, Checkpoint};
use craton_trust::soft::Soft;
use craton_trust::{CatalogId, DeviceId, Error, SetId};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const STATUS: StatusBytes = StatusBytes { running: None, trial: false, failed: None, isolation: 0 };
const TIME: u64 = 1_800_000_000;
const SET: SetId = SetId([4; 32]);

/// A refusal, with the device's files as they were.
fn refused(folder: &Path, question: AuthQuestion) -> AuthError {
    let mut auth = Auth::open(folder).ok().unwrap();
    let before = files(folder);
    let refused = auth.answer(question).err().unwrap();
    assert_eq!(files(folder), before, "a refusal changes nothing");
    refused
}

#[test]
fn device_unowned_believes_nobody_and_dials_nobody() {
    let folder = tempfile::tempdir().unwrap();
    drop(manufacture(folder.path()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let service = listener.local_addr().unwrap().to_string();
    for question in
        [AuthQuestion::Believed, AuthQuestion::CheckIn { service, status: STATUS, kept: None }]
    {
        let refused = refused(folder.path(), question);
        assert!(matches!(refused, AuthError::DeviceUnowned), "{refused}");
    }
    assert!(listener.accept().is_err());
}

/// The address that a check-in's answer must have.
fn address_of(asked: &Asked) -> Address {
    assert_eq!(asked.path, CHECK_IN_PATH);
    let request = CheckIn::parse(&asked.body).unwrap().request;
    let digest = Soft.sha256(&[request]);
    let request = Request::parse(request).unwrap();
    let Request { catalog, device, epoch, .. } = request;
    Address { catalog, device, epoch, request: digest }
}

fn signed(assignment: &Assignment<'_>, by: u8) -> Vec<u8> {
    seal(Kind::Assignment, assignment.encode(&mut [0; 8192]).unwrap(), &[by])
}

fn online(address: Address) -> Assignment<'static> {
    let online = Some(Online { time: TIME, certificate: b"certificate" });
    Assignment { address, online, next_check_in_s: 60, target: None }
}

/// A device whose service answers each check-in with what `reply` makes of its address.
struct Bench {
    folder: tempfile::TempDir,
    server: Server,
}

impl Bench {
    fn new(reply: impl Fn(Address) -> Vec<u8> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(move |asked| answer(200, &reply(address_of(asked))));
        owned(folder.path(), &server);
        Self { folder, server }
    }

    /// One boot with one check-in.
    fn check_in(&self) -> Result<AuthAnswer, AuthError> {
        let mut auth = Auth::open(self.folder.path())?;
        let boot = AuthQuestion::Boot { runtime: [1; 32], set: None, images: Vec::new() };
        auth.answer(boot)?;
        let service = self.server.address.clone();
        let outcome = auth.answer(AuthQuestion::CheckIn { service, status: STATUS, kept: None });
        let status = auth.rot.status().unwrap();
        if outcome.is_err() {
            let kept = (status.time_floor, status.checkpoint_size);
            assert_eq!(kept, (0, 0), "neither the time nor the log's size was believed");
        }
        outcome
    }

    fn refused(&self) -> AuthError {
        self.check_in().err().unwrap()
    }
}

#[test]
fn a_reply_to_this_request_is_believed_with_its_time_and_certificate() {
    let bench = Bench::new(|address| signed(&online(address), ONLINE));
    let Ok(AuthAnswer::CheckedIn(checked_in)) = bench.check_in() else { panic!() };
    assert_eq!((checked_in.time, checked_in.target), (TIME, None));
    assert_eq!(checked_in.credential.certificate, b"certificate");
    let auth = Auth::open(bench.folder.path()).ok().unwrap();
    assert_eq!(auth.rot.status().unwrap().time_floor, TIME);
}

#[test]
fn reply_offline_is_one_without_time_and_certificate() {
    let bench =
        Bench::new(|address| signed(&Assignment { online: None, ..online(address) }, ONLINE));
    let refused = bench.refused();
    assert!(matches!(refused, AuthError::ReplyOffline), "{refused}");
    assert_eq!(refused.fault(), Fault::Service);
}

#[test]
fn reply_late_is_one_after_sixty_seconds_however_good() {
    let section = owner_section(None);
    let payload = Signed::parse(&section).unwrap().unchecked_payload();
    let section = KeptSection::parse(payload.to_vec()).unwrap();
    let address = Address {
        catalog: catalog(),
        device: DeviceId([1; 32]),
        epoch: 1,
        request: Digest([2; 32]),
    };
    let reply = signed(&online(address), ONLINE);
    let expected = Expected { section, address, checkpoint: 0 };
    assert!(believe(&reply, &expected, Duration::from_secs(60)).is_ok());
    let refused = believe(&reply, &expected, Duration::from_millis(60_001)).unwrap_err();
    assert!(matches!(refused, AuthError::ReplyLate), "{refused}");
}

#[test]
fn an_assignment_replayed_or_for_another_device_epoch_or_catalog_is_refused() {
    type Change = fn(Address) -> Address;
    let changes: [(Error, Change); 4] = [
        (Error::OtherCatalog, |to| Address { catalog: CatalogId([0; 32]), ..to }),
        (Error::OtherDevice, |to| Address { device: DeviceId([0; 32]), ..to }),
        (Error::OtherEpoch, |to| Address { epoch: to.epoch + 1, ..to }),
        (Error::OtherRequest, |to| Address { request: Digest([0; 32]), ..to }),
    ];
    for (error, change) in changes {
        let bench = Bench::new(move |address| signed(&online(change(address)), ONLINE));
        assert_eq!(bench.refused().code(), error.code(), "{error:?}");
    }
    let first: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let bench = Bench::new(move |address| {
        let mut first = first.lock().unwrap();
        first
            .get_or_insert_with(|| signed(&Assignment { online: None, ..online(address) }, ONLINE))
            .clone()
    });
    assert!(matches!(bench.refused(), AuthError::ReplyOffline));
    assert_eq!(bench.refused().code(), Error::OtherRequest.code(), "the same bytes again");
}

#[test]
fn an_assignment_by_another_role_or_with_a_flipped_bit_is_refused() {
    let bench = Bench::new(|address| signed(&online(address), CATALOG));
    assert_eq!(bench.refused().code(), Error::SignerUnknown.code());
    let bench = Bench::new(|address| {
        let mut reply = signed(&online(address), ONLINE);
        let last = reply.len() - 1;
        reply[last] ^= 1;
        reply
    });
    assert_eq!(bench.refused().code(), Error::SignatureInvalid.code());
    let bench = Bench::new(|address| {
        let payload = online(address).encode(&mut [0; 8192]).unwrap().to_vec();
        seal(Kind::Capability, &payload, &[ONLINE])
    });
    assert_eq!(bench.refused().code(), Error::SignatureInvalid.code(), "replayed as another type");
}

/// An assignment of [`SET`] under a log whose only entry is `logged`.
fn assigned(address: Address, logged: SetId) -> Vec<u8> {
    let root = merkle::leaf(&Soft, &merkle::image_set_entry(logged));
    let checkpoint = Checkpoint { catalog: address.catalog, size: 1, root };
    let checkpoint = seal(Kind::Checkpoint, checkpoint.encode(&mut [0; 256]).unwrap(), &[LOG]);
    let target = Some(Target::new(SET, 0, &checkpoint, &[]).unwrap());
    signed(&Assignment { target, ..online(address) }, ONLINE)
}

#[test]
fn an_unlogged_set_is_not_assigned_to_this_device() {
    let good = Bench::new(|address| assigned(address, SET));
    let Ok(AuthAnswer::CheckedIn(checked_in)) = good.check_in() else { panic!() };
    assert_eq!(checked_in.target, Some(SET.0));
    let unlogged = Bench::new(|address| assigned(address, SetId([5; 32])));
    assert_eq!(unlogged.refused().code(), Error::NotLogged.code());
}

#[test]
fn a_service_out_of_reach_is_an_outage_and_uses_up_no_check_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| answer(503, b""));
    owned(folder.path(), &server);
    let mut auth = Auth::open(folder.path()).ok().unwrap();
    let boot = AuthQuestion::Boot { runtime: [1; 32], set: None, images: Vec::new() };
    auth.answer(boot).ok().unwrap();
    let question = |service: String| AuthQuestion::CheckIn { service, status: STATUS, kept: None };
    let unreachable = auth.answer(question(nobody().address)).err().unwrap();
    assert_eq!(unreachable.fault(), Fault::Service, "{unreachable}");
    assert_eq!(auth.rot.status().unwrap().check_in, 0);
    let busy = auth.answer(question(server.address.clone())).err().unwrap();
    assert!(matches!(busy, AuthError::Link(LinkError::ServiceRefused(503, ..))), "{busy}");
    // A service that refuses everybody is an outage, too.
    assert_eq!(busy.fault(), Fault::Service);
}

#[test]
fn a_device_behind_a_mailbox_boots_and_checks_in_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let reply = |asked: &Asked| answer(200, &signed(&online(address_of(asked)), ONLINE));
    let server = Server::start(reply);
    Behind::mailbox(folder.path()).manufacture();
    let mut rot = rot::open(folder.path(), Start::Normal).unwrap();
    rot.claim(CLAIM_CODE, &owner_section(Some(&server))).unwrap();
    drop(rot);
    for boot in 1..=2 {
        let mut auth = Auth::open(folder.path()).ok().unwrap();
        let question = AuthQuestion::Boot { runtime: [1; 32], set: None, images: Vec::new() };
        auth.answer(question).ok().unwrap();
        for count in 1..=2 {
            let service = server.address.clone();
            let question = AuthQuestion::CheckIn { service, status: STATUS, kept: None };
            let Ok(AuthAnswer::CheckedIn(checked_in)) = auth.answer(question) else { panic!() };
            assert_eq!(checked_in.time, TIME);
            let status = auth.rot.status().unwrap();
            assert_eq!((status.boot, status.check_in, status.time_floor), (boot, count, TIME));
        }
    }
}

#[test]
fn the_failure_of_a_chip_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    Behind::mailbox(folder.path()).manufacture();
    let mut auth = Auth::open(folder.path()).ok().unwrap();
    let told = auth.answer(AuthQuestion::ChipFailure);
    let Ok(AuthAnswer::ChipFailure(Some(record))) = told else { panic!() };
    let record = craton_trust::failure::Failure::parse(&record).unwrap();
    assert_eq!(record.component, FAILURE.component.unwrap());
    assert_eq!(record.frames().iter().map(|frame| frame.pc).collect::<Vec<_>>(), [0x1234, 0x100]);
    let again = auth.answer(AuthQuestion::ChipFailure);
    assert!(matches!(again, Ok(AuthAnswer::ChipFailure(None))));
}

#[test]
fn the_evidence_of_one_connection_serves_on_no_other() {
    let bench = Bench::new(|address| signed(&online(address), ONLINE));
    assert!(bench.check_in().is_ok());
    let body = bench.server.asked()[0].body.clone();
    let check_in = CheckIn::parse(&body).unwrap();
    let auth = Auth::open(bench.folder.path()).ok().unwrap();
    let verified =
        craton_trust::evidence::verify(&Soft, &auth.rot.identity(), check_in.evidence).unwrap();
    let audience = auth.rot.status().unwrap().owner.unwrap();
    let nonce = check_in_nonce(&Soft, &audience, &[0; 32], &Soft.sha256(&[check_in.request]));
    let purpose = craton_trust::evidence::Purpose::CheckIn;
    assert_eq!(verified.claims.check(&nonce, purpose, &audience), Err(Error::NonceMismatch));
}
