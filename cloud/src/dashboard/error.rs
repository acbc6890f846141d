//! Why a page was refused.

use axum::http::StatusCode;
use craton_api::problem::Fault;

use crate::app::AppError;

/// A refusal of the dashboard.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// A page of another site may have made the browser ask here.
    #[error(
        "E4600: the request names another host than this machine. Open the dashboard by the \
         address that `craton up` printed."
    )]
    HostForeign,
    /// Nothing of that name.
    #[error("E4601: there is no such page here. Start from the list of catalogs.")]
    PageUnknown,
    /// A thread that reads ended.
    #[error("E4602: the page could not be made. This is a fault of Craton; report it.")]
    PageUnmade,
    /// The service's own refusal.
    #[error(transparent)]
    App(#[from] AppError),
}

impl DashboardError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::HostForeign => 4600,
            Self::PageUnknown => 4601,
            Self::PageUnmade => 4602,
            Self::App(inner) => inner.code(),
        }
    }

    /// Every caller's fault on a page that only reads is a wrong address.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::HostForeign => StatusCode::MISDIRECTED_REQUEST,
            Self::PageUnknown => StatusCode::NOT_FOUND,
            Self::PageUnmade => StatusCode::INTERNAL_SERVER_ERROR,
            Self::App(inner) => match inner.fault() {
                Fault::Us => StatusCode::INTERNAL_SERVER_ERROR,
                Fault::Environment => StatusCode::SERVICE_UNAVAILABLE,
                Fault::Caller | Fault::Peer => StatusCode::NOT_FOUND,
            },
        }
    }
}
