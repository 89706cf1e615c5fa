//! The list: its cursor and marks, its order, and the window that holds a part of a long table.

use super::*;

fn start_of(effects: &[Effect], slot: Slot) -> Start {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            slot: asked,
            question: Question::Users(query),
            ..
        } if *asked == slot => Some(query.start.clone()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn a_refresh_moves_no_cursor_although_rows_come_and_go() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "j j j");
    assert_eq!(current(&model), "dave");
    let effects = press(&mut model, "Ctrl-r");
    let mut newer = rows();
    newer.insert(0, row(1, "aaron", "11111111"));
    newer.remove(2);
    tell(&mut model, Slot::Refresh, &effects, page(newer.clone()));
    assert_eq!(current(&model), "dave");
    let effects = press(&mut model, "Ctrl-r");
    newer.retain(|row| row.user.username != "dave");
    tell(&mut model, Slot::Refresh, &effects, page(newer));
    assert_eq!(
        current(&model),
        "erin",
        "the neighbour takes over from a row that is gone"
    );
}

#[test]
fn the_window_is_bounded_and_asks_for_more_near_its_edges() {
    let (mut model, effects) = connected(100, 30, dev());
    let many = |from: i32| -> Page<UserRow> {
        let rows = (from..from + 100)
            .map(|id| row(id, &format!("u{id:07}"), "9944b091"))
            .collect();
        Page {
            rows,
            more_before: from > 0,
            more_after: true,
        }
    };
    tell(&mut model, Slot::Page, &effects, many(0));
    let mut next = 100;
    let mut asked = Vec::new();
    for _ in 0..200 {
        asked.extend(press(&mut model, "PgDn"));
        while asked.iter().any(|effect| {
            matches!(
                effect,
                Effect::Ask {
                    slot: Slot::More,
                    ..
                }
            )
        }) {
            let effects = std::mem::take(&mut asked);
            assert!(matches!(start_of(&effects, Slot::More), Start::After(_)));
            asked = tell(&mut model, Slot::More, &effects, many(next));
            next += 100;
        }
        assert!(
            model.users.window.count() <= 700,
            "{}",
            model.users.window.count()
        );
    }
    assert!(next > 4_000, "{next}");
    let effects = press(&mut model, "g");
    assert_eq!(start_of(&effects, Slot::Page), Start::First);
    let effects = press(&mut model, "G");
    assert_eq!(start_of(&effects, Slot::Page), Start::Last);
    let last = Page {
        more_after: false,
        ..many(900_000)
    };
    tell(&mut model, Slot::Page, &effects, last);
    assert_eq!(current(&model), "u0900099");
    let effects = press(&mut model, "PgUp PgUp PgUp");
    assert!(matches!(start_of(&effects, Slot::More), Start::Before(_)));
    tell(&mut model, Slot::More, &effects, many(899_900));
    assert_eq!(
        current(&model),
        "u0900027",
        "rows put before the cursor do not move it"
    );
}

#[test]
fn sorting_by_the_same_column_turns_it_round() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "s c");
    assert_eq!(
        model.users.sort,
        Sort {
            key: SortKey::Created,
            direction: Direction::Ascending
        }
    );
    tell(&mut model, Slot::Page, &effects, page(rows()));
    press(&mut model, "s c");
    assert_eq!(model.users.sort.direction, Direction::Descending);
}

#[test]
fn escape_goes_back_a_step_at_a_time_and_never_quits() {
    let mut model = loaded(100, 30, dev());
    let effects = press(&mut model, "/ a l Enter");
    let far = tell(&mut model, Slot::Page, &effects, page(rows()));
    tell(&mut model, Slot::Page, &far, page(rows()));
    press(&mut model, "Space v j");
    press(&mut model, "Esc");
    assert!(model.users.marks.is_empty() && !model.users.line.is_empty());
    let effects = press(&mut model, "Esc");
    assert!(model.users.line.is_empty());
    tell(&mut model, Slot::Page, &effects, page(rows()));
    assert_eq!(press(&mut model, "Esc Esc Esc"), []);
}

#[test]
fn a_range_marks_all_between() {
    let mut model = loaded(100, 30, dev());
    press(&mut model, "j v j j v");
    let names: Vec<_> = model.users.marks.values().map(|row| row.user.id).collect();
    assert_eq!(names, [18, 19, 20].map(UserId::Int4));
}

#[test]
fn an_empty_table_is_named_and_says_what_to_do() {
    let (mut model, effects) = connected(100, 30, dev());
    tell(&mut model, Slot::Page, &effects, page(Vec::new()));
    let seen = screen(&model);
    assert!(seen.contains("No users in auth_user."), "{seen}");
    assert!(
        seen.contains(":user create NAME") && seen.contains("tokenward demo"),
        "{seen}"
    );
    let (mut model, effects) = connected(100, 30, read_only());
    tell(&mut model, Slot::Page, &effects, page(Vec::new()));
    assert!(!screen(&model).contains(":user create"));
}
