//! API tokens and roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CatalogId, TokenId};

/// What a caller may do, per catalog. Each role may do what the ones below it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Reader,
    /// Also uploads blobs, images, sets, deltas and symbols.
    Publisher,
    /// Also manages products, groups, devices, approvals, admissions and deployments.
    Contributor,
    /// Also manages tokens and the trust store.
    Owner,
}

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Role; 4] = [Role::Reader, Role::Publisher, Role::Contributor, Role::Owner];

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Publisher => "publisher",
            Role::Contributor => "contributor",
            Role::Owner => "owner",
        }
    }
}

/// Asks for a token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// Who or what will use it; 1 to 100 bytes.
    pub name: String,
    /// What it may do in this catalog.
    pub role: Role,
}

/// A token as it can be shown again: without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Its public name.
    pub id: TokenId,
    /// Who or what uses it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where; absent: in every catalog of the service.
    pub catalog: Option<CatalogId>,
    /// When it was made, Unix seconds.
    pub created_s: u64,
}

/// A token that was just made: the only time its secret is shown.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// What can be shown again.
    pub info: TokenInfo,
    /// `craton_` and 43 characters of base64url: give it as `Authorization: Bearer`.
    pub secret: String,
}

/// Tokens of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// Oldest first.
    pub items: Vec<TokenInfo>,
}
