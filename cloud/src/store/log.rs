//! The transparency log of each catalog: leaves, complete subtrees, checkpoints.

use craton_api::operator::{Base64, CatalogId, Digest, LogEntry};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number};
use super::{ReadTx, StoreError, WriteTx};
use crate::audit::{Nodes, Subtree, append};

const COLUMNS: &str = "place, kind, leaf, hash, created_s";

/// Where a leaf went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafPlace {
    /// Its index.
    pub index: u64,
    /// The log's size with it.
    pub size: u64,
}

/// A checkpoint with its signatures.
#[derive(Clone, Debug)]
pub struct CheckpointRow {
    /// Leaves in the log.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// The signed object.
    pub signed: Vec<u8>,
    /// Whether a threshold of witnesses has cosigned it.
    pub cosigned: bool,
    /// Unix seconds.
    pub created_s: u64,
}

/// The complete subtrees of one catalog's log, as the prover reads them.
pub(crate) struct StoredNodes<'t, 'c> {
    db: &'t ReadTx<'c>,
    catalog: CatalogId,
}

impl Nodes for StoredNodes<'_, '_> {
    type Error = StoreError;

    fn hash(&self, subtree: Subtree) -> Result<Digest, StoreError> {
        let sql = "SELECT hash FROM log_nodes WHERE catalog = ?1 AND level = ?2 AND place = ?3";
        let key = params![Bytes(self.catalog), subtree.level, Number(subtree.place)];
        let hash = self.db.one(sql, key, |row| Ok(row.get::<_, Bytes<Digest>>(0)?.0))?;
        hash.ok_or(StoreError::RowUnreadable { table: "log_nodes" })
    }
}

impl<'c> ReadTx<'c> {
    /// The log's complete subtrees.
    pub(crate) fn log_nodes(&self, catalog: CatalogId) -> StoredNodes<'_, 'c> {
        StoredNodes { db: self, catalog }
    }

    /// How many leaves the log has.
    pub fn log_size(&self, catalog: CatalogId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(place) + 1, 0) FROM log_leaves WHERE catalog = ?1";
        self.number(sql, [Bytes(catalog)])
    }

    /// Leaves from `start`, at most `limit`.
    pub fn log_entries(
        &self,
        catalog: CatalogId,
        start: u64,
        limit: u32,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM log_leaves WHERE catalog = ?1 AND place >= ?2 \
             ORDER BY place LIMIT ?3"
        );
        self.all(&sql, params![Bytes(catalog), Number(start), limit], read_entry)
    }

    /// The first place of a leaf with this hash.
    pub fn log_place(&self, catalog: CatalogId, hash: Digest) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(place) FROM log_leaves WHERE catalog = ?1 AND hash = ?2";
        let place = self.one(sql, params![Bytes(catalog), Bytes(hash)], |row| {
            row.get::<_, Option<Number>>(0)
        })?;
        Ok(place.flatten().map(|place| place.0))
    }

    /// The newest checkpoint; only those that witnesses cosigned, if so asked.
    pub fn checkpoint(
        &self,
        catalog: CatalogId,
        cosigned_only: bool,
    ) -> Result<Option<CheckpointRow>, StoreError> {
        let sql = "SELECT size, root, signed, cosigned, created_s FROM checkpoints \
                   WHERE catalog = ?1 AND cosigned >= ?2 ORDER BY size DESC LIMIT 1";
        self.one(sql, params![Bytes(catalog), cosigned_only], read_checkpoint)
    }

    /// The checkpoint over a log of `size` leaves.
    pub fn checkpoint_of(
        &self,
        catalog: CatalogId,
        size: u64,
    ) -> Result<Option<CheckpointRow>, StoreError> {
        let sql = "SELECT size, root, signed, cosigned, created_s FROM checkpoints \
                   WHERE catalog = ?1 AND size = ?2";
        // A size that no log can have is no fault of the engine's.
        let Ok(size) = i64::try_from(size) else { return Ok(None) };
        self.one(sql, params![Bytes(catalog), size], read_checkpoint)
    }
}

impl WriteTx<'_> {
    /// Appends a leaf and every subtree that it completes.
    pub(crate) fn log_append(
        &self,
        catalog: CatalogId,
        kind: &str,
        leaf: &[u8],
        now_s: u64,
    ) -> Result<LeafPlace, StoreError> {
        let index = self.log_size(catalog)?;
        let hash = crate::audit::leaf_hash(leaf);
        let sql = "INSERT INTO log_leaves (catalog, place, kind, leaf, hash, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![Bytes(catalog), Number(index), kind, leaf, Bytes(hash), Number(now_s)];
        self.change(sql, row)?;
        for (subtree, hash) in append(&self.log_nodes(catalog), index, hash)? {
            let sql = "INSERT INTO log_nodes (catalog, level, place, hash) \
                       VALUES (?1, ?2, ?3, ?4)";
            let row = params![Bytes(catalog), subtree.level, Number(subtree.place), Bytes(hash)];
            self.change(sql, row)?;
        }
        Ok(LeafPlace { index, size: index + 1 })
    }

    /// Keeps a checkpoint, or replaces its object by one with more signatures.
    pub(crate) fn checkpoint_put(
        &self,
        catalog: CatalogId,
        checkpoint: &CheckpointRow,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO checkpoints (catalog, size, root, signed, cosigned, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (catalog, size) DO UPDATE SET \
                   signed = excluded.signed, cosigned = excluded.cosigned";
        let row = params![
            Bytes(catalog),
            Number(checkpoint.size),
            Bytes(checkpoint.root),
            checkpoint.signed,
            checkpoint.cosigned,
            Number(checkpoint.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }
}

fn read_checkpoint(row: &Row<'_>) -> rusqlite::Result<CheckpointRow> {
    Ok(CheckpointRow {
        size: row.get::<_, Number>(0)?.0,
        root: row.get::<_, Bytes<_>>(1)?.0,
        signed: row.get(2)?,
        cosigned: row.get(3)?,
        created_s: row.get::<_, Number>(4)?.0,
    })
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    Ok(LogEntry {
        index: row.get::<_, Number>(0)?.0,
        kind: row.get(1)?,
        leaf: Base64(row.get(2)?),
        hash: row.get::<_, Bytes<_>>(3)?.0,
        created_s: row.get::<_, Number>(4)?.0,
    })
}
