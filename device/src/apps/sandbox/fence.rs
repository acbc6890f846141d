//! Landlock rules: the second wall behind the private tree, and the only one in reduced mode.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;

/// The newest rules we know; an older kernel enforces the part that it has.
const NEWEST: ABI = ABI::V9;

/// What the app may open and where it may connect.
#[derive(Debug, Default)]
pub struct Fence {
    opened: Vec<(OwnedFd, BitFlags<AccessFs>)>,
    connect: Vec<u16>,
    bind: Vec<u16>,
}

impl Fence {
    /// A file or folder that may be read and executed, with what lies below it.
    pub fn readable(mut self, path: &Path) -> Result<Fence, Errno> {
        self.opened.push((handle(path)?, AccessFs::from_read(NEWEST)));
        Ok(self)
    }

    /// A single file that may be read and written, never executed or replaced.
    pub fn writable(mut self, path: &Path) -> Result<Fence, Errno> {
        self.opened.push((handle(path)?, writable_access()));
        Ok(self)
    }

    pub fn writable_file(mut self, file: OwnedFd) -> Fence {
        self.opened.push((file, writable_access()));
        self
    }

    pub fn ports(mut self, connect: &[u16], bind: &[u16]) -> Fence {
        self.connect.extend_from_slice(connect);
        self.bind.extend_from_slice(bind);
        self
    }

    /// Confines the calling thread for good. Returns false where the kernel has no Landlock.
    pub fn close(self) -> Result<bool, RulesetError> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        for (file, access) in self.opened {
            rules = rules.add_rule(PathBeneath::new(file, access))?;
        }
        rules = ports(rules, &self.connect, AccessNet::ConnectTcp)?;
        rules = ports(rules, &self.bind, AccessNet::BindTcp)?;
        Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
    }
}

fn writable_access() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate
}

fn ports(
    mut rules: RulesetCreated,
    ports: &[u16],
    access: AccessNet,
) -> Result<RulesetCreated, RulesetError> {
    for port in ports {
        rules = rules.add_rule(NetPort::new(*port, access))?;
    }
    Ok(rules)
}

fn handle(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}
