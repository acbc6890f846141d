//! What a device may ask beside the check-in, by the certificate that the check-in issued.

use craton_api::device::Reports;
use craton_api::operator::{CatalogId, DeviceId, Digest, ImageId, ImageSetId, Section};
use craton_trust::failure::Failure;

use super::{AppError, Core, StreamOwner, failures};
use crate::attest::AttestError;
use crate::authority::name_in;
use crate::catalog::CatalogError;
use crate::crypto::sha256;
use crate::store::ReceivedFailure;

/// The device that holds the certificate of its connection. TLS has proved that it holds the key,
/// that our CA issued it, and that it has not expired.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    catalog: CatalogId,
    device: DeviceId,
}

impl Holder {
    /// To whom its transfers are counted.
    #[must_use]
    pub fn stream_owner(&self) -> StreamOwner {
        StreamOwner::Device(self.catalog, self.device)
    }

    /// Which device of which catalog it is.
    pub(super) fn place(&self) -> (CatalogId, DeviceId) {
        (self.catalog, self.device)
    }
}

/// Finds the device whose newest certificate this is.
///
/// # Errors
/// `CertificateMissing`; `CertificateReplaced` for one that a later check-in has replaced.
pub fn holder(core: &Core, certificate: Option<&[u8]>) -> Result<Holder, AppError> {
    let der = certificate.ok_or(AttestError::CertificateMissing)?;
    let parsed = x509_parser::parse_x509_certificate(der);
    let (_, certificate) = parsed.map_err(|_| AttestError::CertificateMissing)?;
    let name = name_in(&certificate).ok_or(AttestError::CertificateReplaced)?;
    let known = core.store.read(|db| db.device_by_client_name(name))?;
    let (catalog, device, newest) = known.ok_or(AttestError::CertificateReplaced)?;
    let serial: String =
        certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    if newest.as_deref() != Some(serial.as_str()) {
        return Err(AttestError::CertificateReplaced.into());
    }
    Ok(Holder { catalog, device })
}

/// One version of a section, if there is one. Nobody is asked who he is: a device whose trust store
/// is behind may have no certificate, and needs the successors to get one.
///
/// # Errors
/// Those of the store.
pub fn section(
    core: &Core,
    catalog: CatalogId,
    section: Section,
    version: u64,
) -> Result<Option<Vec<u8>>, AppError> {
    Ok(core.store.read(|db| db.trust_store_section(catalog, section, version))?)
}

/// An admitted set that the device has to do with, with its signatures: assigned, attested or
/// offered to its group. A device is not to learn what other products of its catalog run.
///
/// # Errors
/// `SetUnknown`.
pub fn signed_set(core: &Core, holder: Holder, id: ImageSetId) -> Result<Vec<u8>, AppError> {
    let row = core.store.read(|db| {
        let known = db.device_knows_set(holder.catalog, holder.device, id)?;
        if known { db.image_set(holder.catalog, id) } else { Ok(None) }
    })?;
    let admitted = row.filter(|row| row.set.log_index.is_some());
    Ok(admitted.ok_or(CatalogError::SetUnknown)?.signatures.signed)
}

/// Refuses a blob that no set names which the device has to do with.
///
/// # Errors
/// `BlobUnknown`.
pub fn check_blob(core: &Core, holder: Holder, sha256: Digest) -> Result<(), AppError> {
    let known =
        core.store.read(|db| db.device_knows_blob(holder.catalog, holder.device, sha256))?;
    if known { Ok(()) } else { Err(CatalogError::BlobUnknown(sha256).into()) }
}

/// Keeps the failures that the device reports, all or, if one is malformed, none.
///
/// # Errors
/// `Evidence` with the reason; `FailuresTooMany`.
pub async fn report(core: &Core, holder: Holder, body: &[u8]) -> Result<(), AppError> {
    let reports = Reports::parse(body).map_err(AttestError::Evidence)?;
    let received_s = core.clock.now_s();
    let mut received = Vec::new();
    for record in reports.0 {
        let failure = Failure::parse(record).map_err(AttestError::Evidence)?;
        received.push(ReceivedFailure {
            record: record.to_vec(),
            sha256: sha256(record),
            image: Some(ImageId(failure.image.0)),
            number: Some(kept_number(failure.number)?),
            received_s,
        });
    }
    failures::receive(core, holder.catalog, holder.device, received).await?;
    Ok(())
}

/// A number that the database can hold; no device ever counts so far.
fn kept_number(number: u64) -> Result<u64, AttestError> {
    let fits = i64::try_from(number).is_ok();
    if fits { Ok(number) } else { Err(AttestError::Evidence(craton_trust::Error::FieldInvalid)) }
}
