//! The real endpoints on a real database: one request after the other, as a client lives with them; and what happens
//! while the database is away, passwords queue up, or somebody asks too often.

use std::num::NonZeroUsize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokenward::domain::secret::Secret;
use tokenward::http::dispatch::App;
use tokenward::http::route::{Answers, Credential, Rate, Route, Routes, Tokens};
use tokenward::ops::Hashing;
use tokenward::ops::gate::{Gate, GateSettings};

use super::serve::allow_connections;
use super::*;
use crate::support::place::{self, Place};

pub(super) const SECRET: &str = "the-secret-of-introspection";
pub(super) const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// A site with the user alice, who has [`KEY`] and the password `wonderland`, hashed at this cost.
pub(super) async fn site(cost: u32) -> Place {
    let place = place::fresh().await;
    let password = bcrypt::hash("wonderland", cost).unwrap();
    place
        .sql(&format!(
            "INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, \
                                    is_active, date_joined) \
             VALUES ('alice', 'alice@example.com', 'Alice', 'Wøng', 'bcrypt${password}', false, false, true, now()); \
             INSERT INTO authtoken_token SELECT '{KEY}', '2024-06-01', id FROM auth_user"
        ))
        .await;
    place
}

/// The listener on that site, with every kind of route.
pub(super) async fn serve(
    place: &Place,
    hashing: (usize, usize),
    obtain_rate: Option<Rate>,
) -> Listener {
    let ops = place.ops().await;
    let route = |path, answers, tokens| Route::new(path, answers, tokens, None, None).unwrap();
    let own = vec![
        route("/knox/", Answers::Whoami, Some(Tokens::Knox)),
        route("/knox/login/", Answers::KnoxLogin, None),
        route("/knox/logout/", Answers::KnoxLogout, None),
        route("/knox/logoutall/", Answers::KnoxLogoutAll, None),
    ];
    let credential = Credential::parse(Secret::from(SECRET)).unwrap();
    let routes = Routes::new(own, obtain_rate, Some(&credential)).unwrap();
    let (threads, queue) = hashing;
    let hashing = Hashing::new(NonZeroUsize::new(threads).unwrap(), queue).unwrap();
    let gate = Gate::open(&ops, GateSettings::default());
    let health = Health::of(ops.clone());
    let app = App::new(routes, (ops, gate, hashing), None, Some(credential));
    let settings = Settings {
        // Passwords are hashed at their full cost, on a machine that runs all other tests at the same time.
        limits: Limits {
            request_time: DEADLINE,
            ..Limits::default()
        },
        ..Settings::on(loopback())
    };
    Listener::start(settings, health, app).await.unwrap()
}

/// Sends a request on a connection of its own.
pub(super) async fn ask(listener: &Listener, line: &str, headers: &str, body: &str) -> Raw {
    let mut client = Client::to(listener).await;
    let length = body.len();
    client
        .send(format!(
            "{line} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
        .await;
    client.answer().await.unwrap()
}

pub(super) fn token(key: &str) -> String {
    format!("Authorization: Token {key}\r\n")
}

fn basic(name: &str, password: &str) -> String {
    let word = STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {word}\r\n")
}

async fn login(listener: &Listener, path: &str, password: &str) -> Raw {
    let body = json!({"username": "alice", "password": password}).to_string();
    let json = "Content-Type: application/json\r\n";
    ask(listener, &format!("POST {path}"), json, &body).await
}

fn value(answer: &Raw) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

const UNKNOWN: (u16, &str) = (401, r#"{"detail":"Invalid token."}"#);

fn short(answer: &Raw) -> (u16, &str) {
    (answer.status, answer.body.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_gets_a_key_and_the_key_tells_whose_it_is_until_it_is_revoked() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let wrong = login(&listener, "/api-token-auth/", "looking-glass").await;
    assert_eq!(
        short(&wrong),
        (
            400,
            r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#
        )
    );
    let right = login(&listener, "/api-token-auth/", "wonderland").await;
    assert_eq!(short(&right), (200, &*format!(r#"{{"token":"{KEY}"}}"#)));
    assert!(right.has("allow: POST, OPTIONS"), "{}", right.head);
    assert!(right.has("cache-control: no-store"), "{}", right.head);
    let right = login(&listener, "/api-token-auth-ex/", "wonderland").await;
    assert_eq!(
        value(&right),
        json!({"token": KEY, "user_id": 1, "email": "alice@example.com"})
    );
    let whoami = format!(r#"{{"user":"alice","auth":"{KEY}"}}"#);
    for _ in 0..3 {
        let answer = ask(&listener, "GET /api/example/", &token(KEY), "").await;
        assert_eq!(short(&answer), (200, &*whoami));
    }
    // Two headers are one with a comma to REST framework, and so no key.
    let twice = token(KEY).repeat(2);
    let answer = ask(&listener, "GET /api/example/", &twice, "").await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let answer = ask(&listener, "PUT /api/example/", &token(KEY), "").await;
    assert_eq!(
        short(&answer),
        (405, r#"{"detail":"Method \"PUT\" not allowed."}"#)
    );

    place.sql("DELETE FROM authtoken_token").await;
    let begun = Instant::now();
    while ask(&listener, "GET /api/example/", &token(KEY), "")
        .await
        .status
        == 200
    {
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    let answer = ask(&listener, "GET /api/example/", &token(KEY), "").await;
    assert_eq!(short(&answer), UNKNOWN);
    assert!(answer.has("www-authenticate: Token"), "{}", answer.head);
    let new = login(&listener, "/api-token-auth/", "wonderland").await;
    let new = value(&new)["token"].as_str().unwrap().to_owned();
    assert_ne!(new, KEY);
    let answer = ask(&listener, "GET /api/example/", &token(&new), "").await;
    assert_eq!(answer.status, 200);
    // One that begins like it and never was a key: the other's owner may be named instead of its beginning.
    let never = format!("{}{}", &KEY[..8], "0".repeat(32));
    let answer = ask(&listener, "GET /api/example/", &token(&never), "").await;
    assert_eq!(short(&answer), UNKNOWN);
    let log = format!("{:?}", listener.feed().take());
    assert!(
        log.contains("alice") && log.contains("no such key: 9944b091…"),
        "{log}"
    );
    for hidden in [KEY, &new, "wonderland", "looking-glass"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_knox_token_lives_from_login_to_logout() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let nobody = ask(&listener, "POST /knox/login/", "", "").await;
    assert_eq!(nobody.status, 401);
    assert!(
        nobody.has("www-authenticate: Basic realm=\"api\""),
        "{}",
        nobody.head
    );
    let mut keys = Vec::new();
    for _ in 0..3 {
        let answer = ask(
            &listener,
            "POST /knox/login/",
            &basic("alice", "wonderland"),
            "",
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        keys.push(value(&answer)["token"].as_str().unwrap().to_owned());
    }
    let whoami = async |key: &str| ask(&listener, "GET /knox/", &token(key), "").await;
    for key in &keys {
        let answer = value(&whoami(key).await);
        assert_eq!(answer["user"], "alice");
        assert!(answer["auth"].as_str().unwrap().ends_with(" : alice"));
    }
    assert_eq!(short(&whoami(KEY).await), UNKNOWN);
    // What this process changes it forgets before it answers.
    let ended = ask(&listener, "POST /knox/logout/", &token(&keys[0]), "").await;
    assert_eq!(short(&ended), (204, ""));
    assert_eq!(short(&whoami(&keys[0]).await), UNKNOWN);
    assert_eq!(whoami(&keys[1]).await.status, 200);
    let ended = ask(&listener, "POST /knox/logoutall/", &token(&keys[1]), "").await;
    assert_eq!(short(&ended), (204, ""));
    for key in &keys {
        assert_eq!(short(&whoami(key).await), UNKNOWN);
    }
    let left: i64 = place.one("SELECT count(*) FROM knox_authtoken").await;
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_and_services_are_told_who_it_is() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    for line in ["GET /auth", "POST /auth", "DELETE /auth/any/path?x=1"] {
        let answer = ask(&listener, line, &token(KEY), "").await;
        assert_eq!(short(&answer), (200, ""), "{line}");
        for header in [
            "remote-user: alice",
            "remote-email: alice@example.com",
            "remote-name: Alice Wøng",
            "remote-groups: ",
            "x-auth-user-id: 1",
        ] {
            assert!(answer.has(header), "{header} in {}", answer.head);
        }
    }
    let answer = ask(&listener, "GET /auth", &token("x"), "").await;
    assert_eq!(short(&answer), UNKNOWN);

    let bearer = format!("Authorization: Bearer {SECRET}\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let ask_about = async |who: &str, key: &str| {
        let headers = format!("{who}{form}");
        ask(
            &listener,
            "POST /introspect",
            &headers,
            &format!("token={key}"),
        )
        .await
    };
    assert_eq!(ask_about("", KEY).await.status, 401);
    assert_eq!(ask_about(&token(KEY), KEY).await.status, 401);
    assert_eq!(
        short(&ask_about(&bearer, "x").await),
        (200, r#"{"active":false}"#)
    );
    assert_eq!(
        value(&ask_about(&bearer, KEY).await),
        json!({"active": true, "username": "alice", "sub": "1", "token_type": "Token", "iat": 1_717_200_000})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_says_503_and_comes_back_by_itself() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let whoami = async || ask(&listener, "GET /api/example/", &token(KEY), "").await;
    assert_eq!(whoami().await.status, 200);
    allow_connections(&place, false).await;
    // A key that was just good may be remembered, but no longer than this.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    for (line, headers) in [
        ("GET /api/example/", token(KEY)),
        ("GET /auth", token(KEY)),
        ("GET /auth", token("unknown")),
        ("POST /knox/logout/", token("unknown")),
        ("POST /knox/login/", basic("alice", "wonderland")),
    ] {
        let answer = ask(&listener, line, &headers, "").await;
        assert_eq!(answer.status, 503, "{line}: {}", answer.body);
        assert!(answer.has("retry-after: 1"), "{line}: {}", answer.head);
    }
    let answer = login(&listener, "/api-token-auth/", "wonderland").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(begun.elapsed() < DEADLINE);
    // Who says nothing of himself is told so without the database.
    assert_eq!(ask(&listener, "GET /auth", "", "").await.status, 401);
    allow_connections(&place, true).await;
    let begun = Instant::now();
    while whoami().await.status != 200 {
        assert!(begun.elapsed() < DEADLINE, "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_is_sent_away_and_keys_do_not_wait_for_it() {
    // Cost 14 is about a second of one thread, without optimisation or with.
    let place = site(14).await;
    let listener = std::sync::Arc::new(serve(&place, (1, 1), None).await);
    let warm = ask(&listener, "GET /api/example/", &token(KEY), "").await;
    assert_eq!(warm.status, 200);
    let storm: Vec<_> = (0..8)
        .map(|_| {
            let listener = std::sync::Arc::clone(&listener);
            tokio::spawn(async move { login(&listener, "/api-token-auth/", "wrong").await })
        })
        .collect();
    until("one is sent away", || {
        storm.iter().any(tokio::task::JoinHandle::is_finished)
    })
    .await;
    for _ in 0..20 {
        let answer = ask(&listener, "GET /api/example/", &token(KEY), "").await;
        assert_eq!(answer.status, 200);
    }
    assert!(
        storm.iter().any(|login| !login.is_finished()),
        "keys had to wait for passwords"
    );
    let (mut refused, mut busy) = (0, 0);
    for login in storm {
        let answer = login.await.unwrap();
        match answer.status {
            400 => refused += 1,
            503 => {
                assert!(answer.has("retry-after: 1"), "{}", answer.head);
                busy += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(refused >= 1 && busy >= 1, "{refused} refused, {busy} busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits_and_only_on_that_route() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), Rate::parse("3/h")).await;
    for _ in 0..3 {
        assert_eq!(
            login(&listener, "/api-token-auth/", "wrong").await.status,
            400
        );
    }
    let late = login(&listener, "/api-token-auth/", "wonderland").await;
    assert_eq!(late.status, 429);
    let wait = late
        .head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "))
        .unwrap();
    assert_eq!(
        late.body,
        format!(r#"{{"detail":"Request was throttled. Expected available in {wait} seconds."}}"#)
    );
    assert!(
        (3_500..=3_600).contains(&wait.parse::<u32>().unwrap()),
        "{wait}"
    );
    let answer = login(&listener, "/api-token-auth-ex/", "wonderland").await;
    assert_eq!(answer.status, 200);
    let answer = ask(&listener, "GET /api/example/", &token(KEY), "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_answered_like_http_1_many_at_once() {
    let place = site(4).await;
    let listener = serve(&place, (2, 100), None).await;
    let stream = TcpStream::connect(listener.address()).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let requests = (0..100).map(|nth| {
        let mut sender = sender.clone();
        let key = if nth % 2 == 0 { KEY } else { "unknown" };
        let request = Request::get(format!("http://{}/api/example/", listener.address()))
            .header("authorization", format!("Token {key}"))
            .body(Full::new(Bytes::new()))
            .unwrap();
        async move {
            let answer = sender.send_request(request).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            (nth, head.status.as_u16(), body)
        }
    });
    let answers = tokio::time::timeout(DEADLINE, futures_util::future::join_all(requests));
    for (nth, status, body) in answers.await.unwrap() {
        let expected = if nth % 2 == 0 {
            (200, format!(r#"{{"user":"alice","auth":"{KEY}"}}"#))
        } else {
            (UNKNOWN.0, UNKNOWN.1.to_owned())
        };
        assert_eq!((status, body), expected, "{nth}");
    }
    drop(sender);
    driver.await.unwrap().unwrap();
    assert_eq!(listener.stop().await.dropped, 0);
}
