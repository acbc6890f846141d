//! A TCG event log, its events, and what they lead to.
#![no_main]

use craton_fuzz::Believing;
use craton_trust::event_log::{EventLog, REPLAYED, SAID_MAX};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = EventLog::parse(bytes) else { return };
    for event in log.events() {
        let _what = event.what();
        assert!(event.said().all(|letter| matches!(letter, ' '..='~')));
        assert!(event.said().count() <= SAID_MAX);
    }
    for register in 0..=REPLAYED {
        let _value = log.replay(&Believing, register);
    }
});
