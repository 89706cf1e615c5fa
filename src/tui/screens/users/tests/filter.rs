//! The filter's line: what it asks for, and that what is typed or pasted there commands nothing.

use super::*;

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
fn escape_cancels_what_is_waited_for() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "/ a l");
    assert!(screen(&model).contains("◌ loading 1.0 s") || model.cx.loading().is_some());
    assert_eq!(press(&mut model, "Esc"), [Effect::Cancel(Slot::Page)]);
    assert_eq!(model.cx.loading(), None);
}
