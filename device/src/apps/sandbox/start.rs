//! Starting the sandbox program and following it until the app waits.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::control::{
    Area, Fault, MESSAGE_BYTES_MAX, Mode, Order, Received, Report, StorageOrder, pair, receive,
    send,
};
use super::host::how_to_allow;
use super::inbound::Inbound;
use super::running::{Parts, reap};
use super::tree::OURS;
use super::{Accept, Isolation, Running, SandboxError, Spec};
use crate::apps::proxy::{Proxy, Rules, proxy_environment};

const FORCED: &str = "reduced isolation was asked for";

/// Starts the app, bound and waiting before its exec; see the module's introduction.
pub fn spawn(spec: &Spec) -> Result<Running, SandboxError> {
    let rules = check(spec)?;
    if let Some(storage) = &spec.storage {
        prepare_storage(&storage.file, spec.run_as).map_err(|why| {
            SandboxError::StorageUnusable {
                file: storage.file.display().to_string(),
                why: why.to_string(),
            }
        })?;
    }
    if spec.accept == Accept::Reduced {
        return start(spec, &rules, reduced(FORCED));
    }
    match start(spec, &rules, Isolation::Full) {
        Err(SandboxError::NamespacesRefused { step, errno, .. }) if spec.accept == Accept::Best => {
            start(spec, &rules, reduced(&format!("the kernel refused '{step}', errno {errno}")))
        }
        other => other,
    }
}

/// Finds out what isolation this host gives, without an app. For evidence before the first start.
pub fn probe(spec: &Spec) -> Result<Isolation, SandboxError> {
    let order = order(spec, Mode::Probe);
    let mut helper = Helper::start(spec, &order, None)?;
    match helper.expect(&Report::Init) {
        Ok(_) => Ok(Isolation::Full),
        Err(SandboxError::NamespacesRefused { step, errno, .. }) => {
            Ok(reduced(&format!("the kernel refused '{step}', errno {errno}")))
        }
        Err(other) => Err(other),
    }
}

fn reduced(reason: &str) -> Isolation {
    let how_to_allow = how_to_allow(Path::new("/proc/sys"));
    Isolation::Reduced { reason: reason.to_owned(), how_to_allow }
}

fn start(spec: &Spec, rules: &Rules, isolation: Isolation) -> Result<Running, SandboxError> {
    let full = isolation == Isolation::Full;
    let order = order(spec, if full { Mode::Full } else { Mode::Reduced });
    let ports: &[u16] = if full { &spec.tcp_server_ports } else { &[] };
    let (inbound, channel) = Inbound::open(ports)?;
    let mut helper = Helper::start(spec, &order, channel)?;
    let mut init = helper.expect(&Report::Init)?;
    let proxy = init.fds.pop().map(|listener| Proxy::serve(listener.into(), rules.clone()));
    let app = helper.expect(&Report::App)?;
    let parts = helper.hand_over(app.sender)?;
    Ok(Running::new(parts, isolation, proxy, inbound))
}

fn order(spec: &Spec, mode: Mode) -> Order {
    let mut env = spec.env.clone();
    if mode == Mode::Full {
        env.extend(proxy_environment());
    }
    let storage = spec
        .storage
        .as_ref()
        .map(|storage| StorageOrder { file: storage.file.clone(), quota_kib: storage.quota_kib });
    Order {
        mode,
        root: spec.root.clone(),
        entry_point: spec.entry_point.clone(),
        args: spec.args.clone(),
        env,
        tcp_server_ports: spec.tcp_server_ports.clone(),
        storage,
        limits: spec.limits,
        run_as: spec.run_as,
    }
}

/// Everything that can be refused before a process is started.
fn check(spec: &Spec) -> Result<Rules, SandboxError> {
    if !spec.udp_server_ports.is_empty() {
        return Err(SandboxError::UdpServerPorts);
    }
    for log in [&spec.stdout, &spec.stderr].into_iter().flatten() {
        let stat = rustix::fs::fstat(log).map_err(|_| SandboxError::LogIsFile)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(SandboxError::LogIsFile);
        }
    }
    // In both modes alike, although reduced has no tree of its own: a package runs in either.
    let ours = OURS.iter().find(|name| spec.root.join(name).symlink_metadata().is_ok());
    if let Some(name) = ours {
        return Err(SandboxError::PackageUnusable {
            folder: spec.root.display().to_string(),
            why: format!("it has an entry /{name}, which is the sandbox's"),
        });
    }
    let inside = Path::new(&spec.entry_point)
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !inside || spec.entry_point.trim_matches('/').is_empty() {
        return Err(SandboxError::EntryPointNotExecutable {
            entry_point: spec.entry_point.clone(),
            errno: libc::EINVAL,
        });
    }
    Rules::parse(&spec.allowed_connections)
}

/// Makes the file if missing; when we are root it becomes the app's.
fn prepare_storage(file: &Path, run_as: u32) -> io::Result<()> {
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(file)?;
    let meta = opened.metadata()?;
    if !meta.is_file() || meta.nlink() != 1 {
        return Err(io::Error::other("it is not a file of its own"));
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::fchown(&opened, Some(run_as), Some(run_as))?;
    }
    Ok(())
}

/// The started sandbox program, before the app runs. Dropping it ends what it started.
struct Helper {
    /// `None` once handed over to a [`Running`].
    control: Option<OwnedFd>,
    pid: Pid,
    init: Option<Pid>,
    names: Names,
}

impl Helper {
    fn start(spec: &Spec, order: &Order, channel: Option<OwnedFd>) -> Result<Helper, SandboxError> {
        let silent = |why: Errno| SandboxError::InitSilent { during: format!("starting: {why}") };
        let message = encode(order)?;
        let (ours, theirs) = pair().map_err(silent)?;
        let null = std::fs::File::options().write(true).open("/dev/null");
        let null = null.map_err(|why| silent(Errno::from_io_error(&why).unwrap_or(Errno::IO)))?;
        let [stdout, stderr] = [&spec.stdout, &spec.stderr]
            .map(|log| log.as_ref().map_or_else(|| null.as_fd(), AsFd::as_fd));
        // The order is there before its reader, which need not wait for us then.
        send(&ours, &message, channel.as_ref().map(AsFd::as_fd).as_slice()).map_err(silent)?;
        let pid = spec.zygote.fork([theirs.as_fd(), stdout, stderr])?;
        Ok(Helper { control: Some(ours), pid, init: None, names: Names::of(spec) })
    }

    /// The next report, which must be `wanted`.
    fn expect(&mut self, wanted: &Report) -> Result<Received, SandboxError> {
        let silent = |during: String| SandboxError::InitSilent { during };
        let control = self.control.as_ref().ok_or_else(|| silent("handed over".to_owned()))?;
        let received = receive(control).map_err(|errno| silent(errno.to_string()))?;
        let report = received.report();
        if matches!(report, Some(Report::Init | Report::Failed(_))) {
            self.init = received.sender.filter(|sender| *sender != self.pid);
        }
        match report {
            Some(report) if report == *wanted => Ok(received),
            Some(Report::Failed(fault)) => Err(self.names.refusal(fault)),
            _ => Err(silent(format!("waiting for {wanted:?}"))),
        }
    }

    fn hand_over(mut self, app: Option<Pid>) -> Result<Parts, SandboxError> {
        let lost = |during: &str| SandboxError::InitSilent { during: during.to_owned() };
        let app_pid = app.ok_or_else(|| lost("naming the app"))?;
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).map_err(|_| lost("opening pidfds"));
        let (init_pid, helper) = match self.init {
            Some(init) => (init, Some(self.pid)),
            None => (self.pid, None),
        };
        let (init, app) = (open(init_pid)?, open(app_pid)?);
        let control = self.control.take().ok_or_else(|| lost("handing over"))?;
        let names = self.names.clone();
        Ok(Parts { control, helper, init_pid, init, app_pid, app, names })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(control) = self.control.take() else { return };
        // With its line cut the program, its init and a waiting app end by themselves.
        drop(control);
        reap(self.pid);
        if let Some(init) = self.init {
            reap(init);
        }
    }
}

fn encode(order: &Order) -> Result<Vec<u8>, SandboxError> {
    let too_long = |bytes| SandboxError::ArgumentsTooLong { bytes, bytes_max: MESSAGE_BYTES_MAX };
    let message = serde_json::to_vec(order).map_err(|_| too_long(0))?;
    if message.len() > MESSAGE_BYTES_MAX { Err(too_long(message.len())) } else { Ok(message) }
}

/// What a refusal names.
#[derive(Debug, Clone)]
pub struct Names {
    root: PathBuf,
    entry_point: String,
    storage: PathBuf,
}

impl Names {
    fn of(spec: &Spec) -> Names {
        let storage = spec.storage.as_ref().map(|storage| storage.file.clone());
        Names {
            root: spec.root.clone(),
            entry_point: spec.entry_point.clone(),
            storage: storage.unwrap_or_default(),
        }
    }

    /// What a fault inside means outside.
    pub fn refusal(&self, fault: Fault) -> SandboxError {
        let Fault { area, step, errno } = fault;
        let why = format!("{step}: {}", io::Error::from_raw_os_error(errno));
        let how_to_allow = || how_to_allow(Path::new("/proc/sys"));
        match area {
            Area::Namespaces => {
                SandboxError::NamespacesRefused { step, errno, how_to_allow: how_to_allow() }
            }
            Area::Setup => SandboxError::SetupFailed { step, errno, mend: mend(errno) },
            Area::Package => {
                SandboxError::PackageUnusable { folder: self.root.display().to_string(), why }
            }
            Area::Storage => {
                SandboxError::StorageUnusable { file: self.storage.display().to_string(), why }
            }
            Area::EntryPoint => {
                let entry_point = self.entry_point.clone();
                SandboxError::EntryPointNotExecutable { entry_point, errno }
            }
            Area::NothingConfines => SandboxError::NothingConfines { how_to_allow: how_to_allow() },
        }
    }
}

fn mend(errno: i32) -> &'static str {
    match errno {
        libc::ENOMEM | libc::ENOSPC => "Free memory or disk space and try again.",
        libc::EMFILE | libc::ENFILE | libc::EAGAIN => "Raise the host's process or file limits.",
        libc::ENOSYS => "Use a kernel of 5.12 or later.",
        _ => "If it repeats, report it with this line.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Zygote;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn without_landlock_and_namespaces_nothing_confines() {
        let zygote = Arc::new(Zygote::new(vec!["init".into()]));
        let spec = Spec::new(zygote, "/package", "/bin/app");
        let fault = Fault::new(Area::NothingConfines, "Landlock", Errno::NOSYS);
        let refusal = Names::of(&spec).refusal(fault);
        assert!(matches!(refusal, SandboxError::NothingConfines { .. }));
        assert_eq!(refusal.code(), 5112);
    }
}
