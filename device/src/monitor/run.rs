//! The monitor's loop: check in, fetch, arm, try, confirm or fall back.

use super::boot::{self, Booted, STEP_WITHIN};
use super::disk::{rot_is_over, wait_for_disk};
use super::lock::lock;
use super::records::{
    NETWORK_WITHIN, NO_COMPONENT, keep, keep_chip_failure, keep_record, offer_boot_log,
    send_failures,
};
use super::retry::{Again, Fetching, Retry};
use super::status::StatusFile;
use super::{Device, DeviceStatus, Health, MonitorError, Verdict};
use crate::ipc::{self, Fault, Refusal, Role, RoleError};
use crate::roles::{
    AppsAnswer, AppsEvent, AppsQuestion, AuthAnswer, AuthQuestion, CheckedIn, StatusBytes,
    UpdateQuestion,
};
use crate::slot_file::SlotFile;
use craton_api::device::MODE_NOT_NORMAL;
use craton_trust::evidence::TRUST_STORE;
use craton_trust::failure::FailureKind;
use craton_trust::slots::Slot;
use craton_trust::{ComponentId, Digest, SetId};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often health is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a boot in a row may lose a role before the monitor gives up.
const BOOTS_LOST_MAX: u32 = 4;

/// What the status says of the service in a boot in mode Debug.
const NO_CERTIFICATE: &str = "online: gives no certificate to a boot in mode debug; apps run on";

/// Why the loop ended.
enum Next {
    Reboot,
    Stop,
}

/// Runs a device until it is told to stop.
///
/// # Errors
/// As [`MonitorError`]: only what no retry mends.
pub fn run(device: &Device) -> Result<(), MonitorError> {
    let _lock = lock(&device.folder)?;
    let runtime = runtime_digest(device)?;
    let mut crash = Role::start(&device.roles, "crash", &device.folder, None)?;
    let mut update = Role::start(&device.roles, "update", &device.folder, None)?;
    let (mut lost, mut pause) = (0, Retry::default());
    loop {
        let (events, receiver) = channel();
        let (mut booted, refused) = match boot::boot(device, runtime, &events) {
            Ok(booted) => booted,
            // Each such boot used up a start of a trial: it falls back by itself in the end.
            Err(MonitorError::Role(error @ RoleError::RoleGone(_)))
                if lost < BOOTS_LOST_MAX && !device.stop.load(Ordering::Relaxed) =>
            {
                eprintln!("monitor: {error}");
                lost += 1;
                std::thread::sleep(pause.after_failure());
                continue;
            }
            Err(error) => {
                wait_for_disk(error, &mut pause, &device.stop)?;
                continue;
            }
        };
        (lost, pause) = (0, Retry::default());
        // From here on only the apps role can send: when it ends, the channel says so.
        drop(events);
        keep_chip_failure(device, &mut crash, &mut booted.auth);
        for why in refused {
            let about = (NO_COMPONENT, why.set, i64::from(why.code));
            keep(device, &mut crash, FailureKind::TrialFailed, about, booted.boot);
            eprintln!("monitor: set {} was not started: {}", why.set, why.text);
        }
        let mut session = Session::new(device, booted, &mut crash, &mut update, receiver);
        let next = session.run();
        session.end();
        match next {
            Ok(Next::Stop) => return Ok(()),
            Ok(Next::Reboot) => {}
            // The next boot does what the role left undone.
            Err(MonitorError::Role(error @ RoleError::RoleGone(_))) => {
                eprintln!("monitor: {error}");
                std::thread::sleep(pause.after_failure());
            }
            Err(error) => wait_for_disk(error, &mut pause, &device.stop)?,
        }
    }
}

/// What the runtime is: the digest of the program that runs the roles.
fn runtime_digest(device: &Device) -> Result<Digest, MonitorError> {
    let bytes = std::fs::read(&device.roles.program).map_err(MonitorError::RuntimeUnreadable)?;
    Ok(craton_image::package::sha256(&bytes))
}

/// One boot, from its first look to its end.
struct Session<'d> {
    device: &'d Device,
    file: SlotFile,
    booted: Booted,
    crash: &'d mut Role,
    update: &'d mut Role,
    events: Receiver<String>,
    since: Instant,
    health: Health,
    status: DeviceStatus,
    status_file: StatusFile,
    next_check_in: Instant,
    next_judgement: Instant,
    retry: Retry,
    fetching: Fetching,
    checked_in: Option<CheckedIn>,
    refused_successor: Option<u16>,
    boot_log_offered: bool,
}

impl<'d> Session<'d> {
    fn new(
        device: &'d Device,
        booted: Booted,
        crash: &'d mut Role,
        update: &'d mut Role,
        events: Receiver<String>,
    ) -> Self {
        let status = DeviceStatus {
            pid: std::process::id(),
            boot: booted.boot,
            mode: if booted.believed.debug { "debug" } else { "normal" }.into(),
            set: booted.run.map(|run| run.set.to_string()),
            trial: booted.run.is_some_and(|run| run.trial),
            failed: booted.slots.failed.map(|set| set.to_string()),
            isolation: Some(booted.started.isolation.clone()),
            storage: "unpacked".into(),
            service: "offline: not asked yet".into(),
            ..DeviceStatus::default()
        };
        Self {
            file: SlotFile::of(&device.folder),
            status_file: StatusFile::of(&device.folder),
            device,
            booted,
            crash,
            update,
            events,
            since: Instant::now(),
            health: Health::default(),
            status,
            next_check_in: Instant::now(),
            next_judgement: Instant::now(),
            retry: Retry::default(),
            fetching: Fetching::default(),
            checked_in: None,
            refused_successor: None,
            boot_log_offered: false,
        }
    }

    fn run(&mut self) -> Result<Next, MonitorError> {
        loop {
            self.status_file.write(&self.status);
            if self.device.stop.load(Ordering::Relaxed) {
                return Ok(Next::Stop);
            }
            if let Some(next) = self.look()? {
                return Ok(next);
            }
            if let Some(next) = self.judge()? {
                return Ok(next);
            }
            if Instant::now() >= self.next_check_in
                && let Some(next) = self.check_in()?
            {
                return Ok(next);
            }
            match self.events.recv_timeout(LOOK_EVERY) {
                Ok(line) => self.event(&line),
                // The apps role is gone: everything it ran is, too.
                Err(RecvTimeoutError::Disconnected) => return Ok(Next::Reboot),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Stops the apps, then the roles of this boot.
    fn end(self) {
        let Booted { auth, mut apps, .. } = self.booted;
        let _ = apps.ask::<_, AppsAnswer>(&AppsQuestion::Stop, STEP_WITHIN);
        // What did not end when it was asked to is reported, and counts against nobody's trial.
        for line in self.events.try_iter() {
            if let Some(AppsEvent::Failed { name, what, record, .. }) = ipc::event(&line) {
                eprintln!("monitor: {name} {what}");
                keep_record(self.device, self.crash, record);
            }
        }
        apps.stop(STEP_WITHIN);
        auth.stop(STEP_WITHIN);
    }

    /// How the apps are. Without their role everything it ran is gone, too.
    fn look(&mut self) -> Result<Option<Next>, MonitorError> {
        let answer: AppsAnswer = match self.booted.apps.ask(&AppsQuestion::State, STEP_WITHIN) {
            Ok(answer) => answer,
            Err(RoleError::RoleGone(_)) => return Ok(Some(Next::Reboot)),
            Err(error) => return Err(error.into()),
        };
        let mut youngest = answer.apps.iter().map(|app| app.up_ms.map(Duration::from_millis));
        self.health.running = self.since.elapsed();
        self.health.all_up =
            youngest.try_fold(self.health.running, |least, up| Some(least.min(up?)));
        self.status.isolation = Some(answer.isolation);
        self.status.apps = answer.apps;
        Ok(None)
    }

    fn event(&mut self, line: &str) {
        let Some(AppsEvent::Failed { name, what, fault, record }) = ipc::event(line) else {
            return;
        };
        eprintln!("monitor: {name} {what}");
        // A host that is short of something now must not condemn a set for good: its time decides.
        if fault == Fault::Judged {
            self.health.failures = self.health.failures.saturating_add(1);
        }
        self.status.last_error = Some(format!("{name} {what}"));
        keep_record(self.device, self.crash, record);
        self.send_failures();
    }

    /// A trial holds, fails, or needs more time. A boot in mode Debug judges none: it has no
    /// certificate to fail by, and a developer at it.
    fn judge(&mut self) -> Result<Option<Next>, MonitorError> {
        if self.booted.believed.debug {
            return Ok(None);
        }
        let Some(run) = self.booted.run.filter(|run| run.trial) else { return Ok(None) };
        if Instant::now() < self.next_judgement {
            return Ok(None);
        }
        let verdict = self.health.verdict(&self.device.policy);
        let slots = match verdict {
            Verdict::Wait => return Ok(None),
            Verdict::Confirm => self.booted.slots.confirm()?,
            Verdict::FallBack => self.booted.slots.fall_back()?,
            Verdict::FallBackUnreachable => self.booted.slots.fall_back_unreachable()?,
        };
        match self.file.write(&slots) {
            Ok(()) => {}
            Err(error) if verdict == Verdict::Confirm => {
                // It holds and runs on; it is confirmed when the disk has room.
                eprintln!("monitor: {error}");
                self.next_judgement = Instant::now() + self.retry.after_failure();
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        self.booted.slots = slots;
        if verdict == Verdict::Confirm {
            self.confirmed(run.set)?;
            return Ok(None);
        }
        eprintln!("monitor: set {} falls back", run.set);
        if verdict == Verdict::FallBack {
            let failures = i64::from(self.health.failures);
            self.keep(FailureKind::TrialFailed, run.set, failures);
        }
        Ok(Some(Next::Reboot))
    }

    fn confirmed(&mut self, set: SetId) -> Result<(), MonitorError> {
        eprintln!("monitor: set {set} is confirmed");
        if let Some(run) = &mut self.booted.run {
            run.trial = false;
        }
        self.status.trial = false;
        let (slots, run) = (self.booted.slots, self.booted.run);
        let (file, auth) = (&self.file, &mut self.booted.auth);
        self.booted.slots = boot::finish(file, slots, (run, false), auth, &AuthQuestion::Confirm)?;
        boot::sweep(&self.device.folder, &self.booted.slots);
        // The service hears of it at once.
        self.next_check_in = Instant::now();
        Ok(())
    }

    fn check_in(&mut self) -> Result<Option<Next>, MonitorError> {
        let isolation = match &self.status.isolation {
            _ if self.status.apps.is_empty() => 0,
            Some(isolation) if isolation.word() == "full" => 1,
            _ => 2,
        };
        let run = self.booted.run;
        let status = StatusBytes {
            running: run.map(|run| run.set.0),
            trial: run.is_some_and(|run| run.trial),
            failed: self.fetching.refused().or(self.booted.slots.failed).map(|set| set.0),
            isolation,
        };
        let service = self.device.service.clone();
        let question = AuthQuestion::CheckIn { service, status, kept: self.successors_keep() };
        let stop = &self.device.stop;
        let answer = self.booted.auth.ask_unless(&question, NETWORK_WITHIN, stop);
        if !matches!(answer, Err(RoleError::RoleGone(_))) {
            self.successor_refused();
        }
        match answer {
            Ok(AuthAnswer::CheckedIn(checked_in)) => self.checked_in(checked_in),
            Ok(AuthAnswer::Succeeded(taken)) => {
                eprintln!("monitor: {taken} successors of the trust store taken");
                // What this boot measured is the store before: the next one measures the new.
                Ok(Some(Next::Reboot))
            }
            Ok(_) => Err(RoleError::RoleGone("auth").into()),
            Err(error) => self.check_in_failed(error),
        }
    }

    /// The sets that a successor of the trust store must keep; `None` in a boot that takes none:
    /// one in mode Debug, which it would end, and a trial's last, after which the trial falls back.
    fn successors_keep(&self) -> Option<Vec<[u8; 32]>> {
        let last = |slot: &Slot| matches!(slot, Slot::Trial(_, 0));
        let none = self.booted.believed.debug || self.booted.slots.slots().iter().any(last);
        (!none).then(|| self.booted.slots.kept().map(|set| set.0).collect())
    }

    /// Reports a successor that was refused, once in a boot; the device runs on as before.
    fn successor_refused(&mut self) {
        let answer = self.booted.auth.ask(&AuthQuestion::RefusedSuccessor, STEP_WITHIN);
        let Ok(AuthAnswer::RefusedSuccessor(Some(why))) = answer else { return };
        self.status.last_error = Some(format!("a successor of the trust store: {why}"));
        if self.refused_successor.replace(why.code) != Some(why.code) {
            eprintln!("monitor: a successor of the trust store was not taken: {why}");
            let set = self.booted.run.map_or(SetId([0; 32]), |run| run.set);
            self.keep_of(FailureKind::UpdateRefused, TRUST_STORE, set, i64::from(why.code));
        }
    }

    fn checked_in(&mut self, checked_in: CheckedIn) -> Result<Option<Next>, MonitorError> {
        self.health.checked_in = true;
        self.retry.reset();
        self.status.service = "online".into();
        self.status.last_check_in_s = Some(checked_in.time);
        let next = Duration::from_secs(checked_in.next_s.max(1));
        self.next_check_in = Instant::now() + next.min(self.device.policy.check_in_every_max);
        let target = checked_in.target.map(SetId);
        self.checked_in = Some(checked_in);
        self.send_failures();
        self.offer_boot_log();
        if let Some(next) = self.old_tried(true)? {
            return Ok(Some(next));
        }
        match target {
            Some(target) if self.wants(target) => self.fetch(target),
            _ => Ok(None),
        }
    }

    fn check_in_failed(&mut self, error: RoleError) -> Result<Option<Next>, MonitorError> {
        if self.device.stop.load(Ordering::Relaxed) {
            return Ok(Some(Next::Stop));
        }
        eprintln!("monitor: {error}");
        if matches!(error, RoleError::RoleGone(_)) {
            return Ok(Some(Next::Reboot));
        }
        if rot_is_over(&error) {
            return Err(error.into());
        }
        self.next_check_in = Instant::now() + self.retry.after_failure();
        if error.service_code() == Some(MODE_NOT_NORMAL) {
            // A state, not a failure: nothing is judged by it.
            self.status.service = NO_CERTIFICATE.into();
            return Ok(None);
        }
        self.status.service = format!("offline: {error}");
        if self.booted.believed.debug { Ok(None) } else { self.old_tried(false) }
    }

    /// After a trial that did not check in the old set tries once, and tells whose fault it was
    /// (SLOT-4).
    fn old_tried(&mut self, reached: bool) -> Result<Option<Next>, MonitorError> {
        let suspect = self.booted.slots.slots().iter().find_map(|slot| match slot {
            Slot::Suspect(set) => Some(*set),
            _ => None,
        });
        let Some(suspect) = suspect else { return Ok(None) };
        let slots = self.booted.slots.old_tried(reached)?;
        self.file.write(&slots)?;
        self.booted.slots = slots;
        if reached {
            self.keep(FailureKind::TrialFailed, suspect, 0);
        }
        self.status.failed = slots.failed.map(|set| set.to_string());
        if reached {
            // The service hears at once that the new set is at fault.
            self.next_check_in = Instant::now();
        }
        Ok(None)
    }

    fn wants(&self, target: SetId) -> bool {
        let runs = self.booted.run.is_some_and(|run| run.set == target);
        let on_trial = self.booted.run.is_some_and(|run| run.trial);
        !runs && !on_trial && self.booted.slots.failed != Some(target)
    }

    /// Fetches and stages the target, then arms it: the write that commits the update.
    fn fetch(&mut self, target: SetId) -> Result<Option<Next>, MonitorError> {
        let Some(checked_in) = &self.checked_in else { return Ok(None) };
        let staged_before = self.booted.slots.slots().contains(&Slot::Staged(target));
        if !staged_before {
            let question = UpdateQuestion::Fetch {
                believed: self.booted.believed.to_bytes()?,
                set: target.0,
                peer: checked_in.peer.clone(),
                credential: checked_in.credential.clone(),
                installed: self.booted.slots.kept().map(|set| set.0).collect(),
            };
            let stop = &self.device.stop;
            let staged = self.update.ask_unless::<_, [u8; 32]>(&question, NETWORK_WITHIN, stop);
            if let Err(error) = staged {
                return self.fetch_failed(target, &error);
            }
            self.fetching.staged();
        }
        // A confirmed set that was damaged on the disk is whole again: boot it as it is.
        if self.booted.slots.confirmed() == Some(target) {
            return Ok(Some(Next::Reboot));
        }
        let staged = match staged_before {
            true => self.booted.slots,
            false => self.booted.slots.stage(target)?,
        };
        let armed = staged.arm()?;
        // SLOT-1: the second write commits the update.
        let written = self.file.write(&staged).and_then(|()| self.file.write(&armed));
        if let Err(error) = written {
            // What runs runs on.
            let refusal = Refusal { fault: Fault::Host, ..Refusal::new(error.code(), error) };
            return self.fetch_failed(target, &refusal.into());
        }
        eprintln!("monitor: set {target} is armed");
        Ok(Some(Next::Reboot))
    }

    fn fetch_failed(
        &mut self,
        target: SetId,
        error: &RoleError,
    ) -> Result<Option<Next>, MonitorError> {
        if self.device.stop.load(Ordering::Relaxed) {
            return Ok(Some(Next::Stop));
        }
        eprintln!("monitor: set {target} was not staged: {error}");
        self.status.last_error = Some(error.to_string());
        if matches!(error, RoleError::RoleGone(_)) {
            *self.update = Role::start(&self.device.roles, "update", &self.device.folder, None)?;
        }
        match self.fetching.failed(target, error.fault(), error.code()) {
            Again::After(wait) => {
                self.next_check_in = self.next_check_in.min(Instant::now() + wait);
            }
            Again::Reported => {
                self.keep(FailureKind::UpdateRefused, target, i64::from(error.code()));
                self.send_failures();
                // The service hears at once, once, that its set is refused here.
                self.next_check_in = Instant::now();
            }
            Again::AtNextCheckIn => {}
        }
        Ok(None)
    }

    fn keep(&mut self, kind: FailureKind, set: SetId, code: i64) {
        self.keep_of(kind, NO_COMPONENT, set, code);
    }

    fn keep_of(&mut self, kind: FailureKind, component: ComponentId, set: SetId, code: i64) {
        keep(self.device, self.crash, kind, (component, set, code), self.booted.boot);
    }

    fn send_failures(&mut self) {
        if let Some(checked_in) = &self.checked_in {
            send_failures(self.device, self.crash, checked_in);
        }
    }

    /// Once in a boot: the log is of the machine's, which is no shorter.
    fn offer_boot_log(&mut self) {
        if let Some(checked_in) = self.checked_in.as_ref().filter(|_| !self.boot_log_offered) {
            self.boot_log_offered = offer_boot_log(self.device, self.crash, checked_in);
        }
    }
}
