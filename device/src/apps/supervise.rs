//! The apps role: one thread an app, which starts it, watches it as its tracer, reports how it
//! ended, and starts it again after a while.

use super::backoff::Backoff;
use super::sandbox::{Isolation, Running, SandboxError, Spec, Storage, probe, spawn};
use crate::ipc::{Refusal, send_event, serve};
use crate::roles::{AppOrder, AppsAnswer, AppsEvent, AppsQuestion};
use crate::trace::{About, Ended, Ending, Watch};
use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};
use craton_trust::{ComponentId, Digest, ImageId};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest line of an app's output that is shown whole, bytes.
const LOG_LINE_MAX: u64 = 1024;
/// How often a waiting thread looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// The role's main. `init_program` re-executes this program as a sandbox's init.
pub fn main(device: &Path, init_program: Vec<OsString>) {
    let mut apps = Apps { device: device.to_owned(), init_program, running: Vec::new() };
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
    init_program: Vec<OsString>,
    running: Vec<App>,
}

/// One app under supervision.
struct App {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
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
}

impl Apps {
    fn state(&self) -> Result<AppsAnswer, Refusal> {
        let mut isolation = None;
        let mut up = Vec::new();
        for app in &self.running {
            let now = app.shared.now.lock().unwrap_or_else(PoisonError::into_inner);
            let since = now.since.map(|since| since.elapsed().as_millis() as u64);
            up.push((app.shared.name.clone(), since));
            if let Some(of_app) = &now.isolation {
                isolation = Some(of_app.clone());
            }
        }
        let probed = || {
            // Nothing is started: an empty package is enough to find out what the host allows.
            let empty = self.device.join("empty");
            std::fs::create_dir_all(&empty).map_err(|error| Refusal::new(5306, error))?;
            let spec = Spec::new(self.init_program.clone(), empty, "/none");
            probe(&spec).map_err(|error| refusal(&error))
        };
        Ok(AppsAnswer { isolation: isolation.map_or_else(probed, Ok)?, up })
    }

    fn start(&mut self, orders: Vec<AppOrder>, set: Digest, boot: u64) -> Result<(), Refusal> {
        let folder = self.device.join("storage");
        std::fs::create_dir_all(&folder).map_err(|error| Refusal::new(5306, error))?;
        for order in orders {
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
            let (init, of_thread) = (self.init_program.clone(), shared.clone());
            let thread = std::thread::spawn(move || {
                supervise(&of_thread, &init, &order, storage.as_ref(), about);
            });
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
    Refusal::new(error.code(), error)
}

fn supervise(
    shared: &Shared,
    init: &[OsString],
    order: &AppOrder,
    storage: Option<&Storage>,
    about: About,
) {
    let mut backoff = Backoff::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let told = match run(shared, init, order, storage, about) {
            Ok(ended) => told_of(&ended, about),
            Err(error) => Some((error.text, not_started(about, error.code))),
        };
        shared.now.lock().unwrap_or_else(PoisonError::into_inner).since = None;
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        if let Some((what, record)) = told {
            send_event(&AppsEvent::Failed { name: order.name.clone(), what, record });
        }
        let again = Instant::now() + backoff.after(started.elapsed());
        while Instant::now() < again && !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// One run of an app, from its start to its end.
fn run(
    shared: &Shared,
    init: &[OsString],
    order: &AppOrder,
    storage: Option<&Storage>,
    about: About,
) -> Result<Ended, Refusal> {
    let io = |error: std::io::Error| Refusal::new(5306, error);
    let (reader, writer) = std::io::pipe().map_err(io)?;
    let mut spec = Spec::new(init.to_vec(), &order.root, &order.entry_point);
    spec.args.clone_from(&order.arguments);
    spec.allowed_connections.clone_from(&order.allowed_connections);
    spec.storage = storage.cloned();
    spec.stderr = Some(writer.try_clone().map_err(io)?.into());
    spec.stdout = Some(writer.into());
    let mut running = spawn(&spec).map_err(|error| refusal(&error))?;
    drop(spec);
    let name = order.name.clone();
    let log = std::thread::spawn(move || show_log(&name, reader));
    let watch = Watch::seize(running.app_pid().as_raw_nonzero().get(), about)
        .map_err(|error| Refusal::new(error.code(), error))?;
    running.release().map_err(|error| refusal(&error))?;
    {
        let mut now = shared.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now { since: Some(Instant::now()), isolation: Some(running.isolation().clone()) };
    }
    let watcher = std::thread::spawn(move || watch.ending());
    stop_when_told(shared, &running, &watcher);
    let ended = watcher.join().map_err(|_| Refusal::new(5203, "E5203: the watch was lost"))?;
    let _ = running.wait(Some(GRACE));
    drop(running);
    let _ = log.join();
    ended.map_err(|error| Refusal::new(error.code(), error))
}

/// Waits until the app has ended, and asks it to when the role stops.
fn stop_when_told<T>(shared: &Shared, running: &Running, watcher: &JoinHandle<T>) {
    let mut kill_at = None;
    while !watcher.is_finished() {
        if shared.stop.load(Ordering::Relaxed) && kill_at.is_none() {
            running.signal(Signal::TERM);
            kill_at = Some(Instant::now() + GRACE);
        }
        if kill_at.is_some_and(|at| Instant::now() > at) {
            running.signal(Signal::KILL);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The words and the record of an end that is a failure.
fn told_of(ended: &Ended, about: About) -> Option<(String, Vec<u8>)> {
    let mut failure = Failure::new(FailureKind::Exit, about.component, about.image, about.set);
    failure.boot = about.boot;
    failure.uptime_ms = ended.ran.as_millis() as u64;
    let what = match &ended.ending {
        Ending::Exited { code: 0 } => return None,
        Ending::Exited { code } => {
            failure.code = i64::from(*code);
            format!("ended with status {code}")
        }
        Ending::Crashed(record) => {
            return Some((format!("crashed by signal {}", record.signal), record.encode()));
        }
        Ending::Killed { signal } => {
            failure.kind = FailureKind::Watchdog;
            failure.signal = u8::try_from(*signal).unwrap_or(0);
            format!("was killed by signal {signal}")
        }
    };
    Some((what, encode(&failure)))
}

fn not_started(about: About, code: u16) -> Vec<u8> {
    let mut failure = Failure::new(FailureKind::Exit, about.component, about.image, about.set);
    failure.boot = about.boot;
    failure.code = i64::from(code);
    encode(&failure)
}

fn encode(failure: &Failure<'_>) -> Vec<u8> {
    let mut room = [0u8; RECORD_MAX];
    failure.encode(&mut room).map(<[u8]>::to_vec).unwrap_or_default()
}

/// Shows an app's output on our standard error, line by line, control characters left out.
fn show_log(name: &str, output: PipeReader) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(output.by_ref().take(LOG_LINE_MAX).read_until(b'\n', &mut line), Ok(n) if n > 0)
    {
        let text: String =
            String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect();
        eprintln!("{name} | {text}");
        line.clear();
    }
}
