//! A labelled corpus: every mistake of `mistakes.rs`, crashed in four builds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use craton_cloud::failures::{Symbols, TracedFrame, symbolise};
use craton_trust::failure::{Failure, FailureKind, FaultClass, Frame};
use craton_trust::{ComponentId, Digest, ImageId};

pub const MISTAKES: [&str; 12] = [
    "divide-by-zero",
    "index",
    "none",
    "parse",
    "assert-lamp",
    "assert-fan",
    "null-modem",
    "null-meter",
    "overflow",
    "abort",
    "borrow",
    "slice",
];

const OVERFLOW: &str = "overflow";

/// One crash: of which mistake in which build, and what its trace says.
pub struct Crash {
    pub mistake: &'static str,
    pub build: usize,
    pub signal: u8,
    pub pcs: Vec<u64>,
}

pub struct Corpus {
    /// The programs as linked.
    pub builds: Vec<Vec<u8>>,
    pub crashes: Vec<Crash>,
}

pub fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let programs: Vec<PathBuf> = [("1", false), ("3", false), ("1", true), ("3", true)]
            .into_iter()
            .map(|(level, moved)| build(level, moved))
            .collect();
        let crashes = programs.iter().enumerate().flat_map(|(build, program)| {
            MISTAKES.into_iter().map(move |mistake| crash(program, build, mistake))
        });
        Corpus {
            crashes: crashes.collect(),
            builds: programs.iter().map(|path| std::fs::read(path).unwrap()).collect(),
        }
    })
}

impl Corpus {
    pub fn symbols(&self, build: usize) -> Symbols<'_> {
        Symbols::read(&self.builds[build]).unwrap()
    }

    /// A crash as the service sees it.
    pub fn with_failure<T>(
        &self,
        crash: &Crash,
        see: impl FnOnce(&Failure<'_>, &[TracedFrame]) -> T,
    ) -> T {
        let symbols = [self.symbols(crash.build)];
        let failure = failure(crash, symbols[0].build_id());
        let frames = symbolise(&failure, &symbols);
        see(&failure, &frames)
    }

    pub fn crash(&self, mistake: &str, build: usize) -> &Crash {
        let found = self.crashes.iter().find(|c| c.mistake == mistake && c.build == build);
        found.unwrap()
    }
}

pub fn failure<'b>(crash: &Crash, build_id: &'b [u8]) -> Failure<'b> {
    let mut failure = empty_failure(FailureKind::Crash);
    failure.signal = crash.signal;
    if crash.mistake == OVERFLOW {
        failure.fault = FaultClass::StackGuard;
    }
    for pc in crash.pcs.iter().take(64) {
        failure.push(Frame { build_id, pc: *pc }).unwrap();
    }
    failure
}

pub fn empty_failure<'b>(kind: FailureKind) -> Failure<'b> {
    Failure::new(kind, ComponentId([3; 16]), ImageId([4; 32]), Digest([5; 32]))
}

pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failures_apps/mistakes.rs")
}

fn build(level: &str, moved: bool) -> PathBuf {
    let name = format!("mistakes-{level}{}", if moved { "-moved" } else { "" });
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("mistakes");
    let age = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if age(&program) > age(&source()) {
        return program;
    }
    let fresh = folder.join("fresh");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc
        .args(["--edition", "2024", "--crate-name", "mistakes", "-C", "debuginfo=1"])
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=pie"])
        .args(["-C", "force-unwind-tables=yes", "-C", "link-arg=-Wl,--build-id=sha1"])
        .args(["-C", "panic=abort", "-C", &format!("opt-level={level}")])
        .args(["--check-cfg", "cfg(moved)"]);
    if moved {
        rustc.args(["--cfg", "moved"]);
    }
    let built = rustc.arg("-o").args([&fresh, &source()]).status().expect("rustc starts");
    assert!(built.success());
    std::fs::rename(&fresh, &program).unwrap();
    program
}

fn crash(program: &Path, build: usize, mistake: &'static str) -> Crash {
    let output = Command::new(program).arg(mistake).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = |word: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix(word)?.trim().parse::<u64>().ok())
    };
    let signal = numbers("signal").next().unwrap_or_else(|| panic!("{mistake}: {text}"));
    Crash { mistake, build, signal: signal as u8, pcs: numbers("frame").collect() }
}
