//! A TPM's response, as to each form of command and to each command; public areas; an approval.
#![no_main]

use craton_fuzz::same;
use craton_rot::tpm2::command::Tpm;
use craton_rot::tpm2::policy::BOOT_APPROVAL_MAX;
use craton_rot::tpm2::wire::response;
use craton_rot::tpm2::{BootApproval, Transport, template};
use craton_trust::Digest;
use craton_trust::quote::Selection;
use std::io::{Read, Result, Write};

/// A TPM that answers every command with success and the same parameters.
struct Parrot {
    parameters: Vec<u8>,
    answer: Vec<u8>,
}

impl Write for Parrot {
    fn write(&mut self, command: &[u8]) -> Result<usize> {
        let size = 10 + self.parameters.len() as u32;
        self.answer = [&command[..2], &size.to_be_bytes(), &[0; 4], &self.parameters].concat();
        Ok(command.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Read for Parrot {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        let length = room.len().min(self.answer.len());
        room[..length].copy_from_slice(&self.answer[..length]);
        self.answer.drain(..length);
        Ok(length)
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for (has_rights, has_handle) in [(false, false), (false, true), (true, false), (true, true)] {
        let _refusal = response(bytes, has_rights, has_handle);
    }
    let _refusal = template::point(bytes);
    if let Ok(approval) = BootApproval::parse(bytes) {
        same(bytes, approval.encode(&mut [0; BOOT_APPROVAL_MAX]));
    }
    let parrot = || Parrot { parameters: bytes.to_vec(), answer: Vec::new() };
    let _refusal = Tpm::new(Transport::over(parrot(), true));
    let Ok(mut tpm) = Tpm::new(Transport::over(parrot(), false)) else { return };
    let _refusal = tpm.mix_random(&mut [0; 40]);
    let _refusal = tpm.create_primary(&[], &[]);
    let _refusal = tpm.sign(0, &[], &Digest([0; 32]));
    let _refusal = tpm.quote(0, 0, &Digest([0; 32]), Selection(1));
    let _refusal = tpm.registers(Selection(0xff_ffff));
    let _refusal = tpm.activate(0, 0, 0, &[], &[]);
    let _refusal = tpm.undefine(0);
    let _refusal = tpm.counter(0);
    let _refusal = tpm.read_secret(0, 0, &mut [0; 32]);
});
