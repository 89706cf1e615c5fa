//! What holds on every screen, tried on this one: commands, hints, help, jobs, suspending and quitting.

use super::*;

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
fn suspending_works_from_a_dialog_and_from_a_field() {
    for keys in ["R", "/ a", ": u", "P x"] {
        let mut model = loaded(80, 24, dev());
        press(&mut model, keys);
        assert_eq!(press(&mut model, "Ctrl-z"), [Effect::Suspend], "{keys}");
        assert_eq!(press(&mut model, "Ctrl-l"), [Effect::Redraw], "{keys}");
    }
}
