//! Why a request was refused before any use of the service saw it.

/// A refusal of the HTTP layer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A part of the path is not what stands there.
    #[error("E4301: a part of the path is malformed ({0}). Correct its spelling.")]
    PathInvalid(String),
    /// The JSON body is not what is asked for.
    #[error("E4302: the body is malformed ({0}). See /openapi.json for its fields.")]
    BodyMalformed(String),
    /// The body is too long.
    #[error("E4303: the body has more than {size_max} bytes. Send a smaller one.")]
    BodyTooLarge {
        /// The bound.
        size_max: usize,
    },
    /// The body has another media type.
    #[error("E4304: the body must have the media type {0}. Say so in `Content-Type`.")]
    MediaTypeWrong(&'static str),
    /// No such path.
    #[error("E4305: there is nothing at this path. See /openapi.json for what there is.")]
    RouteUnknown,
    /// Not with this method.
    #[error("E4306: this path does not have that method. See /openapi.json for those it has.")]
    MethodUnknown,
    /// The query is not what is asked for.
    #[error("E4307: the query is malformed ({0}). See /openapi.json for its parameters.")]
    QueryInvalid(String),
    /// The body came too slowly.
    #[error("E4308: the body stopped coming. Send it again on a better connection.")]
    BodySlow,
    /// The connection broke.
    #[error("E4309: the body ended early. Send it again.")]
    BodyBroken,
    /// The range is not one that the blob has.
    #[error("E4310: the blob does not have that range. Ask for bytes below its length.")]
    RangeInvalid,
}

impl HttpError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::PathInvalid(_) => 4301,
            Self::BodyMalformed(_) => 4302,
            Self::BodyTooLarge { .. } => 4303,
            Self::MediaTypeWrong(_) => 4304,
            Self::RouteUnknown => 4305,
            Self::MethodUnknown => 4306,
            Self::QueryInvalid(_) => 4307,
            Self::BodySlow => 4308,
            Self::BodyBroken => 4309,
            Self::RangeInvalid => 4310,
        }
    }
}
