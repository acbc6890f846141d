//! What grouping is worth, on the labelled corpus.

use craton_cloud::failures::{Confidence, device_key, server_key, title};
use craton_trust::ComponentId;
use craton_trust::failure::{ChipCode, FailureKind};

use crate::corpus::{MISTAKES, corpus, empty_failure, failure};

/// Of the pairs that a key puts together, the share that belong; of those that belong, the
/// share it puts together.
fn precision_and_recall(labelled: &[(&str, String)]) -> (f64, f64) {
    let (mut both, mut grouped, mut belong) = (0u32, 0u32, 0u32);
    for (at, (label, key)) in labelled.iter().enumerate() {
        for (other_label, other_key) in &labelled[at + 1..] {
            let (same_label, same_key) = (label == other_label, key == other_key);
            both += u32::from(same_label && same_key);
            grouped += u32::from(same_key);
            belong += u32::from(same_label);
        }
    }
    (f64::from(both) / f64::from(grouped.max(1)), f64::from(both) / f64::from(belong.max(1)))
}

#[test]
fn names_group_every_mistake_across_builds_and_no_two_together() {
    let corpus = corpus();
    let labelled: Vec<(&str, String)> = corpus
        .crashes
        .iter()
        .map(|crash| {
            let (key, confidence) = corpus.with_failure(crash, server_key);
            assert_eq!(confidence, Confidence::High, "{} in {}", crash.mistake, crash.build);
            (crash.mistake, key.as_str().to_owned())
        })
        .collect();
    let (precision, recall) = precision_and_recall(&labelled);
    println!("server key: precision {precision:.3}, recall {recall:.3}");
    assert!(precision >= 1.0, "{labelled:#?}");
    assert!(recall >= 1.0, "{labelled:#?}");
}

#[test]
fn places_tell_all_mistakes_of_one_build_apart() {
    let corpus = corpus();
    for build in 0..corpus.builds.len() {
        let mut keys: Vec<String> = MISTAKES
            .iter()
            .map(|mistake| {
                let crash = corpus.crash(mistake, build);
                device_key(&failure(crash, &[build as u8; 20])).as_str().to_owned()
            })
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), MISTAKES.len(), "build {build}");
    }
}

#[test]
fn recursion_depth_does_not_split_a_group() {
    let corpus = corpus();
    let crash = corpus.crash("overflow", 0);
    let key = corpus.with_failure(crash, |deep, _| {
        let mut shallow = empty_failure(FailureKind::Crash);
        (shallow.signal, shallow.fault) = (deep.signal, deep.fault);
        deep.frames().iter().take(9).for_each(|frame| shallow.push(*frame).unwrap());
        (device_key(&shallow), device_key(deep))
    });
    assert_eq!(key.0, key.1);
}

#[test]
fn keys_are_versioned_and_never_empty() {
    for kind in [FailureKind::Crash, FailureKind::Exit, FailureKind::Watchdog] {
        let bare = empty_failure(kind);
        let (server, confidence) = server_key(&bare, &[]);
        assert_eq!(confidence, Confidence::Low);
        for key in [server.as_str(), device_key(&bare).as_str()] {
            assert!(key.starts_with("v1:") && key.len() == 35, "{key}");
        }
    }
}

#[test]
fn components_kinds_and_codes_are_told_apart_but_a_gap_is_a_gap() {
    let exit = |code| {
        let mut failure = empty_failure(FailureKind::Exit);
        failure.code = code;
        device_key(&failure)
    };
    assert_ne!(exit(1), exit(2));
    let mut other = empty_failure(FailureKind::Exit);
    other.code = 1;
    other.component = ComponentId([9; 16]);
    assert_ne!(exit(1), device_key(&other));
    let gap = |lost| {
        let mut failure = empty_failure(FailureKind::Gap);
        failure.code = lost;
        server_key(&failure, &[]).0
    };
    assert_eq!(gap(1), gap(200));
}

#[test]
fn titles_name_the_app_s_own_function_and_line() {
    let corpus = corpus();
    let expected = [
        ("divide-by-zero", "SIGABRT in mistakes::Sensor::mean (", "mistakes.rs:"),
        ("index", "SIGABRT in mistakes::Sensor::nth (", "mistakes.rs:"),
        ("parse", "SIGABRT in mistakes::parse_port (", "mistakes.rs:"),
        ("assert-lamp", "SIGABRT in mistakes::checked_level (", "mistakes.rs:"),
        ("null-modem", "SIGSEGV in mistakes::read_register (", "mistakes.rs:"),
        ("overflow", "SIGSEGV (stack overflow) in mistakes::walk (", "mistakes.rs:"),
        ("abort", "SIGABRT in mistakes::give_up (", "mistakes.rs:"),
    ];
    for (mistake, begin, line) in expected {
        for build in 0..corpus.builds.len() {
            let crash = corpus.crash(mistake, build);
            let text = corpus.with_failure(crash, title);
            assert!(text.starts_with(begin) && text.contains(line), "{build}: {text}");
        }
    }
}

#[test]
fn titles_of_what_is_no_crash_say_what_it_is() {
    let text = |kind, code| {
        let mut failure = empty_failure(kind);
        failure.code = code;
        title(&failure, &[])
    };
    assert_eq!(text(FailureKind::Exit, 3), "exit with status 3");
    assert_eq!(text(FailureKind::TrialFailed, 0), "update fell back");
    assert_eq!(text(FailureKind::UpdateRefused, 5301), "update refused (E5301)");
    assert_eq!(text(FailureKind::Watchdog, 0), "hung and was ended");
    assert_eq!(text(FailureKind::Gap, 12), "12 reports lost");
    assert_eq!(text(FailureKind::OutOfMemory, 0), "killed when memory ran out");
    let chip =
        |stage, how| text(FailureKind::ChipReset, ChipCode { stage, how, status: 2 }.number());
    assert_eq!(chip(1, 1), "the root of trust's ROM faulted (status 0x00000002)");
    assert_eq!(chip(2, 3), "the root of trust's runtime panicked (status 0x00000002)");
    let touched = "the root of trust's mailbox touched secure memory (status 0x00000002)";
    assert_eq!(chip(3, 2), touched);
    let by = |kind, signal| {
        let mut failure = empty_failure(kind);
        failure.signal = signal;
        title(&failure, &[])
    };
    assert_eq!(by(FailureKind::Killed, 9), "ended by SIGKILL");
    assert_eq!(by(FailureKind::OverLimit, 24), "over its processor time");
    assert_eq!(by(FailureKind::OverLimit, 25), "over its storage");
    let mut refused = empty_failure(FailureKind::Crash);
    (refused.signal, refused.code) = (31, 110);
    assert_eq!(title(&refused, &[]), "SIGSYS (system call 110)");
}
