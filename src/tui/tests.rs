//! The real loop on a backend that is no terminal, with scripted keys.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::backend::TestBackend;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::ops;
use crate::tui::keys::{Entry, KeyMap, rebind};
use crate::tui::terminal::Detached;

/// Events out of a channel: its end is the end of input.
struct Keyboard(Receiver<io::Result<Event>>);

impl Stream for Keyboard {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

fn startup(connect: Connect) -> Startup {
    let profile = |name: &str| ProfileInfo {
        name: name.to_owned(),
        color: None,
        protected: false,
        read_only: false,
        command: None,
    };
    Startup {
        profiles: vec![profile("dev"), profile("prod")],
        first: Some("dev".to_owned()),
        connect,
        listens_at: "http://127.0.0.1:8000".to_owned(),
        listen: Arc::new(|_| Box::pin(std::future::pending())),
        settings: testing::unconnected(80, 24).cx.settings,
        keys: KeyMap::default(),
        zone: TimeZone::UTC,
        now: testing::now,
    }
}

fn nobody_answers() -> Connect {
    Arc::new(|_| Box::pin(std::future::pending()))
}

fn refused() -> Connect {
    let why = "no server at db1:5432 (connection refused)".to_owned();
    Arc::new(move |_| {
        Box::pin(std::future::ready(Err(ops::Error::Unavailable(
            why.clone(),
        ))))
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is what an event stream gives")]
fn key(code: KeyCode) -> io::Result<Event> {
    Ok(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Runs the loop while `script` types; gives how it ended and the last screen.
async fn play<F>(
    startup: Startup,
    script: impl FnOnce(Sender<io::Result<Event>>) -> F,
) -> (Exit, String)
where
    F: Future<Output = ()>,
{
    let (sender, receiver) = channel(64);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut host = Detached;
    let looping = run(startup, Keyboard(receiver), &mut terminal, &mut host);
    let deadline = Duration::from_secs(20);
    let both = async { tokio::join!(looping, script(sender)) };
    let (exit, ()) = tokio::time::timeout(deadline, both).await.unwrap();
    (exit.unwrap(), terminal.backend().to_string())
}

/// Long enough for the loop to take one key by itself, so that keys do not look like a paste.
async fn pause() {
    sleep(Duration::from_millis(40)).await;
}

#[tokio::test]
async fn the_frame_stands_while_nobody_answers_and_escape_goes_to_the_list() {
    let (exit, screen) = play(startup(nobody_answers()), |keys| async move {
        pause().await;
        keys.send(key(KeyCode::Esc)).await.unwrap();
        pause().await;
    })
    .await;
    assert_eq!(
        exit.code, 129,
        "the end of input is a terminal that is gone"
    );
    assert!(
        screen.contains("Connect to") && screen.contains("Cancelled."),
        "{screen}"
    );
}

#[tokio::test]
async fn a_refused_connection_ends_on_the_list_with_its_reason() {
    let (exit, screen) = play(startup(refused()), |keys| async move {
        pause().await;
        keys.send(key(KeyCode::Char('j'))).await.unwrap();
        pause().await;
        keys.send(key(KeyCode::Esc)).await.unwrap();
        pause().await;
        keys.send(key(KeyCode::Char('q'))).await.unwrap();
        pause().await;
    })
    .await;
    assert_eq!(
        exit,
        Exit {
            code: 0,
            note: None
        }
    );
    assert!(
        screen.contains("Cannot open dev: no server at db1:5432"),
        "{screen}"
    );
}

#[tokio::test]
async fn a_burst_of_keys_is_a_paste_and_a_held_key_is_not() {
    let (exit, screen) = play(startup(refused()), |keys| async move {
        pause().await;
        keys.send(key(KeyCode::Esc)).await.unwrap();
        pause().await;
        for c in "Dy quick".chars() {
            keys.try_send(key(KeyCode::Char(c))).unwrap();
        }
        pause().await;
        for _ in 0..12 {
            keys.try_send(key(KeyCode::Char('t'))).unwrap();
        }
        keys.try_send(key(KeyCode::Char('?'))).unwrap();
        pause().await;
    })
    .await;
    assert_eq!(exit.code, 129, "the q of the burst did not quit");
    assert!(
        screen.contains("Pasted text is never read as keys"),
        "{screen}"
    );
}

#[tokio::test]
async fn ctrl_c_leaves_from_any_dialog() {
    let (exit, _) = play(startup(refused()), |keys| async move {
        pause().await;
        let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        keys.send(Ok(Event::Key(event))).await.unwrap();
        // The loop ends by itself; the keyboard stays there.
        sleep(Duration::from_millis(200)).await;
    })
    .await;
    assert_eq!(exit.code, 130);
}

#[test]
fn no_key_has_two_meanings_and_only_upper_case_touches() {
    assert!(rebind(&[], &all_actions()).is_ok());
    for action in all_actions().into_iter().flatten() {
        let touches = matches!(action.kind, keys::Kind::Touches(_) | keys::Kind::Serves);
        assert!(
            !touches || action.keys.iter().all(|key| key.needs_shift()),
            "{}",
            action.name
        );
        assert!(!action.help.is_empty(), "{}", action.name);
    }
    let entry = |action: &str, key: &str| Entry {
        action: action.to_owned(),
        keys: vec![key.to_owned()],
        line: 3,
    };
    let problems = rebind(&[entry("revoke", "R")], &all_actions()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("R is bound twice"));
}
