//! Why the store did not answer.

use craton_api::problem::Fault;

/// A refusal of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error(
        "E4001: the database is busy with another process. Stop the other `craton up` on this \
         data folder, or give this one a folder of its own."
    )]
    StoreBusy,
    /// No room for a write. Nothing of it was kept.
    #[error(
        "E4002: the disk that holds the data folder is full. Free some space and ask again; \
         nothing was lost."
    )]
    StoreDiskFull,
    /// The file is not a sound database.
    #[error(
        "E4003: the database file is damaged. Restore `craton.db` from a backup, or give the \
         service a new data folder."
    )]
    StoreDamaged,
    /// A newer Craton made the database.
    #[error(
        "E4004: the database has schema {found}, and this program knows up to {known}. Use the \
         newer program that made it."
    )]
    SchemaNewer {
        /// What the file says.
        found: u32,
        /// What this program can read.
        known: u32,
    },
    /// The writer has ended, because the service is stopping.
    #[error("E4005: the service is stopping. Ask again when it is up.")]
    StoreStopped,
    /// The engine refused a statement: ours is wrong.
    #[error("E4006: the database refused a statement. This is a fault of Craton; report it.")]
    StoreEngine(#[source] rusqlite::Error),
    /// A write panicked; it alone was taken back.
    #[error("E4007: a write ended in a panic. This is a fault of Craton; report it.")]
    StorePanicked,
    /// A row holds what no version of this program writes.
    #[error("E4008: a row of `{table}` is not readable. Restore `craton.db` from a backup.")]
    RowUnreadable {
        /// The table.
        table: &'static str,
    },
    /// The commit that the write was part of did not reach the disk.
    #[error(
        "E4009: the disk did not take the write. Look at the disk's space and health and ask \
         again; nothing was half done."
    )]
    StoreLost,
    /// The data folder cannot be used.
    #[error(
        "E4010: the data folder {} cannot be used ({source}). Give the service a folder that it \
         may write to.",
        .folder.display()
    )]
    StoreFolder {
        /// The folder.
        folder: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can enter the data folder, and it is not known to be ours alone.
    #[error(
        "E4011: others can enter {}, and it holds files that are not the service's. Give the \
         service a folder of its own, or run: chmod 700 {}",
        .folder.display(), .folder.display()
    )]
    FolderShared {
        /// The folder.
        folder: std::path::PathBuf,
    },
}

impl StoreError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::StoreBusy => 4001,
            Self::StoreDiskFull => 4002,
            Self::StoreDamaged => 4003,
            Self::SchemaNewer { .. } => 4004,
            Self::StoreStopped => 4005,
            Self::StoreEngine(_) => 4006,
            Self::StorePanicked => 4007,
            Self::RowUnreadable { .. } => 4008,
            Self::StoreLost => 4009,
            Self::StoreFolder { .. } => 4010,
            Self::FolderShared { .. } => 4011,
        }
    }

    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::StoreEngine(_) | Self::StorePanicked => Fault::Us,
            _ => Fault::Environment,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        super::engine::classify(error)
    }
}
