//! API tokens.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use craton_api::operator::{CatalogId, Role, TokenCreate, TokenCreated, TokenId, TokenInfo};

use super::{AppError, Core, log};
use crate::audit::{Leaf, LeafKind, commitment};
use crate::crypto::random_bytes;
use crate::store::{Store, StoreError, TokenRow, WriteTx};
use crate::tenancy::{ManageTokens, Permit, ServicePermit, TenancyError, TokenHash, TokenSecret};

/// Where the first token is written, in the data folder.
pub const FIRST_TOKEN_FILE: &str = "operator-token";

/// Makes a token for one catalog. Its secret is in the answer and nowhere else.
///
/// # Errors
/// `TokenNameInvalid`.
pub async fn create(
    core: &Core,
    permit: Permit<ManageTokens>,
    asked: TokenCreate,
) -> Result<TokenCreated, AppError> {
    if !(1..=100).contains(&asked.name.len()) {
        return Err(TenancyError::TokenNameInvalid.into());
    }
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let secret = TokenSecret::random();
    let salt = core.store.read(|db| db.token_salt())?;
    let row = token_row(&salt, &secret, &asked.name, asked.role, now_s);
    let info = info_of(&row, Some(catalog));
    let work = move |db: &WriteTx<'_>| {
        db.token_create(&permit, &row)?;
        let fact = grant(db, catalog, b"give", row.id, now_s)?;
        log::append(db, &*keys.log, catalog, fact, now_s)
    };
    core.store.write(work).await?;
    Ok(TokenCreated { info, secret: secret.reveal().to_owned() })
}

/// Takes a token back: its next request is refused.
///
/// # Errors
/// `TokenIdUnknown`.
pub async fn delete(
    core: &Core,
    permit: Permit<ManageTokens>,
    id: TokenId,
) -> Result<(), AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        if !db.token_delete(&permit, id)? {
            return Err(TenancyError::TokenIdUnknown.into());
        }
        let fact = grant(db, catalog, b"take", id, now_s)?;
        log::append(db, &*keys.log, catalog, fact, now_s)?;
        Ok(())
    };
    core.store.write(work).await
}

/// Makes the salt and, if its file is absent, a token that owns the whole service, written 0600
/// into the data folder. Run at every start; a person who lost the token removes the file and
/// starts again: the one before is taken back in the same commit.
///
/// # Errors
/// `StoreFolder`, and those of the store.
pub async fn first_start(store: &Store, folder: &Path, now_s: u64) -> Result<(), StoreError> {
    let salt = random_bytes::<32>();
    let salt = store
        .write(move |db| {
            db.service_fact_keep("token-salt", &salt)?;
            db.token_salt()
        })
        .await?;
    let path = folder.join(FIRST_TOKEN_FILE);
    if path.exists() {
        return Ok(());
    }
    let secret = TokenSecret::random();
    let row = token_row(&salt, &secret, "operator-token", Role::Owner, now_s);
    let permit = ServicePermit::for_first_start();
    let work = move |db: &WriteTx<'_>| {
        // Whoever lost the file lost the token: it must not open anything any more.
        db.tokens_of_service_delete(&permit)?;
        db.token_create_for_service(&permit, &row)
    };
    store.write(work).await?;
    let write = || {
        // Renamed into place, so that the file is never half a token.
        let partial = folder.join("operator-token.partial");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&partial)?;
        writeln!(file, "{}", secret.reveal())?;
        file.sync_all()?;
        std::fs::rename(&partial, &path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|source| StoreError::StoreFolder { folder: folder.to_owned(), source })
}

fn grant(
    db: &WriteTx<'_>,
    catalog: CatalogId,
    word: &[u8],
    id: TokenId,
    now_s: u64,
) -> Result<Leaf, AppError> {
    let secret = db.wave_secret(catalog)?.ok_or(TenancyError::CatalogUnknown)?;
    let fact = commitment(&secret, &[b"grant", word, &id.0, &now_s.to_be_bytes()]);
    Ok(Leaf { kind: LeafKind::Grant, fact })
}

fn token_row(salt: &[u8], secret: &TokenSecret, name: &str, role: Role, now_s: u64) -> TokenRow {
    TokenRow {
        id: TokenId(random_bytes()),
        hash: TokenHash::of(salt, secret.reveal()),
        name: name.to_owned(),
        role,
        created_s: now_s,
    }
}

fn info_of(row: &TokenRow, catalog: Option<CatalogId>) -> TokenInfo {
    let (id, name, role, created_s) = (row.id, row.name.clone(), row.role, row.created_s);
    TokenInfo { id, name, role, catalog, created_s }
}
