//! TLS by rustls: a certificate and its key from two files, read again when they change or when somebody asks. A pair
//! that cannot be used leaves the old one in force. The accept loop takes its acceptor from here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the certificate and its key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and a root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why there is no TLS, or no new certificate.
#[derive(Debug, Error)]
pub enum Error {
    /// A file cannot be read or is not what it should be.
    #[error("{}: {why}; tls_cert and tls_key name a certificate and its key in PEM", crate::text::safe(&path.to_string_lossy()))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They are not a pair, or not of a kind that rustls knows.
    #[error("the key {} does not go with the certificate {}: {why}", crate::text::safe(&key.to_string_lossy()), crate::text::safe(&certificate.to_string_lossy()))]
    Pair {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// rustls refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The certificate in force; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    watching: std::sync::OnceLock<AbortHandle>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.files).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.get() {
            watching.abort();
        }
    }
}

/// What the handshakes are given. Written only when a new pair was read.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Tls {
    /// Reads the files and watches them from now on.
    ///
    /// # Errors
    /// When they are no good.
    pub fn open(files: Files) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = stamps(&files);
        let pair = read(&files, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(pair))));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = Self(Arc::new(Inner {
            files,
            provider,
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            watching: std::sync::OnceLock::new(),
        }));
        tls.watch(seen);
        Ok(tls)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// When they are no good; what was in force stays.
    pub fn reload(&self) -> Result<(), Error> {
        let pair = Arc::new(read(&self.0.files, &self.0.provider)?);
        let mut current = self
            .0
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = pair;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.0.acceptor
    }

    /// Reloads when a file's stamp is another than `seen`, and once more after each change: the two are rarely written
    /// at the same moment.
    fn watch(&self, mut seen: Stamps) {
        let weak = Arc::downgrade(&self.0);
        let watching = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(inner) = weak.upgrade() else { return };
                let tls = Self(inner);
                // A folder on a network may take its time.
                let looked = tokio::task::spawn_blocking(move || tls.look(seen)).await;
                let Ok(now) = looked else { return };
                seen = now;
            }
        });
        // Set once, here.
        let _ = self.0.watching.set(watching.abort_handle());
    }

    fn look(&self, seen: Stamps) -> Stamps {
        let now = stamps(&self.0.files);
        if now != seen {
            match self.reload() {
                Ok(()) => tracing::info!("a new certificate is in force"),
                Err(error) => tracing::error!("the old certificate stays in force: {error}"),
            }
        }
        now
    }
}

/// What changes when a file is written or replaced.
type Stamp = Option<(SystemTime, u64, u64)>;
type Stamps = (Stamp, Stamp);

fn stamps(files: &Files) -> Stamps {
    let stamp = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        let data = std::fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len(), data.ino()))
    };
    (stamp(&files.certificate), stamp(&files.key))
}

fn read(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let wrong = |path: &Path, why: String| Error::File {
        path: path.to_owned(),
        why,
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&files.certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong(&files.certificate, "no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| wrong(&files.key, error.to_string()))?;
    CertifiedKey::from_der(certificates, key, provider).map_err(|why| Error::Pair {
        key: files.key.clone(),
        certificate: files.certificate.clone(),
        why,
    })
}
