//! The 28 capabilities of Azure Sphere's manifest: all read and checked, three granted today.
//!
//! Nothing is on by default. A capability that nothing enforces is refused, because a manifest that
//! says more than the device does would be believed by its author.

use super::error::{Refusal, Refused, shown};
use super::json::{Kind, Value};
use std::net::Ipv4Addr;

/// What an application may do beyond computing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Where it may connect to; nowhere if empty.
    pub allowed_connections: Vec<Host>,
    /// The TCP ports that it may serve on every address of the device; none if empty.
    pub allowed_tcp_server_ports: Vec<u16>,
    /// Size of its one private file in KiB; none without the capability.
    pub mutable_storage_kib: Option<u32>,
}

/// The far end of an allowed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name in lower case, without a dot at its end.
    Name(String),
    Address(Ipv4Addr),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(address) => address.fmt(f),
        }
    }
}

/// Off-spec: Azure Sphere allows 64 KiB, which was its flash; boards today have far more.
pub const MUTABLE_STORAGE_KIB_MAX: u32 = 65_536;
pub const CONNECTIONS_MAX: usize = 64;
const PORTS_MAX: usize = 10;
/// Where an app finds its proxy, on its own loopback.
pub const PROXY_PORT: u16 = 1080;
const PERIPHERALS_MAX: usize = 64;
const PERIPHERAL_NAME_BYTES_MAX: usize = 64;
/// RFC 1035 §2.3.4, without the root's dot.
const DNS_NAME_BYTES_MAX: usize = 253;
const DNS_LABEL_BYTES_MAX: usize = 63;
const POWER_CONTROLS: [&str; 3] = ["ForceReboot", "ForcePowerDown", "SetPowerProfile"];

/// How a capability's value is written.
#[derive(Clone, Copy)]
enum Form {
    Connections,
    Storage,
    TcpPorts,
    UdpPorts,
    Components,
    Catalog,
    /// Names only.
    Peripherals,
    /// Names or numbers.
    Pins,
    PowerControls,
    Switch,
}

const CAPABILITIES: [(&str, Form); 28] = [
    ("AllowedConnections", Form::Connections),
    ("AllowedTcpServerPorts", Form::TcpPorts),
    ("AllowedUdpServerPorts", Form::UdpPorts),
    ("AllowedApplicationConnections", Form::Components),
    ("Adc", Form::Peripherals),
    ("Gpio", Form::Pins),
    ("I2cMaster", Form::Peripherals),
    ("SpiMaster", Form::Peripherals),
    ("Uart", Form::Peripherals),
    ("Pwm", Form::Peripherals),
    ("I2sSubordinate", Form::Peripherals),
    ("CertStore", Form::Switch),
    ("DeviceAuthentication", Form::Catalog),
    ("DhcpService", Form::Switch),
    ("SntpService", Form::Switch),
    ("EnterpriseWifiConfig", Form::Switch),
    ("HardwareAddressConfig", Form::Switch),
    ("HeapMemStats", Form::Switch),
    ("MutableStorage", Form::Storage),
    ("NetworkConfig", Form::Switch),
    ("ReadNetworkProxyConfig", Form::Switch),
    ("PowerControls", Form::PowerControls),
    ("ResetMemoryWatermarks", Form::Switch),
    ("SoftwareUpdateDeferral", Form::Switch),
    ("SystemEventNotifications", Form::Switch),
    ("SystemTime", Form::Switch),
    ("TimeSyncConfig", Form::Switch),
    ("WifiConfig", Form::Switch),
];

/// Reads the object `Capabilities`. A value is judged before it is refused as not enforced, so
/// that an author sees his own mistake first.
pub(super) fn read(value: &Value) -> Result<Capabilities, Refused> {
    let mut granted = Capabilities::default();
    for field in value.object()?.fields() {
        let known = CAPABILITIES.iter().find(|(name, _)| *name == field.name);
        let Some((name, form)) = known else {
            let name = shown(&field.name);
            return Refused::err(field.at, Refusal::ManifestCapabilityUnknown { name });
        };
        let asks = match form {
            Form::Connections => {
                granted.allowed_connections = connections(&field.value)?;
                continue;
            }
            Form::TcpPorts => {
                granted.allowed_tcp_server_ports = field.value.distinct(PORTS_MAX, tcp_port)?;
                continue;
            }
            Form::Storage => {
                granted.mutable_storage_kib = Some(storage(&field.value)?);
                continue;
            }
            form => asks_for_something(*form, &field.value)?,
        };
        if asks {
            return Refused::err(field.at, Refusal::ManifestCapabilityNotEnforced { name });
        }
    }
    Ok(granted)
}

/// Checks a value of a capability that is not enforced. `false` and an empty list ask for nothing.
fn asks_for_something(form: Form, value: &Value) -> Result<bool, Refused> {
    let count = match form {
        Form::Switch => return value.boolean(),
        Form::Catalog => uuid(value).map(|_| 1)?,
        Form::UdpPorts => value.distinct(PORTS_MAX, port)?.len(),
        Form::Components => value.distinct(PERIPHERALS_MAX, uuid)?.len(),
        Form::Peripherals => value.distinct(PERIPHERALS_MAX, peripheral)?.len(),
        Form::Pins => value.distinct(PERIPHERALS_MAX, pin)?.len(),
        Form::PowerControls => power_controls(value)?.len(),
        Form::Connections | Form::TcpPorts | Form::Storage => 1,
    };
    Ok(count > 0)
}

fn connections(value: &Value) -> Result<Vec<Host>, Refused> {
    value.distinct(CONNECTIONS_MAX, |entry| {
        let text = entry.text()?;
        let invalid = || Refusal::ManifestConnectionInvalid { found: shown(text) };
        host(text).ok_or_else(|| Refused { at: entry.at, refusal: invalid() })
    })
}

/// An IPv4 literal, or a name of RFC 1035 labels; `_` may lead a label, as in `_http._tcp.local`.
fn host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address));
    }
    let name = text.to_ascii_lowercase();
    let last = name.rsplit('.').next()?;
    // A last label of digits alone would be read as an address by some resolvers.
    let is_name = !last.is_empty() && !last.bytes().all(|b| b.is_ascii_digit());
    let fits = name.len() <= DNS_NAME_BYTES_MAX && name.split('.').all(is_label);
    (is_name && fits).then_some(Host::Name(name))
}

fn is_label(label: &str) -> bool {
    let body = label.strip_prefix('_').unwrap_or(label);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !body.is_empty()
        && label.len() <= DNS_LABEL_BYTES_MAX
        && body.bytes().all(plain)
        && !body.starts_with('-')
        && !body.ends_with('-')
}

fn storage(value: &Value) -> Result<u32, Refused> {
    let object = value.object()?;
    object.only(&["SizeKB"])?;
    let size = object.required("SizeKB")?;
    let (found, max) = (size.integer()?, MUTABLE_STORAGE_KIB_MAX);
    let kib = u32::try_from(found).ok().filter(|kib| (1..=max).contains(kib));
    let refusal = Refusal::ManifestStorageSizeInvalid { found, max };
    kib.ok_or(Refused { at: size.at, refusal })
}

fn port(value: &Value) -> Result<u16, Refused> {
    let found = value.integer()?;
    let port = u16::try_from(found).ok().filter(|port| *port > 0);
    port.ok_or(Refused { at: value.at, refusal: Refusal::ManifestPortInvalid { found } })
}

/// Whoever reached the proxy's port from outside would dial as the app.
fn tcp_port(value: &Value) -> Result<u16, Refused> {
    match port(value)? {
        PROXY_PORT => Refused::err(value.at, Refusal::ManifestPortReserved { port: PROXY_PORT }),
        port => Ok(port),
    }
}

fn uuid(value: &Value) -> Result<[u8; 16], Refused> {
    let text = value.text()?;
    let invalid = || Refusal::ManifestUuidInvalid { found: shown(text) };
    super::uuid(text).ok_or_else(|| Refused { at: value.at, refusal: invalid() })
}

/// `ISU0`, `PWM-CONTROLLER-0`, or `$NAME` of a hardware definition.
fn peripheral(value: &Value) -> Result<String, Refused> {
    let text = value.text()?;
    let name = text.strip_prefix('$').unwrap_or(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = (1..=PERIPHERAL_NAME_BYTES_MAX).contains(&name.len());
    match fits && name.bytes().all(plain) {
        true => Ok(text.to_string()),
        false => {
            let found = shown(text);
            Refused::err(value.at, Refusal::ManifestPeripheralInvalid { found })
        }
    }
}

fn pin(value: &Value) -> Result<String, Refused> {
    match value.kind {
        Kind::Integer(number) if u16::try_from(number).is_ok() => Ok(number.to_string()),
        Kind::Integer(number) => {
            let found = number.to_string();
            Refused::err(value.at, Refusal::ManifestPeripheralInvalid { found })
        }
        Kind::Text(_) => peripheral(value),
        _ => value.wanted("a pin's number or name"),
    }
}

fn power_controls(value: &Value) -> Result<Vec<String>, Refused> {
    let controls = value.distinct(POWER_CONTROLS.len(), |entry| {
        let text = entry.text()?;
        match POWER_CONTROLS.contains(&text) {
            true => Ok(text.to_string()),
            false => Refused::err(entry.at, Refusal::ManifestPowerControlInvalid),
        }
    })?;
    match controls.is_empty() {
        true => Refused::err(value.at, Refusal::ManifestPowerControlInvalid),
        false => Ok(controls),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_28_distinct_names() {
        let names: std::collections::BTreeSet<_> = CAPABILITIES.iter().map(|(n, _)| n).collect();
        assert_eq!(names.len(), 28);
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert_eq!(host("10.0.0.1"), Some(Host::Address(Ipv4Addr::new(10, 0, 0, 1))));
        assert_eq!(host("Example.COM"), Some(Host::Name("example.com".into())));
        assert!(host("_http._tcp.local").is_some() && host("localhost").is_some());
        assert!(host(&format!("{}.de", "a".repeat(63))).is_some());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.de", "a".repeat(64));
        let longer = "a.".repeat(127);
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "*.a.de",
            "a.de:443",
            "10.0.0.0/8",
            "10.0.0.256",
            "1.2.3",
            "-a.de",
            "a-.de",
            "a b",
            "a_b.de",
            "ü.de",
            "http://a.de",
            "__a.de",
            "_",
            "::1",
            "[::1]",
            &long,
            &longer,
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
