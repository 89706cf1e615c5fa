//! Users themselves: made by command, and their passwords.

use super::*;

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
fn a_command_that_needs_a_name_waits_for_it() {
    let mut model = loaded(100, 30, dev());
    assert_eq!(press(&mut model, ": user Enter"), []);
    assert_eq!(model.cx.modals.len(), 1, "the command line stays");
    press(&mut model, "frank Enter");
    assert!(screen(&model).contains("Create the user frank on dev?"));
}
