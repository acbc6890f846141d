//! How a refusal reads: RFC 9457 with Craton's error number.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a refusal (RFC 9457 section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The other side of a protocol, such as a device.
    Peer,
    /// Whoever made the request.
    Caller,
    /// The machine: disk, network, clock.
    Environment,
    /// Craton itself.
    Us,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:craton:error:N`, N being the number in `spec/errors.toml`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is true, in one sentence.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
    /// The error's number.
    pub code: u16,
    /// Who can mend it.
    pub fault: Fault,
}

impl Problem {
    /// From an error whose text is `E4122: what is true. What to do.`
    ///
    /// The text is split at the first `". "`: the first sentence becomes the title.
    #[must_use]
    pub fn from_text(code: u16, status: u16, fault: Fault, text: &str) -> Self {
        let prefix = format!("E{code}: ");
        let said = text.strip_prefix(&prefix).unwrap_or(text);
        let (title, detail) = said.split_once(". ").unwrap_or((said, ""));
        Self {
            kind: format!("urn:craton:error:{code}"),
            title: title.to_owned(),
            status,
            detail: detail.to_owned(),
            code,
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_splits_what_is_true_from_what_to_do() {
        let text = "E4122: the token is unknown. Ask the owner for a new one.";
        let problem = Problem::from_text(4122, 401, Fault::Caller, text);
        assert_eq!(problem.title, "the token is unknown");
        assert_eq!(problem.detail, "Ask the owner for a new one.");
        assert_eq!(problem.kind, "urn:craton:error:4122");
    }
}
