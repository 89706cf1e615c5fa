//! Keys in, effects and pictures out.

use std::time::Duration;

use super::*;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::page::{Direction, Start};
use crate::domain::token::Origin;
use crate::ops::RowResult;
use crate::tui::effect::{Deed, HandOut, Order, Question, Use};
use crate::tui::message::Message as Top;
use crate::tui::model::{Link, Model};
use crate::tui::testing::{
    connected, dev, issued, press, prod, read_only, row, screen, send, send_after, ticket, used,
};

/// Made-up rows with what real ones hold: escapes, wide and right-to-left letters, every state.
fn rows() -> Vec<UserRow> {
    let mut rows = vec![
        row(17, "alice.w", "9944b091"),
        row(18, "bob\x1b[31m\u{202e}x", "62b46a15"),
        row(19, "ci-bot", "twd_7Hq2"),
        row(20, "dave", "5b25a0de"),
        row(21, "erin", ""),
        row(22, "山田太郎@例え.jp", "0a1b2c3d"),
        row(23, "محمد", "c0ffee11"),
        row(
            24,
            &format!("{}@example.com", "long".repeat(12)),
            "deadbeef",
        ),
    ];
    rows[0].user.is_superuser = true;
    rows[0].user.is_staff = true;
    rows[0].user.full_name = "Alice Wong".to_owned();
    rows[0].user.email = "alice@example.com".to_owned();
    rows[3].user.is_active = false;
    let since = Moment::parse("2025-01-01T00:00:00Z").unwrap();
    for (row, last_use) in rows.iter_mut().zip([
        used(2, 3),
        LastUse::Unknown,
        used(59, 1),
        LastUse::NeverSince(since),
    ]) {
        row.token.as_mut().unwrap().last_use = last_use;
    }
    rows
}

fn page(rows: Vec<UserRow>) -> Page<UserRow> {
    Page {
        rows,
        more_before: false,
        more_after: false,
    }
}

fn tell(model: &mut Model, slot: Slot, effects: &[Effect], page: Page<UserRow>) -> Vec<Effect> {
    let (ticket, outcome) = (ticket(effects, slot), Ok(page));
    send(
        model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    )
}

fn loaded(width: u16, height: u16, place: crate::tui::model::Place) -> Model {
    let (mut model, effects) = connected(width, height, place);
    tell(&mut model, Slot::Page, &effects, page(rows()));
    let (ticket, outcome) = (ticket(&effects, Slot::Count), Ok(8));
    send(&mut model, Top::Users(Message::Counted { ticket, outcome }));
    model
}

fn start_of(effects: &[Effect], slot: Slot) -> Start {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            slot: asked,
            question: Question::Users(query),
            ..
        } if *asked == slot => Some(query.start.clone()),
        _ => None,
    });
    found.unwrap()
}

fn current(model: &Model) -> String {
    model.users.window.current().unwrap().user.username.clone()
}

#[test]
fn regenerate_asks_first_and_aims_at_the_key_that_was_shown() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(
        press(&mut model, "R"),
        [],
        "the starting key asks for nothing"
    );
    insta::assert_snapshot!("confirm_100x30", screen(&model));
    assert_eq!(
        press(&mut model, "R"),
        [],
        "nor does the starting key confirm"
    );
    let effects = press(&mut model, "y");
    let aim = Aim::from(&rows()[0]);
    let [Effect::Do { ticket, deed }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(*deed, Deed::One(Change::Regenerate, aim.clone()));
    let changed = Changed::Issued(issued(&rows()[0], "aaaaaaaa", Origin::New));
    let message = Message::Changed {
        ticket: *ticket,
        change: Change::Regenerate,
        aim,
        outcome: Ok(changed),
    };
    let effects = send(&mut model, Top::Users(message));
    assert!(matches!(
        effects.as_slice(),
        [Effect::Ask {
            slot: Slot::Refresh,
            ..
        }]
    ));
    let covered = screen(&model);
    assert!(
        covered.contains("aaaaaaaa…") && !covered.contains("aaaaaaaa0"),
        "{covered}"
    );
    let effects = hand_out(&mut model, "y", HandOut::Copy);
    assert!(matches!(effects.as_slice(), [Effect::Copy { label, .. }] if label == "aaaaaaaa…"));
    let effects = hand_out(&mut model, "w", HandOut::Write);
    assert!(matches!(effects.as_slice(), [Effect::Write { .. }]));
    assert_eq!(hand_out(&mut model, "x", HandOut::Show), []);
    assert!(screen(&model).contains("aaaaaaaa00000000"));
    send_after(&mut model, Duration::from_secs(11), Top::Ticked);
    assert!(
        !screen(&model).contains("aaaaaaaa0"),
        "covered again by itself"
    );
}

/// Presses `key` in the dialog of a fresh key: nothing happens but that the audit is told, and what follows when it
/// was.
fn hand_out(model: &mut Model, key: &str, what: HandOut) -> Vec<Effect> {
    let effects = press(model, key);
    let [
        Effect::Ask {
            slot: Slot::Reveal,
            ticket,
            question: Question::HandOut(aims, asked),
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((aims.len(), *asked), (1, what));
    let ticket = *ticket;
    let outcome = Ok(());
    send(
        model,
        Top::HandedOut {
            ticket,
            what,
            outcome,
        },
    )
}

#[test]
fn a_fresh_key_stays_covered_where_the_audit_cannot_be_written() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "N");
    assert_eq!(effects, [], "alice has a token");
    let aim = Aim::from(&rows()[0]);
    let effects = press(&mut model, "Esc R y");
    let [Effect::Do { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let fresh = issued(&rows()[0], "aaaaaaaa", Origin::New);
    let message = Message::Changed {
        ticket: *ticket,
        change: Change::Regenerate,
        aim,
        outcome: Ok(Changed::Issued(fresh)),
    };
    send(&mut model, Top::Users(message));
    let effects = press(&mut model, "x");
    let [Effect::Ask { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let refused = Top::HandedOut {
        ticket: *ticket,
        what: HandOut::Show,
        outcome: Err(Error::Internal("the disk is full".to_owned())),
    };
    assert_eq!(send(&mut model, refused), []);
    let seen = screen(&model);
    assert!(!seen.contains("aaaaaaaa0"), "{seen}");
    assert!(seen.contains("the disk is full"), "{seen}");
}

#[test]
fn a_dialog_is_deaf_for_its_first_moments() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "R");
    let y = Top::Pressed(Key::char('y'));
    assert_eq!(
        send_after(&mut model, Duration::from_millis(299), y.clone()),
        []
    );
    assert_eq!(send_after(&mut model, Duration::from_millis(2), y).len(), 1);
}

#[test]
fn enter_and_escape_cancel_a_change() {
    for key in ["Enter", "Esc", "n"] {
        let mut model = loaded(100, 30, dev());
        assert_eq!(press(&mut model, "D"), []);
        assert_eq!(press(&mut model, key), [], "{key}");
        let open = model.cx.modals.len();
        assert_eq!(open, usize::from(key == "n"), "{key}");
    }
}

#[test]
fn several_rows_need_their_number_and_a_protected_place_its_name() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "a");
    // `a` asks for all rows of the filter.
    let effects = press(&mut model, "a");
    tell(&mut model, Slot::Gather, &effects, page(rows()));
    assert_eq!(model.users.marks.len(), 8);
    assert_eq!(press(&mut model, "R y"), [], "y is not enough for several");
    press(&mut model, "Backspace");
    let effects = press(&mut model, "7");
    let [
        Effect::Do {
            deed: Deed::Many(Change::Regenerate, aims),
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(aims.len(), 7, "erin has no token and is left out");

    let mut model = loaded(100, 30, prod());
    assert_eq!(press(&mut model, "D y"), []);
    assert_eq!(press(&mut model, "Backspace prod").len(), 1);
}

#[test]
fn many_changes_show_progress_stop_and_tell_what_failed() {
    let mut model = loaded(80, 24, dev());
    let effects = press(&mut model, "Space Space R 2");
    let [Effect::Do { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let ticket = *ticket;
    let progress = crate::ops::Progress {
        done: 1,
        total: Some(2),
        left: Some(Duration::from_secs(1)),
        ..crate::ops::Progress::default()
    };
    send(&mut model, Top::Progressed { ticket, progress });
    insta::assert_snapshot!("progress_80x24", screen(&model));
    assert_eq!(press(&mut model, "Esc"), [Effect::Job(Order::Stop)]);
    let result = |row: &UserRow, outcome| RowResult {
        aim: row.into(),
        outcome,
    };
    let rows = rows();
    let report = ManyReport {
        rows: vec![
            result(
                &rows[0],
                Ok(Changed::Issued(issued(&rows[0], "aaaaaaaa", Origin::New))),
            ),
            result(
                &rows[1],
                Err(Error::Conflict("changed meanwhile".to_owned())),
            ),
        ],
        stopped: false,
    };
    let outcome = Ok(report);
    send(
        &mut model,
        Top::Users(Message::ManyChanged {
            ticket,
            change: Change::Regenerate,
            outcome,
        }),
    );
    let shown = screen(&model);
    assert!(shown.contains("1 regenerated, 1 failed"), "{shown}");
    assert!(shown.contains("changed meanwhile"), "{shown}");
    assert_eq!(
        model.users.marks.len(),
        1,
        "the row that failed stays marked"
    );
}

#[test]
fn nothing_is_touched_where_it_is_refused() {
    let mut model = loaded(100, 30, read_only());
    for key in ["N", "R", "D", "A", "P"] {
        assert_eq!(press(&mut model, key), [], "{key}");
        assert!(model.cx.modals.is_empty(), "{key}");
        assert!(
            model.cx.notice.take().unwrap().text.contains("READ ONLY"),
            "{key}"
        );
    }
    let shown = screen(&model);
    assert!(
        !shown.contains("regenerate"),
        "hints offer nothing that is refused: {shown}"
    );
    press(&mut model, "?");
    assert!(!screen(&model).contains("delete the token"));
}

#[test]
fn a_lost_database_dims_the_rows_refuses_changes_and_is_tried_again() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "Ctrl-r");
    let slot = Slot::Refresh;
    let (ticket, outcome) = (
        ticket(&effects, slot),
        Err(Error::Unavailable("connection refused".to_owned())),
    );
    send(
        &mut model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    );
    assert!(
        matches!(model.cx.link, Link::Live { .. }),
        "it may be a lock; a ping tells"
    );
    let pinged = send(&mut model, Top::Ticked);
    let ping = ticket_of_ping(&pinged);
    let outcome = Err(Error::Unavailable("connection refused".to_owned()));
    send(
        &mut model,
        Top::Ponged {
            ticket: ping,
            outcome,
        },
    );
    assert!(matches!(model.cx.link, Link::Offline { .. }));
    let shown = screen(&model);
    assert!(
        shown.contains("○ offline 0 s, next try in 1 s") && shown.contains("alice.w"),
        "{shown}"
    );
    assert_eq!(press(&mut model, "R"), []);
    assert!(model.cx.notice.take().unwrap().text.contains("away"));
    let effects = send_after(&mut model, Duration::from_secs(2), Top::Ticked);
    let [
        Effect::Ask {
            slot: Slot::Ping,
            ticket,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    let effects = send(
        &mut model,
        Top::Ponged {
            ticket: *ticket,
            outcome: Ok(()),
        },
    );
    assert!(matches!(model.cx.link, Link::Live { .. }));
    assert!(matches!(
        effects.as_slice(),
        [Effect::Ask {
            slot: Slot::Refresh,
            ..
        }]
    ));
}

#[test]
fn a_filter_is_searched_near_then_far_and_old_answers_are_ignored() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "/ a l");
    let queries: Vec<Reach> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ask {
                slot: Slot::Page,
                question: Question::Users(query),
                ..
            } => Some(query.reach),
            _ => None,
        })
        .collect();
    assert_eq!(queries, [Reach::Near, Reach::Near]);
    // The answer to `a` comes after `al` was asked for.
    let old = ticket(&effects[..1], Slot::Page);
    let message = Message::Paged {
        slot: Slot::Page,
        ticket: old,
        outcome: Ok(page(Vec::new())),
    };
    assert_eq!(send(&mut model, Top::Users(message)), []);
    assert_eq!(model.users.window.count(), 8);
    let far = tell(
        &mut model,
        Slot::Page,
        &effects,
        page(vec![rows().remove(0)]),
    );
    let [
        Effect::Ask {
            question: Question::Users(query),
            ..
        },
    ] = far.as_slice()
    else {
        panic!("{far:?}")
    };
    assert_eq!(query.reach, Reach::Far);
    assert_eq!(model.users.window.count(), 1, "the near rows show at once");
    tell(&mut model, Slot::Page, &far, page(Vec::new()));
    assert!(screen(&model).contains("No match for \"al\" in 8. Esc clears the filter."));
}

#[test]
fn letters_in_the_filter_are_no_commands_and_a_wrong_word_is_told() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "/ q R D");
    assert!(effects.iter().all(|effect| matches!(
        effect,
        Effect::Ask {
            slot: Slot::Page,
            ..
        } | Effect::Cancel(_)
    )));
    assert!(model.cx.modals.is_empty());
    press(&mut model, "Ctrl-u is:sper");
    assert!(screen(&model).contains("unknown filter word is:sper"));
    press(&mut model, "Ctrl-u Enter");
    assert_eq!(model.users.focus, Focus::Elsewhere);
}

#[test]
fn pasted_text_is_never_read_as_commands() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(send(&mut model, Top::Pasted(Sealed::new("Dy\nq"))), []);
    assert!(model.cx.modals.is_empty());
    press(&mut model, "D");
    send_after(
        &mut model,
        Duration::from_secs(1),
        Top::Pasted(Sealed::new("y")),
    );
    assert_eq!(model.cx.modals.len(), 1, "nor does it answer a dialog");
}

#[test]
fn a_refresh_moves_no_cursor_although_rows_come_and_go() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "j j j");
    assert_eq!(current(&model), "dave");
    let effects = press(&mut model, "Ctrl-r");
    let mut newer = rows();
    newer.insert(0, row(1, "aaron", "11111111"));
    newer.remove(2);
    tell(&mut model, Slot::Refresh, &effects, page(newer.clone()));
    assert_eq!(current(&model), "dave");
    let effects = press(&mut model, "Ctrl-r");
    newer.retain(|row| row.user.username != "dave");
    tell(&mut model, Slot::Refresh, &effects, page(newer));
    assert_eq!(
        current(&model),
        "erin",
        "the neighbour takes over from a row that is gone"
    );
}

#[test]
fn the_window_is_bounded_and_asks_for_more_near_its_edges() {
    let (mut model, effects) = connected(100, 30, dev());
    let many = |from: i32| -> Page<UserRow> {
        let rows = (from..from + 100)
            .map(|id| row(id, &format!("u{id:07}"), "9944b091"))
            .collect();
        Page {
            rows,
            more_before: from > 0,
            more_after: true,
        }
    };
    tell(&mut model, Slot::Page, &effects, many(0));
    let mut next = 100;
    let mut asked = Vec::new();
    for _ in 0..200 {
        asked.extend(press(&mut model, "PgDn"));
        while asked.iter().any(|effect| {
            matches!(
                effect,
                Effect::Ask {
                    slot: Slot::More,
                    ..
                }
            )
        }) {
            let effects = std::mem::take(&mut asked);
            assert!(matches!(start_of(&effects, Slot::More), Start::After(_)));
            asked = tell(&mut model, Slot::More, &effects, many(next));
            next += 100;
        }
        assert!(
            model.users.window.count() <= 700,
            "{}",
            model.users.window.count()
        );
    }
    assert!(next > 4_000, "{next}");
    let effects = press(&mut model, "g");
    assert_eq!(start_of(&effects, Slot::Page), Start::First);
    let effects = press(&mut model, "G");
    assert_eq!(start_of(&effects, Slot::Page), Start::Last);
    let last = Page {
        more_after: false,
        ..many(900_000)
    };
    tell(&mut model, Slot::Page, &effects, last);
    assert_eq!(current(&model), "u0900099");
    let effects = press(&mut model, "PgUp PgUp PgUp");
    assert!(matches!(start_of(&effects, Slot::More), Start::Before(_)));
    tell(&mut model, Slot::More, &effects, many(899_900));
    assert_eq!(
        current(&model),
        "u0900027",
        "rows put before the cursor do not move it"
    );
}

#[test]
fn a_key_goes_to_the_clipboard_unseen_and_the_message_claims_no_more_than_that() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "y");
    let [
        Effect::Ask {
            question: Question::Reveal(aim, wanted),
            ticket,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (aim, *wanted),
        (&Aim::from(&rows()[0]), Use::Copy(Form::Key))
    );
    let outcome = Ok(issued(&rows()[0], "9944b091", Origin::Existing));
    let effects = send(
        &mut model,
        Top::Revealed {
            ticket: *ticket,
            wanted: *wanted,
            outcome,
        },
    );
    let [Effect::Copy { label, text, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((label.as_str(), text.expose().len()), ("9944b091…", 40));
    let sent = crate::tui::message::Sent {
        via: "tmux",
        cleared: crate::tui::message::Cleared::In(45),
    };
    send(
        &mut model,
        Top::Sent {
            label: label.clone(),
            outcome: Ok(sent),
        },
    );
    let said =
        "Sent 9944b091… to the clipboard through tmux; cleared in 45 s. Not pasting? x shows it.";
    assert_eq!(model.cx.notice.as_ref().unwrap().text, said);
}

#[test]
fn a_password_is_typed_twice_and_confirmed() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(press(&mut model, "P hunter22 Enter hunter23 Enter"), []);
    assert!(model.cx.notice.take().unwrap().text.contains("differ"));
    assert_eq!(press(&mut model, "P hunter22 Enter hunter22"), []);
    assert!(!screen(&model).contains("hunter"));
    let effects = press(&mut model, "Enter y");
    let [Effect::Do { deed, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        *deed,
        Deed::Password(Aim::from(&rows()[0]), Sealed::new("hunter22"))
    );
    assert!(!format!("{deed:?}").contains("hunter"));
}

#[test]
fn a_user_is_made_by_command() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(
        press(&mut model, ": user Space create Space frank Enter"),
        []
    );
    let effects = press(&mut model, "y");
    let [
        Effect::Do {
            deed: Deed::Create(name),
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(name.as_str(), "frank");
}

#[test]
fn commands_do_what_keys_do() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, ": regenerate Enter");
    assert_eq!(press(&mut model, "y").len(), 1);
    let mut model = loaded(100, 30, dev());
    assert!(matches!(
        press(&mut model, ": q Enter").as_slice(),
        [Effect::Quit(_)]
    ));
}

#[test]
fn sorting_by_the_same_column_turns_it_round() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "s c");
    assert_eq!(
        model.users.sort,
        Sort {
            key: SortKey::Created,
            direction: Direction::Ascending
        }
    );
    tell(&mut model, Slot::Page, &effects, page(rows()));
    press(&mut model, "s c");
    assert_eq!(model.users.sort.direction, Direction::Descending);
}

#[test]
fn escape_goes_back_a_step_at_a_time_and_never_quits() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "/ a l Enter");
    let far = tell(&mut model, Slot::Page, &effects, page(rows()));
    tell(&mut model, Slot::Page, &far, page(rows()));
    press(&mut model, "Space v j");
    press(&mut model, "Esc");
    assert!(model.users.marks.is_empty() && !model.users.line.is_empty());
    let effects = press(&mut model, "Esc");
    assert!(model.users.line.is_empty());
    tell(&mut model, Slot::Page, &effects, page(rows()));
    assert_eq!(press(&mut model, "Esc Esc Esc"), []);
}

#[test]
fn escape_cancels_what_is_waited_for() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "/ a l");
    assert!(screen(&model).contains("◌ loading 1.0 s") || model.cx.loading().is_some());
    assert_eq!(press(&mut model, "Esc"), [Effect::Cancel(Slot::Page)]);
    assert_eq!(model.cx.loading(), None);
}

#[test]
fn a_range_marks_all_between() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "j v j j v");
    let names: Vec<_> = model.users.marks.values().map(|row| row.user.id).collect();
    assert_eq!(names, [18, 19, 20].map(UserId::Int4));
}

#[test]
fn who_changes_many_is_told_how_many_are_in_use_where_that_is_known() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "a R");
    let effects = press(&mut model, "Esc a");
    tell(&mut model, Slot::Gather, &effects, page(rows()));
    press(&mut model, "R");
    let shown = screen(&model);
    assert!(
        shown.contains("7 users, 1 superuser, 2 used in the last hour"),
        "{shown}"
    );
    assert!(shown.contains("used 59 min ago from 10.2.0.7"), "{shown}");
    press(&mut model, "Esc");
    let all_with = |last_use: &LastUse| {
        let mut rows = rows();
        for token in rows.iter_mut().filter_map(|row| row.token.as_mut()) {
            token.last_use = last_use.clone();
        }
        page(rows)
    };
    for (last_use, said) in [
        (
            used(61, 1),
            "7 users, 1 superuser, none used in the last hour",
        ),
        (LastUse::Unknown, "7 users, 1 superuser "),
    ] {
        let effects = press(&mut model, "a");
        tell(&mut model, Slot::Gather, &effects, all_with(&last_use));
        press(&mut model, "D");
        let shown = screen(&model);
        assert!(shown.contains(said), "{shown}");
        press(&mut model, "Esc");
    }
}

#[test]
fn export_writes_the_marked_rows_without_any_key() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "Space e c");
    let [
        Effect::Write {
            extension: "csv",
            text,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert!(
        text.expose()
            .contains("17,alice.w,alice@example.com,Alice Wong,yes,yes,yes,9944b091…,")
    );
    assert!(!text.expose().contains("9944b0910"));
}

#[test]
fn pictures_at_the_sizes_of_the_design() {
    for (width, height) in [(100, 30), (80, 24), (60, 20), (40, 12), (29, 7)] {
        let mut model = loaded(width, height, prod());
        press(&mut model, "j Space k");
        insta::assert_snapshot!(format!("users_{width}x{height}"), screen(&model));
    }
}

#[test]
fn pictures_of_details_help_commands_and_typed_confirmation() {
    let mut model = loaded(60, 20, prod());
    press(&mut model, "Enter");
    insta::assert_snapshot!("details_60x20", screen(&model));
    let mut model = loaded(80, 24, dev());
    press(&mut model, "?");
    insta::assert_snapshot!("help_80x24", screen(&model));
    press(&mut model, "Esc : re");
    insta::assert_snapshot!("commands_80x24", screen(&model));
    let mut model = loaded(60, 20, prod());
    press(&mut model, "Space Space D pro");
    insta::assert_snapshot!("typed_60x20", screen(&model));
}

#[test]
fn hints_name_only_what_a_key_does_now() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "/");
    let hints = |model: &Model| screen(model).lines().last().unwrap_or_default().to_owned();
    assert_eq!(hints(&model), " Esc leave the line");
    press(&mut model, "ali");
    assert_eq!(hints(&model), " Enter to the list  Esc clear");
    assert!(screen(&model).contains(" /ali▏"));
    press(&mut model, "Enter");
    assert!(
        screen(&model).contains(" /ali  "),
        "no letter goes there now"
    );
    assert!(hints(&model).contains("R regenerate"));
    press(&mut model, "Enter Space s w a v");
    let seen = screen(&model);
    assert!(
        seen.contains(" Key  ") && !seen.contains("Sort by"),
        "{seen}"
    );
    assert!(model.users.marks.is_empty() && model.users.width == Width::Shared);
    assert!(!hints(&model).contains("mark") && hints(&model).contains("R regenerate"));
    assert!(hints(&model).contains("Esc back"));
    press(&mut model, "/ c e");
    assert!(
        screen(&model).contains(" /alice▏"),
        "the line typed into is in sight"
    );
}

#[test]
fn without_a_database_nothing_of_the_last_one_is_seen_or_aimed_at() {
    let mut model = loaded(100, 30, dev());
    let effects = send(&mut model, Top::Connect("prod".to_owned()));
    send_after(&mut model, Duration::from_secs(4), Top::Ticked);
    let seen = screen(&model);
    assert!(
        seen.contains("◌ connecting 4.") && seen.contains("Connecting to prod…"),
        "{seen}"
    );
    let outcome = Err(Error::Unavailable(
        "no server at db1:5432 (connection refused)".into(),
    ));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Connect { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let ticket = ticket.unwrap();
    send(&mut model, Top::Connected { ticket, outcome });
    let seen = screen(&model);
    assert!(
        seen.contains("Connect to") && seen.contains("│ Cannot open prod: no server"),
        "{seen}"
    );
    assert!(
        !seen.contains("alice.w") && !seen.contains("Enter: all"),
        "{seen}"
    );
    press(&mut model, "Esc");
    let seen = screen(&model);
    assert!(
        seen.contains("Not connected. p lists the profiles, Ctrl-r tries again."),
        "{seen}"
    );
    assert!(!seen.contains("regenerate"), "{seen}");
    assert_eq!(press(&mut model, "R / x y"), []);
    assert!(screen(&model).contains("Not connected; p lists the profiles."));
}

#[test]
fn an_empty_table_is_named_and_says_what_to_do() {
    let (mut model, effects) = connected(100, 30, dev());
    tell(&mut model, Slot::Page, &effects, page(Vec::new()));
    let seen = screen(&model);
    assert!(seen.contains("No users in auth_user."), "{seen}");
    assert!(
        seen.contains(":user create NAME") && seen.contains("tokenward demo"),
        "{seen}"
    );
    let (mut model, effects) = connected(100, 30, read_only());
    tell(&mut model, Slot::Page, &effects, page(Vec::new()));
    assert!(!screen(&model).contains(":user create"));
}

#[test]
fn a_token_is_offered_only_where_one_may_be_made() {
    for (place, offered) in [(dev(), true), (read_only(), false)] {
        let mut model = loaded(100, 30, place);
        press(&mut model, "j j j j");
        assert_eq!(screen(&model).contains("none; N generates one"), offered);
        press(&mut model, "y");
        let seen = screen(&model);
        assert!(seen.contains("erin has no token"), "{seen}");
        assert_eq!(seen.contains("has no token; N generates one."), offered);
    }
}

#[test]
fn every_key_that_scrolls_moves_what_is_seen() {
    for (width, height) in [(100, 30), (60, 20), (30, 8)] {
        let mut model = loaded(width, height, dev());
        press(&mut model, "? G");
        let end = screen(&model);
        assert!(end.contains("elsewhere."), "{end}");
        press(&mut model, "k");
        assert_ne!(screen(&model), end, "one step back from the end");
        press(&mut model, "j");
        assert_eq!(screen(&model), end);
    }
}

#[test]
fn a_command_that_needs_a_name_waits_for_it() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(press(&mut model, ": user Enter"), []);
    assert_eq!(model.cx.modals.len(), 1, "the command line stays");
    press(&mut model, "frank Enter");
    assert!(screen(&model).contains("Create the user frank on dev?"));
}

#[test]
fn rows_that_are_costly_to_read_are_not_read_again_for_nobody() {
    let slow = Duration::from_secs(2);
    let (mut model, effects) = connected(100, 30, dev());
    let (ticket, outcome) = (ticket(&effects, Slot::Page), Ok(page(rows())));
    let message = Message::Paged {
        slot: Slot::Page,
        ticket,
        outcome,
    };
    send_after(&mut model, slow, Top::Users(message));
    let effects = send_after(&mut model, Duration::from_secs(6), Top::Ticked);
    assert!(
        matches!(
            effects.as_slice(),
            [
                Effect::Ask {
                    slot: Slot::Ping,
                    ..
                },
                ..
            ]
        ),
        "{effects:?}"
    );
    let effects = press(&mut model, "Ctrl-r");
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Ask {
            slot: Slot::Refresh,
            ..
        }
    )));
}

#[test]
fn a_passed_deadline_tells_nothing_of_the_database() {
    let mut model = loaded(100, 30, dev());
    let Link::Live { heard } = model.cx.link else {
        panic!("{:?}", model.cx.link)
    };
    let effects = press(&mut model, "s c");
    let (slot, ticket) = (Slot::Page, ticket(&effects, Slot::Page));
    let outcome = Err(Error::Internal("no answer in 30 s".to_owned()));
    send(
        &mut model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    );
    assert_eq!(model.cx.link, Link::Live { heard });
    assert!(model.cx.notice.as_ref().unwrap().text.contains("no answer"));
}

#[test]
fn jobs_tells_what_runs() {
    let mut model = loaded(80, 24, dev());
    press(&mut model, ": j o b s Enter");
    assert!(screen(&model).contains("No work is under way."));
    press(&mut model, "Space Space R 2");
    model.cx.modals.clear();
    press(&mut model, ": j o b s Enter");
    let seen = screen(&model);
    assert!(
        seen.contains("regenerate: ") && seen.contains("Ctrl-c stops it."),
        "{seen}"
    );
}

#[test]
fn quitting_under_work_asks() {
    let mut model = loaded(80, 24, dev());
    press(&mut model, "Space Space R 2");
    model.cx.modals.clear();
    assert_eq!(press(&mut model, "q"), []);
    assert!(screen(&model).contains("Quit while regenerate is under way?"));
    assert!(matches!(
        press(&mut model, "y").as_slice(),
        [Effect::Quit(_)]
    ));
}

#[test]
fn a_change_under_way_keeps_a_second_one_out() {
    let mut model = loaded(80, 24, dev());
    assert_eq!(press(&mut model, "R y").len(), 1);
    assert_eq!(press(&mut model, "j D y"), []);
    assert!(model.cx.notice.as_ref().unwrap().text.contains("under way"));
}

#[test]
fn every_size_can_be_drawn_with_every_dialog() {
    // About every edge of the layout, and where nothing fits.
    const SIZES: [(u16, u16); 12] = [
        (0, 0),
        (1, 1),
        (29, 8),
        (30, 8),
        (31, 9),
        (45, 10),
        (59, 20),
        (79, 9),
        (80, 24),
        (99, 12),
        (100, 30),
        (130, 40),
    ];
    let openers = [
        "",
        "Enter",
        "R",
        "a",
        "c",
        "s",
        "e",
        "p",
        "?",
        ":",
        "P x",
        "Space Space D",
        "/ x",
        "w l l",
    ];
    for keys in openers {
        let mut model = loaded(100, 30, prod());
        press(&mut model, keys);
        for (width, height) in SIZES {
            let size = ratatui::layout::Size::new(width, height);
            send(&mut model, Top::Resized(size));
            screen(&model);
        }
    }
}

#[test]
fn ascii_terminals_get_no_other_glyph_of_ours() {
    let mut model = loaded(100, 30, prod());
    model
        .users
        .window
        .replace(page(vec![row(1, "bob", "62b46a15")]), Land::First, 24);
    model.cx.look.glyphs = crate::tui::look::Glyphs::Ascii;
    for keys in ["", "Space", "R", "?"] {
        press(&mut model, keys);
        assert!(screen(&model).is_ascii(), "{}", screen(&model));
    }
}

#[test]
fn suspending_works_from_a_dialog_and_from_a_field() {
    for keys in ["R", "/ a", ": u", "P x"] {
        let mut model = loaded(80, 24, dev());
        press(&mut model, keys);
        assert_eq!(press(&mut model, "Ctrl-z"), [Effect::Suspend], "{keys}");
        assert_eq!(press(&mut model, "Ctrl-l"), [Effect::Redraw], "{keys}");
    }
}

#[test]
fn a_lock_that_somebody_holds_is_not_taken_for_a_lost_database() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "R y");
    let [Effect::Do { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let message = Message::Changed {
        ticket: *ticket,
        change: Change::Regenerate,
        aim: Aim::from(&rows()[0]),
        outcome: Err(Error::Unavailable("somebody else holds a lock".to_owned())),
    };
    send(&mut model, Top::Users(message));
    let pinged = send(&mut model, Top::Ticked);
    let ping = ticket_of_ping(&pinged);
    send(
        &mut model,
        Top::Ponged {
            ticket: ping,
            outcome: Ok(()),
        },
    );
    assert!(matches!(model.cx.link, Link::Live { .. }));
    assert!(
        model
            .cx
            .notice
            .as_ref()
            .unwrap()
            .text
            .contains("holds a lock")
    );
    assert_eq!(
        send(&mut model, Top::Ticked),
        [],
        "one ping settles the doubt"
    );
}

fn ticket_of_ping(effects: &[Effect]) -> Ticket {
    crate::tui::testing::ticket(effects, Slot::Ping)
}

/// Regenerates the key of the first row, to the end.
fn regenerated(model: &mut Model) {
    let effects = press(model, "R y");
    let [Effect::Do { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let message = Message::Changed {
        ticket: *ticket,
        change: Change::Regenerate,
        aim: Aim::from(&rows()[0]),
        outcome: Ok(Changed::Issued(issued(&rows()[0], "aaaaaaaa", Origin::New))),
    };
    send(model, Top::Users(message));
    press(model, "Esc");
}

fn undone(effects: &[Effect], outcome: Result<Aim, Error>) -> Top {
    let [
        Effect::Do {
            ticket,
            deed: Deed::Undo,
        },
    ] = effects
    else {
        panic!("{effects:?}")
    };
    let ticket = *ticket;
    Top::Users(Message::Undone { ticket, outcome })
}

#[test]
fn the_old_key_of_the_last_change_is_given_back_after_a_question() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(press(&mut model, "U"), []);
    assert!(screen(&model).contains("Nothing to take back"));
    regenerated(&mut model);
    assert_eq!(
        press(&mut model, "U U Esc"),
        [],
        "the starting key asks only"
    );
    press(&mut model, "U");
    let asked = screen(&model);
    for part in [
        "Give the old key back to alice.w on dev?",
        "drf 9944b091…",
        "aaaaaaaa… stops",
        "y give it back",
    ] {
        assert!(asked.contains(part), "{part}\n{asked}");
    }
    let effects = press(&mut model, "y");
    assert_eq!(press(&mut model, "U"), [], "while it is under way");
    assert!(model.cx.modals.is_empty() && screen(&model).contains("A change is still under way"));
    send(&mut model, undone(&effects, Ok(Aim::from(&rows()[0]))));
    assert!(screen(&model).contains("alice.w: 9944b091… works again."));
    assert_eq!(press(&mut model, "U"), []);
    assert!(screen(&model).contains("Nothing to take back"), "once only");
}

#[test]
fn after_ten_minutes_or_elsewhere_nothing_is_given_back() {
    let mut model = loaded(100, 30, dev());
    regenerated(&mut model);
    send_after(&mut model, Duration::from_mins(10), Top::Ticked);
    press(&mut model, "U");
    assert!(screen(&model).contains("Nothing to take back"));
    regenerated(&mut model);
    send(&mut model, Top::Connect("prod".to_owned()));
    assert!(model.cx.last.is_none());
    let mut model = loaded(100, 30, prod());
    model.cx.last = Some(crate::tui::model::Last {
        aim: Aim::from(&rows()[0]),
        new: None,
        since: model.cx.clock.at,
    });
    press(&mut model, "U");
    assert!(
        screen(&model).contains("Type  prod  to go on"),
        "{}",
        screen(&model)
    );
}

/// The place of `dev` with our schema in it.
fn with_schema(mut place: crate::tui::model::Place) -> crate::tui::model::Place {
    place.takes_grace = true;
    place
}

#[test]
fn a_grace_is_chosen_in_the_dialog_and_shown_beside_the_key() {
    let mut model = loaded(100, 30, with_schema(dev()));
    press(&mut model, "R Tab Tab");
    insta::assert_snapshot!("grace_100x30", screen(&model));
    press(&mut model, "Tab Tab");
    let said = screen(&model);
    assert!(
        said.contains("[none]") && !said.contains("--grace"),
        "{said}"
    );
    press(&mut model, "Tab");
    assert!(screen(&model).contains("--grace 1h"));
    let aim = Aim::from(&rows()[0]);
    let effects = press(&mut model, "y");
    let hour = Duration::from_hours(1);
    assert!(
        matches!(effects.as_slice(), [Effect::Do { deed, .. }] if *deed == Deed::Grace(aim, hour)),
        "{effects:?}"
    );

    // What stands in the pane comes from the database.
    let (mut model, effects) = connected(120, 30, with_schema(dev()));
    tell(&mut model, Slot::Page, &effects, page(rows()));
    let effects = send_after(&mut model, Duration::from_secs(1), Top::Ticked);
    let until = crate::tui::testing::now().plus_hours(24);
    let detail = crate::ops::UserDetail {
        row: rows().remove(0),
        groups: Vec::new(),
        permissions: 0,
        graces: vec![(crate::domain::token::KeyStart::of("c0ffee00"), until)],
    };
    let (ticket, outcome) = (ticket(&effects, Slot::Detail), Ok(detail));
    send(
        &mut model,
        Top::Users(Message::Detailed { ticket, outcome }),
    );
    let said = screen(&model);
    assert!(
        said.contains("Grace  old key c0ffee00… works here")
            && said.contains("2026-03-02 14:02 UTC"),
        "{said}"
    );
}

#[test]
fn a_grace_is_offered_for_one_key_where_it_can_be_had() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "R Tab");
    assert!(!screen(&model).contains("Grace"), "no schema");
    let mut model = loaded(100, 30, with_schema(dev()));
    press(&mut model, "Space Space R Tab");
    assert!(!screen(&model).contains("Grace"), "two keys");
    let mut model = loaded(100, 30, with_schema(dev()));
    press(&mut model, "D Tab");
    assert!(!screen(&model).contains("Grace"), "a key that is revoked");
    // Where a name is typed, the choice is not typed into it.
    let mut model = loaded(100, 30, with_schema(prod()));
    let effects = press(&mut model, "R Tab p r o d");
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Do {
                deed: Deed::Grace(..),
                ..
            }]
        ),
        "{effects:?}"
    );
}
