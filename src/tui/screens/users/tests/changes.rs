//! Keys that change: what is asked first, what is then done, and what is told of one change and of many.

use super::*;
use crate::tui::keys::Key;

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
    // Of no use nobody knows: Django may have served them.
    for last_use in [used(61, 1), LastUse::Unknown] {
        let effects = press(&mut model, "a");
        tell(&mut model, Slot::Gather, &effects, all_with(&last_use));
        press(&mut model, "D");
        let shown = screen(&model);
        assert!(shown.contains("7 users, 1 superuser "), "{shown}");
        press(&mut model, "Esc");
    }
}

#[test]
fn a_change_under_way_keeps_a_second_one_out() {
    let mut model = loaded(80, 24, dev());
    assert_eq!(press(&mut model, "R y").len(), 1);
    assert_eq!(press(&mut model, "j D y"), []);
    assert!(model.cx.notice.as_ref().unwrap().text.contains("under way"));
}
