//! Who is asking.

use craton_api::operator::{CatalogId, TokenInfo};

use super::{Action, AppError, Caller, Core, Permit, ServicePermit};
use crate::tenancy::{TenancyError, TokenHash};

/// The caller behind a token's secret.
///
/// # Errors
/// `TokenMissing` without one; `TokenUnknown` for one that this service did not give out or has
/// taken back.
pub fn authenticate(core: &Core, secret: Option<&str>) -> Result<Caller, AppError> {
    let secret = secret.ok_or(TenancyError::TokenMissing)?;
    let found = core.store.read(|db| {
        let hash = TokenHash::of(&db.token_salt()?, secret);
        db.token_by_hash(&hash)
    })?;
    Ok(Caller::of_token(found.ok_or(TenancyError::TokenUnknown)?))
}

/// A permit for `A` in a catalog. To whoever is confined to another catalog this one is as unknown
/// as one that is not there.
///
/// # Errors
/// `CatalogUnknown`, `RoleInsufficient`.
pub fn permit<A: Action>(
    core: &Core,
    caller: &Caller,
    catalog: Option<CatalogId>,
) -> Result<Permit<A>, AppError> {
    let catalog = catalog.ok_or(TenancyError::CatalogUnknown)?;
    let permit = caller.permit(catalog)?;
    let known = core.store.read(|db| db.catalog_exists(catalog))?;
    if known { Ok(permit) } else { Err(TenancyError::CatalogUnknown.into()) }
}

/// What a caller's token shows of itself.
///
/// # Errors
/// `TokenMissing` for one who has none.
pub fn token_of(caller: &Caller) -> Result<TokenInfo, AppError> {
    Ok(caller.token().cloned().ok_or(TenancyError::TokenMissing)?)
}

/// A permit for the whole service.
///
/// # Errors
/// `ServiceOwnerOnly`.
pub fn permit_service(caller: &Caller) -> Result<ServicePermit, AppError> {
    Ok(caller.permit_service()?)
}
