//! The manifest's AllowedConnections as a rule.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::address::is_public;
use super::refusal::ProxyRefusal;
use crate::apps::sandbox::SandboxError;

const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Which hosts may be dialed, on any port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    names: BTreeSet<String>,
    addresses: BTreeSet<Ipv4Addr>,
}

impl Rules {
    /// Each entry is a DNS name, compared whole and in any case, or an IPv4 address.
    pub fn parse(entries: &[String]) -> Result<Rules, SandboxError> {
        let mut rules = Rules::default();
        for entry in entries {
            if let Ok(address) = entry.parse() {
                rules.addresses.insert(address);
            } else if is_name(entry) {
                rules.names.insert(canonical(entry));
            } else {
                return Err(SandboxError::ConnectionMalformed { entry: entry.clone() });
            }
        }
        Ok(rules)
    }

    /// The addresses to dial for `host`, from `resolve` where it is a name.
    ///
    /// A listed name must resolve to public addresses: otherwise whoever answers for it could
    /// aim the app at the device itself or its LAN (DNS rebinding). An address the manifest
    /// lists literally is meant.
    pub fn addresses(
        &self,
        host: &str,
        port: u16,
        resolve: impl FnOnce(&str) -> io::Result<Vec<IpAddr>>,
    ) -> Result<Vec<IpAddr>, ProxyRefusal> {
        let not_allowed = || ProxyRefusal::NotAllowed { host: host.to_owned(), port };
        if let Ok(address) = host.parse::<IpAddr>() {
            return if self.lists(address) { Ok(vec![address]) } else { Err(not_allowed()) };
        }
        if !self.names.contains(&canonical(host)) {
            return Err(not_allowed());
        }
        let unresolved = |why: String| ProxyRefusal::NameUnresolved { host: host.to_owned(), why };
        let resolved = resolve(host).map_err(|why| unresolved(why.to_string()))?;
        let first = *resolved.first().ok_or_else(|| unresolved("no record".to_owned()))?;
        let dialable: Vec<IpAddr> =
            resolved.into_iter().filter(|ip| is_public(*ip) || self.lists(*ip)).collect();
        if dialable.is_empty() {
            return Err(ProxyRefusal::AddressPrivate {
                host: host.to_owned(),
                port,
                address: first,
            });
        }
        Ok(dialable)
    }

    fn lists(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if self.addresses.contains(&address))
    }
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// RFC 1123 §2.1, and `_` before a label as in `_http._tcp.local`: what a manifest may list. A last
/// label of digits would be a number that resolvers read as an address.
fn is_name(entry: &str) -> bool {
    let name = canonical(entry);
    let is_label = |label: &str| {
        let body = label.strip_prefix('_').unwrap_or(label);
        !body.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !body.starts_with('-')
            && !body.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(entries: &[&str]) -> Rules {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Rules::parse(&entries).expect("well-formed entries")
    }

    fn answers(addresses: &'static [&'static str]) -> impl Fn(&str) -> io::Result<Vec<IpAddr>> {
        |_| Ok(addresses.iter().map(|address| address.parse().expect("address")).collect())
    }

    #[test]
    fn a_listed_name_is_dialed_in_any_case() {
        let rules = rules(&["Example.com"]);
        let dialed = rules.addresses("EXAMPLE.com.", 443, answers(&["93.184.216.34"]));
        assert_eq!(dialed.expect("allowed").len(), 1);
    }

    #[test]
    fn what_is_not_listed_is_not_allowed() {
        let rules = rules(&["example.com", "192.168.1.5"]);
        let unlisted =
            ["example.org", "sub.example.com", "com", "127.0.0.1", "192.168.1.6", "::1", ""];
        for host in unlisted {
            let outcome = rules.addresses(host, 80, answers(&["1.1.1.1"]));
            assert!(matches!(outcome, Err(ProxyRefusal::NotAllowed { .. })), "{host}");
        }
        assert!(rules.addresses("192.168.1.5", 80, answers(&[])).is_ok());
    }

    #[test]
    fn a_name_that_turns_private_is_refused_unless_the_address_is_listed() {
        let private = answers(&["10.0.0.7"]);
        let outcome = rules(&["example.com"]).addresses("example.com", 80, &private);
        assert!(matches!(outcome, Err(ProxyRefusal::AddressPrivate { .. })));
        let meant = rules(&["example.com", "10.0.0.7"]);
        assert!(meant.addresses("example.com", 80, &private).is_ok());
    }

    #[test]
    fn of_mixed_answers_only_the_public_ones_are_dialed() {
        let mixed = answers(&["127.0.0.1", "1.1.1.1", "::1"]);
        let dialed = rules(&["example.com"]).addresses("example.com", 80, mixed);
        assert_eq!(dialed.expect("one is public"), ["1.1.1.1".parse::<IpAddr>().expect("ip")]);
    }

    #[test]
    fn a_name_without_an_address_is_unresolved() {
        let rules = rules(&["example.com"]);
        let none = rules.addresses("example.com", 80, answers(&[]));
        assert!(matches!(none, Err(ProxyRefusal::NameUnresolved { .. })));
        let failed = rules.addresses("example.com", 80, |_| Err(io::Error::other("down")));
        assert!(matches!(failed, Err(ProxyRefusal::NameUnresolved { .. })));
    }

    #[test]
    fn whatever_a_manifest_may_list_is_a_rule() {
        let hosts = "[\"a.example\", \"_http._tcp.local\", \"h-1.1a\", \"a.1-2\", \"192.0.2.1\"]";
        let manifest = format!(
            "{{\"SchemaVersion\": 1, \"Name\": \"a\", \"EntryPoint\": \"/a\", \
             \"ComponentId\": \"5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21\", \
             \"Capabilities\": {{\"AllowedConnections\": {hosts}}}}}"
        );
        let manifest = craton_image::app_manifest::parse(manifest.as_bytes()).expect("accepted");
        let listed = manifest.capabilities.allowed_connections;
        let entries: Vec<String> = listed.iter().map(ToString::to_string).collect();
        assert_eq!(Rules::parse(&entries).map(|rules| rules.names.len()), Ok(4));
    }

    #[test]
    fn entries_that_are_neither_name_nor_address_are_malformed() {
        let long = format!("{}.com", "a".repeat(64));
        for entry in [
            "",
            ".",
            "a..b",
            "-a.com",
            "a-.com",
            "a b.com",
            "*.com",
            "2130706433",
            "10.1",
            "::1",
            &long,
        ] {
            let outcome = Rules::parse(&[entry.to_owned()]);
            let malformed = matches!(outcome, Err(SandboxError::ConnectionMalformed { .. }));
            assert!(malformed, "{entry}");
        }
    }
}
