//! A case that was kept, opened again without its text.

use super::*;

#[test]
fn a_case_is_opened_by_its_number() {
    let mut model = settled(100, 30, dev());
    let effects = press(&mut model, ": l e a k Space 8 Enter");
    assert_eq!(model.screen, ScreenId::TestKeys);
    let asked = reading(&effects).unwrap();
    assert_eq!((asked.case, asked.whole), (Some(8), true));
    let mut kept = findings();
    for finding in &mut kept {
        finding.kept = Some(KeyDigest::from_bytes([1; 32]));
    }
    let opened = |effects: &[Effect], findings: Vec<Finding>| {
        let mut case = case(findings);
        case.saved = Saved::Yes;
        let outcome = Ok(Read {
            case,
            excerpts: HashMap::new(),
            lines: 0,
            pasted: 0,
            others: 0,
        });
        top(Message::Read {
            ticket: ticket(effects, Slot::Leak),
            outcome,
        })
    };
    let message = opened(&effects, kept.clone());
    send(&mut model, message);
    insta::assert_snapshot!("opened_100x30", screen(&model));
    // Asked again there is no key to ask with: the case is opened again.
    let effects = press(&mut model, "Ctrl-r");
    let asked = reading(&effects).unwrap();
    assert_eq!((asked.case, asked.whole), (Some(8), true));
    assert!(asked.known.is_empty());
    let message = opened(&effects, kept);
    send(&mut model, message);
    // Another one comes when this one is gone.
    assert_eq!(press(&mut model, ": l e a k Space 9 Enter"), []);
    assert!(screen(&model).contains("Here is leak 8; Esc clears it"));
    press(&mut model, "Esc");
    let effects = press(&mut model, ": l e a k Space 9 Enter");
    let outcome = Err(Error::NotFound("no leak 9 is kept here".to_owned()));
    let ticket = ticket(&effects, Slot::Leak);
    send(&mut model, top(Message::Read { ticket, outcome }));
    let seen = screen(&model);
    assert!(seen.contains("no leak 9 is kept here"), "{seen}");
    assert!(seen.contains("Paste a key, a header or a log"), "{seen}");
    for wrong in [
        ": l e a k Enter",
        ": l e a k Space x Enter",
        ": l e a k Space 0 Enter",
    ] {
        press(&mut model, "Esc");
        assert_eq!(press(&mut model, wrong), [], "{wrong}");
    }
}
