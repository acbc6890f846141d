//! What a device may say to the service, and what it hears.
//!
//! CBOR over HTTP/1.1 over TLS 1.3. The check-in needs no client certificate: evidence stands for
//! it. All else needs the certificate that the check-in issued.

use craton_trust::cbor::{Reader, Writer};
use craton_trust::error::{Error, Result};
use craton_trust::evidence::EVIDENCE_MAX;
use craton_trust::failure::RECORD_MAX;
use craton_trust::key::PublicKey;
use craton_trust::{CatalogId, DeviceId, SetId};

/// POST: [`CheckIn`] in, a signed assignment out.
pub const CHECK_IN_PATH: &str = "/device/v1/check-in";
/// GET `…/{set id in hexadecimal}`: a signed image set.
pub const SETS_PATH: &str = "/device/v1/sets/";
/// GET `…/{SHA-256 in hexadecimal}`: an envelope or a transport object; ranges are honoured.
pub const BLOBS_PATH: &str = "/device/v1/blobs/";
/// POST: [`Reports`] in, nothing out.
pub const FAILURES_PATH: &str = "/device/v1/failures";
/// GET `…/{platform|owner}/{version}?catalog={id in hexadecimal}`: a signed section of the trust
/// store; nothing (204) where there is none of that version. It needs no certificate: a section is
/// believed by its root's signatures, and holds public keys only.
pub const TRUST_STORE_PATH: &str = "/device/v1/trust-store/";
/// POST: [`BootLog`] in, nothing out; GET `…/{its SHA-256 in hexadecimal}`: whether the service
/// wants it, a CBOR boolean. A service that is older does not know the address, and a device that
/// has no TPM never asks.
pub const BOOT_LOG_PATH: &str = "/device/v1/boot-log";
/// The media type of every body.
pub const MEDIA_TYPE: &str = "application/cbor";

/// The number of the refusal of evidence in mode Debug or Recovery: to the device a state, not a
/// failure.
pub const MODE_NOT_NORMAL: u16 = 4108;

/// The label of the TLS exporter that evidence answers (RFC 8446 §7.5), without context, 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-craton-check-in";
/// Bytes of the exporter.
pub const EXPORTER_SIZE: usize = 32;

/// The largest check-in, bytes.
pub const CHECK_IN_MAX: usize = EVIDENCE_MAX + 1024;
/// The most failure records in one report.
pub const REPORTS_MAX: usize = 64;
/// The largest report, bytes.
pub const REPORTS_SIZE_MAX: usize = REPORTS_MAX * (RECORD_MAX + 3) + 8;

/// The largest event log that travels, bytes: those of desktops have some 30 to 100 KiB.
pub const BOOT_LOG_MAX: usize = 256 * 1024;
/// The largest body with one, bytes.
pub const BOOT_LOG_SIZE_MAX: usize = BOOT_LOG_MAX + 5;

/// How apps are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isolation {
    /// Nothing runs yet.
    Idle = 0,
    /// Namespaces, Landlock and seccomp.
    Full = 1,
    /// The host refuses namespaces: Landlock and seccomp only.
    Reduced = 2,
}

impl Isolation {
    /// The word that evidence, tables and pages show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Full => "full",
            Self::Reduced => "reduced",
        }
    }
}

/// How image payloads are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Storage {
    /// Mounted under dm-verity.
    Verity = 0,
    /// Unpacked into a folder and hashed before each start.
    Unpacked = 1,
}

impl Storage {
    /// The word that evidence, tables and pages show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verity => "verity",
            Self::Unpacked => "unpacked",
        }
    }
}

/// What the device's host says beside the evidence, in the request that the evidence answers. It is
/// shown; and whether a trial failed counts at the rollout's gate, each device once. Nothing is
/// issued or assigned by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The set that runs.
    pub running: Option<SetId>,
    /// Whether it still must be confirmed.
    pub trial: bool,
    /// The last set that failed its trial here.
    pub failed: Option<SetId>,
    /// How apps are kept apart.
    pub isolation: Isolation,
    /// How payloads are kept.
    pub storage: Storage,
    /// The size of the largest log checkpoint that the device believes.
    pub checkpoint: u64,
}

/// The part of a check-in that evidence and assignment are bound to by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The catalog that the device says it belongs to.
    pub catalog: CatalogId,
    /// The device.
    pub device: DeviceId,
    /// Its ownership epoch.
    pub epoch: u64,
    /// The key that the certificate shall be for.
    pub client_key: PublicKey,
    /// How it is.
    pub status: Status,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(11)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let catalog = CatalogId(reader.fixed()?);
        let device = DeviceId(reader.fixed()?);
        let epoch = reader.u64()?;
        let client_key = PublicKey::read(&mut reader)?;
        let status = Status {
            running: reader.optional(|r| Ok(SetId(r.fixed()?)))?,
            trial: reader.bool()?,
            failed: reader.optional(|r| Ok(SetId(r.fixed()?)))?,
            isolation: match reader.u8()? {
                0 => Isolation::Idle,
                1 => Isolation::Full,
                2 => Isolation::Reduced,
                _ => return Err(Error::FieldInvalid),
            },
            storage: match reader.u8()? {
                0 => Storage::Verity,
                1 => Storage::Unpacked,
                _ => return Err(Error::FieldInvalid),
            },
            checkpoint: reader.u64()?,
        };
        reader.end()?;
        Ok(Self { catalog, device, epoch, client_key, status })
    }

    /// The request's bytes.
    ///
    /// # Errors
    /// `BufferTooSmall` never happens: the size is bounded.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut room = [0u8; 512];
        let mut writer = Writer::new(&mut room);
        writer.array(11)?.u64(1)?.bytes(&self.catalog.0)?.bytes(&self.device.0)?;
        writer.u64(self.epoch)?;
        self.client_key.write(&mut writer)?;
        let status = &self.status;
        writer.bytes_or_null(status.running.as_ref().map(|s| &s.0[..]))?.bool(status.trial)?;
        writer.bytes_or_null(status.failed.as_ref().map(|s| &s.0[..]))?;
        writer.u64(status.isolation as u64)?.u64(status.storage as u64)?.u64(status.checkpoint)?;
        let length = writer.length();
        Ok(room[..length].to_vec())
    }
}

/// A check-in: the request and the evidence that answers its digest.
#[derive(Clone, Copy, Debug)]
pub struct CheckIn<'b> {
    /// The bytes of a [`Request`].
    pub request: &'b [u8],
    /// The chain and the token.
    pub evidence: &'b [u8],
}

impl<'b> CheckIn<'b> {
    /// Reads a check-in.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        if bytes.len() > CHECK_IN_MAX {
            return Err(Error::FieldTooLong);
        }
        let mut reader = Reader::new(bytes)?;
        reader.array(2)?;
        let request = reader.bytes(1024)?;
        let evidence = reader.bytes(EVIDENCE_MAX)?;
        reader.end()?;
        Ok(Self { request, evidence })
    }

    /// The body's bytes.
    ///
    /// # Errors
    /// `BufferTooSmall` for a part above its bound.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut room = vec![0u8; CHECK_IN_MAX];
        let mut writer = Writer::new(&mut room);
        writer.array(2)?.bytes(self.request)?.bytes(self.evidence)?;
        let length = writer.length();
        room.truncate(length);
        Ok(room)
    }
}

/// Failure records, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports<'b>(pub Vec<&'b [u8]>);

impl<'b> Reports<'b> {
    /// Reads a report; the records inside are read by `craton_trust::failure`.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        if bytes.len() > REPORTS_SIZE_MAX {
            return Err(Error::FieldTooLong);
        }
        let mut reader = Reader::new(bytes)?;
        let count = reader.list(REPORTS_MAX)?;
        let records: Result<Vec<_>> = (0..count).map(|_| reader.bytes(RECORD_MAX)).collect();
        reader.end()?;
        records.map(Self)
    }

    /// The body's bytes.
    ///
    /// # Errors
    /// `BufferTooSmall` for more or larger records than one report holds.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut room = vec![0u8; REPORTS_SIZE_MAX];
        let mut writer = Writer::new(&mut room);
        writer.array(self.0.len())?;
        self.0.iter().try_for_each(|record| writer.bytes(record).map(|_| ()))?;
        let length = writer.length();
        room.truncate(length);
        Ok(room)
    }
}

/// What firmware says that it measured into the device's TPM, as the TCG's binary event log: for
/// the registers of the last check-in's quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootLog<'b>(pub &'b [u8]);

impl<'b> BootLog<'b> {
    /// Reads the body; the log inside is read by `craton_trust::event_log`.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        let log = reader.bytes(BOOT_LOG_MAX)?;
        reader.end()?;
        Ok(Self(log))
    }

    /// The body's bytes.
    ///
    /// # Errors
    /// `BufferTooSmall` for a log above its bound.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut room = vec![0u8; BOOT_LOG_SIZE_MAX];
        let mut writer = Writer::new(&mut room);
        writer.bytes(self.0)?;
        let length = writer.length();
        room.truncate(length);
        Ok(room)
    }
}

/// Whether a service wants an event log: reads what it answered.
///
/// # Errors
/// Those of the encoding.
pub fn is_boot_log_wanted(answer: &[u8]) -> Result<bool> {
    let mut reader = Reader::new(answer)?;
    let wanted = reader.bool()?;
    reader.end()?;
    Ok(wanted)
}

/// Writes what [`is_boot_log_wanted`] reads.
#[must_use]
pub fn boot_log_wanted(wanted: bool) -> Vec<u8> {
    vec![0xf4 | u8::from(wanted)] // false, true (RFC 8949 §3.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_in_reads_back_as_it_was_written() {
        let request = Request {
            catalog: CatalogId([1; 32]),
            device: DeviceId([2; 32]),
            epoch: 3,
            client_key: PublicKey([4; 64]),
            status: Status {
                running: Some(SetId([5; 32])),
                trial: true,
                failed: None,
                isolation: Isolation::Reduced,
                storage: Storage::Unpacked,
                checkpoint: 6,
            },
        };
        let bytes = request.encode().unwrap();
        assert_eq!(Request::parse(&bytes), Ok(request));
        let body = CheckIn { request: &bytes, evidence: &[7; 100] }.encode().unwrap();
        let read = CheckIn::parse(&body).unwrap();
        assert_eq!((read.request, read.evidence), (&bytes[..], &[7u8; 100][..]));
        for cut in 0..body.len() {
            assert!(CheckIn::parse(&body[..cut]).is_err());
        }
    }

    #[test]
    fn a_boot_log_reads_back_and_is_bounded() {
        let most = vec![7; BOOT_LOG_MAX];
        let body = BootLog(&most).encode().unwrap();
        assert_eq!((BootLog::parse(&body), body.len()), (Ok(BootLog(&most)), BOOT_LOG_SIZE_MAX));
        assert!(BootLog::parse(&body[..body.len() - 1]).is_err());
        assert!(BootLog::parse(&[&body[..], &[0]].concat()).is_err());
        let more = vec![7; BOOT_LOG_MAX + 1];
        assert_eq!(BootLog(&more).encode(), Err(Error::BufferTooSmall));
        let head = (BOOT_LOG_MAX as u32 + 1).to_be_bytes();
        let body = [&[0x5a][..], &head, &more].concat();
        assert!(BootLog::parse(&body).is_err());
        for wanted in [true, false] {
            assert_eq!(is_boot_log_wanted(&boot_log_wanted(wanted)), Ok(wanted));
        }
        assert!(is_boot_log_wanted(b"yes").is_err() && is_boot_log_wanted(&[]).is_err());
    }

    #[test]
    fn a_report_reads_back_and_is_bounded() {
        let reports = Reports(vec![&[1, 2], &[]]);
        assert_eq!(Reports::parse(&reports.encode().unwrap()), Ok(reports));
        let many = Reports(vec![&[]; REPORTS_MAX + 1]).encode().unwrap();
        assert_eq!(Reports::parse(&many), Err(Error::FieldTooLong));
    }
}
