//! What stands around every page: whose requests are answered, and what a browser may do with it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::DashboardError;

/// A page needs one style sheet and one picture of ours, and nothing else in the world.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Refuses a request that does not name this machine, and dresses the answer.
///
/// A site on the internet can point its own name at 127.0.0.1 and have the browser ask us under it;
/// the browser then sends that name as `Host`.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut answer = if host.is_some_and(names_this_machine) {
        next.run(request).await
    } else {
        DashboardError::HostForeign.into_response()
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether a `Host` is a loopback name, with or without a port. The port is not compared: whoever
/// can choose it is on this machine already, or is refused for the name.
fn names_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some(("::1", port)) => ("[::1]", port),
            _ => return false,
        },
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_is_number = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    port_is_number && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_believed() {
        for ours in ["127.0.0.1:7080", "localhost:7080", "[::1]:7080", "localhost", "127.0.0.1"] {
            assert!(names_this_machine(ours), "{ours}");
        }
        let foreign = [
            "",
            "evil.example:7080",
            "localhost.evil.example:7080",
            "127.0.0.1.evil.example",
            "127.0.0.1:7080:7080",
            "127.0.0.1:x",
            "127.0.0.1:99999",
            "[::1]evil",
            "[::2]:7080",
            "[::1",
            "user@localhost:7080",
            "0.0.0.0:7080",
        ];
        for foreign in foreign {
            assert!(!names_this_machine(foreign), "{foreign}");
        }
    }
}
