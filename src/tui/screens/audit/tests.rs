//! Keys in, effects and pictures out.

use std::time::Duration;

use super::*;
use crate::domain::audit::{Actor, Verb};
use crate::ops::AuditQuery;
use crate::tui::effect::{Question, Slot};
use crate::tui::message::Message as Top;
use crate::tui::model::{Link, Model};
use crate::tui::testing::{dev, press, screen, send, send_after, settled, ticket};

fn entry(minute: u32, what: Verb, whom: &str, key: &str, result: &str) -> Entry {
    Entry {
        id: None,
        when: format!("2026-03-01T13:{minute:02}:00Z"),
        actor: Actor {
            os_user: "carol".to_owned(),
            host: "ops1".to_owned(),
            operator: None,
        },
        database: "dev".to_owned(),
        what,
        whom: whom.to_owned(),
        key: (!key.is_empty()).then(|| key.to_owned()),
        for_leak: None,
        result: result.to_owned(),
        session: Some("app".to_owned()),
    }
}

fn entries() -> Vec<Entry> {
    let mut entries = vec![
        entry(58, Verb::Regenerate, "alice.w", "c0ffee00", "done"),
        entry(
            50,
            Verb::Backfill,
            "",
            "",
            "failed after 5,000 made: the server closed the connection",
        ),
        entry(41, Verb::Show, "bo\x1b[31m\u{202e}b", "62b46a15", "done"),
        entry(30, Verb::UserPassword, "山田太郎", "", "done"),
    ];
    entries[0].for_leak = Some(7);
    entries[2].actor.operator = Some("dora".to_owned());
    entries
}

fn query(effects: &[Effect]) -> Option<&AuditQuery> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            question: Question::Audit(query),
            ..
        } => Some(query),
        _ => None,
    })
}

fn tell(model: &mut Model, effects: &[Effect], entries: Vec<Entry>) {
    let (ticket, outcome) = (ticket(effects, Slot::Audit), Ok(entries));
    send(model, Top::Audit(Message::Read { ticket, outcome }));
}

fn read(width: u16, height: u16, entries: Vec<Entry>) -> Model {
    let mut model = settled(width, height, dev());
    let effects = press(&mut model, "5");
    tell(&mut model, &effects, entries);
    model
}

#[test]
fn it_lists_the_newest_first_at_each_width() {
    for (width, height) in [(100, 30), (80, 24), (60, 20)] {
        let model = read(width, height, entries());
        insta::assert_snapshot!(format!("audit_{width}x{height}"), screen(&model));
    }
}

#[test]
fn enter_opens_the_whole_entry() {
    let mut model = read(100, 30, entries());
    press(&mut model, "j j Enter");
    insta::assert_snapshot!("entry_100x30", screen(&model));
}

#[test]
fn it_is_filtered_as_one_types_and_escape_gives_everything_back() {
    let mut model = read(60, 20, entries());
    press(&mut model, "/");
    let effects = press(&mut model, "ali");
    assert_eq!(
        query(&effects[effects.len() - 1..]).and_then(|query| query.text.as_deref()),
        Some("ali")
    );
    tell(&mut model, &effects, Vec::new());
    assert!(screen(&model).contains("No match for \"ali\". Esc clears the filter."));
    press(&mut model, "Enter");
    let effects = press(&mut model, "Esc");
    assert_eq!(query(&effects).map(|query| query.text.clone()), Some(None));
    tell(&mut model, &effects, entries());
    assert!(screen(&model).contains("4 entries"));
    press(&mut model, "Esc");
    assert_eq!(model.screen, crate::tui::screens::ScreenId::Users);
}

#[test]
fn an_empty_audit_says_so() {
    let model = read(60, 20, Vec::new());
    assert!(screen(&model).contains("Nothing yet: every change leaves its line here."));
}

#[test]
fn new_entries_move_no_cursor() {
    let many = |from: u32| -> Vec<Entry> {
        let minutes = (0..from).rev();
        minutes
            .map(|minute| entry(minute, Verb::Copy, &format!("u{minute}"), "", "done"))
            .collect()
    };
    let mut model = read(60, 20, many(40));
    press(&mut model, "j j");
    let effects = press(&mut model, "Ctrl-r");
    tell(&mut model, &effects, many(43));
    assert_eq!(model.audit.current().unwrap().whom, "u37");
    assert_eq!(model.audit.browse.top(), 0, "what is new is seen");
    press(&mut model, "G k");
    let (whom, line) = (
        model.audit.current().unwrap().whom.clone(),
        model.audit.browse.cursor() - model.audit.browse.top(),
    );
    let effects = press(&mut model, "Ctrl-r");
    tell(&mut model, &effects, many(50));
    assert_eq!(model.audit.current().unwrap().whom, whom);
    assert_eq!(model.audit.browse.cursor() - model.audit.browse.top(), line);
}

#[test]
fn it_is_read_again_while_it_is_shown_and_tells_nothing_of_the_database() {
    let mut model = read(60, 20, entries());
    let Link::Live { heard } = model.cx.link else {
        panic!("connected")
    };
    let effects = send_after(&mut model, Duration::from_secs(6), Top::Ticked);
    assert!(query(&effects).is_some(), "{effects:?}");
    ticket(&effects, Slot::Ping);
    tell(&mut model, &effects, entries());
    assert!(matches!(model.cx.link, Link::Live { heard: then } if then == heard));
}

#[test]
fn what_is_listed_is_exported() {
    let mut model = read(60, 20, entries());
    press(&mut model, "e");
    let effects = press(&mut model, "c");
    let [
        Effect::Write {
            stem: "audit",
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
        "when,os_user,host,operator,database,what,whom,key,for_leak,session,result"
    );
    assert_eq!(
        lines[1],
        "2026-03-01T13:58:00Z,carol,ops1,,dev,regenerate,alice.w,c0ffee00,7,app,done"
    );
    press(&mut model, "e");
    let effects = press(&mut model, "j Enter");
    let [
        Effect::Write {
            extension: "json",
            text,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    let parsed: Vec<Entry> = serde_json::from_str(text.expose()).unwrap();
    assert_eq!(parsed, entries());
}
