//! Keys in, effects and pictures out.

use std::net::IpAddr;

use super::*;
use crate::domain::moment::Moment;
use crate::tui::effect::{Leave, Serve, Slot};
use crate::tui::global::Global;
use crate::tui::model::Model;
use crate::tui::screens::ScreenId;
use crate::tui::testing::{dev, now, press, prod, screen, send, send_after, settled, ticket};

const URL: &str = "http://127.0.0.1:8000";

fn call(second: i64, status: u16, path: &str, user: &str, reason: &str) -> Call {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let at = Moment::from_unix_micros(now().unix_micros() - 60_000_000 + second * 1_000_000);
    Call {
        first: at,
        at,
        times: 1,
        client: IpAddr::from([10, 2, 0, 44]),
        method: "GET".to_owned(),
        path: path.to_owned(),
        status,
        user: some(user),
        took: Duration::from_micros(1_250),
        reason: some(reason),
        retired_calls: None,
        id: "0123456789abcdef".to_owned(),
    }
}

/// A call with a retired key, by who has called so this often.
fn retired(second: i64, calls: u64) -> Call {
    Call {
        retired_calls: Some(calls),
        ..call(second, 401, "/auth", "", "retired: alice.w")
    }
}

fn figures() -> Figures {
    Figures {
        statuses: vec![
            (200, 8_412),
            (301, 0),
            (400, 3),
            (401, 37),
            (405, 0),
            (429, 0),
            (503, 2),
        ],
        others: 1,
        p50: Some(Duration::from_micros(65)),
        p95: Some(Duration::from_millis(4)),
        p99: Some(Duration::from_millis(250)),
        known: 1_204,
        doubt: None,
    }
}

fn calls() -> Vec<Call> {
    vec![
        call(1, 200, "/api-token-auth/", "alice.w", ""),
        call(2, 200, "/api/example/", "bo\x1b[31m\u{202e}b", ""),
        call(3, 401, "/api/example/", "", "no such key: 5b25a0de…"),
        retired(4, 13),
        retired(5, 14),
        call(6, 503, "/a\nb/\x1b[2J", "", "database away"),
    ]
}

fn order(effects: &[Effect]) -> (Ticket, Serve) {
    let [Effect::Listener { ticket, order }] = effects else {
        panic!("{effects:?}")
    };
    (*ticket, *order)
}

fn hear(model: &mut Model, ticket: Ticket, calls: Vec<Call>) {
    let news = News {
        calls,
        dropped: 0,
        figures: figures(),
        callers: None,
    };
    send(model, Top::Listener(Message::Heard { ticket, news }));
}

/// A listener that is up, on its screen; and the ticket of what it tells.
fn up(width: u16, height: u16) -> (Model, Ticket) {
    let mut model = settled(width, height, dev());
    model.cx.listens_at = URL.to_owned();
    let (ticket, asked) = order(&press(&mut model, "4 S y"));
    assert_eq!(asked, Serve::Start);
    let outcome = Ok(Address {
        url: URL.to_owned(),
        port: 8_000,
    });
    send(
        &mut model,
        Top::Listener(Message::Started { ticket, outcome }),
    );
    (model, ticket)
}

/// The same with calls in its list.
fn called(width: u16, height: u16) -> (Model, Ticket) {
    let (mut model, ticket) = up(width, height);
    hear(&mut model, ticket, calls());
    send_after(
        &mut model,
        Duration::from_secs(3 * 3_600 + 721),
        Top::Resumed,
    );
    model.cx.link = crate::tui::model::Link::Live {
        heard: model.cx.clock.at,
    };
    model.cx.notice = None;
    (model, ticket)
}

fn stopped(model: &mut Model, ticket: Ticket) -> Vec<Effect> {
    let outcome = Ok(0);
    send(model, Top::Listener(Message::Stopped { ticket, outcome }))
}

#[test]
fn it_shows_who_calls_at_each_width() {
    for (width, height) in [(100, 30), (80, 24), (60, 20), (30, 8)] {
        let (model, _) = called(width, height);
        insta::assert_snapshot!(format!("listener_{width}x{height}"), screen(&model));
    }
}

#[test]
fn it_is_off_until_it_is_started_and_asks_first() {
    let mut model = settled(80, 24, dev());
    model.cx.listens_at = URL.to_owned();
    let effects = press(&mut model, "4 S");
    assert!(effects.is_empty(), "{effects:?}");
    insta::assert_snapshot!("start_80x24", screen(&model));
    assert!(press(&mut model, "Enter").is_empty());
    assert!(screen(&model).contains("off   S starts it on http://127.0.0.1:8000"));
}

#[test]
fn at_a_protected_place_its_name_is_typed() {
    let mut model = settled(80, 24, prod());
    assert!(press(&mut model, "4 S y").is_empty());
    assert!(press(&mut model, "Esc S pro").is_empty());
    assert_eq!(order(&press(&mut model, "d")).1, Serve::Start);
}

#[test]
fn a_start_that_fails_says_why_and_can_be_tried_again() {
    let mut model = settled(80, 24, dev());
    let (ticket, _) = order(&press(&mut model, "4 S y"));
    assert!(press(&mut model, "S").is_empty(), "it is under way");
    let outcome = Err("cannot listen on 127.0.0.1:8000: Address already in use".to_owned());
    send(
        &mut model,
        Top::Listener(Message::Started { ticket, outcome }),
    );
    let seen = screen(&model);
    assert!(seen.contains("✗ The listener did not start: cannot listen on 127.0.0.1:8000"));
    assert!(seen.contains("listener off"), "{seen}");
    assert_eq!(order(&press(&mut model, "S y")).1, Serve::Start);
}

#[test]
fn it_is_stopped_and_the_lines_stay() {
    let (mut model, ticket) = called(80, 24);
    press(&mut model, "S");
    assert!(screen(&model).contains("Stop the listener on http://127.0.0.1:8000?"));
    assert_eq!(order(&press(&mut model, "y")), (ticket, Serve::Stop));
    assert!(screen(&model).contains("stopping…"));
    assert!(press(&mut model, "S").is_empty());
    hear(
        &mut model,
        ticket,
        vec![call(9, 200, "/last", "alice.w", "")],
    );
    assert!(stopped(&mut model, ticket).is_empty());
    let seen = screen(&model);
    assert!(seen.contains("The listener stopped.") && seen.contains("listener off"));
    assert!(seen.contains("/last"), "{seen}");
    hear(
        &mut model,
        ticket,
        vec![call(10, 200, "/late", "alice.w", "")],
    );
    assert!(!screen(&model).contains("/late"), "nobody listens any more");
}

#[test]
fn quitting_asks_while_it_is_up() {
    let (mut model, _) = up(80, 24);
    assert!(press(&mut model, "1 q").is_empty());
    insta::assert_snapshot!("quit_80x24", screen(&model));
    assert_eq!(press(&mut model, "y"), [Effect::Quit(Leave::Quit)]);
}

#[test]
fn suspending_asks_and_waits_for_the_end() {
    let (mut model, ticket) = up(80, 24);
    assert!(press(&mut model, "Ctrl-z Ctrl-z").is_empty());
    assert_eq!(model.cx.modals.len(), 1, "it is asked once");
    assert!(screen(&model).contains("Suspend? The listener on :8000 stops."));
    assert_eq!(order(&press(&mut model, "y")).1, Serve::Stop);
    assert_eq!(stopped(&mut model, ticket), [Effect::Suspend]);
    assert_eq!(press(&mut model, "Ctrl-z"), [Effect::Suspend]);
}

#[test]
fn another_profile_asks_and_waits_for_the_end() {
    let (mut model, ticket) = up(80, 24);
    assert!(send(&mut model, Top::Connect("prod".to_owned())).is_empty());
    assert!(screen(&model).contains("Connect to prod? The listener on :8000 stops."));
    assert_eq!(order(&press(&mut model, "y")).1, Serve::Stop);
    assert!(send(&mut model, Top::Connect("prod".to_owned())).is_empty());
    let effects = stopped(&mut model, ticket);
    let connects =
        |effect: &Effect| matches!(effect, Effect::Connect { profile, .. } if profile == "prod");
    assert!(effects.iter().any(connects), "{effects:?}");
}

#[test]
fn a_lost_database_does_not_stop_it() {
    let (mut model, ticket) = up(80, 24);
    model.cx.lose();
    hear(
        &mut model,
        ticket,
        vec![call(1, 503, "/api/example/", "", "database away")],
    );
    let seen = screen(&model);
    assert!(
        seen.contains("listener :8000") && seen.contains("database away"),
        "{seen}"
    );
}

#[test]
fn alike_calls_in_a_row_are_one_line() {
    let (mut model, ticket) = called(100, 30);
    hear(
        &mut model,
        ticket,
        vec![call(7, 503, "/a\nb/\x1b[2J", "", "database away")],
    );
    assert_eq!(model.listener.calls.len(), 5);
    let newest = model.listener.calls.front().unwrap();
    assert_eq!(newest.told(), "database away, ×2");
    assert_eq!(newest.told_in(14), "database …, ×2");
    assert!(newest.first < newest.at);
    press(&mut model, "j Enter");
    insta::assert_snapshot!("call_100x30", screen(&model));
}

#[test]
fn new_lines_move_no_cursor_but_one_on_the_first() {
    let (mut model, ticket) = up(60, 20);
    let many = |from: i64, to: i64| -> Vec<Call> {
        let some = from..to;
        some.map(|nth| call(nth, 200, &format!("/{nth}"), "alice.w", ""))
            .collect()
    };
    let path = |model: &Model| model.listener.current().unwrap().path.clone();
    hear(&mut model, ticket, many(0, 40));
    assert_eq!(path(&model), "/39");
    hear(&mut model, ticket, many(40, 50));
    assert_eq!(path(&model), "/49", "the first line is followed");
    press(&mut model, "j j");
    hear(&mut model, ticket, many(50, 53));
    assert_eq!(
        (path(&model), model.listener.browse.top()),
        ("/47".to_owned(), 0)
    );
    press(&mut model, "G k");
    let line = model.listener.browse.cursor() - model.listener.browse.top();
    hear(&mut model, ticket, many(53, 60));
    assert_eq!(path(&model), "/1");
    assert_eq!(
        model.listener.browse.cursor() - model.listener.browse.top(),
        line
    );
    hear(&mut model, ticket, many(60, 3_000));
    assert_eq!(model.listener.calls.len(), NEWEST);
    assert_eq!(
        path(&model),
        "/2000",
        "what was held is gone, and the last line is next to it"
    );
}

#[test]
fn it_is_filtered_by_any_column_and_escape_gives_everything_back() {
    let (mut model, ticket) = called(80, 24);
    press(&mut model, "/");
    press(&mut model, "RETIRED");
    let seen = screen(&model);
    assert!(
        seen.contains("1 line") && !seen.contains("no such key"),
        "{seen}"
    );
    hear(
        &mut model,
        ticket,
        vec![call(7, 200, "/api/example/", "carol", "")],
    );
    assert!(!screen(&model).contains("carol"));
    press(&mut model, "x Enter");
    assert!(screen(&model).contains("No match for \"RETIREDx\". Esc clears the filter."));
    press(&mut model, "Esc");
    assert!(screen(&model).contains("6 lines"));
    press(&mut model, "Esc");
    assert_eq!(model.screen, ScreenId::Users);
}

#[test]
fn what_came_too_fast_is_counted() {
    let (mut model, ticket) = up(80, 24);
    for _ in 0..2 {
        let news = News {
            calls: calls(),
            dropped: 700,
            figures: Figures {
                doubt: Some("our triggers are not there".to_owned()),
                ..figures()
            },
            callers: None,
        };
        send(&mut model, Top::Listener(Message::Heard { ticket, news }));
    }
    let seen = screen(&model);
    assert!(
        seen.contains("10 lines   1,400 came too fast to be listed"),
        "{seen}"
    );
    assert!(
        seen.contains("not sure: our triggers are not there"),
        "{seen}"
    );
}

#[test]
fn the_database_is_asked_for_while_the_screen_is_shown() {
    let (mut model, _) = up(80, 24);
    let effects = send_after(&mut model, Duration::from_secs(6), Top::Ticked);
    ticket(&effects, Slot::Ping);
    let effects = send(&mut model, Top::Global(Global::Refresh));
    assert!(effects.is_empty(), "it is asked already: {effects:?}");
}

#[test]
fn what_is_listed_is_exported() {
    let (mut model, _) = called(80, 24);
    press(&mut model, "e");
    let effects = press(&mut model, "c");
    let [
        Effect::Write {
            stem: "listener",
            extension: "csv",
            text,
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    let lines: Vec<&str> = text.expose().split("\r\n").collect();
    assert_eq!(
        lines[0],
        "first,last,times,client,method,path,status,user,micros,reason,id"
    );
    assert_eq!(
        lines[2],
        "2026-03-01T14:01:04Z,2026-03-01T14:01:05Z,2,10.2.0.44,GET,/auth,401,,1250,retired: alice.w,0123456789abcdef"
    );
}

#[test]
fn who_still_calls_is_listed_once_somebody_does() {
    let (mut model, ticket) = up(100, 30);
    assert_eq!(press(&mut model, "w"), []);
    assert!(!screen(&model).contains("still calls"));
    let caller = |name: &str, last: u8, times: u64, minutes: i64| Caller {
        username: name.into(),
        address: [10, 2, 0, last].into(),
        times,
        last: Moment::from_unix_micros(
            crate::tui::testing::now().unix_micros() - minutes * 60_000_000,
        ),
    };
    let news = News {
        calls: vec![retired(5, 14)],
        dropped: 0,
        figures: figures(),
        callers: Some(vec![
            caller("alice.w", 44, 1_014, 0),
            caller("da\u{202e}ve", 7, 1, 3),
        ]),
    };
    send(&mut model, Top::Listener(Message::Heard { ticket, news }));
    assert!(screen(&model).contains("w who still calls"));
    press(&mut model, "w");
    insta::assert_snapshot!("callers_100x30", screen(&model));
    press(&mut model, "Esc");
    // Until somebody else does, they stay.
    hear(&mut model, ticket, calls());
    press(&mut model, "w");
    assert!(screen(&model).contains("10.2.0.44"));
    // Another run knows nothing of them.
    press(&mut model, "Esc S y");
    stopped(&mut model, ticket);
    let (ticket, _) = order(&press(&mut model, "S y"));
    let outcome = Ok(Address {
        url: URL.to_owned(),
        port: 8_000,
    });
    send(
        &mut model,
        Top::Listener(Message::Started { ticket, outcome }),
    );
    assert_eq!(press(&mut model, "w"), []);
    let shown = screen(&model);
    assert!(
        !shown.contains("10.2.0.44") && !shown.contains("still calls"),
        "{shown}"
    );
}
