//! The program in a terminal: questions before a change, passwords that are not shown, and an answer by Ctrl-c.

use std::path::Path;

use crate::support::folder;
use crate::support::place::{self, Place};
use crate::support::pty::{Setting, Terminal};

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

async fn two_tokens() -> Place {
    let place = place::fresh().await;
    place
        .sql(&format!(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
             is_active, date_joined) SELECT name, '!', '', '', '', false, false, true, now() \
             FROM (VALUES ('ann'), ('bea')) n (name); \
             INSERT INTO authtoken_token (key, created, user_id) \
             SELECT CASE username WHEN 'ann' THEN '{KEY}' ELSE 'beefbeefbeef' END, now(), id FROM auth_user"
        ))
        .await;
    place
}

fn start(place: &Place, home: &Path, words: &[&str]) -> Terminal {
    let program = Path::new(env!("CARGO_BIN_EXE_tokenward"));
    let setting = Setting::at(home).with("DATABASE_URL", place.url().expose());
    Terminal::start(program, words, &setting, 24, 100)
}

async fn tokens(place: &Place) -> i64 {
    place.one("SELECT count(*) FROM authtoken_token").await
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rows_are_listed_and_their_number_is_typed() {
    let place = two_tokens().await;
    let home = folder();
    let name = place.name();
    let question = format!("Revoke 2 keys on {name}? Type  2  to go on:");
    let words = ["token", "revoke", "ann", "bea"];

    let mut terminal = start(&place, home.path(), &words);
    terminal.wait_for(&["ann  9944b091…", "bea  beefbe…", &question]);
    terminal.press("y\r");
    terminal.wait_for(&["not confirmed. Nothing was changed."]);
    assert_eq!(terminal.wait_exit(), 1);
    assert_eq!(tokens(&place).await, 2);

    let mut terminal = start(&place, home.path(), &words);
    terminal.wait_for(&[&question]);
    terminal.press("\u{3}");
    assert_eq!(terminal.wait_exit(), 130, "Ctrl-c at the question");
    assert_eq!(tokens(&place).await, 2);

    let mut terminal = start(&place, home.path(), &words);
    terminal.wait_for(&[&question]);
    terminal.press("2\r");
    terminal.wait_for(&["revoked  ann  9944b091…", "revoked  bea  beefbe…"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(tokens(&place).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_typed_twice_and_never_shown() {
    let place = place::fresh().await;
    let home = folder();
    for (second, code, said) in [
        ("hunter3\r", 2, "the two passwords differ"),
        ("hunter2\r", 0, "made  eve  id"),
    ] {
        let mut terminal = start(&place, home.path(), &["user", "create", "eve"]);
        terminal.wait_for(&["New password of eve: "]);
        terminal.press("hunter2\r");
        terminal.wait_for(&["The same again: "]);
        terminal.press(second);
        terminal.wait_for(&[said]);
        assert_eq!(terminal.wait_exit(), code);
        let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        assert!(!bytes.contains("hunter"), "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_to_verify_are_typed_unseen() {
    let place = two_tokens().await;
    let home = folder();
    let mut terminal = start(&place, home.path(), &["verify"]);
    terminal.wait_for(&["Key (not shown; Enter alone ends):"]);
    terminal.press(&format!("Token {KEY}\r"));
    terminal.wait_for(&["9944b091…  LIVE", "ann"]);
    terminal.press("\r");
    assert_eq!(terminal.wait_exit(), 0);
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(!bytes.contains("99c62bcf"), "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_is_for_terminals_that_want_it() {
    let place = two_tokens().await;
    place.sql("UPDATE auth_user SET is_active = false").await;
    let home = folder();
    let red = "\u{1b}[31mOFF";
    let plain = ["token", "list"];
    let mut terminal = start(&place, home.path(), &plain);
    assert_eq!(terminal.wait_exit(), 0);
    terminal.wait_for(&["bea"]);
    assert!(String::from_utf8_lossy(&terminal.bytes()).contains(red));
    let mut terminal = start(&place, home.path(), &["token", "list", "--no-color"]);
    assert_eq!(terminal.wait_exit(), 0);
    terminal.wait_for(&["bea"]);
    assert!(!String::from_utf8_lossy(&terminal.bytes()).contains('\u{1b}'));
}

#[test]
fn a_terminal_without_a_name_is_no_place_for_the_console() {
    let home = folder();
    let program = Path::new(env!("CARGO_BIN_EXE_tokenward"));
    let setting = Setting::at(home.path()).without("TERM");
    let mut terminal = Terminal::start(program, &[], &setting, 24, 100);
    assert_eq!(terminal.wait_exit(), 2);
    terminal.wait_for(&["TERM is not set"]);
}
