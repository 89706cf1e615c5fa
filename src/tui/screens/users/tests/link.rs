//! What is seen and done while the database is away, slow or not connected at all.

use super::*;

#[test]
fn a_lost_database_dims_the_rows_refuses_changes_and_is_tried_again() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "Ctrl-r");
    let slot = Slot::Refresh;
    let (ticket, outcome) = (
        ticket(&effects, slot),
        Err(Error::Unavailable("connection refused".to_owned())),
    );
    send(
        &mut model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    );
    assert!(
        matches!(model.cx.link, Link::Live { .. }),
        "it may be a lock; a ping tells"
    );
    let pinged = send(&mut model, Top::Ticked);
    let ping = ticket_of_ping(&pinged);
    let outcome = Err(Error::Unavailable("connection refused".to_owned()));
    send(
        &mut model,
        Top::Ponged {
            ticket: ping,
            outcome,
        },
    );
    assert!(matches!(model.cx.link, Link::Offline { .. }));
    let shown = screen(&model);
    assert!(
        shown.contains("○ offline 0 s, next try in 1 s") && shown.contains("alice.w"),
        "{shown}"
    );
    assert_eq!(press(&mut model, "R"), []);
    assert!(model.cx.notice.take().unwrap().text.contains("away"));
    let effects = send_after(&mut model, Duration::from_secs(2), Top::Ticked);
    let [
        Effect::Ask {
            slot: Slot::Ping,
            ticket,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    let effects = send(
        &mut model,
        Top::Ponged {
            ticket: *ticket,
            outcome: Ok(()),
        },
    );
    assert!(matches!(model.cx.link, Link::Live { .. }));
    assert!(matches!(
        effects.as_slice(),
        [Effect::Ask {
            slot: Slot::Refresh,
            ..
        }]
    ));
}

#[test]
fn without_a_database_nothing_of_the_last_one_is_seen_or_aimed_at() {
    let mut model = loaded(100, 30, dev());
    let effects = send(&mut model, Top::Connect("prod".to_owned()));
    send_after(&mut model, Duration::from_secs(4), Top::Ticked);
    let seen = screen(&model);
    assert!(
        seen.contains("◌ connecting 4.") && seen.contains("Connecting to prod…"),
        "{seen}"
    );
    let outcome = Err(Error::Unavailable(
        "no server at db1:5432 (connection refused)".into(),
    ));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Connect { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let ticket = ticket.unwrap();
    send(&mut model, Top::Connected { ticket, outcome });
    let seen = screen(&model);
    assert!(
        seen.contains("Connect to") && seen.contains("│ Cannot open prod: no server"),
        "{seen}"
    );
    assert!(
        !seen.contains("alice.w") && !seen.contains("Enter: all"),
        "{seen}"
    );
    press(&mut model, "Esc");
    let seen = screen(&model);
    assert!(
        seen.contains("Not connected. p lists the profiles, Ctrl-r tries again."),
        "{seen}"
    );
    assert!(!seen.contains("regenerate"), "{seen}");
    assert_eq!(press(&mut model, "R / x y"), []);
    assert!(screen(&model).contains("Not connected; p lists the profiles."));
}

#[test]
fn rows_that_are_costly_to_read_are_not_read_again_for_nobody() {
    let slow = Duration::from_secs(2);
    let (mut model, effects) = connected(100, 30, dev());
    let (ticket, outcome) = (ticket(&effects, Slot::Page), Ok(page(rows())));
    let message = Message::Paged {
        slot: Slot::Page,
        ticket,
        outcome,
    };
    send_after(&mut model, slow, Top::Users(message));
    let effects = send_after(&mut model, Duration::from_secs(6), Top::Ticked);
    assert!(
        matches!(
            effects.as_slice(),
            [
                Effect::Ask {
                    slot: Slot::Ping,
                    ..
                },
                ..
            ]
        ),
        "{effects:?}"
    );
    let effects = press(&mut model, "Ctrl-r");
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Ask {
            slot: Slot::Refresh,
            ..
        }
    )));
}

#[test]
fn a_passed_deadline_tells_nothing_of_the_database() {
    let mut model = loaded(100, 30, dev());
    let Link::Live { heard } = model.cx.link else {
        panic!("{:?}", model.cx.link)
    };
    let effects = press(&mut model, "s c");
    let (slot, ticket) = (Slot::Page, ticket(&effects, Slot::Page));
    let outcome = Err(Error::Internal("no answer in 30 s".to_owned()));
    send(
        &mut model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    );
    assert_eq!(model.cx.link, Link::Live { heard });
    assert!(model.cx.notice.as_ref().unwrap().text.contains("no answer"));
}

#[test]
fn a_lock_that_somebody_holds_is_not_taken_for_a_lost_database() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "R y");
    let [Effect::Do { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let message = Message::Changed {
        ticket: *ticket,
        change: Change::Regenerate,
        aim: Aim::from(&rows()[0]),
        outcome: Err(Error::Unavailable("somebody else holds a lock".to_owned())),
    };
    send(&mut model, Top::Users(message));
    let pinged = send(&mut model, Top::Ticked);
    let ping = ticket_of_ping(&pinged);
    send(
        &mut model,
        Top::Ponged {
            ticket: ping,
            outcome: Ok(()),
        },
    );
    assert!(matches!(model.cx.link, Link::Live { .. }));
    assert!(
        model
            .cx
            .notice
            .as_ref()
            .unwrap()
            .text
            .contains("holds a lock")
    );
    assert_eq!(
        send(&mut model, Top::Ticked),
        [],
        "one ping settles the doubt"
    );
}

fn ticket_of_ping(effects: &[Effect]) -> Ticket {
    crate::tui::testing::ticket(effects, Slot::Ping)
}
