//! How a server's certificate is judged, for each `sslmode` as libpq does it (Postgres manual, "SSL Support"). rustls
//! alone knows only the strictest kind, and refuses three sorts of certificate that are usual inside a company: the
//! self-signed one that is its own root, the one that bears its host only as common name, and that of version 1.

mod version1;

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The authorities we trust: as anchors of chains, and as certificates that a server may show themselves.
#[derive(Debug)]
pub(super) struct Trust {
    pub anchors: RootCertStore,
    pub certificates: Vec<CertificateDer<'static>>,
}

/// How much of a certificate is checked.
#[derive(Debug)]
pub(super) enum Check {
    /// Nothing: whoever answers gets an encrypted connection.
    Nothing,
    /// That someone we trust has signed it, whatever host it is for.
    Chain(Trust),
    /// That, and that it is for the host we asked for.
    ChainAndName(Trust),
}

/// The judge that rustls asks.
#[derive(Debug)]
pub(super) struct Verifier {
    pub check: Check,
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.check {
            Check::Nothing => {}
            Check::Chain(trust) => self.chain(trust, certificate, intermediates, now)?,
            Check::ChainAndName(trust) => {
                self.chain(trust, certificate, intermediates, now)?;
                name(certificate, server)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    /// Checked even where the certificate is not: SCRAM binds to the certificate, so the server must own its key.
    /// It goes by the bare key because rustls does not read certificates of version 1, which openssl makes by default.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = parse(certificate)?
            .tbs_certificate
            .subject_public_key_info
            .to_der()
            .map_err(|_| bad_encoding())?;
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key),
            signature,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl Verifier {
    fn chain(
        &self,
        trust: &Trust,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if trust
            .certificates
            .iter()
            .any(|trusted| trusted == certificate)
        {
            return in_time(&parse(certificate)?, now);
        }
        let leaf = parse(certificate)?;
        if leaf.tbs_certificate.version == Version::V1 {
            let algorithms = &self.provider.signature_verification_algorithms;
            return version1::verify(&leaf, &trust.certificates, algorithms.all, now);
        }
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &trust.anchors,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
    }
}

/// Whether a certificate that we trust as such is valid now; chains are checked for this by rustls.
fn in_time(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether the certificate is for `server`. Its common name counts only if it has no alternative names of hosts or
/// addresses (RFC 6125, section 6.4.4; Postgres manual, "Client Verification of Server Certificates").
fn name(certificate: &CertificateDer<'_>, server: &ServerName<'_>) -> Result<(), Error> {
    let parsed = parse(certificate)?;
    if has_alternative_names(&parsed)? {
        return verify_server_name(&ParsedCertificate::try_from(certificate)?, server);
    }
    let presented = common_name(&parsed);
    let matches = match server {
        ServerName::DnsName(host) => presented
            .as_deref()
            .is_some_and(|name| covers(name, host.as_ref())),
        _ => presented.as_deref() == Some(&server.to_str()),
    };
    if matches {
        return Ok(());
    }
    let presented = presented.into_iter().collect();
    Err(CertificateError::NotValidForNameContext {
        expected: server.to_owned(),
        presented,
    }
    .into())
}

fn has_alternative_names(certificate: &Certificate) -> Result<bool, Error> {
    let names = certificate
        .tbs_certificate
        .get::<SubjectAltName>()
        .map_err(|_| bad_encoding())?;
    Ok(names.is_some_and(|(_, names)| {
        names
            .0
            .iter()
            .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
    }))
}

/// The common name: the last one, for that is the most particular.
fn common_name(certificate: &Certificate) -> Option<String> {
    use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
    use x509_cert::der::oid::db::rfc4519::CN;

    let subject = &certificate.tbs_certificate.subject;
    let mut attributes = subject.0.iter().flat_map(|names| names.0.iter());
    let value = &attributes.rfind(|attribute| attribute.oid == CN)?.value;
    value
        .decode_as::<Utf8StringRef<'_>>()
        .map(|name| name.as_str().to_owned())
        .or_else(|_| {
            value
                .decode_as::<PrintableStringRef<'_>>()
                .map(|name| name.as_str().to_owned())
        })
        .or_else(|_| {
            value
                .decode_as::<TeletexStringRef<'_>>()
                .map(|name| name.as_str().to_owned())
        })
        .ok()
}

/// Whether the name in a certificate covers `host`: the same, or `*.` and all of it but its first label.
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(first, rest)| {
            !first.is_empty() && domain.contains('.') && rest.eq_ignore_ascii_case(domain)
        }),
        None => name.eq_ignore_ascii_case(host),
    }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| bad_encoding())
}

fn bad_encoding() -> Error {
    CertificateError::BadEncoding.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(covers("db1.example.com", "DB1.example.com"));
        assert!(covers("*.example.com", "db1.example.com"));
        assert!(!covers("*.example.com", "a.db1.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(
            !covers("*.com", "example.com"),
            "nobody owns a whole top level"
        );
        assert!(!covers("db1.example.com", "db1.example.com.evil.org"));
    }
}
