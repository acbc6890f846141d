//! Every page of the dashboard, rendered from a seeded view and compared with a file.
//!
//! `CRATON_BLESS=1` writes the files anew; read the difference before you commit it.

#[path = "dashboard/seed.rs"]
mod seed;

use std::path::Path;

use askama::Template;
use craton_cloud::dashboard::view::*;

fn expect(name: &str, page: &impl Template) {
    let html = page.render().unwrap();
    well_formed(name, &html);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/golden");
    let path = folder.join(format!("{name}.html"));
    if std::env::var_os("CRATON_BLESS").is_some() {
        std::fs::write(&path, html).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(html == golden, "{name} differs from its file; CRATON_BLESS=1 writes it anew");
}

const VOID: [&str; 4] = ["meta", "link", "br", "!doctype"];

/// Elements close in the order they opened, and ids are unique.
fn well_formed(name: &str, html: &str) {
    let mut open = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("{name}: {piece}"));
        let word = tag.split_whitespace().next().unwrap_or_default();
        if let Some(closed) = word.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}: before {piece}");
        } else if !tag.ends_with('/') && !VOID.contains(&word) {
            open.push(word);
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} stay open");
    let mut ids: Vec<_> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{name}: an id stands twice");
}

#[test]
fn each_page_is_rendered_as_its_file_shows() {
    expect("catalogs", &seed::catalogs());
    expect("fleet", &seed::fleet());
    expect("fleet_empty", &seed::fleet_empty());
    expect("device", &seed::device());
    expect("device_pending", &seed::device_pending());
    expect("device_debug_cloned", &seed::device_debug_cloned());
    expect("rollouts", &seed::rollouts());
    expect("rollout_paused", &seed::rollout());
    expect("rollout_active", &seed::rollout_active());
    expect("failures", &seed::failures());
    expect("failure_group", &seed::failure_group());
    expect("log", &seed::log());
    expect("log_witnessed", &seed::log_witnessed());
}

fn every_page() -> Vec<(&'static str, String)> {
    let hostile = "<script>alert('x')</script>\"&";
    let text = || hostile.to_owned();
    let mut fleet = seed::fleet();
    fleet.frame.catalog = text();
    for line in &mut fleet.devices {
        (line.group, line.isolation, line.storage) = (Some(text()), Some(text()), Some(text()));
        line.set.iter_mut().for_each(|set| set.name = Some(text()));
    }
    let mut device = seed::device();
    (device.mode, device.certificate_serial) = (Some(text()), Some(text()));
    (device.isolation, device.storage, device.group) = (Some(text()), Some(text()), Some(text()));
    device.components[0].name = text();
    device.components[0].version = Some(text());
    device.capabilities[0].permits = vec![text()];
    device.failures[0].title = Some(text());
    device.failures[0].image = Some(text());
    let mut rollouts = seed::rollouts();
    rollouts.rollouts[0].group = text();
    rollouts.rollouts[0].reason = Some(text());
    let mut rollout = seed::rollout();
    (rollout.group, rollout.reason) = (text(), Some(text()));
    rollout.causes[0].title = text();
    rollout.commands[0].line = text();
    let mut group = seed::failure_group();
    (group.group.title, group.group.kind) = (text(), text());
    (group.versions, group.frames) = (vec![text()], vec![text()]);
    let failures = FailuresPage { groups: vec![group.group.clone()], ..seed::failures() };
    let mut log = seed::log();
    log.entries[0].kind = text();
    log.checkpoint.as_mut().unwrap().origin = text();
    let refusal = RefusalPage { code: 4601, title: text(), detail: text() };
    vec![
        ("fleet", fleet.render().unwrap()),
        ("device", device.render().unwrap()),
        ("rollouts", rollouts.render().unwrap()),
        ("rollout", rollout.render().unwrap()),
        ("failure_group", group.render().unwrap()),
        ("failures", failures.render().unwrap()),
        ("log", log.render().unwrap()),
        ("refusal", refusal.render().unwrap()),
    ]
}

#[test]
fn a_name_that_is_markup_is_shown_and_not_obeyed() {
    for (name, html) in every_page() {
        well_formed(name, &html);
        assert!(!html.contains("<script"), "{name}");
        assert!(!html.contains("')</"), "{name}");
        assert!(html.contains("&#60;script&#62;alert("), "{name} has lost the name");
    }
}

#[test]
fn no_page_needs_what_the_content_policy_forbids() {
    for (name, html) in every_page() {
        for forbidden in [" style=", "<style", "<script", " onclick=", "http://", "https://"] {
            assert!(!html.contains(forbidden), "{name}: {forbidden}");
        }
    }
}

#[test]
fn every_page_says_the_time_of_its_data() {
    let pages = [
        seed::catalogs().render(),
        seed::fleet().render(),
        seed::device().render(),
        seed::rollouts().render(),
        seed::rollout().render(),
        seed::failures().render(),
        seed::failure_group().render(),
        seed::log().render(),
    ];
    for html in pages {
        let html = html.unwrap();
        let said = "Data of <time datetime=\"2026-11-23T09:30:00Z\">2026-11-23 09:30:00 UTC</time>";
        assert!(html.contains(said), "{html}");
    }
}

#[test]
fn reduced_isolation_comes_with_the_line_that_allows_full() {
    let html = seed::device().render().unwrap();
    assert!(html.contains("isolation: <b>reduced</b>"));
    assert!(html.contains("sudo sysctl kernel."));
    assert!(!seed::device_pending().render().unwrap().contains("sysctl"));
}

#[test]
fn without_a_witness_the_log_is_never_called_transparent() {
    let html = seed::log().render().unwrap();
    assert!(html.contains("tamper-evident") && !html.contains("transparent"));
    let html = seed::log_witnessed().render().unwrap();
    assert!(html.contains("transparent") && !html.contains("tamper-evident"));
}

#[test]
fn a_paused_rollout_names_its_reason_its_failures_and_the_way_on() {
    let html = seed::rollout().render().unwrap();
    assert!(html.contains("1 of the last 1 devices failed"));
    let cause = format!("/failures/{}", seed::group().fingerprint);
    assert!(html.contains(&cause));
    assert!(html.contains("craton deployment revert "));
}

#[test]
fn fail_2_records_that_never_arrived_are_shown_with_those_that_did() {
    let html = seed::device().render().unwrap();
    assert!(html.contains("3 records that the device numbered never arrived"));
    assert!(html.contains("3 before it never arrived"));
    assert!(!seed::device_pending().render().unwrap().contains("never arrived"));
}
