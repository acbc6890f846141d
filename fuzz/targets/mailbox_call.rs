//! A request, as the chip reads it from the line.
#![no_main]

use craton_rot::mailbox::Call;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(call) = Call::parse(bytes) {
        let mut written = Vec::new();
        call.encode(|part| written.extend_from_slice(part)).expect("it was read");
        assert_eq!(written, bytes);
        let again = Call::new(call.operation as u64, call.numbers(), call.bytes());
        let again = again.expect("a gate makes what a parser made");
        assert_eq!((again.numbers(), again.bytes()), (call.numbers(), call.bytes()));
    }
});
