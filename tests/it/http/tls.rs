//! TLS as clients see it: names and dates they refuse, both protocols, a new certificate while requests go on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokenward::http::tls::{Files, Tls};
use tokenward::http::{Limits, Listener, Plain, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Client, DEADLINE, WHOAMI, get, loopback, start, until};

/// A certificate that vouches for itself, and where it is written.
struct Pair {
    certificate: CertificateDer<'static>,
}

fn write_pair(folder: &Path, name: &str, expired: bool) -> Pair {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    // Renamed into place, as careful tools do it.
    for (file, text) in [("cert.pem", made.pem()), ("key.pem", key.serialize_pem())] {
        let fresh = folder.join(format!("{file}.new"));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, folder.join(file)).unwrap();
    }
    Pair {
        certificate: made.der().clone(),
    }
}

fn files(folder: &Path) -> Files {
    Files {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

async fn serving(folder: &Path, limits: Limits) -> (Listener, Tls) {
    let tls = Tls::open(files(folder)).unwrap();
    let settings = Settings {
        tls: Some(tls.clone()),
        limits,
        plain: Plain::Loopback,
        ..Settings::on(loopback())
    };
    (start(settings).await, tls)
}

async fn connect(
    listener: &Listener,
    trusted: &[&CertificateDer<'static>],
    name: &str,
    protocol: Option<&[u8]>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for trusted in trusted {
        roots.add((*trusted).clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocol.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(listener.address()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(get("/").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(WHOAMI.as_bytes()) {
        let more = tokio::time::timeout(DEADLINE, stream.read_buf(&mut read)).await;
        assert_ne!(
            more.unwrap().unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&read)
        );
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn clients_get_what_they_trust_in_the_protocol_they_speak() {
    let folder = tempfile::tempdir().unwrap();
    let pair = write_pair(folder.path(), "localhost", false);
    let (listener, _tls) = serving(folder.path(), Limits::default()).await;
    for protocol in [None, Some(b"http/1.1".as_slice())] {
        let mut stream = connect(&listener, &[&pair.certificate], "localhost", protocol)
            .await
            .unwrap();
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let stream = connect(&listener, &[&pair.certificate], "localhost", Some(b"h2")).await;
    let mut stream = stream.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    // Preface and empty SETTINGS; the server's first frame is its own SETTINGS.
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    stream.write_all(hello).await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
    let wrong = connect(&listener, &[&pair.certificate], "elsewhere", None).await;
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .contains("not valid for name")
    );
    let unknown = connect(&listener, &[], "localhost", None).await;
    assert!(unknown.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_clients_and_replaced_while_we_run() {
    let folder = tempfile::tempdir().unwrap();
    let expired = write_pair(folder.path(), "localhost", true);
    let (listener, _tls) = serving(folder.path(), Limits::default()).await;
    let refused = connect(&listener, &[&expired.certificate], "localhost", None).await;
    assert!(refused.unwrap_err().to_string().contains("expired"));
    let fresh = write_pair(folder.path(), "localhost", false);
    let trusted = [&fresh.certificate];
    let begun = std::time::Instant::now();
    loop {
        match connect(&listener, &trusted, "localhost", None).await {
            Ok(mut stream) => {
                ask(&mut stream).await;
                return;
            }
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_broken_pair_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let pair = write_pair(folder.path(), "localhost", false);
    let (listener, tls) = serving(folder.path(), Limits::default()).await;
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path(), "localhost", false);
    std::fs::copy(other.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    let said = tls.reload().unwrap_err().to_string();
    assert!(said.contains("does not go with the certificate"), "{said}");
    std::fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    assert!(tls.reload().is_err());
    let mut stream = connect(&listener, &[&pair.certificate], "localhost", None)
        .await
        .unwrap();
    ask(&mut stream).await;
    let refused = Tls::open(files(folder.path())).unwrap_err().to_string();
    assert!(refused.contains("key.pem"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_load_loses_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairs = vec![write_pair(folder.path(), "localhost", false)];
    let others: Vec<_> = (0..3)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            pairs.push(write_pair(folder.path(), "localhost", false));
            folder
        })
        .collect();
    let (listener, tls) = serving(folder.path(), Limits::default()).await;
    let listener = Arc::new(listener);
    let trusted: Arc<Vec<_>> =
        Arc::new(pairs.iter().map(|pair| pair.certificate.clone()).collect());
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (listener, trusted) = (Arc::clone(&listener), Arc::clone(&trusted));
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            tokio::spawn(async move {
                let trusted: Vec<_> = trusted.iter().collect();
                while !done.load(Ordering::Relaxed) {
                    let connected = connect(&listener, &trusted, "localhost", None).await;
                    let mut stream = connected.unwrap();
                    for _ in 0..5 {
                        ask(&mut stream).await;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for other in &others {
        let before = answered.load(Ordering::Relaxed);
        until("there is load", || {
            answered.load(Ordering::Relaxed) > before + 50
        })
        .await;
        for file in ["cert.pem", "key.pem"] {
            std::fs::copy(other.path().join(file), folder.path().join(file)).unwrap();
        }
        tls.reload().unwrap();
    }
    let before = answered.load(Ordering::Relaxed);
    until("there is load", || {
        answered.load(Ordering::Relaxed) > before + 50
    })
    .await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_shake_hands_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), "localhost", false);
    let limits = Limits {
        handshake_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let (listener, _tls) = serving(folder.path(), limits).await;
    for said in ["", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01"] {
        let mut client = Client::to(&listener).await;
        client.send(said).await;
        assert!(client.closed().await, "{said:?}");
    }
    until("all are gone", || listener.connections() == 0).await;
}
