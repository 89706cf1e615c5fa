//! Live keys that are changed together, and those that never are.

use super::*;

#[test]
fn live_keys_are_regenerated_by_their_number_and_each_row_says_so() {
    let mut model = listed(100, 30);
    press(&mut model, "R");
    insta::assert_snapshot!("leak_regenerate_100x30", screen(&model));
    assert_eq!(
        press(&mut model, "y Enter"),
        [],
        "the number is to be typed"
    );
    press(&mut model, "R");
    let effects = press(&mut model, "2");
    let Some((ticket, Deed::Leak(asked, What::Regenerate))) = deed(&effects) else {
        panic!("{effects:?}")
    };
    let chosen: Vec<_> = asked.chosen().map(Finding::whose).collect();
    assert_eq!(chosen, [Some("alice.w"), Some("ci-bot")]);
    let mut done = *asked.clone();
    done.saved = Saved::Yes;
    let rows: Vec<RowDone> = done
        .chosen()
        .map(|finding| RowDone {
            key: finding.key.fingerprint,
            username: finding.whose().unwrap().to_owned(),
            done: Done {
                what: What::Regenerate,
                when: now(),
                by: "me@here".to_owned(),
            },
        })
        .collect();
    for row in &rows {
        done.done.insert(row.key, row.done.clone());
    }
    let issued = vec![
        crate::tui::testing::issued(&row(17, "alice.w", ""), "aaaa", Origin::New),
        crate::tui::testing::issued(&row(3, "ci-bot", ""), "bbbb", Origin::New),
    ];
    let response = Response {
        leak: 8,
        rows,
        issued,
        warning: Some("its case is not up to date".to_owned()),
    };
    let outcome = Ok((Box::new(done), response));
    let effects = send(
        &mut model,
        top(Message::Responded {
            ticket,
            deed: What::Regenerate,
            outcome,
        }),
    );
    assert_eq!(reading(&effects).unwrap().case, Some(8), "asked again");
    assert!(screen(&model).contains("2 new keys, leak 8"));
    assert!(!screen(&model).contains("aaaa00000"), "covered");
    press(&mut model, "Esc");
    let seen = screen(&model);
    assert!(seen.contains("RETIRED   regenerated 0 s ago"), "{seen}");
    assert!(
        seen.contains("2 keys regenerated in one transaction, leak 8. But its case is not up"),
        "{seen}"
    );
    assert!(seen.contains("leak 8\n"), "saved by now: {seen}");
    assert!(
        seen.contains("Nothing live: 3 retired, 1 inert, 1 unknown, 1 cut short."),
        "{seen}"
    );
}

#[test]
fn a_protected_profile_wants_its_name_too_and_a_reader_is_refused() {
    let mut model = settled(100, 30, prod());
    let effects = paste(&mut model, PASTED);
    tell_read(&mut model, &effects, findings());
    press(&mut model, "D");
    assert!(screen(&model).contains("Type  prod 2  to go on"));
    press(&mut model, "Esc");
    press(&mut model, "Space D");
    assert!(screen(&model).contains("Revoke the key of ci-bot on prod?"));

    let mut model = settled(100, 30, read_only());
    let effects = paste(&mut model, PASTED);
    tell_read(&mut model, &effects, findings());
    assert_eq!(press(&mut model, "R"), []);
    let seen = screen(&model);
    assert!(seen.contains("READ ONLY: this session"), "{seen}");
    assert!(!seen.contains("regenerate live"), "{seen}");
}

#[test]
fn what_is_not_live_is_never_changed_even_if_it_is_marked() {
    let mut model = listed(100, 30);
    // Both live ones unmarked, all others marked.
    press(&mut model, "Space Space Space Space Space Space R");
    let seen = screen(&model);
    assert!(seen.contains("No live key is marked"), "{seen}");
    assert!(model.cx.modals.is_empty());
    assert!(
        seen.contains("Plan: nothing, since no live key is marked"),
        "{seen}"
    );
}

#[test]
fn a_refusal_is_told_and_the_keys_are_asked_about_again() {
    let mut model = listed(100, 30);
    press(&mut model, "R");
    let effects = press(&mut model, "2");
    let (ticket, _) = deed(&effects).unwrap();
    let why = "alice.w: changed meanwhile; it is all or none, so nothing was changed";
    let outcome = Err(Error::Conflict(why.to_owned()));
    let effects = send(
        &mut model,
        top(Message::Responded {
            ticket,
            deed: What::Regenerate,
            outcome,
        }),
    );
    assert!(screen(&model).contains(why));
    let asked = reading(&effects).unwrap();
    assert_eq!(asked.known.len(), 6);
    assert_eq!(asked.input, None);
}
