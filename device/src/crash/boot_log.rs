//! What firmware says that it measured into the device's TPM, offered to the service once in a
//! boot.
//!
//! The kernel gives the log to root alone. A device of another account, or of an emulator, has it
//! as a file in its folder; whoever puts a wrong one there has it refused by the service, which
//! goes by the registers (ATT-9).

use crate::folder::BOOT_LOG_FILE;
use crate::ipc::{Fault, Refusal};
use crate::link::{self, Credential, Link, LinkError, Peer};
use crate::rot::Place;
use craton_api::device::{BOOT_LOG_MAX, BOOT_LOG_PATH, BootLog, is_boot_log_wanted};
use craton_rot::tpm2::Address;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Why a device has no event log to send.
#[derive(Debug, thiserror::Error)]
pub enum BootLogError {
    /// The system refuses the file.
    #[error(
        "E5212: the event log {0} cannot be read: {1}. Run the device as root, or copy the log \
         at each start of the machine to a file `boot-log` in the device's folder"
    )]
    BootLogUnreadable(PathBuf, std::io::Error),
    /// The service would not take it.
    #[error(
        "E5213: the event log {0} has more than {max} bytes and is not sent. See that it is the \
         firmware's: those have some 100 KiB", max = BOOT_LOG_MAX
    )]
    BootLogTooLarge(PathBuf),
}

impl BootLogError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BootLogUnreadable(..) => 5212,
            Self::BootLogTooLarge(_) => 5213,
        }
    }
}

/// Sends the log, if there is one and the service does not have it. Returns how many were sent.
pub(super) fn offer(device: &Path, peer: &Peer, credential: &Credential) -> Result<u64, Refusal> {
    let host =
        |error: BootLogError| Refusal { fault: Fault::Host, ..Refusal::new(error.code(), error) };
    let Some(log) = read(device).map_err(host)? else { return Ok(0) };
    send(peer, credential, &log).map(u64::from).map_err(|error| {
        let (fault, service_code) = (Fault::Service, error.service_code());
        Refusal { fault, service_code, ..Refusal::new(error.code(), error) }
    })
}

fn send(peer: &Peer, credential: &Credential, log: &[u8]) -> Result<bool, LinkError> {
    let named = format!("{BOOT_LOG_PATH}/{}", Soft.sha256(&[log]));
    // Its length was looked at.
    let body = BootLog(log).encode().map_err(|_| LinkError::TlsRefused)?;
    link::runtime()?.block_on(async {
        let mut link = Link::connect(peer, Some(credential)).await?;
        let answer = link.get(&named, 16).await?;
        if !is_boot_log_wanted(&answer).unwrap_or(false) {
            return Ok(false);
        }
        link.post(BOOT_LOG_PATH, body, 4096).await.map(|_| true)
    })
}

/// The log of the device's TPM; `None` where there is none.
fn read(device: &Path) -> Result<Option<Vec<u8>>, BootLogError> {
    let Some(path) = path_of(device) else { return Ok(None) };
    let mut bytes = Vec::new();
    // The kernel's file says no size.
    let opened = File::open(&path)
        .and_then(|file| file.take(BOOT_LOG_MAX as u64 + 1).read_to_end(&mut bytes));
    match opened {
        // Not every firmware has a log for the kernel.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BootLogError::BootLogUnreadable(path, error)),
        Ok(size) if size > BOOT_LOG_MAX => Err(BootLogError::BootLogTooLarge(path)),
        Ok(_) => Ok(Some(bytes)),
    }
}

/// Where the log of the device's TPM is: in its folder, or where the kernel has it.
fn path_of(device: &Path) -> Option<PathBuf> {
    let Ok(Place::Tpm(address)) = Place::of(device) else { return None };
    let own = device.join(BOOT_LOG_FILE);
    if own.exists() { Some(own) } else { of_kernel(&address) }
}

/// An emulator's TPM is none that the kernel knows.
fn of_kernel(address: &Address) -> Option<PathBuf> {
    let Address::Device(device) = address else { return None };
    let name = device.file_name()?.to_str()?;
    let number = name.strip_prefix("tpmrm").or_else(|| name.strip_prefix("tpm"))?;
    let number: u32 = number.parse().ok()?;
    Some(format!("/sys/kernel/security/tpm{number}/binary_bios_measurements").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Server, answer};
    use craton_api::device::boot_log_wanted;
    use craton_api::problem::{self, Problem};

    fn credential() -> Credential {
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
        Credential { certificate: certificate.der().to_vec(), key: pair.serialize_der() }
    }

    fn in_a_tpm(folder: &Path) {
        Place::Tpm(Address::Unix("/run/swtpm".into())).note(folder).unwrap();
    }

    #[test]
    fn a_log_is_sent_when_the_service_wants_it_and_no_other_time() {
        let (folder, credential) = (tempfile::tempdir().unwrap(), credential());
        let device = folder.path();
        let wanting = |wanted| Server::start(move |_| answer(200, &boot_log_wanted(wanted)));
        let (wants, does_not) = (wanting(true), wanting(false));
        let offered = |to: &Server| offer(device, &to.peer(), &credential).unwrap();
        std::fs::write(device.join(BOOT_LOG_FILE), b"a log").unwrap();
        assert_eq!(offered(&wants), 0, "a device without a TPM has none");
        in_a_tpm(device);
        assert_eq!(offered(&does_not), 0);
        let asked = does_not.asked();
        let path = format!("{BOOT_LOG_PATH}/{}", Soft.sha256(&[b"a log"]));
        assert_eq!((asked.len(), &asked[0].path), (1, &path));
        assert_eq!(offered(&wants), 1);
        let sent = wants.asked();
        assert_eq!((sent.len(), sent[1].path.as_str()), (2, BOOT_LOG_PATH));
        assert_eq!(BootLog::parse(&sent[1].body), Ok(BootLog(b"a log")));
        std::fs::remove_file(device.join(BOOT_LOG_FILE)).unwrap();
        assert_eq!(offered(&wants), 0, "there is none, and nobody is asked");
        assert_eq!(wants.asked().len(), 2);
    }

    #[test]
    fn what_the_service_refuses_keeps_its_number() {
        let folder = tempfile::tempdir().unwrap();
        in_a_tpm(folder.path());
        std::fs::write(folder.path().join(BOOT_LOG_FILE), b"a log").unwrap();
        let said = Problem::from_text(4120, 422, problem::Fault::Caller, "E4120: other. Send it.");
        let refusing = answer(422, &serde_json::to_vec(&said).unwrap());
        let refusing = Server::start(move |asked| match asked.path.as_str() {
            BOOT_LOG_PATH => refusing.clone(),
            _ => answer(200, &boot_log_wanted(true)),
        });
        let refused = offer(folder.path(), &refusing.peer(), &credential()).unwrap_err();
        assert_eq!((refused.code, refused.service_code), (5405, Some(4120)));
        let gone = Peer { address: "127.0.0.1:1".into(), keys: vec![] };
        let unreached = offer(folder.path(), &gone, &credential()).unwrap_err();
        assert_eq!((unreached.code, unreached.service_code), (5401, None));
    }

    #[test]
    fn boot_log_unreadable_and_boot_log_too_large_are_this_hosts_fault() {
        let folder = tempfile::tempdir().unwrap();
        in_a_tpm(folder.path());
        let (log, nobody) = (folder.path().join(BOOT_LOG_FILE), credential());
        let peer = Peer { address: "127.0.0.1:1".into(), keys: vec![] };
        let refused = || offer(folder.path(), &peer, &nobody).unwrap_err();
        std::fs::create_dir(&log).unwrap();
        assert!(matches!(read(folder.path()), Err(BootLogError::BootLogUnreadable(..))));
        let unreadable = refused();
        assert_eq!((unreadable.code, unreadable.fault), (5212, Fault::Host));
        std::fs::remove_dir(&log).unwrap();
        std::fs::write(&log, vec![0; BOOT_LOG_MAX + 1]).unwrap();
        assert!(matches!(read(folder.path()), Err(BootLogError::BootLogTooLarge(_))));
        let large = refused();
        assert_eq!((large.code, large.fault), (5213, Fault::Host));
    }

    #[test]
    fn the_kernels_log_is_that_of_the_same_tpm() {
        let of = |address: &str| of_kernel(&address.parse().unwrap());
        let kernels = |number| format!("/sys/kernel/security/tpm{number}/binary_bios_measurements");
        for (address, number) in [("device:/dev/tpmrm0", 0), ("device:/dev/tpm12", 12)] {
            assert_eq!(of(address), Some(kernels(number).into()), "{address}");
        }
        for other in ["unix:/run/swtpm", "tcp:127.0.0.1:2321", "device:/dev/vtpmx", "device:/a/.."]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
