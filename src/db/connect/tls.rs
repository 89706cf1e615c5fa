//! TLS as `sslmode`, `sslrootcert`, `sslcert` and `sslkey` ask for it, by rustls. Loaded only when a connection needs
//! it: a Unix socket never does, and the machine's authorities are read only if someone asks for them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Error;
use super::verify::{Check, Trust, Verifier};
use crate::db::conninfo::{Roots, SslMode, Tls};

/// What makes the TLS side of a connection. Reads files, so async callers run it where blocking is allowed.
pub(super) fn load(tls: &Tls) -> Result<MakeRustlsConnect, Error> {
    let check = check(tls)?;
    build(
        check,
        tls.identity
            .as_ref()
            .map(|(certificate, key)| (certificate.as_path(), key.as_path())),
    )
}

/// For connections that will not be encrypted; the driver wants to have one all the same.
pub(super) fn unused() -> Result<MakeRustlsConnect, Error> {
    build(Check::Nothing, None)
}

fn build(check: Check, identity: Option<(&Path, &Path)>) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier {
        check,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| file_error(Path::new("TLS"), &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| {
                file_error(
                    key,
                    &format!(
                        "the key does not go with {}: {error}",
                        certificate.display()
                    ),
                )
            })?,
    };
    Ok(MakeRustlsConnect::new(config))
}

/// libpq's rule: below `verify-ca` the chain is checked if and only if there is a file of authorities.
fn check(tls: &Tls) -> Result<Check, Error> {
    let strict = match tls.mode {
        SslMode::VerifyCa | SslMode::VerifyFull => true,
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => false,
    };
    let trust = match &tls.roots {
        Roots::System => system()?,
        Roots::File(file) | Roots::Usual(file) if file.exists() => from_file(file)?,
        Roots::File(file) | Roots::Usual(file) if strict => {
            let reason = "this file of trusted authorities does not exist; name one in sslrootcert, or \
                          sslrootcert=system for those this machine trusts";
            return Err(file_error(file, &reason));
        }
        Roots::Nobody if strict => {
            let reason = "there is no home folder to look for trusted authorities in; name their file in sslrootcert";
            return Err(file_error(Path::new("root.crt"), &reason));
        }
        Roots::File(_) | Roots::Usual(_) | Roots::Nobody => return Ok(Check::Nothing),
    };
    Ok(match tls.mode {
        SslMode::VerifyFull => Check::ChainAndName(trust),
        SslMode::VerifyCa
        | SslMode::Disable
        | SslMode::Allow
        | SslMode::Prefer
        | SslMode::Require => Check::Chain(trust),
    })
}

fn system() -> Result<Trust, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut anchors = RootCertStore::empty();
    let (added, _unreadable) = anchors.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let reason = "this machine has no trusted authorities (package ca-certificates); name a file in sslrootcert";
        return Err(file_error(Path::new("sslrootcert=system"), &reason));
    }
    Ok(Trust {
        anchors,
        certificates: Vec::new(),
    })
}

fn from_file(file: &Path) -> Result<Trust, Error> {
    let certificates = certificates(file)?;
    let mut anchors = RootCertStore::empty();
    for certificate in &certificates {
        anchors
            .add(certificate.clone())
            .map_err(|error| file_error(file, &error))?;
    }
    Ok(Trust {
        anchors,
        certificates,
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(file, &format!("cannot read certificates from it: {error}")))?;
    if certificates.is_empty() {
        return Err(file_error(file, &"it holds no certificate in PEM format"));
    }
    Ok(certificates)
}

/// The client's key, if nobody else can read it: 0600, or 0640 if it belongs to root, as libpq demands.
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let metadata = fs::metadata(file).map_err(|error| file_error(file, &error))?;
    let open_to = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & open_to != 0 {
        let reason = format!(
            "others can read this private key; run: chmod 0600 {}",
            file.display()
        );
        return Err(file_error(file, &reason));
    }
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| file_error(file, &format!("cannot read a key from it: {error}")))
}

fn file_error(file: &Path, reason: &dyn ToString) -> Error {
    Error::TlsFile {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}
