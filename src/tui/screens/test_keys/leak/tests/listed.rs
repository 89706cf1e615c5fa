//! The list: every key of the text once, with what is known of it.

use super::*;

#[test]
fn several_keys_pasted_anywhere_are_listed_at_each_width() {
    for (width, height) in [(100, 30), (80, 24), (60, 20)] {
        let mut model = settled(width, height, dev());
        let effects = paste(&mut model, PASTED);
        assert_eq!(model.screen, ScreenId::TestKeys);
        let asked = reading(&effects).unwrap();
        assert_eq!(asked.input, Some(Input::Pasted(Secret::from(PASTED))));
        assert!(screen(&model).contains("Esc cancels"));
        tell_read(&mut model, &effects, findings());
        insta::assert_snapshot!(format!("leak_{width}x{height}"), screen(&model));
        assert!(!format!("{model:?}").contains("9944b0910"));
    }
}

#[test]
fn enter_tells_everything_about_a_key() {
    let mut model = listed(100, 30);
    press(&mut model, "Enter");
    insta::assert_snapshot!("leak_key_100x30", screen(&model));
}

#[test]
fn the_owner_of_a_key_is_found_on_users() {
    let mut model = listed(100, 30);
    let effects = press(&mut model, "o");
    assert_eq!(model.screen, ScreenId::Users);
    assert!(!effects.is_empty());
    assert_eq!(model.test_keys.owner().unwrap().0, UserId::Int4(17));
    crate::tui::testing::send_after(&mut model, Duration::from_secs(1), Top::Ticked);
}

#[test]
fn a_retired_key_that_the_listener_still_takes_is_told_as_such() {
    let mut past = finding(31, "c0ffee00", Verdict::Unknown, None);
    let mut key = retired(&past.key, "alice.w");
    for (until, told) in [(now().plus_hours(1), true), (now(), false)] {
        key.grace_until = Some(until);
        past.verdict = Verdict::Retired(key.clone());
        let detail = past.detail(now(), "prod");
        assert_eq!(detail.contains("works here until 20"), told, "{detail}");
    }
}
