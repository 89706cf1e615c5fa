//! The old key given back: for a while, once, and after a question.

use super::*;

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
