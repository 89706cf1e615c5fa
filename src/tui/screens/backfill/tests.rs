//! Keys in, effects and pictures out.

use std::time::Duration;

use super::*;
use crate::domain::filter::Filter;
use crate::ops::{Aim, Count};
use crate::tui::effect::{Deed, Order};
use crate::tui::message::Message as Top;
use crate::tui::model::{Model, Place};
use crate::tui::testing::{dev, press, prod, read_only, screen, send, send_after, settled, ticket};

fn counts() -> Counts {
    let count = |users, with_token| Count { users, with_token };
    Counts {
        active: count(1_004_112, 692_040),
        inactive: count(8_904, 1_200),
    }
}

fn tell(model: &mut Model, effects: &[Effect], todo: u64) {
    let plan = effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            question: Question::Counts(plan),
            ..
        } => Some(plan.clone()),
        _ => None,
    });
    let seen = Seen {
        plan: plan.unwrap(),
        counts: counts(),
        todo,
    };
    let (ticket, outcome) = (ticket(effects, Slot::Counts), Ok(seen));
    send(model, Top::Backfill(Message::Counted { ticket, outcome }));
}

fn counted(width: u16, height: u16, place: Place) -> Model {
    let mut model = settled(width, height, place);
    let effects = press(&mut model, "3");
    tell(&mut model, &effects, 312_072);
    model
}

fn deed(effects: &[Effect]) -> (Ticket, BackfillPlan) {
    match effects {
        [
            Effect::Do {
                ticket,
                deed: Deed::Backfill(plan),
            },
        ] => (*ticket, plan.clone()),
        other => panic!("{other:?}"),
    }
}

fn progress() -> Progress {
    Progress {
        done: 96_741,
        already: 1,
        total: Some(312_072),
        last: Some("u0403117\x1b".to_owned()),
        elapsed: Duration::from_secs(4),
        per_second: 21_400.0,
        left: Some(Duration::from_secs(10)),
        batch_p95: Some(Duration::from_millis(31)),
        ..Progress::default()
    }
}

/// Started and told how far it is.
fn running(width: u16, height: u16) -> (Model, Ticket) {
    let mut model = counted(width, height, dev());
    let (ticket, _) = deed(&press(&mut model, "B y"));
    let progress = progress();
    send(&mut model, Top::Progressed { ticket, progress });
    (model, ticket)
}

fn report(stopped: bool) -> BackfillReport {
    BackfillReport {
        done: 312_071,
        already: 1,
        stopped,
        elapsed: Duration::from_secs(14),
    }
}

#[test]
fn who_lacks_a_token_is_seen_before_any_is_given() {
    let mut model = settled(100, 30, dev());
    let effects = press(&mut model, "3");
    assert!(screen(&model).contains("Counting who lacks a token… Esc cancels"));
    tell(&mut model, &effects, 312_072);
    insta::assert_snapshot!("counted_100x30", screen(&model));
    assert_eq!(press(&mut model, "B"), []);
    insta::assert_snapshot!("confirm_100x30", screen(&model));
    assert_eq!(press(&mut model, "B Enter"), [], "neither key confirms");
    let (_, plan) = deed(&press(&mut model, "B y"));
    assert_eq!(plan, BackfillPlan::default());
}

#[test]
fn no_rate_is_told_before_there_is_one_and_what_is_done_does_not_go_on() {
    let goes_on = "starting again goes on";
    let mut model = counted(100, 30, dev());
    let (ticket, _) = deed(&press(&mut model, "B y"));
    let begun = Progress {
        total: Some(312_072),
        ..Progress::default()
    };
    send(
        &mut model,
        Top::Progressed {
            ticket,
            progress: begun,
        },
    );
    let seen = screen(&model);
    assert!(
        seen.contains("0 of 312,072") && !seen.contains("/s"),
        "{seen}"
    );
    assert!(seen.contains(goes_on));
    let outcome = Ok(report(false));
    send(
        &mut model,
        Top::Backfill(Message::Backfilled { ticket, outcome }),
    );
    let seen = screen(&model);
    assert!(
        seen.contains("100 %") && seen.contains("22,291/s"),
        "{seen}"
    );
    assert!(!seen.contains(goes_on), "{seen}");
}

#[test]
fn without_its_number_it_does_not_start() {
    let mut model = settled(100, 30, dev());
    press(&mut model, "3 Esc");
    let effects = press(&mut model, "B");
    assert!(model.cx.modals.is_empty());
    tell(&mut model, &effects, 0);
    assert_eq!(press(&mut model, "B"), []);
    assert!(model.cx.modals.is_empty());
    assert!(screen(&model).contains("Nothing to do: active users have a token already."));
}

#[test]
fn a_protected_place_wants_its_name_and_a_read_only_one_refuses() {
    let mut model = counted(100, 30, prod());
    assert_eq!(press(&mut model, "B y"), []);
    deed(&press(&mut model, "Backspace prod"));
    let mut model = counted(100, 30, read_only());
    assert_eq!(press(&mut model, "B"), []);
    let seen = screen(&model);
    assert!(model.cx.modals.is_empty());
    assert!(seen.contains("READ ONLY: this session on dev may not change anything."));
    assert!(!seen.contains("B start"), "the key left the hints");
}

#[test]
fn the_plan_can_be_changed_and_is_counted_anew() {
    let mut model = counted(100, 30, dev());
    let effects = press(&mut model, "f e");
    assert!(screen(&model).contains("These numbers are of the plan before."));
    tell(&mut model, &effects, 319_776);
    let seen = screen(&model);
    assert_eq!(seen.matches("◂ to do").count(), 2, "{seen}");
    let effects = press(&mut model, "f s");
    tell(&mut model, &effects, 12);
    press(&mut model, "f f");
    press(&mut model, "ali Space is:super");
    let effects = press(&mut model, "Enter");
    tell(&mut model, &effects, 3);
    press(&mut model, "f t B");
    insta::assert_snapshot!("plan_100x30", screen(&model));
    let (_, plan) = deed(&press(&mut model, "y"));
    let wanted = BackfillPlan {
        audience: Audience::Staff,
        filter: Filter::parse("ali is:super").unwrap(),
        format: Some(KeyFormat::Checksum),
    };
    assert_eq!(plan, wanted);
}

#[test]
fn a_filter_that_cannot_be_is_refused_in_words() {
    let mut model = counted(100, 30, dev());
    for (typed, said) in [
        ("is:sper", "unknown filter word"),
        ("is:marked", "Marks belong"),
    ] {
        press(&mut model, "f f");
        press(&mut model, typed);
        assert_eq!(press(&mut model, "Enter"), [], "{typed}");
        assert!(screen(&model).contains(said), "{typed}");
    }
    assert!(model.backfill.plan.filter.is_empty());
}

#[test]
fn it_shows_how_it_goes_at_each_width() {
    for (width, height) in [(100, 30), (80, 24), (60, 20)] {
        let (model, _) = running(width, height);
        insta::assert_snapshot!(format!("running_{width}x{height}"), screen(&model));
    }
}

#[test]
fn it_waits_and_goes_on_and_stops() {
    let (mut model, ticket) = running(100, 30);
    assert_eq!(press(&mut model, "Space"), [Effect::Job(Order::Pause)]);
    assert!(screen(&model).contains("pausing"));
    let paused = Progress {
        paused: true,
        ..progress()
    };
    let progress = paused;
    send(&mut model, Top::Progressed { ticket, progress });
    assert!(screen(&model).contains("paused"));
    assert_eq!(press(&mut model, "Space"), [Effect::Job(Order::Resume)]);
    assert!(screen(&model).contains("running, "));
    assert_eq!(press(&mut model, "Esc"), [Effect::Job(Order::Stop)]);
    assert!(screen(&model).contains("stopping"));
    let outcome = Ok(report(true));
    send(
        &mut model,
        Top::Backfill(Message::Backfilled { ticket, outcome }),
    );
    let seen = screen(&model);
    assert!(seen.contains("stopped"), "{seen}");
    assert!(
        seen.contains("312,071 tokens made, 1 already had one"),
        "{seen}"
    );
}

#[test]
fn it_runs_on_while_another_screen_is_shown_and_a_key_can_be_made_there() {
    let (mut model, ticket) = running(100, 30);
    press(&mut model, "1");
    assert!(screen(&model).contains("backfill 30 %"));
    let effects = press(&mut model, "R y");
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Do {
                deed: Deed::One(Change::Regenerate, Aim { .. }),
                ..
            }]
        ),
        "{effects:?}"
    );
    assert_eq!(press(&mut model, "Ctrl-c"), [Effect::Job(Order::Stop)]);
    let outcome = Ok(report(false));
    let over = Top::Backfill(Message::Backfilled { ticket, outcome });
    let effects = send(&mut model, over);
    let asked = |wanted| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask { slot, .. } if *slot == wanted))
    };
    assert!(asked(Slot::Counts), "{effects:?}");
    assert!(asked(Slot::Refresh), "{effects:?}");
    assert!(screen(&model).contains("✓ Backfill: 312,071 tokens made"));
}

#[test]
fn a_failure_says_what_stays_and_the_numbers_keep_their_age() {
    let (mut model, ticket) = running(60, 20);
    let outcome = Err(Error::Unavailable(
        "the server closed the connection".to_owned(),
    ));
    let over = Top::Backfill(Message::Backfilled { ticket, outcome });
    send(&mut model, over);
    press(&mut model, "Enter");
    let seen = screen(&model);
    assert!(seen.contains("Backfill failed after 96,741 made"), "{seen}");
    press(&mut model, "Esc");
    send_after(&mut model, Duration::from_secs(50), Top::Ticked);
    let seen = screen(&model);
    assert!(seen.contains("failed"), "{seen}");
    assert!(seen.contains("Counted 5"), "{seen}");
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let (mut model, _) = running(100, 30);
    let outcome = Ok(report(false));
    let ticket = Ticket(9_999);
    let late = Top::Backfill(Message::Backfilled { ticket, outcome });
    assert!(send(&mut model, late).iter().all(|effect| !matches!(
        effect,
        Effect::Ask {
            slot: Slot::Counts,
            ..
        }
    )));
    assert!(is_running(&model.backfill));
}
