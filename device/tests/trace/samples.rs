//! The sample apps: built as their README says, the same bytes from any folder, and ending as
//! they should.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use craton_device::trace::{Ending, TraceRecord, Watch};
use object::{Object, ObjectSymbol};

use crate::apps::{about, in_order};

const STRIPPED_LEN_MAX: usize = 2 << 20;

/// Copies a sample's source to `folder` and builds it there; returns the program as linked.
fn build(sample: &str, folder: &Path) -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let name = sample.split('/').next().unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::copy(samples.join(sample).join("src/main.rs"), folder.join("src/main.rs")).unwrap();
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .arg(format!("@{}", samples.join("rustc.args").display()))
        .args(["--crate-name", name, "-o", name])
        .arg(format!("--remap-path-prefix={}=.", folder.display()))
        .arg("src/main.rs")
        .current_dir(folder)
        .status()
        .expect("rustc starts");
    assert!(built.success());
    folder.join(name)
}

/// Strips a program as for its package.
fn strip(program: &Path) -> PathBuf {
    let app = program.with_file_name("app");
    assert!(Command::new("strip").arg("-o").args([&app, program]).status().unwrap().success());
    app
}

/// Where a compiler is missing there may be samples from an earlier run.
fn compiler() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let there = Command::new(rustc).arg("-V").stdout(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("not run: this account has no rustc");
    }
    there
}

#[test]
fn samples_are_the_same_bytes_from_any_folder() {
    if !compiler() {
        return;
    }
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for sample in ["blink/v1", "blink/v2", "blink/v3", "sensor"] {
        let name = sample.replace('/', "-");
        let [first, second] = [0, 1].map(|at| {
            let longer = "deeper/".repeat(at);
            let linked = build(sample, &folders[at].path().join(longer).join(&name));
            (std::fs::read(&linked).unwrap(), std::fs::read(strip(&linked)).unwrap())
        });
        assert!(first == second, "{sample} depends on its folder");
        let folder = folders[0].path().to_str().unwrap().as_bytes();
        assert!(!first.0.windows(folder.len()).any(|window| window == folder));
        println!("{sample}: {} bytes linked, {} stripped", first.0.len(), first.1.len());
        assert!(first.1.len() < STRIPPED_LEN_MAX);
    }
}

fn watched(app: &Path) -> (std::process::Child, Watch) {
    let child = Command::new(app).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let watch = Watch::seize(child.id() as i32, about()).unwrap();
    (child, watch)
}

#[test]
fn blink_1_blinks_until_it_is_terminated() {
    if !compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut child, watch) = watched(&strip(&build("blink/v1", folder.path())));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "lamp on");
    assert_eq!(lines.next().unwrap().unwrap(), "lamp off");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(watch.ending().unwrap().ending, Ending::Killed { signal: libc::SIGTERM });
}

#[test]
fn blink_3_crashes_after_a_second_in_brightness() {
    if !compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let linked = build("blink/v3", folder.path());
    let (_child, watch) = watched(&strip(&linked));
    let ended = watch.ending().unwrap();
    assert!((900..5000).contains(&ended.ran.as_millis()), "{:?}", ended.ran);
    let Ending::Crashed(record) = ended.ending else { panic!("{:?}", ended.ending) };
    let names = functions(&linked, &record);
    assert!(in_order(&names, &["brightness", "tick", "main"]), "{names:#?}");
    assert!(record.complete);
}

/// The functions of a trace, from the unstripped twin of the program that crashed.
fn functions(linked: &Path, record: &TraceRecord) -> Vec<String> {
    let bytes = std::fs::read(linked).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let id = file.build_id().unwrap().unwrap();
    assert!(record.frames.iter().all(|frame| frame.build_id.as_bytes() == id));
    let name = |pc: u64| {
        let mut symbols = file.symbols();
        let symbol = symbols.find(|s| (s.address()..s.address() + s.size()).contains(&pc))?;
        symbol.name().ok().map(str::to_owned)
    };
    record.frames.iter().filter_map(|frame| name(frame.pc)).collect()
}
