//! A TCG event log, its events, and what they lead to.
#![no_main]

use craton_fuzz::Believing;
use craton_trust::event_log::{EventLog, REPLAYED};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = EventLog::parse(bytes) else { return };
    let _events = log.events().count();
    for register in 0..=REPLAYED {
        let _value = log.replay(&Believing, register);
    }
});
