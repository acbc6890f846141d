//! Why someone may not.

use craton_api::operator::Role;

/// A refusal of tenancy.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The request has no token.
    #[error(
        "E4121: the request has no API token. Send `Authorization: Bearer craton_...`; the first \
         token is in the data folder, in `operator-token`."
    )]
    TokenMissing,
    /// The token is not one of this service's.
    #[error("E4122: the API token is unknown here. Ask the catalog's owner for a new one.")]
    TokenUnknown,
    /// The token's role does not reach.
    #[error(
        "E4123: this needs the role {}. Use a token that has it, or ask the catalog's owner.",
        .needs.as_str()
    )]
    RoleInsufficient {
        /// The weakest role that would do.
        needs: Role,
    },
    /// No catalog of that id is visible to the caller.
    #[error("E4124: there is no such catalog here. GET /v1/catalogs lists them.")]
    CatalogUnknown,
    /// Only the service's owner may.
    #[error(
        "E4125: only the owner of the service may do this. Use the token in the data folder, in \
         `operator-token`."
    )]
    ServiceOwnerOnly,
    /// No token of that id in the catalog.
    #[error("E4126: there is no such token. List the catalog's tokens for their ids.")]
    TokenIdUnknown,
    /// The token's name is empty or too long.
    #[error("E4127: a token's name has 1 to 100 bytes. Give it a shorter one.")]
    TokenNameInvalid,
}

impl TenancyError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::TokenMissing => 4121,
            Self::TokenUnknown => 4122,
            Self::RoleInsufficient { .. } => 4123,
            Self::CatalogUnknown => 4124,
            Self::ServiceOwnerOnly => 4125,
            Self::TokenIdUnknown => 4126,
            Self::TokenNameInvalid => 4127,
        }
    }
}
