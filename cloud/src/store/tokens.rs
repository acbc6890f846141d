//! API tokens.

use craton_api::operator::{CatalogId, Role, TokenId, TokenInfo};
use rusqlite::{Row, params};

use super::rows::{Bytes, Number, place_of, value_at};
use super::{ReadTx, StoreError, WriteTx};
use crate::tenancy::{ManageTokens, Permit, ServicePermit, TokenHash};

const COLUMNS: &str = "token, name, role, catalog, created_s";

/// A token to be stored.
pub struct TokenRow {
    /// Its public name.
    pub id: TokenId,
    /// Under which it is found.
    pub hash: TokenHash,
    /// Who or what uses it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Unix seconds.
    pub created_s: u64,
}

impl ReadTx<'_> {
    /// The salt of this service's token hashes.
    pub fn token_salt(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.service_fact("token-salt")?.unwrap_or_default())
    }

    /// A fact about this service, kept since its first start.
    pub fn service_fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT value FROM service_facts WHERE name = ?1", [name], |row| row.get(0))
    }

    /// The token that has this hash.
    pub fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<TokenInfo>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1");
        self.one(&sql, [Bytes(hash.0)], read_token)?.transpose()
    }

    /// The tokens of a catalog, oldest first.
    pub fn tokens(&self, catalog: CatalogId) -> Result<Vec<TokenInfo>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens WHERE catalog = ?1 ORDER BY created_s");
        self.all(&sql, [Bytes(catalog)], read_token)?.into_iter().collect()
    }
}

impl WriteTx<'_> {
    /// Keeps a fact about this service, unless it is known already.
    pub fn service_fact_keep(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO service_facts (name, value) VALUES (?1, ?2) \
                   ON CONFLICT (name) DO NOTHING";
        self.change(sql, params![name, value]).map(|_| ())
    }

    /// Adds a token of one catalog.
    pub fn token_create(
        &self,
        permit: &Permit<ManageTokens>,
        token: &TokenRow,
    ) -> Result<(), StoreError> {
        self.token_insert(Some(permit.catalog()), token)
    }

    /// Takes back every token of the whole service; how many there were.
    pub fn tokens_of_service_delete(&self, _permit: &ServicePermit) -> Result<usize, StoreError> {
        self.change("DELETE FROM tokens WHERE catalog IS NULL", [])
    }

    /// Adds a token of the whole service.
    pub fn token_create_for_service(
        &self,
        _permit: &ServicePermit,
        token: &TokenRow,
    ) -> Result<(), StoreError> {
        self.token_insert(None, token)
    }

    /// Takes a token back; whether there was one.
    pub fn token_delete(
        &self,
        permit: &Permit<ManageTokens>,
        id: TokenId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM tokens WHERE token = ?1 AND catalog = ?2";
        Ok(self.change(sql, params![Bytes(id), Bytes(permit.catalog())])? > 0)
    }

    fn token_insert(&self, catalog: Option<CatalogId>, token: &TokenRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO tokens (token, hash, name, role, catalog, created_s) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![
            Bytes(token.id),
            Bytes(token.hash.0),
            token.name,
            place_of(&Role::ALL, &token.role),
            catalog.map(Bytes),
            Number(token.created_s),
        ];
        self.change(sql, row).map(|_| ())
    }
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Result<TokenInfo, StoreError>> {
    let role = value_at(&Role::ALL, row.get(2)?, "tokens");
    let (id, name, catalog) = (row.get::<_, Bytes<_>>(0)?.0, row.get(1)?, row.get(3)?);
    let created_s = row.get::<_, Number>(4)?.0;
    let catalog = Option::<Bytes<CatalogId>>::map(catalog, |id| id.0);
    Ok(role.map(|role| TokenInfo { id, name, role, catalog, created_s }))
}
