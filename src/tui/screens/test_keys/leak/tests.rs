//! A longer text: keys in, effects and pictures out.

use std::time::Duration;

use super::*;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind as RetiredKind, Retired, Told};
use crate::domain::scan::{Checksum, Context, Kind as Shaped, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, KeyStart, Origin};
use crate::domain::user::UserId;
use crate::ops::leak::{Beginning, Done, Held, Holder, Lines, RowDone, Verdict, Why};
use crate::tui::model::Model;
use crate::tui::screens::ScreenId;
use crate::tui::testing::{dev, now, press, prod, read_only, row, screen, send, settled, ticket};

const PASTED: &str =
    "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b\n62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b\n";

fn user(id: i32, name: &str) -> User {
    row(id, name, "").user
}

fn finding(line: u64, start: &str, verdict: Verdict, owner: Option<User>) -> Finding {
    let key = Secret::new(format!("{start:0<40}"));
    Finding {
        key: CoveredKey::of(&key),
        sighting: Sighting {
            key,
            kind: Shaped::Drf,
            shape: Shape::Whole,
            context: Context::Header,
            lines: Lines::of(line.into()),
        },
        chosen: verdict.is_live(),
        verdict,
        owner,
        told: None,
        kept: None,
    }
}

fn holder(user: User) -> Holder {
    Holder {
        user,
        token: Held::Drf,
        made: Moment::parse("2022-03-01T09:14:00Z").unwrap(),
        groups: 0,
        permissions: 0,
        last_use: LastUse::Unknown,
    }
}

fn retired(key: &CoveredKey, name: &str) -> Retired {
    Retired {
        fingerprint: key.fingerprint,
        digest: KeyDigest::from_bytes([7; 32]),
        kind: RetiredKind::Drf,
        start: KeyStart::of(key.prefix()),
        user_id: "17".to_owned(),
        username: Some(name.to_owned()),
        retired: now().minus_days(40),
        by: "carol@ops1".to_owned(),
        verb: "regenerate".to_owned(),
        leak: Some(7),
        told: None,
        grace_until: None,
    }
}

/// The findings of the design's picture, and one that is cut short.
fn findings() -> Vec<Finding> {
    let mut alice = user(17, "alice.w");
    alice.is_superuser = true;
    alice.last_login = Some(now().minus_days(5));
    let bot = user(3, "ci-bot");
    let mut dave = user(9, "dave");
    dave.is_active = false;
    let mut live = finding(
        12,
        "9944b091",
        Verdict::Live(holder(alice.clone())),
        Some(alice.clone()),
    );
    live.sighting.lines.first.push(14.into());
    let mut of_bot = holder(bot.clone());
    of_bot.groups = 2;
    let mut checked = finding(14, "twd_7Hq2", Verdict::Live(of_bot), Some(bot));
    checked.sighting.kind = Shaped::Checksum(Checksum::Good);
    let off = Verdict::Inert(holder(dave.clone()), Why::Off);
    let mut past = finding(31, "c0ffee00", Verdict::Unknown, Some(alice));
    past.verdict = Verdict::Retired(retired(&past.key, "alice.w"));
    past.told = Some(Told {
        when: now().minus_days(39),
        by: "carol@ops1".to_owned(),
    });
    let mut cut = finding(
        40,
        "5b25a0de",
        Verdict::Partial(Beginning::Of(vec!["da\u{202e}ve".to_owned()])),
        None,
    );
    cut.sighting.shape = Shape::Cut;
    vec![
        live,
        checked,
        finding(20, "5b25a0de", off, Some(dave)),
        past,
        finding(33, "0a1b2c3d", Verdict::Unknown, None),
        cut,
    ]
}

fn case(findings: Vec<Finding>) -> Case {
    Case {
        number: 8,
        saved: Saved::No,
        source: "pasted text".to_owned(),
        opened: now(),
        by: "me@here".to_owned(),
        findings,
        done: HashMap::new(),
        others: Vec::new(),
        past: HashMap::new(),
    }
}

fn top(message: Message) -> Top {
    Top::TestKeys(super::super::Message::Leak(message))
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    send(model, Top::Pasted(Sealed::new(text)))
}

fn tell_read(model: &mut Model, effects: &[Effect], findings: Vec<Finding>) -> Vec<Effect> {
    let ticket = ticket(effects, Slot::Leak);
    let excerpts = findings.iter().map(|finding| {
        let said = "GET /api/items 200 \"Authorization: Token ████████\"".to_owned();
        (finding.key.fingerprint, said)
    });
    let outcome = Ok(Read {
        excerpts: excerpts.collect(),
        case: case(findings),
        lines: 41,
        pasted: 41,
        others: 3,
    });
    send(model, top(Message::Read { ticket, outcome }))
}

/// Pasted on Users, read, answered.
fn listed(width: u16, height: u16) -> Model {
    let mut model = settled(width, height, dev());
    let effects = paste(&mut model, PASTED);
    tell_read(&mut model, &effects, findings());
    model
}

fn reading(effects: &[Effect]) -> Option<&Reading> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            question: Question::Leak(reading),
            ..
        } => Some(reading),
        _ => None,
    })
}

fn deed(effects: &[Effect]) -> Option<(Ticket, &Deed)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Do { ticket, deed } => Some((*ticket, deed)),
        _ => None,
    })
}

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
