//! The database: one writer with group commit, readers on their own connections.
//!
//! A use of the service reads a snapshot, decides in pure code, and commits once. What must hold
//! together is one `write`. Methods are named resource first; those that change what an operator
//! may change take his `Permit`, so that an unproven step does not compile.

mod blobs;
mod boots;
mod catalogs;
mod changes;
mod check_ins;
mod devices;
mod engine;
mod error;
mod failures;
mod images;
mod log;
mod migrate;
mod private;
mod rollouts;
mod rows;
mod tokens;
mod writer;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

pub use boots::BootLogRow;
pub use catalogs::{CatalogRow, GroupRules};
pub use devices::{CheckInRecord, DeviceRow};
pub use error::StoreError;
pub use failures::{FailureRow, Grouped, ReceivedFailure};
pub use images::{ImageSetRow, SetInUse, SetSignatures};
pub use log::{CheckpointRow, LeafPlace};
pub use private::private_folder;
pub use rollouts::{DeploymentRow, OutcomeCount, OutcomeRecord};
pub use tokens::TokenRow;

/// Reading connections kept open while nobody reads.
const IDLE_READERS_MAX: usize = 8;

/// The database.
pub struct Store {
    writer: Option<writer::Writer>,
    thread: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    changes: changes::Changes,
    path: PathBuf,
}

impl Store {
    /// Opens `craton.db` in `folder`, making it or bringing its schema up to date.
    ///
    /// # Errors
    /// `StoreBusy`, `StoreDamaged`, `StoreDiskFull`, `SchemaNewer`, `StoreFolder`, `FolderShared`.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let refused = |source| StoreError::StoreFolder { folder: folder.to_owned(), source };
        private_folder(folder)?;
        let path = folder.join(private::DATABASE);
        private::private_database(folder).map_err(refused)?;
        let db = engine::open_writer(&path)?;
        migrate::to_newest(&db)?;
        let changes = changes::Changes::default();
        let (writer, thread) = writer::Writer::start(db, changes.writing());
        let (writer, thread) = (Some(writer), Some(thread));
        Ok(Self { writer, thread, readers: Mutex::default(), changes, path })
    }

    /// What was read after a stamp, of anything but devices' own rows, still holds while the stamp
    /// is the same; `None` while a commit that may change it is under way.
    #[must_use]
    pub fn stamp(&self) -> Option<u64> {
        self.changes.stamp()
    }

    /// Reads in one snapshot. Meant for short, indexed reads: it runs on the caller's thread.
    ///
    /// # Errors
    /// What `work` returns, or the engine's refusal.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => engine::open_reader(&self.path)?,
        };
        engine::run(&db, "BEGIN DEFERRED")?;
        let outcome = work(&ReadTx { db: &db });
        // The engine drops the transaction with a disk that cannot be read, and `work` has said so.
        if engine::run(&db, "COMMIT").is_ok() {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < IDLE_READERS_MAX {
                readers.push(db);
            }
        }
        outcome
    }

    /// Writes; returns after the commit is on disk. What `work` refuses is taken back, alone.
    ///
    /// # Errors
    /// What `work` returns; `StoreLost` or `StoreDiskFull` if the disk did not take it;
    /// `StoreStopped`.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.write(work).await,
            None => Err(StoreError::StoreStopped.into()),
        }
    }

    /// The same for a thread outside the runtime.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.write_blocking(work),
            None => Err(StoreError::StoreStopped.into()),
        }
    }

    /// Finishes the writes that wait and closes the database; later writes are refused.
    pub fn close(&mut self) {
        drop(self.writer.take());
        if let Some(thread) = self.thread.take() {
            // The thread answers every panic itself; there is nothing left to learn from it.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// One snapshot.
pub struct ReadTx<'c> {
    db: &'c Connection,
}

/// The right to write, in one savepoint of the writer.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    writing: &'c changes::Writing,
}

impl<'c> WriteTx<'c> {
    fn new(db: &'c Connection, writing: &'c changes::Writing) -> Self {
        Self { read: ReadTx { db }, writing }
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;
    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

#[cfg(test)]
mod tests;
