//! Commands and responses as bytes (TPM 2.0 Library, part 1, §18; part 3).

use crate::error::{Error, Result};
use craton_trust::quote::Fields;
use std::vec::Vec;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// TPM_RS_PW.
const PASSWORD: u32 = 0x4000_0009;
/// TPMA_SESSION.continueSession.
const CONTINUE: u8 = 1;

/// What a TPM answered instead: TPM_RC (part 2, §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u32);

/// Bytes of a structure that is being written, big-endian.
#[derive(Clone, Default)]
pub struct Structure(pub Vec<u8>);

impl Structure {
    /// Appends two bytes.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Appends four bytes.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a TPM2B. None of ours comes near its 64 KiB.
    #[must_use]
    pub fn sized(self, bytes: &[u8]) -> Self {
        self.u16(bytes.len() as u16).raw(bytes)
    }
}

/// What entitles to the use of a handle.
#[derive(Clone, Copy)]
pub enum Right<'a> {
    /// Its authorization value, in plain.
    Password(&'a [u8]),
    /// A policy session that did what the policy of the handle demands.
    Policy(u32),
}

/// A command: its code, its handles, what entitles to the first ones, and its parameters.
pub fn command(code: u32, handles: &[u32], rights: &[Right<'_>], parameters: &[u8]) -> Vec<u8> {
    let area = rights.iter().fold(Structure::default(), |area, right| match right {
        Right::Password(value) => area.u32(PASSWORD).u16(0).raw(&[CONTINUE]).sized(value),
        // A session that is not continued goes with its command.
        Right::Policy(session) => area.u32(*session).u16(0).raw(&[0]).u16(0),
    });
    let mut body = handles.iter().fold(Structure::default(), |body, handle| body.u32(*handle));
    if !rights.is_empty() {
        body = body.u32(area.0.len() as u32).raw(&area.0);
    }
    body = body.raw(parameters);
    let tag = if rights.is_empty() { NO_SESSIONS } else { SESSIONS };
    let size = super::transport::HEADER_SIZE + body.0.len();
    Structure::default().u16(tag).u32(size as u32).u32(code).raw(&body.0).0
}

/// A response that is no refusal: the handle that it may begin with, and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'b> {
    /// The handle that the command made.
    pub handle: Option<u32>,
    /// The parameters.
    pub parameters: &'b [u8],
}

/// Reads a response to a command that had rights or not, and makes a handle or not.
///
/// # Errors
/// `TpmResponseBroken`; the inner one is the TPM's own.
pub fn response(
    bytes: &[u8],
    has_rights: bool,
    has_handle: bool,
) -> Result<core::result::Result<Response<'_>, Refusal>> {
    read(bytes, has_rights, has_handle).map_err(|_| Error::TpmResponseBroken)
}

fn read(
    bytes: &[u8],
    has_rights: bool,
    has_handle: bool,
) -> craton_trust::error::Result<core::result::Result<Response<'_>, Refusal>> {
    let broken = craton_trust::Error::QuoteShape;
    let mut fields = Fields::new(bytes);
    let (tag, size, code) = (fields.u16()?, fields.u32()?, fields.u32()?);
    if size as usize != bytes.len() {
        return Err(broken);
    }
    if code != 0 {
        return Ok(Err(Refusal(code)));
    }
    if tag != if has_rights { SESSIONS } else { NO_SESSIONS } {
        return Err(broken);
    }
    let handle = if has_handle { Some(fields.u32()?) } else { None };
    let parameters = if has_rights {
        let length = fields.u32()? as usize;
        // What follows acknowledges the sessions; nothing here is proven by it.
        fields.take(length)?
    } else {
        fields.rest()
    };
    Ok(Ok(Response { handle, parameters }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_laid_out_as_the_library_says() {
        let random = command(0x17b, &[], &[], &[0, 8]);
        assert_eq!(random, [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8]);
        let increment = command(0x134, &[0x180_0000; 2], &[Right::Password(b"")], &[]);
        let area = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0];
        let handles = [1, 0x80, 0, 0, 1, 0x80, 0, 0];
        let head = [0x80, 2, 0, 0, 0, 31, 0, 0, 1, 0x34];
        assert_eq!(increment, [&head[..], &handles, &area].concat());
    }

    #[test]
    fn a_response_is_read_as_its_command_was_sent_or_tpm_response_broken() {
        let plain = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 8];
        let read = response(&plain, false, false);
        assert_eq!(read, Ok(Ok(Response { handle: None, parameters: &[7, 8] })));
        let refused = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1];
        assert_eq!(response(&refused, true, true), Ok(Err(Refusal(0x101))));
        let full = [0x80, 2, 0, 0, 0, 20, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 0, 0, 1, 9, 5];
        let read = response(&full, true, true);
        assert_eq!(read, Ok(Ok(Response { handle: Some(0x8000_0001), parameters: &[9] })));
        for length in 0..full.len() {
            assert_eq!(response(&full[..length], true, true), Err(Error::TpmResponseBroken));
        }
        assert_eq!(response(&full, false, true), Err(Error::TpmResponseBroken));
        let mut long = full;
        long[17] = 3;
        assert_eq!(response(&long, true, true), Err(Error::TpmResponseBroken));
    }
}
