//! Every refusal of the service, by area.

use craton_api::problem::Fault;

use crate::attest::AttestError;
use crate::audit::AuditError;
use crate::authority::AuthorityError;
use crate::blobs::BlobError;
use crate::catalog::CatalogError;
use crate::rollout::RolloutError;
use crate::store::StoreError;
use crate::tenancy::TenancyError;

/// Why a use of the service was refused.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// By tenancy.
    #[error(transparent)]
    Tenancy(#[from] TenancyError),
    /// By the catalog's rules.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// By the rollout's rules.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// By the log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// By the blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// By attestation.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// By the authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// By the database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Tenancy(inner) => inner.code(),
            Self::Catalog(inner) => inner.code(),
            Self::Rollout(inner) => inner.code(),
            Self::Audit(inner) => inner.code(),
            Self::Blob(inner) => inner.code(),
            Self::Attest(inner) => inner.code(),
            Self::Authority(inner) => inner.code(),
            Self::Store(inner) => inner.code(),
        }
    }

    /// The store's refusal, wherever it came through.
    #[must_use]
    pub fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(inner)
            | Self::Tenancy(TenancyError::Store(inner))
            | Self::Catalog(CatalogError::Store(inner))
            | Self::Catalog(CatalogError::Audit(AuditError::Store(inner)))
            | Self::Rollout(RolloutError::Store(inner))
            | Self::Audit(AuditError::Store(inner)) => Some(inner),
            _ => None,
        }
    }

    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if let Some(store) = self.store() {
            return store.fault();
        }
        match self {
            Self::Blob(
                BlobError::BlobDiskFull | BlobError::BlobDisk(_) | BlobError::BlobFolder { .. },
            ) => Fault::Environment,
            Self::Audit(AuditError::LogKeyRefused(_)) => Fault::Environment,
            _ => Fault::Caller,
        }
    }
}
