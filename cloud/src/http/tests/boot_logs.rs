//! Event logs: sent by a device after its check-in, judged by its quote, shown to an operator.

use craton_api::device::is_boot_log_wanted;
use craton_api::device::{BOOT_LOG_MAX, BOOT_LOG_PATH, BOOT_LOG_SIZE_MAX, BootLog};
use craton_api::operator::{BootChanges, DeviceBoot};
use craton_trust::quoted::Registers;
use serde_json::json;

use super::device_requests::DeviceBench;
use crate::app::{AppError, boots};
use crate::attest::boot_log::tests::{LOG, registers_of, with_another};
use crate::crypto::sha256;
use crate::testing::*;

impl DeviceBench {
    /// What the commit of a check-in does.
    async fn shows(&self, registers: Registers) {
        let keys = self.bench.app.keys.clone();
        let at = (self.catalog, self.device);
        let work =
            move |db: &crate::store::WriteTx<'_>| boots::note(db, &*keys.log, at, registers, NOW_S);
        self.bench.app.store.write::<_, AppError, _>(work).await.unwrap();
    }

    async fn sends(&self, log: &[u8]) -> Answer {
        let body = BootLog(log).encode().unwrap();
        self.ask(Some(0x4a), "POST", BOOT_LOG_PATH, body).await
    }

    async fn is_asked_for(&self, log: &[u8]) -> bool {
        let path = format!("{BOOT_LOG_PATH}/{}", sha256(log));
        let answer = self.ask(Some(0x4a), "GET", &path, Vec::new()).await;
        assert_eq!(answer.status, 200);
        is_boot_log_wanted(&answer.body).unwrap()
    }

    fn boot(&self) -> String {
        format!("/v1/catalogs/{}/devices/{}/boot", self.catalog, self.device)
    }

    async fn seen(&self) -> DeviceBoot {
        self.bench.get(&self.boot()).await.json()
    }
}

fn changes(boot: &DeviceBoot) -> Vec<(u8, &BootChanges)> {
    let events = boot.registers.iter().filter_map(|it| Some((it.register, it.events.as_ref()?)));
    events.collect()
}

#[tokio::test]
async fn att_9_an_operator_sees_which_events_changed_between_the_baseline_and_now() {
    let device = DeviceBench::new().await;
    device.shows(registers_of(LOG)).await;
    assert!(device.is_asked_for(LOG).await);
    assert_eq!(device.sends(LOG).await.status, 200);
    assert!(!device.is_asked_for(LOG).await, "it has that one");
    let first = device.seen().await;
    let log = first.log.as_ref().unwrap();
    assert_eq!((log.sha256, log.explains.len(), log.received_s), (sha256(LOG), 8, NOW_S));
    assert_eq!((&first.baseline_log, first.log_refused), (&first.log, None));
    assert_eq!(changes(&first), []);
    // Another loader was started.
    let other = with_another(4);
    device.shows(registers_of(&other)).await;
    let without = device.seen().await;
    assert_eq!((&without.log, changes(&without)), (&None, vec![]), "of this boot none came yet");
    assert!(device.is_asked_for(&other).await);
    assert_eq!(device.sends(&other).await.status, 200);
    let changed = device.seen().await;
    assert_eq!(changed.baseline_log, first.log);
    let events = changes(&changed);
    let [(4, BootChanges { gone, new, left_out: 0 })] = events[..] else { panic!("{events:?}") };
    assert_eq!((gone.len(), new.len()), (1, 1));
    assert_eq!((&gone[0].what, &gone[0].said), (&new[0].what, &new[0].said));
    assert_ne!(gone[0].digest, new[0].digest);
    // Accepted: the log of the baseline before goes, and its change with it.
    let body = Some(("application/json", json!({ "digest": changed.digest }).to_string().into()));
    let baseline = format!("{}/baseline", device.boot());
    let accept = device.bench.ask_as(&device.bench.token, "PUT", &baseline, body).await;
    let accepted: DeviceBoot = accept.json();
    assert_eq!((&accepted.baseline_log, changes(&accepted)), (&changed.log, vec![]));
    device.shows(registers_of(LOG)).await;
    assert!(device.is_asked_for(LOG).await, "it is of another boot than any that is kept");
}

#[tokio::test]
async fn an_operator_gets_the_log_of_what_is_shown_as_it_was_sent_or_boot_log_missing() {
    let device = DeviceBench::new().await;
    let path = format!("{}/log", device.boot());
    let get = async || device.bench.get(&path).await;
    assert_eq!(get().await.code(), 4190, "BootUnknown");
    device.shows(registers_of(LOG)).await;
    let missing = get().await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, 4192), "BootLogMissing");
    device.sends(LOG).await;
    let got = get().await;
    assert_eq!((got.status.as_u16(), &got.body[..]), (200, LOG));
    // That log is of the boot before, and not of this one.
    device.shows(registers_of(&with_another(4))).await;
    assert_eq!(get().await.code(), 4192);
}

#[tokio::test]
async fn boot_log_elsewhere_keeps_nothing_and_is_shown_until_a_log_leads_to_the_registers() {
    let device = DeviceBench::new().await;
    assert_eq!(device.sends(LOG).await.code(), 4190, "BootUnknown: it showed no registers");
    let mut elsewhere = Registers::none();
    (0..8).for_each(|it| elsewhere.push(it, craton_trust::Digest([it + 1; 32])).unwrap());
    device.shows(elsewhere).await;
    let refused = device.sends(LOG).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, 4120), "BootLogElsewhere");
    let seen = device.seen().await;
    assert_eq!((seen.log, seen.log_refused), (None, Some(4120)));
    assert_eq!(device.sends(&LOG[..LOG.len() - 1]).await.code(), 1710, "EventLogShape");
    assert_eq!(device.seen().await.log_refused, Some(1710));
    device.shows(registers_of(LOG)).await;
    assert_eq!(device.seen().await.log_refused, None, "that was of another boot");
    device.sends(LOG).await;
    let seen = device.seen().await;
    assert_eq!((seen.log.is_some(), seen.log_refused), (true, None));
    device.sends(b"no log").await;
    assert_eq!(device.seen().await.log_refused, None, "there is a good one");
}

#[tokio::test]
async fn att_9_a_log_gives_way_only_to_one_that_leads_to_more() {
    let device = DeviceBench::new().await;
    let (other, third) = (with_another(4), with_another(7));
    device.shows(registers_of(&other)).await;
    for log in [LOG, &third] {
        assert_eq!(device.sends(log).await.status, 200);
        let kept = device.seen().await.log.unwrap();
        assert_eq!(kept.sha256, sha256(LOG), "the third leads to fewer");
        assert_eq!(kept.explains, [0, 1, 2, 3, 5, 6, 7]);
    }
    assert!(!device.is_asked_for(LOG).await && device.is_asked_for(&other).await);
    assert_eq!(device.sends(&other).await.status, 200);
    assert_eq!(device.seen().await.log.unwrap().sha256, sha256(&other));
    assert!(!device.is_asked_for(LOG).await, "nothing is left open");
    assert_eq!(device.sends(LOG).await.status, 200);
    assert_eq!(device.seen().await.log.unwrap().sha256, sha256(&other));
}

#[tokio::test]
async fn a_log_that_is_too_large_is_refused_unread() {
    let device = DeviceBench::new().await;
    device.shows(registers_of(LOG)).await;
    let send = async |body| device.ask(Some(0x4a), "POST", BOOT_LOG_PATH, body).await;
    assert_eq!(send(vec![0; BOOT_LOG_SIZE_MAX + 1]).await.code(), 4303, "BodyTooLarge");
    assert_eq!(send(b"no cbor".to_vec()).await.status, 400);
    assert_eq!(device.sends(&vec![0; BOOT_LOG_MAX]).await.code(), 1710, "EventLogShape");
    assert_eq!(device.seen().await.log, None);
}
