//! Building, starting and symbolising the crasher for the trace tests.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use craton_device::trace::{About, Ended, Ending, Frame, TraceRecord, Watch};
use craton_trust::{ComponentId, Digest, ImageId};
use object::{Object, ObjectSymbol};

pub const SECRET: &str = "correct-horse-battery-staple";

/// How a program ends a panic.
#[derive(Debug, Clone, Copy)]
pub enum Panic {
    Abort,
    Unwind,
}

/// The crasher, built as apps are built; kept between runs, so that an account without a
/// compiler can run these tests after one that has it.
pub fn crasher(panic: Panic) -> PathBuf {
    let word = match panic {
        Panic::Abort => "abort",
        Panic::Unwind => "unwind",
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace_apps/crasher.rs");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crasher-{word}"));
    let program = folder.join("crasher");
    static BUILD: Mutex<()> = Mutex::new(());
    let _one_build = BUILD.lock();
    if newer(&program, &source) {
        return program;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join("fresh");
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition", "2024", "-O", "-C", "debuginfo=1", "--crate-name", "crasher"])
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=pie"])
        .args(["-C", "force-unwind-tables=yes", "-C", "link-arg=-Wl,--build-id=sha1"])
        .args(["-C", &format!("panic={word}")])
        .arg("-o")
        .args([&fresh, &source])
        .status()
        .expect("rustc starts");
    assert!(built.success());
    std::fs::rename(&fresh, &program).unwrap();
    program
}

fn newer(program: &Path, source: &Path) -> bool {
    let age = |path: &Path| path.metadata().and_then(|data| data.modified());
    matches!((age(program), age(source)), (Ok(program), Ok(source)) if program > source)
}

pub fn about() -> About {
    About {
        component: ComponentId([0xc0; 16]),
        image: ImageId([1; 32]),
        set: Digest([2; 32]),
        boot: 7,
    }
}

/// A process that waits to become the crasher.
pub struct Waiting {
    pub child: Child,
}

pub fn waiting(panic: Panic, arguments: &[&str]) -> Waiting {
    let child = Command::new("sh")
        .args(["-c", "echo; read go; exec \"$0\" \"$@\""])
        .arg(crasher(panic))
        .args(arguments)
        .env("CRASHER_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut waiting = Waiting { child };
    // A spawn returns while the shell's own `exec` still runs; a watch that began now would take
    // that one for the program's.
    waiting.hear();
    waiting
}

impl Waiting {
    /// Watches it, lets it go, and returns how it ended.
    pub fn run(mut self) -> Ended {
        let watch = Watch::seize(self.child.id() as i32, about()).unwrap();
        self.go();
        let ended = watch.ending().unwrap();
        self.child.wait().unwrap();
        ended
    }

    pub fn go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits until it has said something.
    pub fn hear(&mut self) {
        self.child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
}

/// Runs the crasher under watch.
pub fn run(panic: Panic, kind: &str) -> Ended {
    waiting(panic, &[kind]).run()
}

pub fn crash(panic: Panic, kind: &str) -> TraceRecord {
    let ended = run(panic, kind);
    assert!(ended.began);
    match ended.ending {
        Ending::Crashed(record) => *record,
        other => panic!("{kind}: no crash, but {other:?}"),
    }
}

/// The functions of a trace as the linker named them, innermost first.
pub fn functions(panic: Panic, frames: &[Frame]) -> Vec<String> {
    let bytes = std::fs::read(crasher(panic)).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let id = file.build_id().unwrap().unwrap();
    let name = |frame: &Frame| {
        if frame.build_id.as_bytes() != id {
            return "elsewhere".to_owned();
        }
        file.symbols()
            .find(|symbol| {
                let start = symbol.address();
                (start..start + symbol.size()).contains(&frame.pc)
            })
            .map_or("unnamed".to_owned(), |symbol| symbol.name().unwrap().to_owned())
    };
    frames.iter().map(name).collect()
}

/// Whether `parts` occur in this order among `names`, each within one of them.
pub fn in_order(names: &[String], parts: &[&str]) -> bool {
    let mut names = names.iter();
    parts.iter().all(|part| names.any(|name| name.contains(part)))
}
