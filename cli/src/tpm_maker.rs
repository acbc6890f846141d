//! Whether a TPM's endorsement key is of a maker that the endorser named, by the certificate that
//! its maker put into it (TCG EK Credential Profile).
//!
//! No list of makers is built in: whom one believes, one names. A certificate is looked at once, at
//! the endorsement, and its dates are judged by this machine's clock. Lists of revoked certificates
//! are not fetched.

use crate::error::CliError;
use crate::home::read_file;
use crate::tpm_error::TpmError;
use anyhow::Result;
use craton_device::tpm::Shown;
use craton_rot::tpm2::enrol::EndorsementKey;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::path::{Path, PathBuf};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// tcg-kp-EKCertificate, 2.23.133.8.1, as DER has it.
const ENDORSEMENT: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// Which makers of TPMs are believed.
#[derive(clap::Args)]
pub struct Makers {
    /// Certificates of a TPM maker's root, PEM or DER: only a TPM of one of them is endorsed
    #[arg(long = "tpm-maker", value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// Certificates between the root and the TPM's
    #[arg(long = "tpm-issuer", value_name = "FILE", requires = "roots")]
    issuers: Vec<PathBuf>,
}

impl Makers {
    /// Whether any was named: then a TPM without a certificate of theirs is refused.
    pub fn are_named(&self) -> bool {
        !self.roots.is_empty()
    }

    /// The first of a TPM's endorsement keys that is of a named maker: a vendor of machines may put
    /// its own certificate beside the chip's. The second one is asked for only if need be, because
    /// a TPM takes long to make an RSA key.
    ///
    /// # Errors
    /// As [`Makers::check`] of the first; the TPM's.
    pub fn choose(
        &self,
        first: Shown,
        second: impl FnOnce() -> craton_rot::Result<Option<Shown>>,
        now: UnixTime,
    ) -> Result<EndorsementKey> {
        let Err(refused) = self.check(&first, now) else { return Ok(first.key) };
        let is_unknown = matches!(refused.downcast_ref(), Some(CliError::TpmMakerUnknown(_)));
        let may_have_second = matches!(first.key, EndorsementKey::P256(_));
        if is_unknown
            && may_have_second
            && let Some(second) = second()?
            && self.check(&second, now).is_ok()
        {
            return Ok(second.key);
        }
        Err(refused)
    }

    /// Looks at an endorsement key by the certificate beside it.
    ///
    /// # Errors
    /// `TpmCertificateMissing`, `TpmMakerUnknown`, `TpmCertificateOther`, `CertificateUnreadable`.
    pub fn check(&self, endorsement: &Shown, now: UnixTime) -> Result<()> {
        let (roots, issuers) = (certificates(&self.roots)?, certificates(&self.issuers)?);
        let certificate = endorsement.certificate.as_ref();
        let certificate = certificate.ok_or(CliError::Tpm(TpmError::TpmCertificateMissing))?;
        let certificate = CertificateDer::from(certificate.as_slice());
        let unknown = |error: webpki::Error| CliError::TpmMakerUnknown(error.to_string());
        let certificate = EndEntityCert::try_from(&certificate).map_err(unknown)?;
        let verify = |anchors: &[TrustAnchor<'_>], usage: KeyUsage| {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let algorithms = provider.signature_verification_algorithms.all;
            let path =
                certificate.verify_for_usage(algorithms, anchors, &issuers, now, usage, None, None);
            path.map(|_| ()).map_err(unknown)
        };
        let anchors = anchors(roots.iter(), &self.roots)?;
        verify(&anchors, KeyUsage::required_if_present(ENDORSEMENT))?;
        // The chain holds. An issuer need not name a usage, but the TPM's own certificate must: who
        // certifies TPMs certifies other keys, too.
        let all = self::anchors(roots.iter().chain(&issuers), &self.issuers)?;
        verify(&all, KeyUsage::required(ENDORSEMENT))?;
        let own = certificate.subject_public_key_info();
        let same = own.as_ref() == endorsement.key.info();
        if same { Ok(()) } else { Err(CliError::TpmCertificateOther.into()) }
    }
}

fn anchors<'c>(
    certificates: impl Iterator<Item = &'c CertificateDer<'static>>,
    named: &[PathBuf],
) -> Result<Vec<TrustAnchor<'c>>, CliError> {
    let unreadable =
        |_| CliError::CertificateUnreadable(named.first().cloned().unwrap_or_default());
    certificates.map(|it| anchor_from_trusted_cert(it).map_err(unreadable)).collect()
}

fn certificates(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(certificates_in(file)?);
    }
    Ok(all)
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let unreadable = || CliError::CertificateUnreadable(file.to_owned());
    let bytes = read_file(file)?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let read = read.map_err(|_| unreadable())?;
    if read.is_empty() { Err(unreadable()) } else { Ok(read) }
}

#[cfg(test)]
mod tests;
