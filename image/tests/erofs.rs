//! The canonical EROFS writer, judged by our own reader, by fsck.erofs and by the kernel's mount.

use craton_image::erofs::{
    BLOCK_BYTES, DEPTH_MAX, ENTRIES_MAX, ErofsError, FILE_BYTES_MAX, Node, Tree, read, write,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every shape that the layout distinguishes: empty, one block, block edges, deep, wide.
fn varied() -> Tree<'static> {
    let mut tree = Tree::new();
    for size in [0, 1, 4095, 4096, 4097, 100_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        tree.insert_file(&format!("sizes/{size}"), bytes, size == 4096).unwrap();
    }
    tree.insert_directory("empty").unwrap();
    for name in ["!before-dots", "-dash", "zwölf", "with space", &"n".repeat(255)] {
        tree.insert_file(&format!("names/{name}"), name.as_bytes().to_vec(), false).unwrap();
    }
    for index in 0..1500 {
        let path = format!("wide/{index:04}-{}", "x".repeat(index % 60));
        tree.insert_file(&path, index.to_string().into_bytes(), false).unwrap();
    }
    tree.insert_file(&vec!["d"; DEPTH_MAX].join("/"), &b"deep"[..], true).unwrap();
    tree.insert_file("a/b", &b"sorts after a-b as a path"[..], false).unwrap();
    tree.insert_file("a-b", &b"sorts before a/b"[..], false).unwrap();
    tree
}

#[test]
fn reading_what_was_written_gives_the_same_tree() {
    for tree in [Tree::new(), varied()] {
        let image = write(&tree);
        assert_eq!(image.len() % BLOCK_BYTES, 0);
        assert_eq!(read(&image), Ok(tree));
    }
}

#[test]
fn the_image_is_a_function_of_the_tree_alone() {
    let (mut forward, mut backward) = (Tree::new(), Tree::new());
    let paths = ["b/x", "a", "b/w", "c/d/e"];
    paths.iter().for_each(|path| forward.insert_file(path, path.as_bytes(), false).unwrap());
    paths.iter().rev().for_each(|path| backward.insert_file(path, path.as_bytes(), false).unwrap());
    assert_eq!(write(&forward), write(&backward));
}

#[test]
fn the_format_has_not_changed() {
    use sha2::{Digest, Sha256};
    let mut tree = Tree::new();
    tree.insert_file("bin/app", &b"an application"[..], true).unwrap();
    tree.insert_file("app_manifest.json", &b"{}"[..], false).unwrap();
    let digest: String =
        Sha256::digest(write(&tree)).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "f9dc98c7d9e9359ea524219cb6be7cc22cbabb26e7e4238b7dd8bf1d46ad96cc");
}

#[test]
fn every_directory_of_a_tree_exists_and_comes_before_its_files() {
    let tree = varied();
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
    assert!(paths.is_sorted());
    for (index, path) in paths.iter().enumerate() {
        let Some((parent, _)) = path.rsplit_once('/') else { continue };
        assert_eq!(tree.get(parent), Some(&Node::Directory));
        assert!(paths[..index].contains(&parent));
    }
    assert_eq!(tree.file("a-b"), Some(&b"sorts before a/b"[..]));
    assert_eq!(tree.file("a"), None);
}

fn refusal(insert: impl FnOnce(&mut Tree) -> Result<(), ErofsError>) -> ErofsError {
    insert(&mut Tree::new()).expect_err("must be refused")
}

fn refused_path(path: &str) -> ErofsError {
    refusal(|tree| tree.insert_file(path, &b""[..], false))
}

#[test]
fn a_tree_refuses_paths_that_lead_out_of_it() {
    for path in ["../../etc/passwd", "a/../b", "a/..", ".", "a/./b"] {
        assert_eq!(refused_path(path), ErofsError::NameDots, "{path}");
    }
    for path in ["", "/etc/passwd", "a//b", "a/"] {
        assert_eq!(refused_path(path), ErofsError::NameEmpty, "{path}");
    }
}

#[test]
fn a_tree_refuses_names_that_are_long_binary_or_deep() {
    assert_eq!(refused_path(&"n".repeat(256)), ErofsError::NameTooLong);
    assert_eq!(refused_path("a\0b"), ErofsError::NameHasNul);
    assert_eq!(refused_path("red\x1b[31m"), ErofsError::NameNotText);
    let deep = vec!["d"; DEPTH_MAX + 1].join("/");
    assert_eq!(refused_path(&deep), ErofsError::DepthTooGreat(deep.clone()));
}

#[test]
fn a_tree_refuses_a_path_twice_or_below_a_file() {
    let taken = |second: &str| {
        refusal(|tree| {
            tree.insert_file("a/b", &b"1"[..], false)?;
            tree.insert_file(second, &b"2"[..], false)
        })
    };
    assert_eq!(taken("a/b"), ErofsError::PathTaken("a/b".into()));
    assert_eq!(taken("a"), ErofsError::PathTaken("a".into()));
    assert_eq!(taken("a/b/c"), ErofsError::PathTaken("a/b".into()));
    let over_file = refusal(|tree| {
        tree.insert_file("a", &b"1"[..], false)?;
        tree.insert_directory("a")
    });
    assert_eq!(over_file, ErofsError::PathTaken("a".into()));
}

#[test]
fn a_tree_refuses_too_many_entries_and_bytes() {
    let many = refusal(|tree| {
        (0..=ENTRIES_MAX).try_for_each(|index| tree.insert_directory(&index.to_string()))
    });
    assert_eq!(many, ErofsError::EntriesTooMany);
    let zeros = vec![0; FILE_BYTES_MAX as usize + 1];
    let large = refusal(|tree| tree.insert_file("big", zeros.clone(), false));
    assert_eq!(large, ErofsError::FileTooLarge("big".into()));
    let largest = &zeros[1..];
    let mut tree = Tree::new();
    tree.insert_file("1", largest, false).unwrap();
    tree.insert_file("2", largest, false).unwrap();
    assert_eq!(tree.insert_file("3", &b"x"[..], false), Err(ErofsError::DataTooLarge));
}

fn stored(image: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.erofs");
    fs::write(&path, image).unwrap();
    (folder, path)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|status| status.uid() == 0)
}

#[test]
fn fsck_erofs_finds_nothing_wrong() {
    if Command::new("fsck.erofs").arg("--help").output().is_err() {
        eprintln!("NOT CHECKED by fsck.erofs: install erofs-utils. The reader's tests did run.");
        return;
    }
    for tree in [Tree::new(), varied()] {
        let (_folder, path) = stored(&write(&tree));
        let out = Command::new("fsck.erofs").arg("--extract").arg(&path).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

/// A mount that is undone at the end of the test, also when it fails.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Option<Mounted> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "erofs", "-o", "ro,loop"]).arg(image).arg(&at);
        let out = mount.output().ok()?;
        if !out.status.success() {
            eprintln!("mount: {}", String::from_utf8_lossy(&out.stderr));
            return None;
        }
        Some(Mounted(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let undone = Command::new("umount").arg(&self.0).status();
        assert!(undone.is_ok_and(|status| status.success()));
    }
}

fn kernel_can_mount() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default().contains("\terofs");
    is_root() && known && Path::new("/dev/loop-control").exists()
}

#[test]
fn the_kernel_mounts_the_image_and_sees_the_same_tree() {
    if !kernel_can_mount() {
        eprintln!("NOT CHECKED by a mount: that needs root, loop devices and a kernel with EROFS.");
        return;
    }
    let tree = varied();
    let (folder, path) = stored(&write(&tree));
    let mounted = Mounted::new(&path, folder.path().join("mount")).expect("the kernel refused it");
    let mut seen = Vec::new();
    list(&mounted.0, "", &mut seen);
    seen.sort();
    assert!(seen.iter().eq(tree.iter().map(|(path, _)| path)));
    for (path, node) in tree.iter() {
        let status = fs::metadata(mounted.0.join(path)).unwrap();
        assert_eq!((status.uid(), status.gid(), status.mtime()), (0, 0, 0), "{path}");
        let mode = status.permissions().mode() & 0o7777;
        match node {
            Node::Directory => assert!(status.is_dir() && mode == 0o755, "{path}"),
            Node::File { bytes, executable } => {
                assert_eq!(mode, if *executable { 0o755 } else { 0o644 }, "{path}");
                assert!(fs::read(mounted.0.join(path)).unwrap() == **bytes, "{path}");
            }
        }
    }
}

fn list(root: &Path, below: &str, seen: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            list(root, &path, seen);
        }
        seen.push(path);
    }
}
