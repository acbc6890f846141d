//! The apps role: one thread an app, which starts it, watches it as its tracer, reports how it
//! ended, and starts it again after a while.

use super::backoff::Backoff;
use super::failed::{self, Seen, Told};
use super::log_limit::{Line, LogLimit};
use super::oom_kills::OomKills;
use super::refusal_log::RefusalLog;
use super::sandbox::{
    GRACE, Isolation, RUN_AS_DEFAULT, Running, SandboxError, Spec, Storage, Zygote, probe, spawn,
};
use crate::folder::make_passage;
use crate::installed::InstalledError;
use crate::ipc::{Fault, Refusal, send_event, serve};
use crate::roles::{AppOrder, AppStatus, AppsAnswer, AppsEvent, AppsQuestion};
use crate::trace::{About, Ended, Watch};
use craton_trust::{ComponentId, Digest, ImageId};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest line of an app's output that is shown whole, bytes.
const LOG_LINE_MAX: u64 = 1024;
/// How often a waiting thread looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The role's main. `init_program` executes this program as its zygote.
pub fn main(device: &Path, init_program: Vec<OsString>) {
    let zygote = Arc::new(Zygote::new(init_program));
    let mut apps = Apps { device: device.to_owned(), zygote, running: Vec::new(), probed: None };
    serve(|question: AppsQuestion| match question {
        AppsQuestion::Probe | AppsQuestion::State => apps.state(),
        AppsQuestion::Start { apps: orders, set, boot } => {
            apps.stop();
            apps.start(orders, Digest(set), boot)?;
            apps.state()
        }
        AppsQuestion::Stop => {
            apps.stop();
            apps.state()
        }
    });
    apps.stop();
}

struct Apps {
    device: PathBuf,
    zygote: Arc<Zygote>,
    running: Vec<App>,
    probed: Option<Isolation>,
}

/// One app under supervision.
struct App {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What one app's thread starts again and again.
struct Order {
    order: AppOrder,
    /// Its own user and group, where the role is root.
    run_as: u32,
    storage: Option<Storage>,
    zygote: Arc<Zygote>,
    about: About,
}

impl Order {
    fn spec(&self) -> Spec {
        let order = &self.order;
        Spec {
            args: order.arguments.clone(),
            allowed_connections: order.allowed_connections.clone(),
            tcp_server_ports: order.tcp_server_ports.clone(),
            storage: self.storage.clone(),
            run_as: self.run_as,
            ..Spec::new(self.zygote.clone(), &order.root, &order.entry_point)
        }
    }
}

/// What an app's thread and the role share.
struct Shared {
    name: String,
    stop: AtomicBool,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    since: Option<Instant>,
    isolation: Option<Isolation>,
    refused: u64,
    last_refusal: Option<String>,
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> AppStatus {
        let now = self.now();
        AppStatus {
            name: self.name.clone(),
            up_ms: now.since.map(|since| since.elapsed().as_millis() as u64),
            refused: now.refused,
            last_refusal: now.last_refusal.clone(),
        }
    }
}

impl Apps {
    fn state(&mut self) -> Result<AppsAnswer, Refusal> {
        let of_apps: Vec<Isolation> =
            self.running.iter().filter_map(|app| app.shared.now().isolation.clone()).collect();
        // The least of them counts.
        let least = of_apps.iter().find(|of_app| **of_app != Isolation::Full);
        let isolation = match least.or(of_apps.first()) {
            Some(isolation) => isolation.clone(),
            None => self.probed()?,
        };
        let apps = self.running.iter().map(|app| app.shared.status()).collect();
        Ok(AppsAnswer { isolation, apps })
    }

    /// What the host allows, found out once: an empty package is enough.
    fn probed(&mut self) -> Result<Isolation, Refusal> {
        if let Some(probed) = &self.probed {
            return Ok(probed.clone());
        }
        let empty = self.device.join("empty");
        make_passage(&empty).map_err(|error| hosts(5306, error))?;
        let spec = Spec::new(self.zygote.clone(), empty, "/none");
        let probed = probe(&spec).map_err(|error| refusal(&error))?;
        Ok(self.probed.insert(probed).clone())
    }

    fn start(&mut self, orders: Vec<AppOrder>, set: Digest, boot: u64) -> Result<(), Refusal> {
        let folder = self.device.join("storage");
        make_passage(&folder).map_err(|error| hosts(5306, error))?;
        for (run_as, order) in (RUN_AS_DEFAULT..).zip(orders) {
            let about = About {
                component: ComponentId(order.component),
                image: ImageId(order.image),
                set,
                boot,
            };
            let shared = Arc::new(Shared {
                name: order.name.clone(),
                stop: AtomicBool::new(false),
                now: Mutex::default(),
            });
            let storage = order.storage_kib.map(|quota_kib| Storage {
                file: folder.join(about.component.to_string()),
                quota_kib,
            });
            let app = Order { order, run_as, storage, zygote: self.zygote.clone(), about };
            let of_thread = shared.clone();
            let thread = std::thread::spawn(move || supervise(&of_thread, &app));
            self.running.push(App { shared, thread });
        }
        Ok(())
    }

    fn stop(&mut self) {
        for app in &self.running {
            app.shared.stop.store(true, Ordering::Relaxed);
        }
        for app in self.running.drain(..) {
            let _ = app.thread.join();
        }
    }
}

fn refusal(error: &SandboxError) -> Refusal {
    let fault = if error.is_hosts() { Fault::Host } else { Fault::Judged };
    Refusal { fault, ..Refusal::new(error.code(), error) }
}

fn hosts(code: u16, error: impl ToString) -> Refusal {
    Refusal { fault: Fault::Host, ..Refusal::new(code, error) }
}

fn supervise(shared: &Shared, app: &Order) {
    let mut backoff = Backoff::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let told = match run(shared, app) {
            Ok((ended, seen)) => failed::told_of(&ended, app.about, seen),
            // What could not be started because the role stops is no failure of the app.
            Err(_) if shared.stop.load(Ordering::Relaxed) => None,
            Err(error) => Some(failed::not_started(app.about, &error)),
        };
        shared.now().since = None;
        if let Some(Told { what, fault, record }) = told {
            send_event(&AppsEvent::Failed { name: shared.name.clone(), what, fault, record });
        }
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let again = Instant::now() + backoff.after(started.elapsed());
        while Instant::now() < again && !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// One run of an app, from its start to its end.
fn run(shared: &Shared, app: &Order) -> Result<(Ended, Seen), Refusal> {
    let io = |error: std::io::Error| hosts(5306, error);
    // Whatever wrote to the folder since the boot, or since the last start, must not be run.
    app.order.payload.check(&app.order.root).map_err(|error| match error {
        InstalledError::DeviceIo(..) => hosts(error.code(), error),
        error => Refusal::new(error.code(), error),
    })?;
    let (reader, writer) = std::io::pipe().map_err(io)?;
    let mut spec = app.spec();
    spec.stderr = Some(writer.try_clone().map_err(io)?.into());
    spec.stdout = Some(writer.into());
    let mut running = spawn(&spec).map_err(|error| refusal(&error))?;
    drop(spec);
    let name = shared.name.clone();
    let log = std::thread::spawn(move || show_log(&name, reader));
    let watch = Watch::seize(running.app_pid().as_raw_nonzero().get(), app.about)
        .map_err(|error| hosts(error.code(), error))?;
    running.release().map_err(|error| refusal(&error))?;
    {
        let mut now = shared.now();
        now.since = Some(Instant::now());
        now.isolation = Some(running.isolation().clone());
    }
    let watcher = std::thread::spawn(move || watch.ending());
    let seen = attend(shared, &running, &watcher);
    let ended = watcher.join().map_err(|_| hosts(5203, "E5203: the watch was lost"))?;
    let _ = running.wait(Some(GRACE));
    drop(running);
    let _ = log.join();
    let ended = ended.map_err(|error| hosts(error.code(), error))?;
    Ok((ended, seen))
}

/// Waits until the app has ended, telling what its proxy refused, and asks it to end when the role
/// stops. Returns what was seen meanwhile.
fn attend<T>(shared: &Shared, running: &Running, watcher: &JoinHandle<T>) -> Seen {
    let (mut kill_at, mut told, mut log) = (None, 0, RefusalLog::default());
    let (mut seen, mut memory) = (Seen::default(), OomKills::now());
    loop {
        // Looked at before the refusals, so that the last look sees all of them.
        let ended = watcher.is_finished();
        if running.refused() > told {
            told = tell_refusals(shared, running, told, &mut log);
        }
        if ended {
            seen.memory_ran_out = memory.rose_about(Instant::now());
            return seen;
        }
        memory.look(Instant::now());
        if shared.stop.load(Ordering::Relaxed) && kill_at.is_none() {
            seen.asked = true;
            running.signal(Signal::TERM);
            kill_at = Some(Instant::now() + GRACE);
        }
        if kill_at.is_some_and(|at| Instant::now() > at) {
            seen.forced = true;
            running.signal(Signal::KILL);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Logs and counts what was refused beyond the first `told`; returns how many that are by now.
fn tell_refusals(shared: &Shared, running: &Running, told: u64, log: &mut RefusalLog) -> u64 {
    let tally = running.network();
    let fresh = tally.refused.saturating_sub(told);
    for line in log.lines(fresh, &tally.recent, Instant::now()) {
        eprintln!("{}: {line}", shared.name);
    }
    let mut now = shared.now();
    now.refused = now.refused.saturating_add(fresh);
    now.last_refusal = tally.recent.back().map(ToString::to_string);
    tally.refused
}

/// Shows an app's output on our standard error, line by line, control characters left out.
fn show_log(name: &str, output: PipeReader) {
    let mut output = BufReader::new(output);
    let (mut line, mut limit) = (Vec::new(), LogLimit::default());
    while matches!(output.by_ref().take(LOG_LINE_MAX).read_until(b'\n', &mut line), Ok(n) if n > 0)
    {
        let text: String =
            String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect();
        line.clear();
        match limit.line(Instant::now()) {
            Line::LeftOut => continue,
            Line::ShownAfter(lines) => eprintln!("{name}: {lines} lines of its output left out"),
            Line::Shown => {}
        }
        eprintln!("{name} | {text}");
    }
}
