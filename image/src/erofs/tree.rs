use super::{
    BLOCK_BYTES, DATA_BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, ErofsError, FILE_BYTES_MAX, NAME_BYTES_MAX,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// Mode 0755.
    Directory,
    /// Mode 0755 if `executable`, else 0644.
    File { bytes: Cow<'a, [u8]>, executable: bool },
}

/// The files of an image, by relative path (`bin/app`), sorted bytewise.
///
/// Every `Tree` can be written: names, depth, count and sizes are checked as entries come in, and
/// the parents of every entry are directories of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree<'a> {
    nodes: BTreeMap<String, Node<'a>>,
    data_bytes: u64,
}

impl<'a> Tree<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory and its missing parents; a directory that is there already is kept.
    pub fn insert_directory(&mut self, path: &str) -> Result<(), ErofsError> {
        check_path(path)?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            self.make_directory(&path[..end])?;
        }
        Ok(())
    }

    /// Adds a file and its missing parents. On an error the tree may have gained parents only.
    pub fn insert_file(
        &mut self,
        path: &str,
        bytes: impl Into<Cow<'a, [u8]>>,
        executable: bool,
    ) -> Result<(), ErofsError> {
        check_path(path)?;
        let bytes = bytes.into();
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ErofsError::FileTooLarge(path.into()));
        }
        let data_bytes = self.data_bytes + bytes.len().next_multiple_of(BLOCK_BYTES) as u64;
        if data_bytes > DATA_BYTES_MAX {
            return Err(ErofsError::DataTooLarge);
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.insert_directory(parent)?;
        }
        if self.nodes.contains_key(path) {
            return Err(ErofsError::PathTaken(path.into()));
        }
        self.add(path, Node::File { bytes, executable })?;
        self.data_bytes = data_bytes;
        Ok(())
    }

    pub fn get(&self, path: &str) -> Option<&Node<'a>> {
        self.nodes.get(path)
    }

    /// The bytes of the file at `path`; `None` if there is none, or a directory.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.get(path)? {
            Node::File { bytes, .. } => Some(bytes),
            Node::Directory => None,
        }
    }

    /// Every entry, sorted bytewise by path, so that a directory comes before what it holds.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Node<'a>)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Files and directories, the root not counted.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn make_directory(&mut self, path: &str) -> Result<(), ErofsError> {
        match self.nodes.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File { .. }) => Err(ErofsError::PathTaken(path.into())),
            None => self.add(path, Node::Directory),
        }
    }

    fn add(&mut self, path: &str, node: Node<'a>) -> Result<(), ErofsError> {
        if self.nodes.len() >= ENTRIES_MAX {
            return Err(ErofsError::EntriesTooMany);
        }
        self.nodes.insert(path.into(), node);
        Ok(())
    }
}

fn check_path(path: &str) -> Result<(), ErofsError> {
    let mut depth = 0;
    for name in path.split('/') {
        check_name(name.as_bytes())?;
        depth += 1;
    }
    if depth > DEPTH_MAX { Err(ErofsError::DepthTooGreat(path.into())) } else { Ok(()) }
}

/// One name of a path, from a caller or from an image. Control characters are refused because
/// names reach terminals and logs.
pub(super) fn check_name(name: &[u8]) -> Result<&str, ErofsError> {
    match name {
        [] => Err(ErofsError::NameEmpty),
        b"." | b".." => Err(ErofsError::NameDots),
        _ if name.contains(&0) => Err(ErofsError::NameHasNul),
        _ if name.contains(&b'/') => Err(ErofsError::NameHasSlash),
        _ if name.len() > NAME_BYTES_MAX => Err(ErofsError::NameTooLong),
        _ => match str::from_utf8(name) {
            Ok(text) if !text.chars().any(char::is_control) => Ok(text),
            _ => Err(ErofsError::NameNotText),
        },
    }
}
