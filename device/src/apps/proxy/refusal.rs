//! Why the proxy did not connect an app. Numbers 5120–5129.

use std::net::IpAddr;

use thiserror::Error;

/// Counted, and logged with what would allow it. Each variant's number is stable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyRefusal {
    #[error(
        "E5120: the app may not connect to {host}:{port}. If it should, write \
         \"AllowedConnections\": [\"{host}\"] under Capabilities in app_manifest.json."
    )]
    NotAllowed { host: String, port: u16 },
    #[error(
        "E5121: {host} resolved to {address}, which is not a public address, so port {port} was \
         not dialed. If that host is meant, list \"{address}\" in AllowedConnections."
    )]
    AddressPrivate { host: String, port: u16, address: IpAddr },
    #[error("E5122: {host} has no address ({why}). Check the name and the device's DNS server.")]
    NameUnresolved { host: String, why: String },
    #[error("E5123: {host}:{port} could not be reached ({why}). Check the network and the server.")]
    Unreachable { host: String, port: u16, why: String },
    #[error(
        "E5124: the app sent the proxy something that is neither SOCKS5 nor HTTP CONNECT. Use \
         socks5h://127.0.0.1:1080."
    )]
    RequestMalformed,
}

impl ProxyRefusal {
    pub fn code(&self) -> u16 {
        match self {
            ProxyRefusal::NotAllowed { .. } => 5120,
            ProxyRefusal::AddressPrivate { .. } => 5121,
            ProxyRefusal::NameUnresolved { .. } => 5122,
            ProxyRefusal::Unreachable { .. } => 5123,
            ProxyRefusal::RequestMalformed => 5124,
        }
    }
}
