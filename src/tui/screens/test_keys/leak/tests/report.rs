//! Who was told, the owners' addresses, and the report's file.

use super::*;

#[test]
fn who_was_told_is_noted_and_addresses_are_copied() {
    let mut model = listed(100, 30);
    let effects = press(&mut model, "c");
    let [Effect::Copy { label, text, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(label, "2 addresses");
    assert_eq!(text.expose(), "u17@example.com, u3@example.com");
    let effects = press(&mut model, "m");
    let Some((ticket, Deed::Told(asked, keys))) = deed(&effects) else {
        panic!("{effects:?}")
    };
    assert_eq!(keys.len(), 2);
    let mut told = asked.clone();
    for finding in &mut told.findings[..2] {
        finding.told = Some(Told {
            when: now(),
            by: "me@here".to_owned(),
        });
    }
    told.saved = Saved::Yes;
    let outcome = Ok(told);
    send(&mut model, top(Message::NotedTold { ticket, outcome }));
    let seen = screen(&model);
    assert!(
        seen.contains("Noted: the owners of 2 keys were told."),
        "{seen}"
    );
    assert_eq!(seen.matches(" yes").count(), 3, "{seen}");
}

#[test]
fn a_report_is_written_to_a_file_once_the_case_is_kept() {
    let mut model = listed(100, 30);
    press(&mut model, "e");
    let effects = press(&mut model, "m");
    let Some((ticket, Deed::Report(asked, Format::Markdown))) = deed(&effects) else {
        panic!("{effects:?}")
    };
    // It is kept before its report is written.
    let mut kept = asked.clone();
    kept.saved = Saved::Yes;
    let text = kept.report("dev", now(), Format::Markdown).unwrap();
    let (format, outcome) = (Format::Markdown, Ok((kept, text)));
    let effects = send(
        &mut model,
        top(Message::Reported {
            ticket,
            format,
            outcome,
        }),
    );
    let [
        Effect::Write {
            stem: "leak",
            extension: "md",
            text,
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert!(text.expose().starts_with("# Leak 8 on dev"));
    assert!(!text.expose().contains("9944b0910"));
}
