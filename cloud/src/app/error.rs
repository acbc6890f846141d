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

    /// What the engine said, for the log and never for the caller.
    #[must_use]
    pub fn inside(&self) -> Option<String> {
        match self {
            Self::Store(StoreError::StoreEngine(inside)) => Some(inside.to_string()),
            _ => None,
        }
    }

    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.kind() {
            RefusalKind::NoRoom | RefusalKind::Unavailable => Fault::Environment,
            RefusalKind::Fault => Fault::Us,
            _ => Fault::Caller,
        }
    }

    /// How it stands to the caller.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Tenancy(inner) => kind_of_tenancy(inner),
            Self::Catalog(inner) => kind_of_catalog(inner),
            Self::Rollout(inner) => kind_of_rollout(inner),
            Self::Audit(inner) => kind_of_audit(inner),
            Self::Blob(inner) => kind_of_blob(inner),
            Self::Attest(inner) => kind_of_attest(inner),
            Self::Authority(_) => RefusalKind::Fault,
            Self::Store(inner) => kind_of_store(inner),
        }
    }
}

/// How a refusal stands to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// He has not shown who he is.
    Unidentified,
    /// He may not.
    NotPermitted,
    /// There is no such thing, or none that he may know of.
    Unknown,
    /// It contradicts what is.
    Conflict,
    /// What he sent is not well-formed.
    Malformed,
    /// What he sent is well-formed and not believed, or breaks a rule.
    Invalid,
    /// What he sent is too large.
    TooLarge,
    /// He asks too often, or for too much at once.
    TooMany,
    /// The disk is full.
    NoRoom,
    /// The machine does not let us.
    Unavailable,
    /// We are wrong.
    Fault,
}

fn kind_of_tenancy(refusal: &TenancyError) -> RefusalKind {
    match refusal {
        TenancyError::TokenMissing | TenancyError::TokenUnknown => RefusalKind::Unidentified,
        TenancyError::RoleInsufficient { .. } | TenancyError::ServiceOwnerOnly => {
            RefusalKind::NotPermitted
        }
        TenancyError::CatalogUnknown | TenancyError::TokenIdUnknown => RefusalKind::Unknown,
        TenancyError::TokenNameInvalid => RefusalKind::Invalid,
    }
}

fn kind_of_catalog(refusal: &CatalogError) -> RefusalKind {
    match refusal {
        CatalogError::ProductUnknown
        | CatalogError::GroupUnknown
        | CatalogError::ImageUnknown
        | CatalogError::SetUnknown
        | CatalogError::DeviceUnknown
        | CatalogError::CapabilityUnknown
        | CatalogError::SectionUnknown
        | CatalogError::BootUnknown
        | CatalogError::BootLogMissing
        | CatalogError::FailureGroupUnknown => RefusalKind::Unknown,
        CatalogError::NameTaken
        | CatalogError::ProductInUse
        | CatalogError::GroupInUse
        | CatalogError::SetNotApproved
        | CatalogError::PlatformOther
        | CatalogError::ClaimConflict
        | CatalogError::BootMovedOn
        | CatalogError::SetOrphaned(_)
        | CatalogError::ImageOvertaken(_)
        | CatalogError::ProgramOrphaned(_) => RefusalKind::Conflict,
        CatalogError::QuotaReached { .. } => RefusalKind::TooLarge,
        CatalogError::FailuresTooMany { .. } => RefusalKind::TooMany,
        _ => RefusalKind::Invalid,
    }
}

fn kind_of_rollout(refusal: &RolloutError) -> RefusalKind {
    match refusal {
        RolloutError::DeploymentUnknown => RefusalKind::Unknown,
        RolloutError::WavesInvalid
        | RolloutError::PauseRuleInvalid
        | RolloutError::ReasonTooLong => RefusalKind::Invalid,
        _ => RefusalKind::Conflict,
    }
}

fn kind_of_audit(refusal: &AuditError) -> RefusalKind {
    match refusal {
        AuditError::LeafUnknown | AuditError::CheckpointUnknown => RefusalKind::Unknown,
        AuditError::TreeTooSmall { .. } | AuditError::CosignatureRefused(_) => RefusalKind::Invalid,
        AuditError::LogKeyRefused(_) => RefusalKind::Unavailable,
    }
}

fn kind_of_blob(refusal: &BlobError) -> RefusalKind {
    match refusal {
        BlobError::BlobHashMismatch | BlobError::UploadInterrupted => RefusalKind::Invalid,
        BlobError::BlobTooLarge { .. } => RefusalKind::TooLarge,
        BlobError::BlobDiskFull => RefusalKind::NoRoom,
        BlobError::BlobMissing(_) => RefusalKind::Unknown,
        BlobError::StreamsBusy => RefusalKind::TooMany,
        BlobError::BlobDisk(_) | BlobError::BlobFolder { .. } => RefusalKind::Unavailable,
    }
}

fn kind_of_attest(refusal: &AttestError) -> RefusalKind {
    match refusal {
        AttestError::CertificateMissing | AttestError::CertificateReplaced => {
            RefusalKind::Unidentified
        }
        AttestError::Evidence(_) => RefusalKind::Malformed,
        AttestError::BootLogElsewhere => RefusalKind::Invalid,
        _ => RefusalKind::NotPermitted,
    }
}

fn kind_of_store(refusal: &StoreError) -> RefusalKind {
    match refusal {
        StoreError::StoreDiskFull => RefusalKind::NoRoom,
        StoreError::StoreEngine(_) | StoreError::StorePanicked => RefusalKind::Fault,
        _ => RefusalKind::Unavailable,
    }
}
