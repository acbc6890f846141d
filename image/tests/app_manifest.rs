//! One test per reason why an `app_manifest.json` is refused, and what is granted otherwise.

use craton_image::app_manifest::{self, Host, MallocVersion, ManifestError, Refusal};
use std::net::Ipv4Addr;

const GOOD: &str = r#"{
  "SchemaVersion": 1,
  "Name": "blink",
  "ComponentId": "5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21",
  "EntryPoint": "/bin/app",
  "CmdArgs": ["--slow", "2"],
  "ApplicationType": "Default",
  "MallocVersion": 2,
  "TargetApplicationRuntimeVersion": 1,
  "Capabilities": {
    "AllowedConnections": ["Telemetry.Example.com", "192.0.2.7"],
    "MutableStorage": { "SizeKB": 8 }
  }
}"#;

/// The refusal of `GOOD` with `from` replaced by `to`, and its place.
fn refused(from: &str, to: &str) -> (Refusal, usize, usize) {
    assert!(GOOD.contains(from), "{from}");
    let error = error(GOOD.replace(from, to).as_bytes());
    (error.refusal, error.line, error.column)
}

fn error(bytes: &[u8]) -> ManifestError {
    app_manifest::parse(bytes).expect_err("a refusal")
}

/// The refusal of a manifest whose capabilities are `text`, which starts on line 10, column 3.
fn capability(text: &str) -> (Refusal, usize, usize) {
    let start = GOOD.find("\"Capabilities\"").expect("capabilities");
    let with = format!("{}\"Capabilities\": {{\n{text}\n}} }}", &GOOD[..start]);
    let error = error(with.as_bytes());
    (error.refusal, error.line, error.column)
}

fn not_enforced(name: &'static str) -> (Refusal, usize, usize) {
    (Refusal::ManifestCapabilityNotEnforced { name }, 11, 1)
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = app_manifest::parse(GOOD.as_bytes()).expect("a manifest");
    assert_eq!((manifest.name.as_str(), manifest.entry_point.as_str()), ("blink", "/bin/app"));
    assert_eq!(manifest.component_id.to_string(), "5d6fb3a82c1e4f0b9a576b1f0c3e8d21");
    assert_eq!(manifest.cmd_args, ["--slow", "2"]);
    assert_eq!(manifest.malloc_version, MallocVersion::V2);
    assert_eq!(manifest.target_application_runtime_version, 1);
    let granted = manifest.capabilities;
    let name = Host::Name("telemetry.example.com".into());
    assert_eq!(granted.allowed_connections, [name, Host::Address(Ipv4Addr::new(192, 0, 2, 7))]);
    assert_eq!(granted.mutable_storage_kib, Some(8));
}

#[test]
fn nothing_is_granted_by_default() {
    let text = r#"{"SchemaVersion":1,"Name":"a","EntryPoint":"/a","Capabilities":{},
        "ComponentId":"5D6FB3A8-2C1E-4F0B-9A57-6B1F0C3E8D21"}"#;
    let manifest = app_manifest::parse(text.as_bytes()).expect("a manifest");
    assert_eq!(manifest.capabilities, Default::default());
    assert_eq!((manifest.cmd_args.len(), manifest.malloc_version), (0, MallocVersion::V1));
}

#[test]
fn the_samples_are_accepted() {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    for name in ["blink/v1", "blink/v2", "blink/v3", "sensor"] {
        let bytes = std::fs::read(samples.join(name).join("app_manifest.json")).expect(name);
        app_manifest::parse(&bytes).expect(name);
    }
}

#[test]
fn a_package_keeps_31_characters_of_the_name() {
    let long = GOOD.replace("blink", &"ü".repeat(40));
    let manifest = app_manifest::parse(long.as_bytes()).expect("a manifest");
    assert_eq!(manifest.name_in_package().chars().count(), 31);
    assert_eq!(manifest.name.chars().count(), 40);
}

#[test]
fn a_message_has_number_line_column_and_what_to_do() {
    let text = error(GOOD.replace("\"Name\"", "\"Nmae\"").as_bytes()).to_string();
    let wanted = "E2103: app_manifest.json, line 3, column 3: the field `Nmae` is unknown. \
        Remove it or correct its spelling.";
    assert_eq!(text, wanted);
}

#[test]
fn a_message_shows_no_control_characters_and_no_long_text() {
    let (refusal, ..) = refused("\"Name\"", &format!("\"\\u001b[2J{}\"", "x".repeat(1000)));
    let text = refusal.to_string();
    assert!(!text.contains('\u{1b}') && text.len() < 200, "{text}");
}

#[test]
fn a_column_counts_characters() {
    let (_, line, column) = refused("\"Name\": \"blink\",", "\"Name\": \"üü\", \"x\": 1,");
    assert_eq!((line, column), (3, 17));
}

#[test]
fn a_file_over_64_kib_is_refused() {
    let padded = |bytes: usize| format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()));
    assert!(app_manifest::parse(padded(65_536).as_bytes()).is_ok());
    assert_eq!(error(padded(65_537).as_bytes()).refusal, Refusal::ManifestTooLarge);
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let (refusal, line, column) = refused("\"/bin/app\",", "\"/bin/app\"");
    assert!(matches!(refusal, Refusal::ManifestNotJson { .. }));
    assert_eq!((line, column), (6, 3));
    let torn = error(b"{\n \"Name\": \"\xff\"}");
    assert!(matches!(torn.refusal, Refusal::ManifestNotJson { what: "it is not UTF-8" }));
    assert_eq!((torn.line, torn.column), (2, 11));
}

#[test]
fn every_truncation_is_refused() {
    for end in 0..GOOD.len() {
        let refusal = error(&GOOD.as_bytes()[..end]).refusal;
        assert!(matches!(refusal, Refusal::ManifestNotJson { .. }), "{end}: {refusal:?}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let (refusal, line, _) = refused("1,", &format!("{}1{},", "[".repeat(16), "]".repeat(16)));
    assert_eq!((refusal, line), (Refusal::ManifestTooDeep, 2));
}

#[test]
fn an_unknown_field_is_refused() {
    for name in ["Policy", "name", "TargetBoardConfig", ""] {
        let (refusal, line, column) = refused("\"CmdArgs\"", &format!("\"{name}\""));
        assert_eq!(refusal, Refusal::ManifestFieldUnknown { name: name.into() });
        assert_eq!((line, column), (6, 3));
    }
}

#[test]
fn a_field_named_twice_is_refused_where_it_stands_again() {
    let (refusal, line, column) = refused("\"CmdArgs\": [\"--slow\", \"2\"]", "\"Name\": \"b\"");
    assert_eq!(refusal, Refusal::ManifestFieldDuplicate { name: "Name".into() });
    assert_eq!((line, column), (6, 3));
    let escaped = refused("\"CmdArgs\": [\"--slow\", \"2\"]", "\"\\u004eame\": \"b\"").0;
    assert_eq!(escaped, Refusal::ManifestFieldDuplicate { name: "Name".into() });
}

#[test]
fn a_missing_field_is_refused() {
    let required = ["SchemaVersion", "Name", "ComponentId", "EntryPoint", "Capabilities"];
    for name in required {
        let kept = GOOD.lines().filter(|line| !line.contains(&format!("\"{name}\"")));
        let mut text = kept.collect::<Vec<_>>().join("\n");
        if name == "Capabilities" {
            text = format!("{}}}", GOOD.split(",\n  \"Capabilities\"").next().unwrap_or(""));
        }
        let error = error(text.as_bytes());
        assert_eq!(error.refusal, Refusal::ManifestFieldMissing { name });
        assert_eq!((error.line, error.column), (1, 1));
    }
}

#[test]
fn a_value_of_another_type_is_refused() {
    let cases = [
        ("1,", "\"1\",", (2, 20)),
        ("1,", "1.0,", (2, 20)),
        ("\"blink\"", "7", (3, 11)),
        ("\"/bin/app\"", "null", (5, 17)),
        ("[\"--slow\", \"2\"]", "\"--slow\"", (6, 14)),
        ("\"--slow\"", "true", (6, 15)),
        ("{ \"SizeKB\": 8 }", "8", (12, 23)),
        ("[\"Telemetry.Example.com\", \"192.0.2.7\"]", "true", (11, 27)),
    ];
    for (from, to, place) in cases {
        let (refusal, line, column) = refused(from, to);
        assert!(matches!(refusal, Refusal::ManifestWrongType { .. }), "{to}: {refusal:?}");
        assert_eq!((line, column), place, "{to}");
    }
    assert!(matches!(error(b"[]").refusal, Refusal::ManifestWrongType { .. }));
}

#[test]
fn another_schema_version_is_refused() {
    let refusal = Refusal::ManifestSchemaVersionUnknown { found: 2 };
    assert_eq!(refused("1,", "2,"), (refusal, 2, 20));
}

#[test]
fn an_empty_endless_or_unprintable_name_is_refused() {
    for name in ["", &"x".repeat(256), "a\\u0007", "a\\nb"] {
        assert_eq!(refused("blink", name), (Refusal::ManifestNameInvalid, 3, 11));
    }
}

#[test]
fn a_component_id_that_is_no_uuid_is_refused() {
    let bad = ["", "5d6fb3a82c1e4f0b9a576b1f0c3e8d21", "5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d2g"];
    for id in bad.into_iter().chain(["{5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21}"]) {
        let found = refused("5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21", id);
        assert_eq!(found, (Refusal::ManifestComponentIdInvalid, 4, 18));
    }
}

#[test]
fn an_entry_point_that_could_leave_the_package_is_refused() {
    let long = format!("/{}", "x".repeat(255));
    let bad = ["", "/", "bin/app", "/bin/../app", "//app", "/./app", "/bin/", "/a\\u0000b", &long];
    for path in bad.into_iter().chain(["../../etc/passwd"]) {
        assert_eq!(refused("/bin/app", path), (Refusal::ManifestEntryPointInvalid, 5, 17));
    }
}

#[test]
fn arguments_beyond_their_bounds_are_refused() {
    let list = |count: usize, one: &str| vec![format!("\"{one}\""); count].join(",");
    let from = "\"--slow\", \"2\"";
    assert!(app_manifest::parse(GOOD.replace(from, &list(64, "x")).as_bytes()).is_ok());
    for bad in [list(65, "x"), list(2, &"x".repeat(2048)), list(1, "a\\u0000")] {
        let (refusal, line, _) = refused(from, &bad);
        assert_eq!((refusal, line), (Refusal::ManifestCmdArgsInvalid, 6));
    }
}

#[test]
fn an_unknown_application_type_is_refused() {
    let refusal = Refusal::ManifestApplicationTypeUnknown { found: "default".into() };
    assert_eq!(refused("\"Default\"", "\"default\""), (refusal, 7, 22));
}

#[test]
fn an_application_type_that_is_not_supported_is_refused() {
    for kind in ["RealTimeCapable", "Debugger"] {
        let refusal = Refusal::ManifestApplicationTypeNotSupported { found: kind.into() };
        assert_eq!(refused("Default", kind), (refusal, 7, 22));
    }
}

#[test]
fn an_unknown_malloc_version_is_refused() {
    let refusal = Refusal::ManifestMallocVersionUnknown { found: 3 };
    assert_eq!(refused("2,\n", "3,\n"), (refusal, 8, 20));
}

#[test]
fn a_runtime_that_devices_do_not_have_is_refused() {
    for found in [0, 12, -1, i64::MAX] {
        let refusal = Refusal::ManifestRuntimeVersionUnsupported { found, max: 1 };
        assert_eq!(refused("1,\n  \"Cap", &format!("{found},\n  \"Cap")), (refusal, 9, 38));
    }
}

#[test]
fn an_unknown_capability_is_refused() {
    for name in ["Canbus", "allowedConnections", "Policy"] {
        let refusal = Refusal::ManifestCapabilityUnknown { name: name.into() };
        assert_eq!(capability(&format!("\"{name}\": true")), (refusal, 11, 1));
    }
}

#[test]
fn each_capability_that_is_not_enforced_is_refused_by_name() {
    let cases = [
        ("AllowedUdpServerPorts", "[53]"),
        ("AllowedApplicationConnections", "[\"5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21\"]"),
        ("Adc", "[\"ADC-CONTROLLER-0\"]"),
        ("Gpio", "[4, \"$LED\"]"),
        ("I2cMaster", "[\"ISU0\"]"),
        ("SpiMaster", "[\"ISU1\"]"),
        ("Uart", "[\"$UART\"]"),
        ("Pwm", "[\"PWM-CONTROLLER-0\"]"),
        ("I2sSubordinate", "[\"I2S0\"]"),
        ("CertStore", "true"),
        ("DeviceAuthentication", "\"5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21\""),
        ("DhcpService", "true"),
        ("SntpService", "true"),
        ("EnterpriseWifiConfig", "true"),
        ("HardwareAddressConfig", "true"),
        ("HeapMemStats", "true"),
        ("NetworkConfig", "true"),
        ("ReadNetworkProxyConfig", "true"),
        ("PowerControls", "[\"ForceReboot\", \"ForcePowerDown\", \"SetPowerProfile\"]"),
        ("ResetMemoryWatermarks", "true"),
        ("SoftwareUpdateDeferral", "true"),
        ("SystemEventNotifications", "true"),
        ("SystemTime", "true"),
        ("TimeSyncConfig", "true"),
        ("WifiConfig", "true"),
    ];
    // With the three that are granted these are all 28.
    assert_eq!(cases.len() + 3, 28);
    for (name, value) in cases {
        assert_eq!(capability(&format!("\"{name}\": {value}")), not_enforced(name));
    }
}

#[test]
fn tcp_server_ports_are_granted_as_they_are_listed() {
    let both = "\"AllowedTcpServerPorts\": [8080, 1], \"MutableStorage\"";
    let manifest = app_manifest::parse(GOOD.replace("\"MutableStorage\"", both).as_bytes());
    assert_eq!(manifest.expect("a manifest").capabilities.allowed_tcp_server_ports, [8080, 1]);
}

#[test]
fn a_capability_that_asks_for_nothing_is_no_refusal() {
    let nothing =
        "\"WifiConfig\": false, \"Gpio\": [], \"AllowedTcpServerPorts\": [], \"MutableStorage\"";
    let text = GOOD.replace("\"MutableStorage\"", nothing);
    assert!(app_manifest::parse(text.as_bytes()).is_ok());
}

#[test]
fn a_connection_to_anything_but_a_host_is_refused() {
    for found in ["*.example.com", "example.com:443", "10.0.0.0/8", "10.0.0.300", ""] {
        let refusal = Refusal::ManifestConnectionInvalid { found: found.into() };
        assert_eq!(refused("Telemetry.Example.com", found), (refusal, 11, 28));
    }
}

#[test]
fn a_port_out_of_range_is_refused() {
    for found in [0, -1, 65_536] {
        let refusal = Refusal::ManifestPortInvalid { found };
        let text = format!("\"AllowedTcpServerPorts\": [1, {found}]");
        assert_eq!(capability(&text), (refusal, 11, 30));
    }
}

#[test]
fn the_proxys_port_cannot_be_served() {
    let refusal = Refusal::ManifestPortReserved { port: 1080 };
    assert_eq!(capability("\"AllowedTcpServerPorts\": [80, 1080]"), (refusal, 11, 31));
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    let ports = (1..=11).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    let found = capability(&format!("\"AllowedUdpServerPorts\": [{ports}]"));
    assert_eq!(found, (Refusal::ManifestListTooLong { max: 10 }, 11, 26));
    let hosts = (0..65).map(|i| format!("\"h{i}.example\"")).collect::<Vec<_>>().join(",");
    let found = capability(&format!("\"AllowedConnections\": [{hosts}]"));
    assert_eq!(found.0, Refusal::ManifestListTooLong { max: 64 });
}

#[test]
fn an_entry_listed_twice_is_refused() {
    let found = refused("192.0.2.7", "telemetry.example.COM");
    assert_eq!(found, (Refusal::ManifestListDuplicate, 11, 53));
    let texts = [
        "\"AllowedTcpServerPorts\": [80, 80]",
        "\"Gpio\": [4, \"4\"]",
        "\"Uart\": [\"ISU0\", \"ISU0\"]",
        "\"PowerControls\": [\"ForceReboot\", \"ForceReboot\"]",
    ];
    for text in texts {
        assert_eq!(capability(text).0, Refusal::ManifestListDuplicate, "{text}");
    }
}

#[test]
fn what_names_no_peripheral_is_refused() {
    let texts = ["\"Uart\": [\"\"]", "\"Gpio\": [-1]", "\"Gpio\": [65536]", "\"Pwm\": [\"a b\"]"];
    for text in texts.into_iter().chain(["\"Adc\": [\"$\"]", "\"Gpio\": [\"../mem\"]"]) {
        let (refusal, ..) = capability(text);
        assert!(
            matches!(refusal, Refusal::ManifestPeripheralInvalid { .. }),
            "{text}: {refusal:?}"
        );
    }
}

#[test]
fn what_should_be_a_uuid_and_is_none_is_refused() {
    for text in ["\"DeviceAuthentication\": \"x\"", "\"AllowedApplicationConnections\": [\"x\"]"] {
        let refusal = Refusal::ManifestUuidInvalid { found: "x".into() };
        assert_eq!(capability(text).0, refusal);
    }
}

#[test]
fn storage_out_of_its_bounds_is_refused() {
    for found in [0, -1, 65_537] {
        let refusal = Refusal::ManifestStorageSizeInvalid { found, max: 65_536 };
        assert_eq!(refused("8 }", &format!("{found} }}")), (refusal, 12, 35));
    }
    let other = refused("\"SizeKB\": 8", "\"SizeKB\": 8, \"SizeMB\": 1").0;
    assert_eq!(other, Refusal::ManifestFieldUnknown { name: "SizeMB".into() });
    let none = refused("\"SizeKB\": 8", "").0;
    assert_eq!(none, Refusal::ManifestFieldMissing { name: "SizeKB" });
}

#[test]
fn power_controls_must_be_named() {
    for text in ["\"PowerControls\": []", "\"PowerControls\": [\"Explode\"]"] {
        assert_eq!(capability(text).0, Refusal::ManifestPowerControlInvalid);
    }
}

#[test]
fn a_mistake_in_a_value_is_told_before_that_nothing_enforces_it() {
    let found = capability("\"CertStore\": \"yes\"").0;
    assert!(matches!(found, Refusal::ManifestWrongType { .. }));
}
