//! What is particular to SQLite: everything else in `store` is plain SQL.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// Pages a commit leaves in the write-ahead log before they are moved into the database.
const CHECKPOINT_PAGES: u32 = 4000;

/// Opens the connection that writes.
///
/// `synchronous=FULL`: a commit returns only after the log is on disk, so that neither `kill -9`
/// nor a power cut takes back what was acknowledged.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "cache_size", -262_144)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(256);
    Ok(db)
}

/// Opens one connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "cache_size", -32_768)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(256);
    Ok(db)
}

/// Runs a statement without a result. It is parsed once for each connection: a check-in would
/// otherwise spend more on the words around its transactions than inside them.
pub(super) fn run(db: &Connection, sql: &str) -> Result<(), StoreError> {
    Ok(db.prepare_cached(sql)?.execute([]).map(|_| ())?)
}

/// The schema's version, kept in the database's header.
pub(super) fn schema_version(db: &Connection) -> Result<u32, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Sets it; takes part in the transaction around it.
pub(super) fn set_schema_version(db: &Connection, version: u32) -> Result<(), StoreError> {
    Ok(db.pragma_update(None, "user_version", version)?)
}

/// Whether the engine gave up the whole transaction, as it does when the disk is full.
pub(super) fn transaction_lost(db: &Connection) -> bool {
    db.is_autocommit()
}

/// What the engine's refusal means to us.
pub(super) fn classify(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::StoreDiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::StoreDamaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::StoreBusy,
        // The file, its log or its index could not be made or written.
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => StoreError::StoreLost,
        _ => StoreError::StoreEngine(error),
    }
}
