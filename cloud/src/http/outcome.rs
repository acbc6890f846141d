//! A refusal as an answer: RFC 9457 with our number, and the status that fits.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use craton_api::problem::{Fault, MEDIA_TYPE, Problem};

use super::HttpError;
use crate::app::{AppError, RefusalKind};

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
        if let Some(seconds) = retry_after_s(self.status) {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
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
        if let Some(inside) = refusal.inside() {
            // The caller reads only the number; what the engine said is for the log.
            eprintln!("{said} [{inside}]");
        }
        Self::new(status_of(refusal.kind()), refusal.code(), fault, &said)
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

/// When to ask again, for what passes by itself or by a person's hand: RFC 9110 section 10.2.3.
fn retry_after_s(status: StatusCode) -> Option<u32> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(60),
        _ if status.is_server_error() => Some(30),
        _ => None,
    }
}

fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Unidentified => StatusCode::UNAUTHORIZED,
        RefusalKind::NotPermitted => StatusCode::FORBIDDEN,
        RefusalKind::Unknown => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
