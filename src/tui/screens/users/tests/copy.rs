//! Keys and rows that leave the screen: to the clipboard and into files.

use super::*;

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
