//! What only a real terminal shows: the program takes it, gives it back on every way out, follows its size, and does
//! the whole job by keys alone.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::place::{self, Place};
use crate::support::pty::{Setting, Terminal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenward");

/// A dialog takes no key in its first 300 ms, and keys that come together are taken for a paste.
const HUMAN: Duration = Duration::from_millis(350);

/// Three users: alice with a key, bob with none, carol who is off.
async fn site() -> Place {
    let place = place::fresh().await;
    place
        .sql(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, \
             is_active, date_joined) VALUES \
             ('!', false, 'alice', '', '', 'alice@example.com', false, true, now()), \
             ('!', true, 'bob', '', '', '', true, true, now()), \
             ('!', false, 'carol', '', '', '', false, false, now()); \
             INSERT INTO authtoken_token SELECT 'aaaabbbbccccddddeeeeffff0000111122223333', now(), id \
             FROM auth_user WHERE username = 'alice'",
        )
        .await;
    place
}

fn console(place: &Place, rows: u16, columns: u16) -> Terminal {
    let setting = Setting::at(place.folder()).with("DATABASE_URL", place.url().expose());
    let terminal = Terminal::start(Path::new(PROGRAM), &[], &setting, rows, columns);
    terminal.wait_for(&["alice", "aaaabbbb…"]);
    terminal
}

/// The terminal is as it was: the alternate screen left, the cursor shown, pastes plain again.
fn assert_given_back(terminal: &Terminal) {
    terminal.look(|screen| {
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "pastes are still bracketed");
    });
}

fn signal(terminal: &Terminal, signal: Signal) {
    kill(
        Pid::from_raw(i32::try_from(terminal.pid()).unwrap()),
        signal,
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn q_quits_and_the_terminal_is_as_before() {
    let place = site().await;
    let mut terminal = console(&place, 30, 100);
    terminal.look(|screen| assert!(screen.alternate_screen() && screen.bracketed_paste()));
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    assert_given_back(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_with_its_own_code() {
    let place = site().await;
    for (which, code) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
        (Signal::SIGINT, 130),
    ] {
        let mut terminal = console(&place, 30, 100);
        signal(&terminal, which);
        assert_eq!(terminal.wait_exit(), code, "{which}");
        assert_given_back(&terminal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_quits_and_esc_never_does() {
    let place = site().await;
    let mut terminal = console(&place, 30, 100);
    for _ in 0..3 {
        terminal.press("\u{1b}");
        std::thread::sleep(HUMAN);
    }
    terminal.wait_for(&["alice"]);
    terminal.press("\u{3}");
    assert_eq!(terminal.wait_exit(), 130);
    assert_given_back(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_follows_the_terminals_size() {
    let place = site().await;
    let mut terminal = console(&place, 30, 100);
    terminal.resize(20, 60);
    terminal.wait_gone("CREATED");
    terminal.wait_for(&["alice", "STATE"]);
    terminal.resize(7, 29);
    terminal.wait_for(&["30"]);
    terminal.resize(60, 200);
    terminal.wait_for(&["CREATED", "alice"]);
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_usable_terminal_it_says_so_and_exits_with_2() {
    let place = site().await;
    let setting = Setting::at(place.folder()).with("DATABASE_URL", place.url().expose());
    for setting in [
        setting.clone().with("TERM", "dumb"),
        setting.without("TERM"),
    ] {
        let mut terminal = Terminal::start(Path::new(PROGRAM), &[], &setting, 24, 80);
        assert_eq!(terminal.wait_exit(), 2);
        assert!(
            terminal.screen().contains("terminal"),
            "{}",
            terminal.screen()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_the_database_reach_no_terminal_raw() {
    let place = site().await;
    place
        .sql("UPDATE auth_user SET username = E'bob\\x1b[31m\\x07\u{202e}ill' WHERE username = 'bob'")
        .await;
    let mut terminal = console(&place, 30, 100);
    terminal.wait_for(&["ill"]);
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0);
    let written = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(written.contains("bob�[31m��ill"));
    assert!(
        !written.contains('\u{7}')
            && !written.contains('\u{202e}')
            && !written.contains("bob\u{1b}")
    );
}

/// The console's own guard in a program that panics: this test binary, started again in a terminal.
#[test]
fn a_panic_gives_the_terminal_back() {
    let myself = std::env::current_exe().unwrap();
    let home = tempfile::tempdir().unwrap();
    let setting = Setting::at(home.path()).with("TOKENWARD_TEST_PANIC", "1");
    let arguments = [
        "--exact",
        "pty::takes_the_terminal_and_panics",
        "--nocapture",
    ];
    let mut terminal = Terminal::start(&myself, &arguments, &setting, 24, 80);
    assert_ne!(terminal.wait_exit(), 0);
    assert_given_back(&terminal);
    let written = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    let taken = written
        .find("\u{1b}[?1049h")
        .expect("it took the alternate screen");
    let left = written
        .find("\u{1b}[?1049l")
        .expect("it left the alternate screen");
    let said = written.find("on purpose").expect("the panic is told");
    assert!(
        taken < left && left < said,
        "the panic must be told on the terminal that was given back"
    );
}

#[test]
fn takes_the_terminal_and_panics() {
    if std::env::var_os("TOKENWARD_TEST_PANIC").is_some() {
        let _held = tokenward::tui::terminal::Held::take().unwrap();
        panic!("on purpose");
    }
}
