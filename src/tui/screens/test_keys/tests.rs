//! Keys in, effects and pictures out.

use std::time::Duration;

use super::*;
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind, Retired};
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, Fingerprint, KeyStart};
use crate::ops::UserDetail;
use crate::tui::effect::Question;
use crate::tui::message::Message as Top;
use crate::tui::model::Model;
use crate::tui::screens::{ScreenId, users};
use crate::tui::testing::{dev, now, press, row, screen, send, send_after, settled, ticket, used};

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

fn key() -> DrfKey {
    Secret::from(KEY)
}

fn detail() -> UserDetail {
    let mut row = row(17, "alice.w", "9944b091");
    row.user.is_superuser = true;
    row.user.is_staff = true;
    row.token.as_mut().unwrap().last_use = used(2, 3);
    let groups = vec!["admins".to_owned(), "ops".to_owned()];
    UserDetail {
        row,
        groups,
        permissions: 0,
        graces: Vec::new(),
    }
}

fn unknown(key: &DrfKey) -> Verdict {
    Verdict::Unknown {
        covered: CoveredKey::of(key),
        checksum: crate::domain::token::checksum_of(key.expose()),
    }
}

fn verify(effects: &[Effect]) -> Option<&Sealed> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            question: Question::Verify(key),
            ..
        } => Some(key),
        _ => None,
    })
}

fn answer(model: &mut Model, effects: &[Effect], verdict: Verdict, key: &DrfKey) -> Vec<Effect> {
    let answers = verdict.answers(key);
    let outcome = Ok(Tried {
        verdict,
        answers,
        took: Duration::from_micros(1_100),
    });
    let ticket = ticket(effects, Slot::Verify);
    send(model, Top::TestKeys(Message::Verified { ticket, outcome }))
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    send(model, Top::Pasted(Sealed::new(text)))
}

/// Pasted on Users, tested, answered.
fn tested(width: u16, height: u16, verdict: Verdict) -> Model {
    let mut model = settled(width, height, dev());
    let effects = paste(&mut model, KEY);
    answer(&mut model, &effects, verdict, &key());
    model
}

#[test]
fn a_key_pasted_anywhere_is_tested_and_never_seen_until_asked_for() {
    let mut model = settled(100, 30, dev());
    let effects = paste(&mut model, &format!("Authorization: Token {KEY}\n"));
    assert_eq!(model.screen, ScreenId::TestKeys);
    assert_eq!(verify(&effects), Some(&Sealed::new(KEY)));
    assert!(screen(&model).contains("Testing… Esc cancels"));
    answer(&mut model, &effects, Verdict::Live(detail()), &key());
    insta::assert_snapshot!("live_100x30", screen(&model));
    assert!(!format!("{:?}", model.test_keys).contains("99c62bcf"));
    press(&mut model, "x");
    assert!(screen(&model).contains(KEY));
    send_after(&mut model, Duration::from_secs(10), Top::Ticked);
    assert!(!screen(&model).contains("9944b0919"), "covered by itself");
    press(&mut model, "x Esc");
    assert!(!screen(&model).contains("9944b0919"), "covered by Esc");
    assert!(screen(&model).contains("LIVE"), "and not yet cleared");
}

#[test]
fn each_verdict_has_its_words_at_each_width() {
    let mut inert = detail();
    inert.row.user.is_active = false;
    inert.row.user.username = "da\u{202e}ve".to_owned();
    for (width, height) in [(80, 24), (60, 20)] {
        let live = tested(width, height, Verdict::Live(detail()));
        insta::assert_snapshot!(format!("live_{width}x{height}"), screen(&live));
    }
    let inert = tested(100, 30, Verdict::Inert(inert));
    insta::assert_snapshot!("inert_100x30", screen(&inert));
    let unknown_60 = tested(60, 20, unknown(&key()));
    insta::assert_snapshot!("unknown_60x20", screen(&unknown_60));
    let retired = tested(100, 30, retired(None));
    insta::assert_snapshot!("retired_100x30", screen(&retired));
}

/// Forty days ago by carol, for leak 7.
fn retired(grace_until: Option<Moment>) -> Verdict {
    Verdict::Retired(Box::new(Retired {
        fingerprint: Fingerprint::of(&key()),
        digest: KeyDigest::from_bytes([0; 32]),
        kind: Kind::Drf,
        start: KeyStart::of(KEY),
        user_id: "17".to_owned(),
        username: Some("alice.w".to_owned()),
        retired: now().minus_days(40),
        by: "carol@ops1".to_owned(),
        verb: "regenerate".to_owned(),
        leak: Some(7),
        told: None,
        grace_until,
    }))
}

#[test]
fn a_key_in_its_grace_says_until_when_it_works() {
    let until = Moment::now().plus_hours(24);
    let model = tested(100, 30, retired(Some(until)));
    let said = screen(&model);
    let works = format!("works here until {}", until.minute_utc());
    assert!(said.contains(&works), "{said}");
    assert!(said.contains("→ 200"), "{said}");
}

#[test]
fn what_is_odd_about_an_unknown_key_is_said() {
    let mut model = settled(100, 30, dev());
    for (text, said) in [
        ("9944b091", "8 characters; those that Django makes have 40"),
        (
            "twd_0123456789abcdefghijABCDEFGHIJ000000",
            "checksum wrong: mistyped, or cut",
        ),
    ] {
        let effects = paste(&mut model, text);
        let key = Secret::from(text);
        answer(&mut model, &effects, unknown(&key), &key);
        assert!(screen(&model).contains(said), "{}", screen(&model));
    }
}

#[test]
fn a_key_typed_by_hand_is_tested_by_enter_and_cleared_by_escape() {
    let mut model = settled(60, 20, dev());
    press(&mut model, "2");
    insta::assert_snapshot!("empty_60x20", screen(&model));
    press(&mut model, "Enter");
    assert!(screen(&model).contains("Esc leave the line"));
    assert_eq!(press(&mut model, "9944b091"), [], "digits change no screen");
    assert!(screen(&model).contains("Enter test  Esc clear"));
    assert_eq!(model.screen, ScreenId::TestKeys);
    let effects = press(&mut model, "Enter");
    assert_eq!(verify(&effects), Some(&Sealed::new("9944b091")));
    assert_eq!(
        press(&mut model, "Esc"),
        [Effect::Cancel(Slot::Verify)],
        "the question goes first"
    );
    press(&mut model, "Esc");
    assert!(screen(&model).contains("Paste a key, a header or a log"));
    press(&mut model, "Esc Esc");
    assert_eq!(model.screen, ScreenId::Users, "at rest it gives way");
}

#[test]
fn who_only_passes_by_leaves_with_the_keys_of_every_screen() {
    let mut model = settled(60, 20, dev());
    for (keys, screen) in [
        ("2 3", ScreenId::Backfill),
        ("2 ]", ScreenId::Backfill),
        ("2 5", ScreenId::Audit),
    ] {
        press(&mut model, keys);
        assert_eq!(model.screen, screen, "{keys}");
    }
    press(&mut model, "2 ?");
    assert_eq!(model.cx.modals.len(), 1);
}

#[test]
fn a_verdict_is_never_beside_text_that_it_is_not_about() {
    let other = KEY.replace("9944", "1111");
    let mut model = tested(100, 30, Verdict::Live(detail()));
    paste(&mut model, &format!("{KEY}\n{other}\n"));
    let seen = screen(&model);
    assert!(!seen.contains("LIVE"), "{seen}");
    press(&mut model, "Esc Esc");
    let effects = paste(&mut model, KEY);
    answer(&mut model, &effects, unknown(&key()), &key());
    let seen = screen(&model);
    assert!(seen.contains("UNKNOWN"), "{seen}");
}

#[test]
fn text_without_a_key_changes_nothing() {
    let mut model = settled(100, 30, dev());
    let effects = paste(&mut model, "not a key at all");
    assert_eq!((effects, model.screen), (Vec::new(), ScreenId::Users));
}

#[test]
fn a_tested_key_leads_to_its_user() {
    let mut model = tested(100, 30, Verdict::Live(detail()));
    let effects = press(&mut model, "Enter");
    assert!(verify(&effects).is_some(), "Enter tests, and tests again");
    answer(&mut model, &effects, Verdict::Live(detail()), &key());
    let effects = press(&mut model, "o");
    assert_eq!(model.screen, ScreenId::Users);
    let asked = effects.iter().any(|effect| {
        matches!(effect, Effect::Ask { slot: Slot::Page, question: Question::Users(query), .. }
            if query.filter == Filter::parse("alice.w").unwrap())
    });
    assert!(asked, "{effects:?}");
    // The page may hold others before him.
    let rows = vec![row(3, "al-alice.w", "aaaa"), row(17, "alice.w", "9944b091")];
    let page = crate::domain::page::Page {
        rows,
        more_before: false,
        more_after: false,
    };
    let (slot, ticket, outcome) = (Slot::Page, ticket(&effects, Slot::Page), Ok(page));
    send(
        &mut model,
        Top::Users(users::Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    );
    press(&mut model, "R");
    assert!(screen(&model).contains("Regenerate the key of alice.w"));
}

#[test]
fn a_name_that_reads_as_a_filter_word_is_found_by_its_key() {
    let line = |name: &str| line_for(name, Some("9944b091"));
    assert_eq!(line("alice.w").as_deref(), Some("alice.w"));
    for name in ["is:off", "two words", "-x", "is:nonsense", ""] {
        assert_eq!(line(name).as_deref(), Some("9944b091"), "{name:?}");
    }
}

#[test]
fn a_verdict_is_asked_for_again_by_itself_and_keeps_its_age_while_the_database_is_away() {
    let mut model = tested(100, 30, Verdict::Live(detail()));
    press(&mut model, "x 1");
    let effects = press(&mut model, "2");
    assert!(!screen(&model).contains(KEY), "covered by leaving");
    assert!(verify(&effects).is_some(), "coming back tests again");
    answer(&mut model, &effects, unknown(&key()), &key());
    assert!(screen(&model).contains("UNKNOWN"));
    let effects = send_after(&mut model, Duration::from_secs(6), Top::Ticked);
    let ticket = ticket(&effects, Slot::Verify);
    let outcome = Err(Error::Unavailable("no answer".to_owned()));
    send(
        &mut model,
        Top::TestKeys(Message::Verified { ticket, outcome }),
    );
    let pinged = send(&mut model, Top::Ticked);
    let ping = Top::Ponged {
        ticket: crate::tui::testing::ticket(&pinged, Slot::Ping),
        outcome: Err(Error::Unavailable("no answer".to_owned())),
    };
    send(&mut model, ping);
    send_after(&mut model, Duration::from_secs(34), Top::Ticked);
    let seen = screen(&model);
    assert!(seen.contains("tested 40 s ago"), "{seen}");
    assert!(seen.contains("The database is away"), "{seen}");
}
