//! A power switch: runs a program with every write of its folder counted, over all its processes in
//! one order, and interrupts at the n-th.
//!
//! What counts as a write: making, opening for writing afresh, writing, syncing, renaming, linking,
//! removing and changing modes, below one folder. The call is held *before* it happens, so a cut is
//! exact: the processes are killed while it waits.

use crate::notify::{Held, Listener, Verdict, listen};
use crate::processes;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// What is done at the n-th write, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Nothing: the writes are only counted.
    Never,
    /// The power goes before it happens: every process is killed.
    Cut(usize),
    /// The power goes when half of its bytes are written; a call without bytes is cut before.
    Torn(usize),
    /// The one process that makes it is killed.
    Kill(usize),
    /// The disk is full from it on, until [`Power::free`].
    Full(usize),
}

/// One counted write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// `monitor`, or the role.
    pub process: String,
    /// The call's name.
    pub call: &'static str,
    /// Where, below the folder; ids are left out.
    pub path: String,
}

impl std::fmt::Display for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.process, self.call, self.path)
    }
}

#[derive(Default)]
struct Seen {
    writes: Vec<Write>,
    /// At which write the interrupt came.
    interrupted: Option<Write>,
    freed: bool,
    killed: Vec<u32>,
}

/// A running program on the switch.
pub struct Power {
    /// The program.
    pub child: Child,
    seen: Arc<Mutex<Seen>>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl Power {
    /// Starts `command`, whose writes below `folder` count, but for names in `ignored`.
    pub fn start(
        mut command: Command,
        folder: &Path,
        ignored: &'static [&'static str],
        interrupt: Interrupt,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (to_server, from_starter) = mpsc::channel::<Listener>();
        let root = Arc::new(AtomicU32::new(0));
        let mut switch = Switch {
            folder: fs::canonicalize(folder).unwrap(),
            ignored,
            interrupt,
            seen: seen.clone(),
            root: root.clone(),
            disk_full: false,
        };
        let server = std::thread::spawn(move || {
            let Ok(listener) = from_starter.recv() else { return };
            switch.serve(&listener);
        });
        // The filter is of the thread that asked for it, and of what that thread starts.
        let starter = std::thread::spawn(move || {
            let calls: Vec<_> = CALLS.iter().map(|(number, ..)| *number).collect();
            let listener = listen(&calls).expect("this kernel has seccomp's user notification");
            to_server.send(listener).unwrap();
            let child = command.spawn().unwrap();
            root.store(child.id(), Ordering::SeqCst);
            child
        });
        let child = starter.join().unwrap();
        Self { child, seen, server: Some(server) }
    }

    /// Whether the interrupt has come.
    pub fn interrupted(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).interrupted.is_some()
    }

    /// The write that was interrupted.
    pub fn at(&self) -> Option<Write> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).interrupted.clone()
    }

    /// The disk has room again.
    pub fn free(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).freed = true;
    }

    /// Ends whatever still runs, and returns the writes that were counted.
    pub fn end(mut self) -> Vec<Write> {
        self.shut();
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).writes)
    }

    fn shut(&mut self) {
        processes::cut(&mut self.child);
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
        let killed = std::mem::take(&mut self.seen.lock().unwrap().killed);
        processes::wait_for(&killed);
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        self.shut();
    }
}

/// A held call: its number, its name, where its path stands, and whether it needs room.
type Known = (libc::c_long, &'static str, Place, bool);

/// Where a call's arguments say what it writes to.
#[derive(Clone, Copy)]
enum Place {
    /// An open file.
    Open,
    /// An open file, with a buffer and its length.
    Bytes,
    /// A path.
    Path(usize),
    /// A folder and a path below it.
    At(usize, usize),
    /// The same, if the flags make or empty a file.
    Creating,
}

const CALLS: &[Known] = &[
    (libc::SYS_write, "write", Place::Bytes, true),
    (libc::SYS_pwrite64, "pwrite", Place::Bytes, true),
    (libc::SYS_writev, "writev", Place::Open, true),
    (libc::SYS_fsync, "fsync", Place::Open, true),
    (libc::SYS_fdatasync, "fdatasync", Place::Open, true),
    (libc::SYS_ftruncate, "ftruncate", Place::Open, true),
    (libc::SYS_fchmod, "fchmod", Place::Open, false),
    (libc::SYS_openat, "create", Place::Creating, true),
    (libc::SYS_mkdirat, "mkdir", Place::At(0, 1), true),
    (libc::SYS_unlinkat, "unlink", Place::At(0, 1), false),
    (libc::SYS_renameat2, "rename", Place::At(2, 3), true),
    (libc::SYS_renameat, "rename", Place::At(2, 3), true),
    (libc::SYS_linkat, "link", Place::At(2, 3), true),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir", Place::Path(0), true),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink", Place::Path(0), false),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, "rmdir", Place::Path(0), false),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename", Place::Path(1), true),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod", Place::Path(0), false),
];

struct Switch {
    folder: PathBuf,
    ignored: &'static [&'static str],
    interrupt: Interrupt,
    seen: Arc<Mutex<Seen>>,
    root: Arc<AtomicU32>,
    disk_full: bool,
}

impl Switch {
    fn serve(&mut self, listener: &Listener) {
        while let Some(held) = listener.next().unwrap() {
            match self.decide(&held) {
                Some(verdict) => listener.answer(&held, verdict),
                // The power is gone.
                None => return,
            }
        }
    }

    fn decide(&mut self, held: &Held) -> Option<Verdict> {
        let through = Some(Verdict::Through);
        let known = CALLS.iter().find(|(number, ..)| *number == held.number);
        let Some((_, call, place, needs_room)) = known else { return through };
        let Some(path) = self.below(held, *place) else { return through };
        let full = Some(Verdict::Fails(libc::ENOSPC));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.disk_full &= !seen.freed;
        if self.ignored.iter().any(|ignored| path.starts_with(ignored)) {
            return if self.disk_full && *needs_room { full } else { through };
        }
        let number = seen.writes.len();
        let process = processes::role(held.thread);
        let write = Write { process, call, path: plain(&path) };
        seen.writes.push(write.clone());
        match self.interrupt {
            Interrupt::Kill(at) if at == number => {
                seen.interrupted = Some(write);
                processes::kill(held.thread);
                return through;
            }
            Interrupt::Full(at) if at <= number && !seen.freed => {
                self.disk_full = true;
                seen.interrupted.get_or_insert(write.clone());
            }
            Interrupt::Torn(at) if at == number => tear(held, *place),
            _ => {}
        }
        if matches!(self.interrupt, Interrupt::Cut(at) | Interrupt::Torn(at) if at == number) {
            seen.interrupted = Some(write);
            // The starter says it as soon as the program has begun.
            let root = processes::until("the program's process", || {
                Some(self.root.load(Ordering::SeqCst)).filter(|root| *root > 0)
            });
            seen.killed = processes::kill_tree(root);
            return None;
        }
        if self.disk_full && *needs_room { full } else { through }
    }

    /// What the call writes to, below the folder.
    fn below(&self, held: &Held, place: Place) -> Option<PathBuf> {
        let arguments = held.arguments;
        let open = |fd: u64| fs::read_link(proc(held).join(format!("fd/{}", fd as i32))).ok();
        let path = match place {
            Place::Open | Place::Bytes => open(arguments[0])?,
            Place::Path(at) => in_folder(held, None, arguments[at])?,
            Place::At(folder, at) => in_folder(held, Some(arguments[folder]), arguments[at])?,
            Place::Creating => {
                let making = (libc::O_CREAT | libc::O_TRUNC) as u64;
                if arguments[2] & making == 0 {
                    return None;
                }
                in_folder(held, Some(arguments[0]), arguments[1])?
            }
        };
        Some(path.strip_prefix(&self.folder).ok()?.to_owned())
    }
}

fn proc(held: &Held) -> PathBuf {
    Path::new("/proc").join(held.thread.to_string())
}

fn in_folder(held: &Held, folder: Option<u64>, pointer: u64) -> Option<PathBuf> {
    let path = string(held, pointer)?;
    if path.is_absolute() {
        return Some(path);
    }
    let base = match folder.map(|fd| fd as i32) {
        None | Some(libc::AT_FDCWD) => fs::read_link(proc(held).join("cwd")).ok()?,
        Some(fd) => fs::read_link(proc(held).join(format!("fd/{fd}"))).ok()?,
    };
    Some(base.join(path))
}

fn string(held: &Held, pointer: u64) -> Option<PathBuf> {
    let memory = fs::File::open(proc(held).join("mem")).ok()?;
    let mut bytes = vec![0u8; 4096];
    // The string may end just before a page that is not there.
    let to_page_end = 4096 - (pointer % 4096) as usize;
    let first = memory.read_at(&mut bytes[..to_page_end], pointer).ok()?;
    let second = memory.read_at(&mut bytes[first..], pointer + first as u64).unwrap_or(0);
    let end = bytes[..first + second].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(std::str::from_utf8(&bytes[..end]).ok()?))
}

/// Writes the first half of a held write's bytes in its place.
fn tear(held: &Held, place: Place) {
    if !matches!(place, Place::Bytes) {
        return;
    }
    let [fd, pointer, length, offset, ..] = held.arguments;
    let half = (length / 2) as usize;
    let mut bytes = vec![0u8; half];
    let memory = fs::File::open(proc(held).join("mem")).unwrap();
    memory.read_exact_at(&mut bytes, pointer).unwrap();
    let path = proc(held).join(format!("fd/{}", fd as i32));
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let offset = match held.number {
        libc::SYS_pwrite64 => offset,
        _ => place_of(held, fd, &file),
    };
    file.write_all_at(&bytes, offset).unwrap();
}

/// Where the next `write` of a descriptor lands.
fn place_of(held: &Held, fd: u64, mut file: &fs::File) -> u64 {
    let mut about = String::new();
    let path = proc(held).join(format!("fdinfo/{}", fd as i32));
    fs::File::open(path).unwrap().read_to_string(&mut about).unwrap();
    let value = |name: &str| {
        let line = about.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let flags = i32::from_str_radix(&value("flags:"), 8).unwrap();
    if flags & libc::O_APPEND != 0 {
        return file.seek(SeekFrom::End(0)).unwrap();
    }
    value("pos:").parse().unwrap()
}

/// A path without the ids in it, so that two runs can be compared.
fn plain(path: &Path) -> String {
    let part = |part: Component<'_>| {
        let text = part.as_os_str().to_string_lossy().into_owned();
        let (stem, rest) = text.split_once('.').unwrap_or((&text, ""));
        let is_id = stem.len() >= 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (is_id, rest) {
            (false, _) => text,
            (true, "") => "ID".to_owned(),
            (true, rest) => format!("ID.{rest}"),
        }
    };
    path.components().map(part).collect::<Vec<_>>().join("/")
}
