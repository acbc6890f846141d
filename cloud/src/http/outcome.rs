//! A refusal as an answer: RFC 9457 with our number, and the status that fits.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use craton_api::problem::{Fault, MEDIA_TYPE, Problem};

use super::HttpError;
use crate::app::AppError;
use crate::attest::AttestError;
use crate::audit::AuditError;
use crate::blobs::BlobError;
use crate::catalog::CatalogError;
use crate::rollout::RolloutError;
use crate::store::StoreError;
use crate::tenancy::TenancyError;

/// Any refusal, on its way to the caller.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    problem: Problem,
}

impl Refusal {
    /// What the caller will read.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    fn new(status: StatusCode, code: u16, fault: Fault, said: &str) -> Self {
        Self { status, problem: Problem::from_text(code, status.as_u16(), fault, said) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = axum::Json(&self.problem).into_response();
        *answer.status_mut() = self.status;
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

impl<E: Into<AppError>> From<E> for Refusal {
    fn from(refusal: E) -> Self {
        let refusal = refusal.into();
        let (fault, said) = (refusal.fault(), refusal.to_string());
        if let Some(StoreError::StoreEngine(inside)) = refusal.store() {
            // The caller reads only the number; what the engine said is for the log.
            eprintln!("{said} [{inside}]");
        }
        Self::new(status_of(&refusal), refusal.code(), fault, &said)
    }
}

impl From<HttpError> for Refusal {
    fn from(refusal: HttpError) -> Self {
        let status = match refusal {
            HttpError::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            HttpError::MediaTypeWrong(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            HttpError::RouteUnknown => StatusCode::NOT_FOUND,
            HttpError::MethodUnknown => StatusCode::METHOD_NOT_ALLOWED,
            HttpError::BodySlow => StatusCode::REQUEST_TIMEOUT,
            HttpError::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            HttpError::PathInvalid(_)
            | HttpError::BodyMalformed(_)
            | HttpError::QueryInvalid(_)
            | HttpError::BodyBroken => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.code(), Fault::Caller, &refusal.to_string())
    }
}

fn status_of(refusal: &AppError) -> StatusCode {
    if let Some(store) = refusal.store() {
        return match store {
            StoreError::StoreDiskFull => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::StoreEngine(_) | StoreError::StorePanicked => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
    }
    match refusal {
        AppError::Tenancy(inner) => status_of_tenancy(inner),
        AppError::Catalog(inner) => status_of_catalog(inner),
        AppError::Rollout(RolloutError::DeploymentUnknown) => StatusCode::NOT_FOUND,
        AppError::Rollout(RolloutError::WavesInvalid | RolloutError::PauseRuleInvalid) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        AppError::Rollout(_) => StatusCode::CONFLICT,
        AppError::Audit(inner) => status_of_audit(inner),
        AppError::Blob(inner) => status_of_blob(inner),
        AppError::Attest(inner) => status_of_attest(inner),
        AppError::Authority(_) => StatusCode::INTERNAL_SERVER_ERROR,
        AppError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn status_of_attest(refusal: &AttestError) -> StatusCode {
    match refusal {
        AttestError::CertificateMissing | AttestError::CertificateReplaced => {
            StatusCode::UNAUTHORIZED
        }
        AttestError::Evidence(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    }
}

fn status_of_tenancy(refusal: &TenancyError) -> StatusCode {
    match refusal {
        TenancyError::TokenMissing | TenancyError::TokenUnknown => StatusCode::UNAUTHORIZED,
        TenancyError::RoleInsufficient { .. } | TenancyError::ServiceOwnerOnly => {
            StatusCode::FORBIDDEN
        }
        TenancyError::CatalogUnknown | TenancyError::TokenIdUnknown => StatusCode::NOT_FOUND,
        TenancyError::TokenNameInvalid => StatusCode::UNPROCESSABLE_ENTITY,
        TenancyError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn status_of_catalog(refusal: &CatalogError) -> StatusCode {
    match refusal {
        CatalogError::ProductUnknown
        | CatalogError::GroupUnknown
        | CatalogError::ImageUnknown
        | CatalogError::SetUnknown
        | CatalogError::DeviceUnknown
        | CatalogError::CapabilityUnknown
        | CatalogError::SectionUnknown
        | CatalogError::FailureGroupUnknown => StatusCode::NOT_FOUND,
        CatalogError::NameTaken
        | CatalogError::ProductInUse
        | CatalogError::GroupInUse
        | CatalogError::SetNotApproved
        | CatalogError::ClaimConflict => StatusCode::CONFLICT,
        CatalogError::Audit(inner) => status_of_audit(inner),
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn status_of_audit(refusal: &AuditError) -> StatusCode {
    match refusal {
        AuditError::LeafUnknown | AuditError::CheckpointUnknown => StatusCode::NOT_FOUND,
        AuditError::TreeTooSmall { .. } | AuditError::CosignatureRefused(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        AuditError::LogKeyRefused(_) | AuditError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn status_of_blob(refusal: &BlobError) -> StatusCode {
    match refusal {
        BlobError::BlobHashMismatch | BlobError::UploadInterrupted => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        BlobError::BlobTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BlobError::BlobDiskFull => StatusCode::INSUFFICIENT_STORAGE,
        BlobError::BlobMissing(_) => StatusCode::NOT_FOUND,
        BlobError::BlobDisk(_) | BlobError::BlobFolder { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}
