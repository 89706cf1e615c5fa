//! The listener behind the console: started by a key, asked over sockets, seen on its screen, stopped by leaving.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;
use tokenward::domain::password::{self, Preferred};
use tokenward::domain::secret::Secret;

use super::{Console, PATIENCE};

const PASSWORD: &str = "correct horse";

/// One request on a connection of its own; the status and the body of its answer.
fn ask(address: SocketAddr, request: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn log_in(address: SocketAddr, name: &str) -> (u16, Value) {
    let form = format!("username={name}&password={}", PASSWORD.replace(' ', "+"));
    ask(
        address,
        &format!(
            "POST /api-token-auth/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
}

pub fn who_am_i(address: SocketAddr, key: &str) -> (u16, Value) {
    ask(
        address,
        &format!(
            "GET /api/example/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Token {key}\r\n\r\n"
        ),
    )
}

/// The address that the message line tells.
pub fn address_on(screen: &str) -> SocketAddr {
    let told = screen.split("Listening on http://").nth(1).unwrap();
    let end = told.find(|c: char| !matches!(c, '0'..='9' | '.' | ':'));
    told[..end.unwrap_or(told.len())]
        .trim_end_matches('.')
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_console_replaces_is_refused_at_once_and_the_screen_says_whose_it_was() {
    let mut console = Console::start(30, 100).await;
    // The format that needs no time in a program that is not optimized.
    let hashed = password::encode_as(Preferred::Pbkdf2Sha256, &Secret::from(PASSWORD)).unwrap();
    let hashed = hashed.expose();
    let set = format!("UPDATE auth_user SET password = '{hashed}' WHERE username = 'erin'");
    console.place.sql(&set).await;

    // Start it.
    console.press("4", &["off   S starts it on http://127.0.0.1:0"]);
    console.press(
        "S",
        &[
            "Start the listener on http://127.0.0.1:0?",
            "Same as: tokenward serve",
        ],
    );
    console.answer("y", &["Listening on http://127.0.0.1:", "listener :"]);
    let address = address_on(&console.terminal.screen());

    // Log in, and call with the key.
    let (status, body) = log_in(address, "erin");
    assert_eq!(status, 200, "{body}");
    let old = body["token"].as_str().unwrap().to_owned();
    console
        .terminal
        .wait_for(&["200   /api-token-auth/", "erin"]);
    let (status, body) = who_am_i(address, &old);
    assert_eq!((status, &body["user"]), (200, &"erin".into()));
    console.terminal.wait_for(&["200   /api/example/", "200 2"]);

    // Replace it: the next call is refused.
    console.press("1", &["[1 Users]"]);
    console.press("/", &["Esc leave the line"]);
    console.type_slowly("erin", "/");
    console.press("\r", &["Enter open", "▸  erin", &super::covered(&old)]);
    console.press("R", &["Regenerate the key of erin"]);
    console.answer("y", &["The new key of erin"]);
    let (status, body) = who_am_i(address, &old);
    assert_eq!((status, &body["detail"]), (401, &"Invalid token.".into()));
    let new = console.key_of("erin").await.expect("a token");
    assert_eq!(who_am_i(address, &new).0, 200);
    console.close("The new key of erin");
    console.press("4", &["401   /api/example/", "retired: erin", "401 1"]);

    // Leaving asks, and ends it.
    console.assert_covered(&[&old, &new]);
    let port = address.port();
    console.press("q", &[&format!("Quit? The listener on :{port} stops.")]);
    console.answer("\r", &[&format!("listener :{port}")]);
    console.press("q", &["Quit? "]);
    std::thread::sleep(super::HUMAN);
    console.terminal.press("y");
    assert_eq!(console.terminal.wait_exit(), 0);
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    // What was noted of uses is written down before it ends: of the new key, for the old one is none any more.
    let used = "SELECT string_agg(u.username || ' ' || l.addresses::text, ' ') FROM tokenward.last_use l \
                  JOIN authtoken_token t ON t.user_id::text = l.id AND t.created = l.made \
                  JOIN auth_user u ON u.id = t.user_id";
    let used: Option<String> = console.place.one(used).await;
    assert_eq!(used.as_deref(), Some("erin {127.0.0.1}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_told_and_the_next_try_succeeds() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut console = Console::start_with(20, 60, &address.to_string()).await;
    console.press("4", &["off   S starts it"]);
    console.press("S", &["Start the listener on"]);
    console.answer("y", &["The listener did not start", "Enter: all"]);
    console.press(
        "\r",
        &["Address already in use", "is another program on it?"],
    );
    console.close("Address already in use");
    drop(taken);
    console.press("S", &["Start the listener on"]);
    console.answer("y", &[&format!("Listening on http://{address}")]);
    assert_eq!(log_in(address, "nobody").0, 400);
    console.terminal.wait_for(&["400   -"]);
    console.press("j", &["· wrong name or password"]);
    console.press("S", &["Stop the listener on"]);
    console.answer("y", &["The listener stopped."]);
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    console.terminal.press("q");
    assert_eq!(console.terminal.wait_exit(), 0);
}
