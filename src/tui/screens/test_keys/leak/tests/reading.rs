//! Text from the clipboard and from files, one after the other, and what is refused.

use super::*;

#[test]
fn text_pasted_again_is_added_and_escape_clears_all() {
    let mut model = listed(100, 30);
    press(&mut model, "Space");
    let effects = paste(&mut model, "Token 1111b09199c62bcf9418ad846dd0e4bbdfc6ee4b");
    let asked = reading(&effects).unwrap();
    assert_eq!((asked.known.len(), asked.lines), (6, 41));
    let mut more = findings();
    let bob = user(5, "bob");
    more.push(finding(
        42,
        "1111b091",
        Verdict::Live(holder(bob.clone())),
        Some(bob),
    ));
    tell_read(&mut model, &effects, more);
    let seen = screen(&model);
    assert!(seen.contains("bob"), "{seen}");
    assert!(
        seen.contains("Plan: regenerate 2 live keys of 2 users, in one"),
        "the one that was unmarked stays so: {seen}"
    );
    press(&mut model, "Esc");
    let seen = screen(&model);
    assert!(seen.contains("Paste a key, a header or a log"), "{seen}");
    assert!(!seen.contains("alice.w"), "{seen}");
    // An answer that comes after that is about nothing.
    let effects = paste(&mut model, PASTED);
    press(&mut model, "Esc Esc");
    tell_read(&mut model, &effects, findings());
    assert!(!screen(&model).contains("alice.w"));
}

#[test]
fn a_file_is_asked_for_by_its_path() {
    let mut model = settled(100, 30, dev());
    press(&mut model, "2 Ctrl-o");
    assert!(screen(&model).contains("Whose keys are in a file?"));
    press(&mut model, "a.log");
    let effects = press(&mut model, "Enter");
    let path = model.cx.settings.folder.join("a.log");
    assert_eq!(reading(&effects).unwrap().input, Some(Input::File(path)));
    let ticket = ticket(&effects, Slot::Leak);
    let outcome = Err(Error::Invalid("cannot read a.log: no such file".to_owned()));
    send(&mut model, top(Message::Read { ticket, outcome }));
    let seen = screen(&model);
    assert!(seen.contains("cannot read a.log"), "{seen}");
    assert!(seen.contains("Paste a key, a header or a log"), "{seen}");
}

#[test]
fn a_key_at_the_prompt_for_a_path_is_no_path_and_what_was_not_read_is_no_source() {
    let mut model = settled(100, 30, dev());
    let effects = paste(&mut model, PASTED);
    tell_read(&mut model, &effects, findings());
    press(&mut model, "Ctrl-o");
    paste(&mut model, PASTED.lines().next().unwrap());
    let effects = press(&mut model, "Enter");
    assert!(reading(&effects).is_none());
    let seen = screen(&model);
    assert!(seen.contains("That holds a key"), "{seen}");
    assert!(!seen.contains("9944b09199"), "{seen}");
    press(&mut model, "Ctrl-o");
    press(&mut model, "a.log");
    let effects = press(&mut model, "Enter");
    let asked = reading(&effects).unwrap();
    assert_eq!(asked.source, "pasted text, a.log");
    let ticket = ticket(&effects, Slot::Leak);
    let outcome = Err(Error::Invalid("cannot read a.log".to_owned()));
    send(&mut model, top(Message::Read { ticket, outcome }));
    press(&mut model, "Ctrl-o");
    press(&mut model, "b.log");
    let effects = press(&mut model, "Enter");
    assert_eq!(reading(&effects).unwrap().source, "pasted text, b.log");
}

#[test]
fn too_much_text_is_refused_in_words() {
    let mut model = settled(100, 30, dev());
    let effects = paste(&mut model, &"x".repeat(65 * 1024 * 1024));
    assert_eq!(effects, []);
    let seen = screen(&model);
    assert!(seen.contains("65 MB and at most 64 are taken"), "{seen}");
}
