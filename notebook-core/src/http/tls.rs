//! TLS settings: ring, and whom to trust.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{Error, ErrorKind, Result};

/// Trusts Mozilla's list, which is built in so that a bare machine works, the machine's own list,
/// where companies add theirs, and the given files.
pub(super) fn client_config(extra_roots: &[PathBuf]) -> Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a certificate list of this machine was not read");
    }
    roots.add_parsable_certificates(native.certs);
    for path in extra_roots {
        let unreadable = |error| {
            Error::invalid(
                "read certificates",
                "extra_roots",
                "name a readable file of PEM certificates",
            )
            .with("file", path.display().to_string())
            .caused_by(error)
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
        for certificate in certificates {
            let certificate = certificate.map_err(unreadable)?;
            roots.add(certificate).map_err(|error| {
                Error::invalid("read certificates", "extra_roots", "remove the broken certificate")
                    .with("file", path.display().to_string())
                    .caused_by(error)
            })?;
        }
    }
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Internal, "prepare TLS").caused_by(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
