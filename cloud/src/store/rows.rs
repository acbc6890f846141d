//! Values as the engine keeps them.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, OptionalExtension, Params, Row};

use super::{ReadTx, StoreError, WriteTx};

/// An identifier or digest as a BLOB.
pub(super) struct Bytes<T>(pub T);

/// A count, size or time as the engine's signed integer.
pub(super) struct Number(pub u64);

impl ToSql for Number {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let signed = i64::try_from(self.0)
            .map_err(|wide| rusqlite::Error::ToSqlConversionFailure(Box::new(wide)))?;
        Ok(ToSqlOutput::from(signed))
    }
}

impl FromSql for Number {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let signed = value.as_i64()?;
        u64::try_from(signed).map(Self).map_err(|_| FromSqlError::OutOfRange(signed))
    }
}

macro_rules! bytes_in_sql {
    ($($id:ty),*) => {$(
        impl ToSql for Bytes<$id> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(&self.0.0[..]))
            }
        }

        impl FromSql for Bytes<$id> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let bytes = value.as_blob()?;
                <$id>::from_slice(bytes).map(Self).ok_or(FromSqlError::InvalidBlobSize {
                    expected_size: <$id>::LEN,
                    blob_size: bytes.len(),
                })
            }
        }
    )*};
}

use craton_api::operator::{
    CapabilityId, CatalogId, ComponentId, DeploymentId, DeviceId, Digest, Fingerprint, ImageId,
    ImageSetId, TokenId,
};

bytes_in_sql!(
    CapabilityId,
    CatalogId,
    ComponentId,
    DeploymentId,
    DeviceId,
    Digest,
    Fingerprint,
    ImageId,
    ImageSetId,
    TokenId
);

/// An enumeration's place in the list of its values.
pub(super) fn place_of<T: PartialEq>(values: &[T], value: &T) -> i64 {
    values.iter().position(|known| known == value).map_or(-1, |place| place as i64)
}

/// The value at a place; refused if no version of this program wrote it.
pub(super) fn value_at<T: Copy>(
    values: &[T],
    place: i64,
    table: &'static str,
) -> Result<T, StoreError> {
    let known = usize::try_from(place).ok().and_then(|place| values.get(place).copied());
    known.ok_or(StoreError::RowUnreadable { table })
}

impl ReadTx<'_> {
    pub(super) fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        #[cfg(test)]
        super::tests::note(sql);
        Ok(self.db.prepare_cached(sql)?)
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.prepared(sql)?.query_row(params, read).optional()?)
    }

    /// Every row.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepared(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One number, such as a count.
    pub(super) fn number(&self, sql: &str, params: impl Params) -> Result<u64, StoreError> {
        let row = self.one(sql, params, |row| row.get::<_, Number>(0))?;
        Ok(row.map_or(0, |number| number.0))
    }
}

impl WriteTx<'_> {
    /// Runs a change; returns how many rows it touched.
    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.writing.before(sql);
        Ok(self.prepared(sql)?.execute(params)?)
    }
}
