//! Alone in its program, because the umask is the whole process's.

use craton_device::folder::make_passage;
use craton_device::installed::unpack;
use craton_image::erofs::Tree;
use rustix::fs::Mode;
use rustix::process::umask;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_strict_umask_takes_no_bit_from_an_apps_files_and_folders() {
    umask(Mode::from_raw_mode(0o077));
    let mut tree = Tree::new();
    tree.insert_directory("bin").unwrap();
    tree.insert_file("bin/app", b"program".as_slice(), true).unwrap();
    tree.insert_file("app_manifest.json", b"{}".as_slice(), false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    unpack(&tree, &root).unwrap();
    let mode = |path: &str| root.join(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/app"), mode("app_manifest.json")), (0o555, 0o444));
    // Root's apps run as somebody else, who must get there.
    assert_eq!((mode(""), mode("bin")), (0o755, 0o755));
    make_passage(&folder.path().join("sets/one")).unwrap();
    let passage = folder.path().join("sets").metadata().unwrap().permissions().mode();
    assert_eq!(passage & 0o7777, 0o711);
}
