//! Wrong clocks: the device's at 1970 and at 2100, and the service's.

use crate::World;
use crate::device::Run;
use crate::service::Service;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// 2100-01-01, Unix seconds.
const IN_2100: i64 = 4_102_444_800;

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The library that shifts a program's wall clock.
fn library() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let folder = crate::passage();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drill_apps/clock.rs");
        let path = folder.path().join("libclock.so");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc.args(["--edition=2024", "--crate-type=cdylib", "-Copt-level=2", "-o"]);
        assert!(rustc.arg(&path).arg(source).status().unwrap().success());
        (folder, path)
    });
    path
}

/// The environment of a program whose clock shows `time_s` now.
fn clock_at(time_s: i64) -> [(&'static str, String); 2] {
    let library = library().display().to_string();
    let shift = (time_s - now_s()).to_string();
    let environment = [("LD_PRELOAD", library), ("DRILL_CLOCK_SHIFT_S", shift)];
    let year = Command::new("date").args(["-u", "+%Y"]).envs(environment.clone()).output();
    let year = String::from_utf8(year.unwrap().stdout).unwrap();
    assert_eq!(year.trim(), if time_s < now_s() { "1970" } else { "2100" });
    environment
}

#[test]
fn a_device_updates_with_its_clock_at_1970_and_at_2100() {
    let mut world = World::begin();
    let mut before = world.device.rest();
    for (time_s, sample) in [(0, 2), (IN_2100 + 60, 1)] {
        let set = world.maker.ship(sample, Some(3 - sample));
        let environment = clock_at(time_s);
        let run = Run { environment: &environment, ..Run::quick(world.service.devices) };
        let began_s = now_s() as u64;
        let running = world.device.run(&run);
        world.device.until_confirmed(&running, set);
        assert!(running.stop().success());
        let rest = world.device.rest();
        assert!(rest.is_not_below(&before));
        // The service's time, whatever the device's own clock says.
        assert!((began_s..=now_s() as u64 + 1).contains(&rest.rot.time_floor), "{time_s}");
        before = rest;
    }
}

#[test]
fn a_service_whose_clock_is_at_2100_or_1970_raises_the_floor_and_never_lowers_it() {
    let World { mut maker, service, device, folder, .. } = World::begin();
    let at = service.addresses();
    let run = Run::quick(service.devices);
    let data = folder.path().join("service");
    service.kill();
    let mut before = device.rest();
    for (time_s, sample) in [(Some(IN_2100 + 60), 2), (None, 1), (Some(0), 2), (None, 1)] {
        let environment: Vec<_> = time_s.map(clock_at).into_iter().flatten().collect();
        let service = Service::start_in(&data, Some(at), &environment);
        let set = maker.ship(sample, Some(3 - sample));
        let running = device.run(&run);
        device.until_confirmed(&running, set);
        assert!(running.stop().success());
        let rest = device.rest();
        assert!(rest.is_not_below(&before), "{time_s:?}: {before:?} {rest:?}");
        assert!(rest.rot.time_floor >= IN_2100 as u64);
        before = rest;
        service.kill();
    }
}
