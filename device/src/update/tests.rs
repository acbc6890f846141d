//! Sets that are not what they should be, from a real service on loopback: nothing is staged, and
//! the set that was there is still whole.

use super::*;
use crate::installed::{InstalledError, component_folder};
use crate::link::LinkError;
use crate::tests::{
    APP, Recipe, Release, Server, answer, believed, blob, fetched, files, install, opened,
};
use craton_image::delta;
use craton_image::package::{Package, compress, sha256};
use craton_trust::{ClassId, Digest, Error};
use std::os::unix::fs::symlink;

fn new_package() -> Package {
    Recipe { version: 2, ..Recipe::GOOD }.package()
}

/// A device with an old set, and where it has that set's payload.
struct Bench {
    device: tempfile::TempDir,
    old: Release,
}

impl Bench {
    fn new() -> Self {
        let device = tempfile::tempdir().unwrap();
        let old = install(device.path());
        Self { device, old }
    }

    fn bases(&self) -> Vec<Base> {
        bases(self.device.path(), self.old.set)
    }

    fn old_payload(&self) -> Vec<u8> {
        let folder = component_folder(&set_folder(self.device.path(), self.old.set), APP);
        std::fs::read(folder.join("payload")).unwrap()
    }

    /// Fetches `set` in vain: nothing is staged, and the old set is whole.
    fn refused(&self, server: &Server, set: SetId) -> UpdateError {
        let refused = fetched(server, self.device.path(), set, &self.bases()).unwrap_err();
        let staged = set_folder(self.device.path(), set).join("set.cbor");
        assert!(!staged.exists(), "nothing that looks complete is left");
        opened(self.device.path(), &self.old);
        refused
    }

    /// Fetches `release` and opens it.
    fn taken(&self, server: &Server, release: &Release) {
        fetched(server, self.device.path(), release.set, &self.bases()).unwrap();
        opened(self.device.path(), release);
        let left = self.device.path().join("downloads");
        assert_eq!(std::fs::read_dir(left).map_or(0, Iterator::count), 0, "no download is left");
    }
}

/// How often `path` was asked for.
fn times(server: &Server, path: &str) -> usize {
    server.asked().iter().filter(|asked| asked.path == path).count()
}

#[test]
fn a_whole_payload_is_fetched_verified_and_staged() {
    let bench = Bench::new();
    let release = Release::of(&new_package());
    bench.taken(&release.served(), &release);
    opened(bench.device.path(), &bench.old);
}

#[test]
fn set_other_is_another_good_set_than_the_assigned_and_no_envelope_is_fetched() {
    let bench = Bench::new();
    let mut release = Release::of(&new_package());
    let other = Release::of(&Recipe { version: 3, ..Recipe::GOOD }.package());
    let path = format!("{SETS}{}", release.set);
    release.objects.insert(path, other.signed);
    let server = release.served();
    let refused = bench.refused(&server, release.set);
    let installed = UpdateError::Installed(InstalledError::SetOther);
    assert_eq!(refused.code(), installed.code(), "{refused}");
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
}

const SETS: &str = craton_api::device::SETS_PATH;

#[test]
fn flipped_bits_of_a_set_or_an_envelope_are_refused_before_the_payload() {
    let bench = Bench::new();
    let package = new_package();
    let release = Release::of(&package);
    let envelope = blob(&sha256(package.envelope()));
    for path in [format!("{SETS}{}", release.set), envelope] {
        let length = release.objects[&path].len();
        for at in (0..length).step_by(89) {
            let mut bad = Release::of(&package);
            bad.objects.get_mut(&path).unwrap()[at] ^= 1 << (at % 8);
            let server = bad.served();
            bench.refused(&server, release.set);
            let transport = blob(&sha256(&compress(package.payload()).unwrap()));
            assert_eq!(times(&server, &transport), 0, "{path}: byte {at}");
        }
    }
}

#[test]
fn download_other_is_a_payload_that_is_not_the_sets_and_it_is_thrown_away() {
    let bench = Bench::new();
    let package = new_package();
    let object = compress(package.payload()).unwrap();
    let mut release = Release::of(&package);
    *release.transport(&object) = vec![7; object.len()];
    let refused = bench.refused(&release.served(), release.set);
    assert!(matches!(refused, UpdateError::DownloadOther), "{refused}");
    let good = Release::of(&package);
    bench.taken(&good.served(), &good);
}

#[test]
fn download_other_is_a_publishers_bomb_and_nothing_of_it_reaches_the_disk() {
    let bench = Bench::new();
    let bomb = compress(&vec![0; 64 << 20]).unwrap();
    let release = Release::by(&new_package(), &[(None, bomb)]);
    let refused = bench.refused(&release.served(), release.set);
    assert!(matches!(refused, UpdateError::DownloadOther), "{refused}");
    let largest = files(bench.device.path()).values().map(Vec::len).max().unwrap();
    assert!(largest < 1 << 20, "{largest} bytes");
}

#[test]
fn a_delta_is_a_hint_and_a_wrong_one_costs_only_the_whole_payload() {
    let bench = Bench::new();
    let package = new_package();
    let (old, whole) = (bench.old_payload(), compress(package.payload()).unwrap());
    let good = delta::make(&old, package.payload()).unwrap();
    let strangers = delta::make(&[1; 50_000], package.payload()).unwrap();
    let other_result = delta::make(&old, &old).unwrap();
    for wrong in [strangers, other_result, good[..good.len() / 2].to_vec()] {
        let base = Some(sha256(&old));
        let release = Release::by(&package, &[(base, wrong.clone()), (None, whole.clone())]);
        let server = release.served();
        bench.taken(&server, &release);
        assert_eq!(times(&server, &blob(&sha256(&whole))), 1);
        std::fs::remove_dir_all(set_folder(bench.device.path(), release.set)).unwrap();
    }
    let release = Release::by(&package, &[(Some(sha256(&old)), good), (None, whole.clone())]);
    let server = release.served();
    bench.taken(&server, &release);
    assert_eq!(times(&server, &blob(&sha256(&whole))), 0, "a good delta spares the payload");
}

#[test]
fn transport_missing_is_a_set_of_deltas_from_what_this_device_never_had() {
    let bench = Bench::new();
    let package = new_package();
    let delta = delta::make(&[1; 50_000], package.payload()).unwrap();
    let release = Release::by(&package, &[(Some(Digest([1; 32])), delta.clone())]);
    let server = release.served();
    let refused = bench.refused(&server, release.set);
    assert!(matches!(refused, UpdateError::TransportMissing), "{refused}");
    assert_eq!(times(&server, &blob(&sha256(&delta))), 0);
}

#[test]
fn answer_too_large_is_a_download_longer_than_the_set_says_and_not_a_byte_more_is_kept() {
    let bench = Bench::new();
    let package = new_package();
    let object = compress(package.payload()).unwrap();
    let mut release = Release::of(&package);
    release.transport(&object).extend_from_slice(&[0; 1 << 16]);
    let refused = bench.refused(&release.served(), release.set);
    let UpdateError::Link(LinkError::AnswerTooLarge(most)) = refused else { panic!("{refused}") };
    assert_eq!(most, object.len());
    let part = format!("downloads/{}.part", sha256(&object));
    let kept = files(bench.device.path()).get(&part).map_or(0, Vec::len);
    assert!(kept <= object.len(), "{kept} bytes");
}

#[test]
fn download_stopped_is_a_full_disk_and_the_next_try_succeeds() {
    let bench = Bench::new();
    let package = new_package();
    let object = compress(package.payload()).unwrap();
    let release = Release::of(&package);
    let downloads = bench.device.path().join("downloads");
    std::fs::create_dir_all(&downloads).unwrap();
    let part = downloads.join(format!("{}.part", sha256(&object)));
    symlink("/dev/full", &part).unwrap();
    let refused = bench.refused(&release.served(), release.set);
    let UpdateError::Link(LinkError::DownloadStopped(why)) = &refused else { panic!("{refused}") };
    assert!(why.contains("space"), "{why}");
    std::fs::remove_file(part).unwrap();
    bench.taken(&release.served(), &release);
}

#[test]
fn a_download_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let package = new_package();
    let object = compress(package.payload()).unwrap();
    let release = Release::of(&package);
    let downloads = bench.device.path().join("downloads");
    std::fs::create_dir_all(&downloads).unwrap();
    std::fs::write(downloads.join(format!("{}.part", sha256(&object))), &object[..100]).unwrap();
    let objects = release.objects.clone();
    let server = Server::start(move |asked| match asked.head.contains("range: bytes=100-") {
        true => answer(206, &objects[&asked.path][100..]),
        false => answer(200, &objects[&asked.path]),
    });
    bench.taken(&server, &release);
    let ranged = |asked: &&crate::tests::Asked| asked.head.contains("range: bytes=100-");
    assert_eq!(server.asked().iter().filter(ranged).count(), 1);
}

#[test]
fn device_io_is_a_disk_that_takes_no_set() {
    let bench = Bench::new();
    let release = Release::of(&new_package());
    let downloads = bench.device.path().join("downloads");
    let _ = std::fs::remove_dir_all(&downloads);
    std::fs::write(&downloads, "a file where a folder must be").unwrap();
    let refused = bench.refused(&release.served(), release.set);
    let io = matches!(refused, UpdateError::Installed(InstalledError::DeviceIo(..)));
    assert!(io, "{refused}");
}

#[test]
fn sets_of_strangers_other_classes_and_older_versions_are_refused_before_the_payload() {
    let bench = Bench::new();
    let refusal = |recipe: Recipe, floor: u64| {
        let release = Release::of(&recipe.package());
        let server = release.served();
        let mut believed = believed();
        believed.floors.raise(APP, floor).unwrap();
        let outcome = crate::tests::block_on(async {
            let mut link = Link::connect(&server.peer(), None).await.unwrap();
            fetch(&mut link, bench.device.path(), release.set, &believed, &bench.bases()).await
        });
        assert_eq!(server.asked().len(), 2, "the set and the envelope: {:?}", server.asked());
        assert!(!set_folder(bench.device.path(), release.set).exists());
        outcome.unwrap_err().code()
    };
    let good = Recipe { version: 2, ..Recipe::GOOD };
    assert_eq!(refusal(good, 3), Error::RolledBack.code());
    assert_eq!(refusal(Recipe { version: 1001, ..good }, 0), Error::AboveCeiling.code());
    let other = ClassId([8; 16]);
    assert_eq!(refusal(Recipe { class: other, ..good }, 0), Error::ClassMismatch.code());
    assert_eq!(refusal(Recipe { signer: 9, ..good }, 0), Error::SignerUnknown.code());
    opened(bench.device.path(), &bench.old);
}
