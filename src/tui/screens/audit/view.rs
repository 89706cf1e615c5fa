//! Draws the Audit screen: the filter line and the entries.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::audit::Entry;
use crate::domain::moment::Moment;
use crate::tui::TimeStyle;
use crate::tui::layout::{self, Width};
use crate::tui::look::Role;
use crate::tui::model::Cx;
use crate::tui::text::grouped;
use crate::tui::widgets::table::{Cell, Column};

use super::State;
use super::list::NEWEST;

/// The most columns the list can have.
pub const COLUMNS_MAX: usize = 7;

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let areas = layout::list(area, Width::Wide);
    state
        .browse
        .draw_line(&count(state), cx, frame, areas.filter);
    let empty = "Nothing yet: every change leaves its line here.";
    state.browse.draw_rows(
        state.entries().iter(),
        &columns(cx),
        |column, entry| cell(column, entry, cx),
        state.entries.as_ref().map(|_| empty),
        (cx, frame, areas.table),
    );
}

fn count(state: &State) -> String {
    match state.entries.as_ref().map(Vec::len) {
        None => String::new(),
        Some(1) => "1 entry".to_owned(),
        Some(many) if many >= NEWEST => format!("the newest {} entries", grouped(many as u64)),
        Some(many) => format!("{} entries", grouped(many as u64)),
    }
}

/// The columns at this width.
fn columns(cx: &Cx) -> Vec<Column> {
    let time = match cx.time {
        TimeStyle::Relative => 8,
        TimeStyle::Local | TimeStyle::Utc => 16,
    };
    let when = Column::fixed("WHEN", time, 0);
    let what = Column::fixed("WHAT", 13, 0);
    let whom = Column::flexible("WHOM", 10);
    let key = Column::fixed("KEY", 9, 3);
    match cx.size.width {
        ..80 => vec![when, what, whom],
        80..100 => vec![
            when,
            Column::fixed("WHO", 12, 1),
            what,
            whom,
            key,
            Column::fixed("RESULT", 11, 2),
        ],
        100.. => vec![
            when,
            Column::fixed("WHO", 16, 1),
            what,
            whom,
            key,
            Column::fixed("FOR", 8, 4),
            Column::fixed("RESULT", 12, 2),
        ],
    }
}

fn cell(column: &Column, entry: &Entry, cx: &Cx) -> Cell {
    match column.head {
        "WHEN" => Cell::base(
            Moment::parse(&entry.when).map_or_else(|| entry.when.clone(), |when| cx.time_of(when)),
        ),
        "WHO" => Cell::base(entry.actor.to_string()),
        "WHAT" => Cell::base(entry.what.word()),
        "WHOM" => Cell::base(match entry.whom.as_str() {
            "" => "-",
            name => name,
        }),
        "KEY" => Cell::base(
            entry
                .key
                .as_ref()
                .map_or_else(|| "-".to_owned(), |key| format!("{key}…")),
        ),
        "FOR" => Cell::base(entry.reason().unwrap_or_else(|| "-".to_owned())),
        _ => Cell::new(entry.result.clone(), role(&entry.result)),
    }
}

/// `done` is how it should be; whatever did not come to its end stands out.
fn role(result: &str) -> Role {
    if ["failed", "stopped", "unknown"]
        .iter()
        .any(|start| result.starts_with(start))
    {
        Role::Warn
    } else {
        Role::Base
    }
}
