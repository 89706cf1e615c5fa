//! Certificates of X.509 version 1. The Postgres manual's own recipe makes them ("Creating Certificates"), libpq takes
//! them and rustls does not even read them, so the one step that they allow is checked here: signed by an authority
//! that we trust ourselves. They cannot have intermediates, alternative names or any other extension.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{bad_encoding, in_time, parse};

/// Whether one of `trusted` is an authority that has signed `leaf`, and both are valid at `now`.
pub(super) fn verify(
    leaf: &Certificate,
    trusted: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> Result<(), Error> {
    in_time(leaf, now)?;
    for authority in trusted {
        let authority = parse(authority)?;
        if is_authority(&authority)
            && authority.tbs_certificate.subject == leaf.tbs_certificate.issuer
            && signed(leaf, &authority, algorithms)?
        {
            return in_time(&authority, now);
        }
    }
    Err(CertificateError::UnknownIssuer.into())
}

/// Whether the certificate says that it may sign others. One that limits the names it signs for is passed over, for
/// we do not check such limits.
fn is_authority(certificate: &Certificate) -> bool {
    let certificate = &certificate.tbs_certificate;
    let may_sign = matches!(certificate.get::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca);
    may_sign && matches!(certificate.get::<NameConstraints>(), Ok(None))
}

fn signed(
    leaf: &Certificate,
    authority: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<bool, Error> {
    // Both fields name the algorithm, and only the inner one is signed.
    if leaf.signature_algorithm != leaf.tbs_certificate.signature {
        return Ok(false);
    }
    let key = &authority.tbs_certificate.subject_public_key_info;
    let (key_kind, signature_kind) = (
        contents(&key.algorithm)?,
        contents(&leaf.signature_algorithm)?,
    );
    let body = leaf.tbs_certificate.to_der().map_err(|_| bad_encoding())?;
    let (Some(key), Some(signature)) =
        (key.subject_public_key.as_bytes(), leaf.signature.as_bytes())
    else {
        return Ok(false);
    };
    Ok(algorithms.iter().any(|algorithm| {
        *algorithm.public_key_alg_id() == *key_kind
            && *algorithm.signature_alg_id() == *signature_kind
            && algorithm.verify_signature(key, &body, signature).is_ok()
    }))
}

/// The name of an algorithm as rustls has it: without the tag and length around it.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Result<Vec<u8>, Error> {
    let whole = algorithm.to_der().map_err(|_| bad_encoding())?;
    let inner = AnyRef::from_der(&whole).map_err(|_| bad_encoding())?;
    Ok(inner.value().to_vec())
}
