//! A grace for the old key: chosen in the dialog, shown in the pane, and offered only where it can be had.

use super::*;

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
