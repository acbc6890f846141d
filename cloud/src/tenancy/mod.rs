//! Who may do what: a request becomes a `Caller`, a caller a `Permit`, and only a permit a write.

mod action;
mod error;
mod secret;

use std::marker::PhantomData;

use craton_api::operator::{CatalogId, Role, TokenInfo};

pub use action::{
    Action, AdmitSets, Deploy, ManageDevices, ManageProducts, ManageTokens, ManageTrustStore,
    Publish, ReadCatalog,
};
pub use error::TenancyError;
pub use secret::{TokenHash, TokenSecret};

/// Someone whose token the service knows; only `app::callers` looks that up.
#[derive(Clone, Debug)]
pub struct Caller {
    name: String,
    role: Role,
    catalog: Option<CatalogId>,
    token: Option<TokenInfo>,
}

impl Caller {
    /// The caller whose token the store has just found under its hash.
    pub(crate) fn of_token(token: TokenInfo) -> Self {
        Self {
            name: token.name.clone(),
            role: token.role,
            catalog: token.catalog,
            token: Some(token),
        }
    }

    /// Whoever reaches the loopback listener: he may look at everything and change nothing.
    #[must_use]
    pub fn on_this_machine() -> Self {
        let name = "this machine".to_owned();
        Self { name, role: Role::Reader, catalog: None, token: None }
    }

    /// What his token shows of itself; `None` on the loopback listener.
    #[must_use]
    pub fn token(&self) -> Option<&TokenInfo> {
        self.token.as_ref()
    }

    /// The only catalog that he may enter; `None` for all of them.
    #[must_use]
    pub fn confined_to(&self) -> Option<CatalogId> {
        self.catalog
    }

    /// Permission to do `A` in a catalog.
    ///
    /// # Errors
    /// `CatalogUnknown` outside his catalog, whether or not there is one of that id; then
    /// `RoleInsufficient`.
    pub fn permit<A: Action>(&self, catalog: CatalogId) -> Result<Permit<A>, TenancyError> {
        if self.catalog.is_some_and(|own| own != catalog) {
            return Err(TenancyError::CatalogUnknown);
        }
        if self.role < A::LEAST {
            return Err(TenancyError::RoleInsufficient { needs: A::LEAST });
        }
        Ok(Permit { catalog, by: self.name.clone(), action: PhantomData })
    }

    /// Permission to act for the whole service.
    ///
    /// # Errors
    /// `RoleInsufficient` unless he owns the service.
    pub fn permit_service(&self) -> Result<ServicePermit, TenancyError> {
        if self.catalog.is_some() || self.role < Role::Owner {
            return Err(TenancyError::ServiceOwnerOnly);
        }
        Ok(ServicePermit { by: self.name.clone() })
    }
}

/// The right to do `A` in one catalog. A permit for one action is none for another:
///
/// ```compile_fail
/// use craton_cloud::tenancy::{Caller, Deploy, ManageTokens, Permit};
/// fn deploy(_: &Permit<Deploy>) {}
/// fn wrong(permit: Permit<ManageTokens>) {
///     deploy(&permit);
/// }
/// ```
///
/// Nor can anyone make one without a caller:
///
/// ```compile_fail
/// use craton_cloud::tenancy::{Deploy, Permit};
/// let forged: Permit<Deploy> = Permit {
///     catalog: craton_api::operator::CatalogId([0; 32]),
///     by: String::new(),
///     action: std::marker::PhantomData,
/// };
/// ```
#[derive(Clone, Debug)]
pub struct Permit<A: Action> {
    catalog: CatalogId,
    by: String,
    action: PhantomData<A>,
}

impl<A: Action> Permit<A> {
    /// The catalog that it is for.
    #[must_use]
    pub fn catalog(&self) -> CatalogId {
        self.catalog
    }

    /// Who acts, as his token names him.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }
}

/// The right to act for the whole service: to make a catalog.
#[derive(Clone, Debug)]
pub struct ServicePermit {
    by: String,
}

impl ServicePermit {
    /// For the first start, before there is any token.
    pub(crate) fn for_first_start() -> Self {
        Self { by: "first start".to_owned() }
    }

    /// Who acts.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }
}
