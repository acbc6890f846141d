//! An app's files in a folder: written once, compared before every start.

use super::InstalledError;
use craton_image::erofs::{Node, Tree};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Writes the files of `tree` below `root`, which must not exist.
///
/// # Errors
/// `DeviceIo`.
pub fn unpack(tree: &Tree<'_>, root: &Path) -> Result<(), InstalledError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| InstalledError::DeviceIo(path, error)
    };
    fs::create_dir(root).map_err(io(root))?;
    for (path, node) in tree.iter() {
        let place = root.join(path);
        match node {
            Node::Directory => fs::create_dir(&place).map_err(io(&place))?,
            Node::File { bytes, executable } => {
                let mut options = fs::OpenOptions::new();
                let mode = if *executable { 0o555 } else { 0o444 };
                let file = options.write(true).create_new(true).mode(mode).open(&place);
                let mut file = file.map_err(io(&place))?;
                file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&place))?;
            }
        }
    }
    Ok(())
}

/// Refuses a folder that holds anything but the files of `tree`.
///
/// # Errors
/// `AppDamaged`, `DeviceIo`.
pub fn compare(tree: &Tree<'_>, root: &Path) -> Result<(), InstalledError> {
    let mut found = BTreeSet::new();
    list(root, Path::new(""), &mut found)?;
    let expected: BTreeSet<PathBuf> = tree.iter().map(|(path, _)| PathBuf::from(path)).collect();
    if found != expected {
        return Err(InstalledError::AppDamaged);
    }
    let same = tree.iter().all(|(path, node)| same(&root.join(path), node));
    if same { Ok(()) } else { Err(InstalledError::AppDamaged) }
}

fn same(place: &Path, node: &Node<'_>) -> bool {
    let Ok(meta) = fs::symlink_metadata(place) else { return false };
    match node {
        Node::Directory => meta.is_dir(),
        Node::File { bytes, executable } => {
            // No write, setuid or setgid bit may have come since.
            let mode = if *executable { 0o555 } else { 0o444 };
            meta.is_file()
                && meta.len() == bytes.len() as u64
                && meta.permissions().mode() & 0o7777 == mode
                && fs::read(place).is_ok_and(|found| found == **bytes)
        }
    }
}

fn list(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), InstalledError> {
    let folder = root.join(below);
    let io = |error| InstalledError::DeviceIo(folder.clone(), error);
    for entry in fs::read_dir(&folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = below.join(entry.file_name());
        // A link is listed and never followed: the comparison refuses it.
        if entry.file_type().map_err(io)?.is_dir() {
            list(root, &path, found)?;
        }
        found.insert(path);
    }
    Ok(())
}
