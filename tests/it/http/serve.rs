//! `tokenward serve` as a service manager runs it: ready, asked, told to stop; and what it says when it cannot start.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use tokenward::domain::password::{self, Preferred};
use tokenward::domain::secret::Secret;

use super::{Client, DEADLINE, answers};
use crate::support::place::{self, Place};
use crate::support::program::Program;

/// A `serve` that runs.
struct Serving {
    child: Child,
    lines: Receiver<String>,
    address: SocketAddr,
    said: Vec<String>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut serving = Self {
            child,
            lines,
            address: "127.0.0.1:1".parse().unwrap(),
            said: Vec::new(),
        };
        let line = serving.line("listening on ");
        let address = line.split("//").nth(1).unwrap();
        serving.address = address.parse().unwrap();
        serving
    }

    /// The next line with `wanted` in it.
    fn line(&mut self, wanted: &str) -> String {
        let begun = Instant::now();
        while let Ok(line) = self
            .lines
            .recv_timeout(DEADLINE.saturating_sub(begun.elapsed()))
        {
            self.said.push(line.clone());
            if line.contains(wanted) {
                return line;
            }
        }
        panic!("no {wanted:?} in {:#?}", self.said);
    }

    fn tell(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn status(&self, path: &str) -> u16 {
        let mut client = Client::connect(self.address).await;
        client.get(path).await.unwrap().status
    }

    async fn until_status(&self, path: &str, status: u16) {
        let begun = Instant::now();
        while self.status(path).await != status {
            assert!(begun.elapsed() < DEADLINE, "no {status} from {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn serve(program: &Program, words: &[&str]) -> Command {
    program.command(&[&["serve", "--bind", "127.0.0.1:0"], words].concat())
}

#[tokio::test]
async fn it_answers_logs_and_stops_when_told() {
    let place = place::fresh().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut serving = Serving::start(serve(&Program::on(&place), &[]));
        assert_eq!(serving.status("/livez").await, 200);
        assert_eq!(serving.status("/readyz").await, 200);
        assert_eq!(serving.status("/nothing/here?key=hunter2").await, 404);
        let line = serving.line("/nothing/here");
        assert!(
            line.contains(" 127.0.0.1 GET /nothing/here 404 user=- ms="),
            "{line}"
        );
        assert!(!line.contains("abc") && !line.contains("hunter2"), "{line}");
        serving.tell(Signal::SIGHUP);
        serving.line("nothing to reload");
        serving.tell(signal);
        serving.line("stopping");
        assert_eq!(serving.ended().code(), Some(0), "{signal}");
    }
}

/// A service manager waits 20 s, and then kills: what was not told by then must be written down before.
#[tokio::test]
async fn a_stop_does_not_wait_for_a_hook_that_hangs_and_logins_are_told_where_asked_for() {
    for (logins, lines) in [(true, 1), (false, 0)] {
        let place = place::fresh().await;
        let hashed = password::encode_as(Preferred::Pbkdf2Sha256, &Secret::from("right")).unwrap();
        place
            .sql(&format!(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, \
                 is_active, date_joined) VALUES ('ann', '{}', '', '', '', false, false, true, now())",
                hashed.expose()
            ))
            .await;
        let program = Program::on(&place);
        program.write_config(&format!(
            "[hooks]\nlogins = {logins}\ncommand = [\"sleep\", \"1000\"]\n"
        ));
        let mut serving = Serving::start(serve(&program, &[]));
        let form = "username=ann&password=right";
        let mut client = Client::connect(serving.address).await;
        client
            .send(format!(
                "POST /api-token-auth/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{form}",
                form.len()
            ))
            .await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        let begun = Instant::now();
        serving.tell(Signal::SIGTERM);
        assert_eq!(serving.ended().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(20), "killed by then");
        let count: i64 = place
            .one(
                "SELECT count(*) FROM tokenward.audit WHERE what = 'hook' AND whom = 'ann' \
                 AND result = 'failed: not run to its end, tokenward was left'",
            )
            .await;
        assert_eq!(count, lines);
    }
}

/// Who logs in gets a token made, and the site's command is told as of any other.
#[tokio::test]
async fn what_it_changes_is_told_to_the_hook() {
    let place = place::fresh().await;
    let hashed = password::encode_as(Preferred::Pbkdf2Sha256, &Secret::from("right")).unwrap();
    place
        .sql(&format!(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_superuser, is_active, \
             date_joined) VALUES ('ann', '{}', '', '', '', false, false, true, now())",
            hashed.expose()
        ))
        .await;
    let program = Program::on(&place);
    let told = program.path("told");
    program.write_config(&format!(
        "[hooks]\nlogins = true\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n\
         [[listener.route]]\npath = \"/login/\"\nanswers = \"knox_login\"\n\
         [[listener.route]]\npath = \"/logoutall/\"\nanswers = \"knox_logoutall\"\n",
        told.display()
    ));
    let mut serving = Serving::start(serve(&program, &[]));
    let form = "username=ann&password=right";
    let obtain = format!(
        "POST /api-token-auth/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let basic = "Authorization: Basic YW5uOnJpZ2h0\r\n";
    let login = format!("POST /login/ HTTP/1.1\r\nHost: a\r\n{basic}Content-Length: 0\r\n\r\n");
    let mut keys = Vec::new();
    for request in [&obtain, &obtain, &login] {
        let mut client = Client::connect(serving.address).await;
        client.send(request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        keys.push(body["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(keys[0], keys[1], "the second finds what the first made");
    let mut client = Client::connect(serving.address).await;
    client
        .send(format!(
            "POST /logoutall/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token {}\r\nContent-Length: 0\r\n\r\n",
            keys[2]
        ))
        .await;
    assert_eq!(client.answer().await.unwrap().status, 204);
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.ended().code(), Some(0));
    let text = std::fs::read_to_string(told).unwrap();
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            [
                &event["verb"],
                &event["kind"],
                &event["username"],
                &event["key_start"],
            ]
            .map(|part| part.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            [
                Some("generate"),
                Some("drf"),
                Some("ann"),
                Some(&keys[0][..8])
            ],
            [
                Some("login"),
                Some("knox"),
                Some("ann"),
                Some(&keys[2][..8])
            ],
            [Some("logoutall"), Some("knox"), Some("ann"), None],
        ]
    );
    assert!(keys.iter().all(|key| !text.contains(key)), "a key");
}

#[tokio::test]
async fn who_used_a_key_and_from_where_is_written_down_before_it_ends() {
    let place = answers::site(4).await;
    let program = Program::on(&place);
    program.write_config("[listener]\ntrusted_proxies = ['127.0.0.1']\n");
    let mut serving = Serving::start(serve(&program, &[]));
    for (path, address) in [("/auth", "10.9.9.9"), ("/api/example/", "2001:db8::9")] {
        let mut client = Client::connect(serving.address).await;
        let token = answers::token(answers::KEY);
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: {address}\r\n{token}\r\n"
            ))
            .await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.ended().code(), Some(0));
    let noted: bool = place
        .one(
            "SELECT l.addresses = '{2001:db8::9,10.9.9.9}' AND l.made = t.created AND l.at > now() - interval '10 min' \
               FROM tokenward.last_use l JOIN authtoken_token t ON l.id = t.user_id::text",
        )
        .await;
    assert!(noted);
}

#[tokio::test]
async fn an_outage_is_told_and_passes() {
    let place = place::fresh().await;
    let mut serving = Serving::start(serve(&Program::on(&place), &["--read-only"]));
    allow_connections(&place, false).await;
    serving.until_status("/readyz", 503).await;
    assert_eq!(serving.status("/livez").await, 200);
    allow_connections(&place, true).await;
    serving.until_status("/readyz", 200).await;
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.ended().code(), Some(0));
}

/// Shuts the database, or opens it again; who is connected is thrown out.
pub async fn allow_connections(place: &Place, allowed: bool) {
    let name = place.name();
    // From another database: one that takes no connections is not asked for its own.
    let mut config: tokio_postgres::Config = place.url().expose().parse().unwrap();
    let (client, connection) = config
        .dbname("postgres")
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {allowed}; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    let said = program.run(&["serve", "--bind", "0.0.0.0:0"]).fails(2);
    assert!(said.contains("--insecure-http"), "{said}");
    let said = program.run(&["serve", "--bind", "nowhere"]).fails(2);
    assert!(said.contains("--bind"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = program.run(&["serve", "--bind", &address]).fails(2);
    assert!(said.contains("is another program on it?"), "{said}");
    program.write_config("[listener]\nbnd = '127.0.0.1:1'\ntls_cert = '/nowhere'\n");
    let said = program.run(&["serve"]).fails(2);
    assert!(said.contains("config.toml:2: unknown name `bnd`"), "{said}");
    assert!(
        said.contains("config.toml:3: `tls_cert` and `tls_key`"),
        "{said}"
    );
    program.write_config("[listener]\ntls_cert = '/nowhere/cert'\ntls_key = '/nowhere/key'\n");
    let said = program.run(&["serve"]).fails(2);
    assert!(said.contains("/nowhere/cert"), "{said}");
    let away = Program::new().with("DATABASE_URL", "postgres://app@127.0.0.1:1/site");
    let said = away.run(&["serve", "--bind", "127.0.0.1:0"]).fails(3);
    assert!(!said.contains("listening"), "{said}");
}

#[tokio::test]
async fn metrics_are_as_prometheus_wants_them() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    program.write_config("[listener]\nmetrics_bind = '127.0.0.1:0'\n");
    let mut serving = Serving::start(serve(&program, &[]));
    let line = serving.line("metrics on http://");
    let address = line.split('/').nth(2).unwrap().parse().unwrap();
    serving.status("/livez").await;
    serving.status("/elsewhere").await;
    let mut client = Client::connect(address).await;
    let metrics = client.get("/metrics").await.unwrap();
    assert_eq!(metrics.status, 200);
    for line in [
        "tokenward_auth_total{endpoint=\"health\",outcome=\"ok\"} 1",
        "tokenward_auth_total{endpoint=\"other\",outcome=\"invalid\"} 1",
        "tokenward_request_duration_seconds_count 2",
        "tokenward_db_up 1",
        "tokenward_build_info{version=\"",
    ] {
        assert!(metrics.body.contains(line), "no {line} in {}", metrics.body);
    }
    // The checks that guard the main branch name one; who has only Rust and Postgres can run the rest.
    if let Some(promtool) = std::env::var_os("TOKENWARD_TEST_PROMTOOL") {
        let mut check = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool, of Debian's package prometheus");
        std::io::Write::write_all(&mut check.stdin.take().unwrap(), metrics.body.as_bytes())
            .unwrap();
        let checked = check.wait_with_output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{}", metrics.body);
        assert!(checked.status.success());
    }
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
    assert_eq!(client.get("/").await.unwrap().status, 404);
}

#[tokio::test]
async fn a_service_manager_is_told_and_may_bring_the_socket() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    let notices = UnixDatagram::bind(program.path("notify")).unwrap();
    notices.set_read_timeout(Some(DEADLINE)).unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The shell becomes the program, so that its process is the one that the socket is meant for.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve";
    let mut command = program.command(&[]);
    let binary = command.get_program().to_owned();
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .arg(binary)
        .env_clear()
        .envs(environment)
        .env("NOTIFY_SOCKET", program.path("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    std::mem::swap(&mut command, &mut shell);
    let mut serving = Serving::start(command);
    assert_eq!(serving.address, address);
    assert_eq!(serving.status("/livez").await, 200);
    let mut seen = String::new();
    let mut hear = |wanted: &str| {
        let begun = Instant::now();
        let mut bytes = [0; 512];
        while !seen.contains(wanted) {
            assert!(begun.elapsed() < DEADLINE, "no {wanted} in {seen}");
            let read = notices.recv(&mut bytes).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    serving.tell(Signal::SIGHUP);
    hear("RELOADING=1");
    hear("MONOTONIC_USEC=");
    serving.tell(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(serving.ended().code(), Some(0));
}

#[tokio::test]
async fn out_of_file_descriptors_it_waits_and_goes_on() {
    let place = place::fresh().await;
    let program = Program::on(&place);
    let limited = program.command(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 40; exec \"$0\" serve --bind 127.0.0.1:0"])
        .arg(limited.get_program())
        .env_clear()
        .envs(
            limited
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut serving = Serving::start(command);
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(std::net::TcpStream::connect(serving.address).unwrap());
    }
    let log = program.path("state/tokenward/tokenward.log");
    let begun = Instant::now();
    while !std::fs::read_to_string(&log)
        .unwrap_or_default()
        .contains("cannot take a connection")
    {
        assert!(begun.elapsed() < DEADLINE, "it never ran out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(crowd);
    assert_eq!(serving.status("/livez").await, 200);
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.ended().code(), Some(0));
}

#[tokio::test]
async fn as_json_the_log_is_on_stdout() {
    let place = place::fresh().await;
    let mut serving = Serving::start(serve(&Program::on(&place), &["--json"]));
    assert_eq!(serving.status("/nothing/here").await, 404);
    serving.tell(Signal::SIGTERM);
    assert_eq!(serving.ended().code(), Some(0));
    let mut out = String::new();
    let mut stdout = serving.child.stdout.take().unwrap();
    stdout.read_to_string(&mut out).unwrap();
    let value: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(
        (&value["path"], &value["status"]),
        (&"/nothing/here".into(), &404.into())
    );
}
