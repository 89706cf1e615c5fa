//! Postgres servers for these tests, with TLS and the roles they need. Each is started once, by the first test that
//! asks for it, and stops when the test program ends, however it ends: it lives as long as a pipe that we hold.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use nix::unistd::User;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey, date_time_ymd,
};
use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

use crate::support::watch::{remove_in_the_end, watch};

/// The password of the role `app`.
pub const PASSWORD: &str = "right horse";

/// Certificates: an authority, another one, and what they signed.
pub struct Papers {
    folder: PathBuf,
    _watch: Child,
}

pub static PAPERS: LazyLock<Papers> = LazyLock::new(Papers::make);

/// TLS with a certificate for `db.test` and 127.0.0.1.
pub static GOOD: LazyLock<Server> = LazyLock::new(|| Server::start(Some("good"), ""));
/// TLS with a certificate whose time is over.
pub static EXPIRED: LazyLock<Server> = LazyLock::new(|| Server::start(Some("expired"), ""));
/// TLS with a self-signed certificate that bears its name, `db.test`, only as common name.
pub static SELF_SIGNED: LazyLock<Server> = LazyLock::new(|| Server::start(Some("self"), ""));
/// TLS with a certificate of X.509 version 1 for the common name `db.test`.
pub static VERSION_1: LazyLock<Server> = LazyLock::new(|| Server::start(Some("v1"), ""));
/// The same, its time over.
pub static EXPIRED_VERSION_1: LazyLock<Server> =
    LazyLock::new(|| Server::start(Some("expired-v1"), ""));
/// No TLS, and read-only.
pub static PLAIN: LazyLock<Server> =
    LazyLock::new(|| Server::start(None, "default_transaction_read_only = on\n"));

impl Papers {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let watch = remove_in_the_end(&folder);
        let papers = Self {
            folder,
            _watch: watch,
        };
        let authority = papers.authority("ca");
        papers.authority("other-ca");
        // The same name as the true one, and another key.
        papers.named_authority("forged-ca", "ca");
        papers.version_1("v1", &authority, 2099);
        papers.version_1("expired-v1", &authority, 2020);
        papers.sign("good", &authority, |_| {});
        papers.sign("expired", &authority, |params| {
            params.not_after = date_time_ymd(2020, 1, 1);
        });
        let mut client = CertificateParams::default();
        client
            .distinguished_name
            .push(DnType::CommonName, "certified");
        let key = KeyPair::generate().unwrap();
        papers.write(
            "client",
            &client.signed_by(&key, &authority).unwrap().pem(),
            &key,
        );

        let mut own = CertificateParams::default();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.distinguished_name.push(DnType::CommonName, "db.test");
        let key = KeyPair::generate().unwrap();
        papers.write("self", &own.self_signed(&key).unwrap().pem(), &key);
        papers
    }

    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        self.named_authority(name, name)
    }

    fn named_authority(&self, file: &str, name: &str) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        self.write(file, &params.self_signed(&key).unwrap().pem(), &key);
        Issuer::new(params, key)
    }

    fn sign(
        &self,
        name: &str,
        authority: &Issuer<'_, KeyPair>,
        change: impl Fn(&mut CertificateParams),
    ) {
        let mut params =
            CertificateParams::new(["db.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        self.write(
            name,
            &params.signed_by(&key, authority).unwrap().pem(),
            &key,
        );
    }

    /// rcgen makes version 3 only, so we take its extensions off and have the authority sign what is left.
    fn version_1(&self, name: &str, authority: &Issuer<'_, KeyPair>, until: i32) {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "db.test");
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let modern = params.signed_by(&key, authority).unwrap();
        let mut certificate = Certificate::from_der(modern.der()).unwrap();
        certificate.tbs_certificate.version = Version::V1;
        certificate.tbs_certificate.extensions = None;
        let body = certificate.tbs_certificate.to_der().unwrap();
        let signature = authority.key().sign(&body).unwrap();
        certificate.signature = BitString::from_bytes(&signature).unwrap();
        let text = BASE64_STANDARD.encode(certificate.to_der().unwrap());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        self.write(name, &pem, &key);
    }

    fn write(&self, name: &str, certificate: &str, key: &KeyPair) {
        fs::write(self.certificate(name), certificate).unwrap();
        fs::write(self.key(name), key.serialize_pem()).unwrap();
        fs::set_permissions(self.key(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }
}

/// A data folder that no server has touched; to copy it is quicker than to make one for each server.
static EMPTY: LazyLock<Empty> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    give_away(&folder);
    let flags = "-A trust -U postgres -E UTF8 --locale=C -N";
    let mut initdb = as_postgres(&programs().join("initdb"));
    run(initdb.args(flags.split(' ')).arg("-D").arg(&folder));
    let watch = remove_in_the_end(&folder);
    Empty {
        folder,
        _watch: watch,
    }
});

struct Empty {
    folder: PathBuf,
    _watch: Child,
}

/// A running server.
pub struct Server {
    pub port: u16,
    pub folder: PathBuf,
    _watch: Child,
}

impl Server {
    fn start(certificate: Option<&str>, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        give_away(&folder);
        let data = folder.join("data");
        run(as_postgres(Path::new("cp"))
            .arg("-a")
            .args([&EMPTY.folder, &data]));

        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{0}'\nport = {port}\nfsync = off\n{extra}",
            folder.display()
        );
        if let Some(name) = certificate {
            for (from, to) in [
                (PAPERS.certificate(name), "server.crt"),
                (PAPERS.key(name), "server.key"),
                (PAPERS.certificate("ca"), "root.crt"),
            ] {
                fs::copy(from, data.join(to)).unwrap();
                give_away(&data.join(to));
            }
            conf.push_str("ssl = on\nssl_ca_file = 'root.crt'\n");
        }
        fs::write(data.join("postgresql.auto.conf"), conf).unwrap();
        fs::write(data.join("pg_hba.conf"), rules(certificate.is_some())).unwrap();

        let server = Self {
            port,
            folder: folder.clone(),
            _watch: watched(&data, &folder),
        };
        server.wait();
        server
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let setup = format!(
            "CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; \
             CREATE ROLE certified LOGIN; CREATE ROLE crowd LOGIN CONNECTION LIMIT 0; \
             CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); GRANT ALL ON t TO PUBLIC; \
             CREATE SCHEMA \"Odd \"\"name\"; GRANT USAGE ON SCHEMA \"Odd \"\"name\" TO PUBLIC"
        );
        loop {
            let output = Command::new(programs().join("psql"))
                .args([
                    "-X",
                    "-h",
                    self.folder.to_str().unwrap(),
                    "-p",
                    &self.port.to_string(),
                    "-U",
                    "postgres",
                ])
                .args([
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-c",
                    "SET default_transaction_read_only = off",
                    "-c",
                    &setup,
                ])
                .output()
                .unwrap();
            if output.status.success() {
                return;
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                Instant::now() < deadline && !told.contains("ERROR"),
                "no server: {told}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A connection string by TCP: the name `db.test`, whose address is given, as no name server knows it.
    pub fn tcp(&self, rest: &str) -> String {
        format!(
            "host=db.test hostaddr=127.0.0.1 port={} dbname=postgres {rest}",
            self.port
        )
    }

    /// A connection string by Unix socket, as superuser.
    pub fn socket(&self, rest: &str) -> String {
        format!(
            "host={} port={} dbname=postgres user=postgres {rest}",
            self.folder.display(),
            self.port
        )
    }
}

fn rules(tls: bool) -> &'static str {
    if tls {
        "local all all trust\n\
         hostssl all certified all cert\n\
         hostssl all tls_only all trust\n\
         hostnossl all plain_only all trust\n\
         host all app,crowd all scram-sha-256\n\
         host all postgres all trust\n"
    } else {
        "local all all trust\nhost all all all trust\n"
    }
}

/// Starts the server under a shell that stops it in the end.
fn watched(data: &Path, folder: &Path) -> Child {
    let script =
        r#""$0" -D "$1" >"$2/log" 2>&1 </dev/null & cat; kill -QUIT $!; wait; rm -rf "$2""#;
    let mut shell = as_postgres(Path::new("sh"));
    watch(
        shell
            .args(["-c", script])
            .arg(programs().join("postgres"))
            .args([data, folder]),
    )
}

fn programs() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output();
    let told = told
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let mut found: Vec<PathBuf> = told
        .map(|folder| folder.trim().into())
        .into_iter()
        .collect();
    let packaged = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    found.extend(packaged.map(|version| version.path().join("bin")));
    found.retain(|folder| folder.join("initdb").exists());
    found
        .pop()
        .expect("these tests need the Postgres server programs (Debian: apt install postgresql)")
}

/// Postgres refuses to run as root, so root runs it as the user `postgres`.
fn as_postgres(program: &Path) -> Command {
    if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("runuser");
        command
            .args(["-u", "postgres", "--"])
            .arg(program)
            .current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn give_away(path: &Path) {
    if nix::unistd::geteuid().is_root() {
        let user = User::from_name("postgres")
            .unwrap()
            .expect("a user postgres");
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
