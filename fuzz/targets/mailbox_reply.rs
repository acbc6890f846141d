//! A reply, as the host reads it from the line.
#![no_main]

use craton_rot::mailbox::{Answer, Reply};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut written = Vec::new();
    let put = |part: &[u8]| written.extend_from_slice(part);
    match Reply::parse(bytes) {
        Ok(reply) => {
            let answer = Answer::done(reply.numbers.as_slice(), reply.bytes.len());
            answer.expect("it was read").encode(reply.bytes, put).expect("it was read");
            assert_eq!(written, bytes);
        }
        Err(error) => {
            Answer::refusal(error).encode(&[], put).expect("every refusal fits");
            assert_eq!(Reply::parse(&written), Err(error));
        }
    }
});
