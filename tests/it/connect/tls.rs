//! Every `sslmode` against servers with good, expired, self-signed and no certificates.

use tokenward::db::connect::{Distrust, Error};

use super::server::{
    EXPIRED, EXPIRED_VERSION_1, GOOD, PAPERS, PASSWORD, PLAIN, SELF_SIGNED, VERSION_1,
};
use super::{ask, connector, refusal};

const ENCRYPTED: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn trusting(authority: &str, mode: &str) -> String {
    format!(
        "user=postgres sslmode={mode} sslrootcert={}",
        PAPERS.certificate(authority).display()
    )
}

fn distrust(error: Error) -> Distrust {
    match error {
        Error::TlsUntrusted { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn verify_full_accepts_the_right_name_and_address() {
    let right = trusting("ca", "verify-full");
    assert_eq!(
        ask(&connector(&GOOD.tcp(&right)), ENCRYPTED).await.unwrap(),
        "true"
    );
    let by_address = format!("host=127.0.0.1 port={} {right}", GOOD.port);
    assert_eq!(
        ask(&connector(&by_address), ENCRYPTED).await.unwrap(),
        "true"
    );
}

#[tokio::test]
async fn verify_full_refuses_another_name_and_verify_ca_does_not() {
    let other = format!(
        "{} host=db.example",
        GOOD.tcp(&trusting("ca", "verify-full"))
    );
    let error = refusal(&other).await;
    assert!(error.to_string().contains("db.test"), "{error}");
    assert!(matches!(distrust(error), Distrust::WrongName(_)));
    let other = format!("{} host=db.example", GOOD.tcp(&trusting("ca", "verify-ca")));
    assert_eq!(ask(&connector(&other), ENCRYPTED).await.unwrap(), "true");
}

#[tokio::test]
async fn an_unknown_authority_and_an_expired_certificate_are_refused() {
    for mode in ["verify-ca", "verify-full", "require"] {
        let error = refusal(&GOOD.tcp(&trusting("other-ca", mode))).await;
        assert!(error.to_string().contains("sslrootcert"), "{error}");
        assert_eq!(distrust(error), Distrust::UnknownIssuer, "{mode}");
        assert_eq!(
            distrust(refusal(&EXPIRED.tcp(&trusting("ca", mode))).await),
            Distrust::Expired,
            "{mode}"
        );
    }
    let system = refusal(&GOOD.tcp("user=postgres sslrootcert=system")).await;
    assert!(
        matches!(system, Error::TlsUntrusted { .. } | Error::TlsFile { .. }),
        "{system:?}"
    );
}

#[tokio::test]
async fn verifying_needs_somebody_to_trust() {
    let error =
        refusal(&GOOD.tcp("user=postgres sslmode=verify-full sslrootcert=/nowhere/root.crt")).await;
    assert!(
        error
            .to_string()
            .starts_with("/nowhere/root.crt: this file of trusted authorities does not exist")
    );
    let error = refusal(&GOOD.tcp("user=postgres sslmode=verify-ca")).await;
    assert!(matches!(error, Error::TlsFile { .. }), "{error:?}");
}

#[tokio::test]
async fn require_without_authorities_encrypts_whatever_the_certificate() {
    for server in [&*GOOD, &*EXPIRED, &*SELF_SIGNED] {
        let text = server.tcp("user=postgres sslmode=require");
        assert_eq!(ask(&connector(&text), ENCRYPTED).await.unwrap(), "true");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_unless_tls_is_only_preferred() {
    let error = refusal(&PLAIN.tcp("user=postgres sslmode=require")).await;
    assert!(matches!(error, Error::TlsRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    for mode in ["prefer", "allow", "disable"] {
        let text = PLAIN.tcp(&format!("user=postgres sslmode={mode}"));
        assert_eq!(
            ask(&connector(&text), ENCRYPTED).await.unwrap(),
            "false",
            "{mode}"
        );
    }
    let by_socket = PLAIN.socket("sslmode=verify-full");
    assert_eq!(
        ask(&connector(&by_socket), ENCRYPTED).await.unwrap(),
        "false",
        "a socket has no TLS, as in libpq"
    );
}

#[tokio::test]
async fn prefer_and_allow_try_the_other_kind() {
    for (user, mode, encrypted) in [
        ("tls_only", "prefer", "true"),
        ("tls_only", "allow", "true"),
        ("plain_only", "prefer", "false"),
        ("plain_only", "allow", "false"),
        ("postgres", "allow", "false"),
    ] {
        let text = GOOD.tcp(&format!("user={user} sslmode={mode}"));
        assert_eq!(
            ask(&connector(&text), ENCRYPTED).await.unwrap(),
            encrypted,
            "{user} {mode}"
        );
    }
    let untrusted = GOOD.tcp(&trusting("other-ca", "prefer"));
    assert_eq!(
        ask(&connector(&untrusted), ENCRYPTED).await.unwrap(),
        "false",
        "as libpq: prefer goes on without"
    );
    let error = refusal(&GOOD.tcp("user=tls_only sslmode=disable")).await;
    assert!(matches!(error, Error::NotAllowed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_its_own_root() {
    let text = SELF_SIGNED.tcp(&trusting("self", "verify-full"));
    assert_eq!(ask(&connector(&text), ENCRYPTED).await.unwrap(), "true");
    let error = refusal(&format!("{text} host=db.example")).await;
    assert_eq!(
        distrust(error),
        Distrust::WrongName(vec!["db.test".to_owned()])
    );
    let error = refusal(&SELF_SIGNED.tcp(&trusting("ca", "verify-full"))).await;
    assert_eq!(distrust(error), Distrust::UnknownIssuer);
}

#[tokio::test]
async fn scram_can_be_bound_to_the_channel() {
    let text = format!("user=app password='{PASSWORD}' channel_binding=require");
    assert_eq!(
        ask(&connector(&GOOD.tcp(&text)), ENCRYPTED).await.unwrap(),
        "true"
    );
    let error = refusal(&GOOD.tcp(&format!("{text} sslmode=disable"))).await;
    assert!(matches!(error, Error::NotAllowed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_lets_its_owner_in() {
    let (certificate, key) = (PAPERS.certificate("client"), PAPERS.key("client"));
    let text = format!(
        "user=certified sslmode=require sslcert={} sslkey={}",
        certificate.display(),
        key.display()
    );
    assert_eq!(
        ask(&connector(&GOOD.tcp(&text)), ENCRYPTED).await.unwrap(),
        "true"
    );
    let error = refusal(&GOOD.tcp("user=certified sslmode=require")).await;
    assert!(matches!(error, Error::NotAllowed { .. }), "{error:?}");
    let wrong = text.replace(
        &key.display().to_string(),
        &PAPERS.key("ca").display().to_string(),
    );
    let error = refusal(&GOOD.tcp(&wrong)).await.to_string();
    assert!(error.contains("does not go with"), "{error}");
}

#[tokio::test]
async fn a_key_open_to_others_is_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::copy(PAPERS.key("client"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let certificate = PAPERS.certificate("client");
    let text = format!(
        "user=certified sslmode=require sslcert={} sslkey={}",
        certificate.display(),
        key.display()
    );
    let error = refusal(&GOOD.tcp(&text)).await.to_string();
    assert!(error.contains("chmod 0600"), "{error}");
}

/// What the Postgres manual's own recipe makes, "Creating Certificates": `openssl x509 -req` without extensions.
#[tokio::test]
async fn a_certificate_of_version_1_is_checked_like_any_other() {
    for (mode, authority) in [
        ("verify-ca", "ca"),
        ("verify-full", "ca"),
        ("require", "ca"),
        ("verify-full", "v1"),
    ] {
        let text = VERSION_1.tcp(&trusting(authority, mode));
        assert_eq!(
            ask(&connector(&text), ENCRYPTED).await.unwrap(),
            "true",
            "{mode} {authority}"
        );
    }
    let text = VERSION_1.tcp(&trusting("ca", "verify-full"));
    let error = refusal(&format!("{text} host=db.example")).await;
    assert_eq!(
        distrust(error),
        Distrust::WrongName(vec!["db.test".to_owned()])
    );
    for stranger in ["other-ca", "forged-ca", "good"] {
        let error = refusal(&VERSION_1.tcp(&trusting(stranger, "verify-full"))).await;
        assert!(
            matches!(error, Error::TlsUntrusted { .. }),
            "{stranger} {error:?}"
        );
    }
    let error = refusal(&EXPIRED_VERSION_1.tcp(&trusting("ca", "verify-ca"))).await;
    assert_eq!(distrust(error), Distrust::Expired);
}
