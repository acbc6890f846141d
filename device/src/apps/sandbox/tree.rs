//! The app's private mount tree: a tiny read-only tmpfs with the package's own entries, two
//! devices, its storage file and its own /proc bound into it. Nothing else exists.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::path::Arg;

use super::control::{Area, Fault, Order};
use crate::sys::mounts::{NO_DEVICES, NO_EXEC, NO_SETUID, READ_ONLY, restrict_mount};

/// Where an app with MutableStorage finds its one writable file.
pub const STORAGE_INSIDE: &str = "/mutable/storage";

// Not zero: mapped shared it is memory that no limit counts.
const DEVICES: [&str; 2] = ["null", "urandom"];
/// Top entries that a package must not have.
pub const OURS: [&str; 3] = ["dev", "proc", "mutable"];
const TOP_ENTRIES_MAX: usize = 64;

/// Detached copies of everything the tree is made of.
///
/// Root takes them before it gives its uid away, since the new uid may not reach the folders;
/// an ordinary user after it has its own mount namespace, since only there it may.
#[derive(Debug)]
pub struct Sources {
    entries: Vec<Entry>,
    devices: Vec<(&'static str, OwnedFd)>,
    storage: Option<OwnedFd>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Folder(OwnedFd),
    File(OwnedFd),
    Link(PathBuf),
}

impl Sources {
    pub fn open(order: &Order) -> Result<Sources, Fault> {
        let mut devices = Vec::new();
        for device in DEVICES {
            let tree = clone_tree(CWD, Path::new("/dev").join(device))
                .map_err(|errno| Fault::in_namespace("bind a device", errno))?;
            devices.push((device, tree));
        }
        let storage = match &order.storage {
            None => None,
            Some(storage) => Some(
                clone_tree(CWD, &storage.file)
                    .map_err(|errno| Fault::new(Area::Storage, "bind the storage file", errno))?,
            ),
        };
        Ok(Sources { entries: package_entries(&order.root)?, devices, storage })
    }
}

fn package_entries(root: &Path) -> Result<Vec<Entry>, Fault> {
    let fault = |errno| Fault::new(Area::Package, "open the package folder", errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(root, flags, Mode::empty()).map_err(fault)?;
    let mut entries = Vec::new();
    for item in rustix::fs::Dir::read_from(&folder).map_err(fault)? {
        let item = item.map_err(fault)?;
        let name = OsString::from(std::ffi::OsStr::from_bytes(item.file_name().to_bytes()));
        if name == "." || name == ".." {
            continue;
        }
        if entries.len() == TOP_ENTRIES_MAX {
            return Err(Fault::new(Area::Package, "more than 64 top entries", Errno::TOOBIG));
        }
        let source = package_source(&folder, &name)?;
        entries.push(Entry { name, source });
    }
    Ok(entries)
}

fn package_source(folder: &OwnedFd, name: &OsString) -> Result<Source, Fault> {
    let fault = |errno| Fault::new(Area::Package, "read a package entry", errno);
    let stat =
        rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
    let clone =
        || clone_tree(folder, name).map_err(|errno| Fault::in_namespace("bind the package", errno));
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Source::Folder(clone()?)),
        FileType::RegularFile => Ok(Source::File(clone()?)),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(folder, name, Vec::new()).map_err(fault)?;
            Ok(Source::Link(PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes()))))
        }
        _ => Err(Fault::new(Area::Package, "a package holds files and folders", Errno::INVAL)),
    }
}

/// Builds the tree and makes it the calling process's root. Must run as the first process of the
/// new pid namespace, whose /proc is mounted here.
pub fn enter(sources: Sources) -> Result<(), Fault> {
    let step = |step: &'static str| move |errno| Fault::in_namespace(step, errno);
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(step("make mounts private"))?;
    let root = tmpfs().map_err(step("mount tmpfs"))?;
    attach(&root, CWD, "/").map_err(step("attach tmpfs"))?;
    for entry in &sources.entries {
        place(&root, entry).map_err(step("bind the package"))?;
    }
    place_devices(&root, &sources.devices).map_err(step("bind devices"))?;
    if let Some(storage) = &sources.storage {
        place_storage(&root, storage).map_err(step("bind the storage file"))?;
    }
    place_proc(&root).map_err(step("make /proc"))?;
    restrict_mount(&root, READ_ONLY).map_err(step("make the root read-only"))?;
    pivot(&root).map_err(step("pivot_root"))
}

fn tmpfs() -> Result<OwnedFd, Errno> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [("size", "64k"), ("nr_inodes", "256"), ("mode", "0755")] {
        fsconfig_set_string(&fs, key, value)?;
    }
    fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn place(root: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
    let name = Path::new(&entry.name);
    let tree = match &entry.source {
        Source::Link(target) => return rustix::fs::symlinkat(target, root, name),
        Source::Folder(tree) => {
            rustix::fs::mkdirat(root, name, Mode::from_raw_mode(0o755))?;
            tree
        }
        Source::File(tree) => {
            touch(root, name)?;
            tree
        }
    };
    restrict_mount(tree, READ_ONLY | NO_SETUID | NO_DEVICES)?;
    attach(tree, root, name)
}

fn place_devices(root: &OwnedFd, devices: &[(&'static str, OwnedFd)]) -> Result<(), Errno> {
    rustix::fs::mkdirat(root, "dev", Mode::from_raw_mode(0o755))?;
    for (name, tree) in devices {
        let path = Path::new("dev").join(name);
        touch(root, &path)?;
        restrict_mount(tree, NO_SETUID | NO_EXEC)?;
        attach(tree, root, &path)?;
    }
    Ok(())
}

fn place_storage(root: &OwnedFd, storage: &OwnedFd) -> Result<(), Errno> {
    let path = Path::new(STORAGE_INSIDE.trim_start_matches('/'));
    rustix::fs::mkdirat(root, "mutable", Mode::from_raw_mode(0o755))?;
    touch(root, path)?;
    restrict_mount(storage, NO_SETUID | NO_DEVICES | NO_EXEC)?;
    attach(storage, root, path)
}

/// Inside a container whose own /proc is partly covered the kernel refuses a fresh one; the app
/// then has none, which it must be able to live with.
fn place_proc(root: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::mkdirat(root, "proc", Mode::from_raw_mode(0o555))?;
    let Ok(proc) = own_proc() else { return Ok(()) };
    attach(&proc, root, "proc")
}

fn own_proc() -> Result<OwnedFd, Errno> {
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "subset", "pid")?;
    fsconfig_set_string(&fs, "hidepid", "invisible")?;
    fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn pivot(root: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    // The old root lands on top of the new one, from where it is taken away.
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

fn clone_tree(folder: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(folder, path, flags)
}

fn attach(tree: &OwnedFd, folder: impl AsFd, path: impl Arg) -> Result<(), Errno> {
    move_mount(tree, "", folder, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn touch(root: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(root, path, flags, Mode::from_raw_mode(0o444)).map(|_| ())
}
