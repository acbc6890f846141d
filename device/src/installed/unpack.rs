//! An app's files in a folder: written once, compared before every start.

use super::InstalledError;
use craton_image::erofs::{Node, Tree};
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
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
    let make = |path: &Path| {
        let open = fs::Permissions::from_mode(0o755);
        fs::create_dir(path).and_then(|()| fs::set_permissions(path, open))
    };
    make(root).map_err(io(root))?;
    for (path, node) in tree.iter() {
        let place = root.join(path);
        match node {
            Node::Directory => make(&place).map_err(io(&place))?,
            Node::File { bytes, executable } => {
                let mut file = fs::File::create_new(&place).map_err(io(&place))?;
                // Set, not asked for at the making: there the umask would take bits away.
                let mode = fs::Permissions::from_mode(mode_of(*executable));
                let written = file.write_all(bytes).and_then(|()| file.set_permissions(mode));
                written.and_then(|()| file.sync_all()).map_err(io(&place))?;
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
            let mode = mode_of(*executable);
            meta.is_file()
                && meta.len() == bytes.len() as u64
                && meta.permissions().mode() & 0o7777 == mode
                && fs::read(place).is_ok_and(|found| found == **bytes)
        }
    }
}

fn mode_of(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

fn list(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), InstalledError> {
    let folder = root.join(below);
    let io = |error: std::io::Error| match error.kind() {
        // What is not there was taken away; only a disk that cannot be read is the host's fault.
        ErrorKind::NotFound | ErrorKind::NotADirectory => InstalledError::AppDamaged,
        _ => InstalledError::DeviceIo(folder.clone(), error),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree<'static> {
        let mut tree = Tree::new();
        tree.insert_directory("bin").unwrap();
        tree.insert_file("bin/app", b"program".as_slice(), true).unwrap();
        tree.insert_file("app_manifest.json", b"{}".as_slice(), false).unwrap();
        tree
    }

    fn refused(root: &Path) -> bool {
        matches!(compare(&tree(), root), Err(InstalledError::AppDamaged))
    }

    #[test]
    fn whatever_changed_in_an_unpacked_folder_is_app_damaged() {
        let ways: [fn(&Path); 8] = [
            |root| fs::remove_dir_all(root).unwrap(),
            |root| fs::remove_dir_all(root.join("bin")).unwrap(),
            |root| fs::write(root.join("more"), "").unwrap(),
            |root| fs::create_dir(root.join("more")).unwrap(),
            |root| std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap(),
            |root| replace(root, b"Program", 0o555),
            |root| replace(root, b"program", 0o4555),
            |root| replace(root, b"program", 0o755),
        ];
        for (n, change) in ways.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            unpack(&tree(), &root).unwrap();
            compare(&tree(), &root).unwrap();
            change(&root);
            assert!(refused(&root), "way {n}");
        }
    }

    fn replace(root: &Path, bytes: &[u8], mode: u32) {
        let app = root.join("bin/app");
        fs::remove_file(&app).unwrap();
        fs::write(&app, bytes).unwrap();
        fs::set_permissions(&app, fs::Permissions::from_mode(mode)).unwrap();
    }
}
