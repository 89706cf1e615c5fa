//! Draws the Listener screen: two lines of counters, the filter line and the calls.

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::text;
use crate::tui::TimeStyle;
use crate::tui::layout::{self, Width};
use crate::tui::look::Role;
use crate::tui::model::Cx;
use crate::tui::text::grouped;
use crate::tui::widgets::table::{Cell, Column};

use super::{Call, NEWEST, Phase, State, Up};

/// The most columns the list can have.
pub const COLUMNS_MAX: usize = 7;
/// Lines above the filter line.
pub const HEAD: u16 = 2;
/// The head of the column for why.
const REASON: &str = "REASON";

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let line = |y: u16| Rect {
        y: area.y + y,
        height: 1.min(area.height.saturating_sub(y)),
        ..area
    };
    let columns_of_text = usize::from(area.width);
    frame.render_widget(first_line(state, cx, columns_of_text), line(0));
    frame.render_widget(second_line(state, cx, columns_of_text), line(1));
    let rest = Rect {
        y: area.y + HEAD,
        height: area.height.saturating_sub(HEAD),
        ..area
    };
    let areas = layout::list(rest, Width::Wide);
    state
        .browse
        .draw_line(&count(state), cx, frame, areas.filter);
    state.browse.draw_rows(
        state.shown(),
        &columns(cx),
        |column, call| cell(column, call, cx),
        Some("Nothing yet: every request leaves its line here."),
        (cx, frame, areas.table),
    );
}

/// What stands in the message line while nothing else does: what the list has no room for.
#[must_use]
pub fn aside(state: &State, cx: &Cx) -> Option<String> {
    let told = state.current().map(Call::told)?;
    let all = columns(cx);
    let column = all.iter().find(|column| column.head == REASON);
    let room = column.map_or(0, |column| column.width);
    (text::width(&told) > room).then_some(told)
}

/// A piece of a line: those with the highest rank go first where room is short.
type Piece = (u8, String, Role);

/// As many of `pieces` as fit.
fn fitted(mut pieces: Vec<Piece>, cx: &Cx, columns: usize) -> Line<'static> {
    let needs = |pieces: &[Piece]| {
        let texts: usize = pieces.iter().map(|(_, said, _)| text::width(said)).sum();
        1 + texts + 3 * pieces.len().saturating_sub(1)
    };
    while needs(&pieces) > columns && pieces.len() > 1 {
        let rank = pieces.iter().map(|(rank, ..)| *rank).max();
        let last = pieces.iter().rposition(|(found, ..)| Some(*found) == rank);
        pieces.remove(last.unwrap_or(0));
    }
    let mut spans = Vec::new();
    for (nth, (_, said, role)) in pieces.into_iter().enumerate() {
        spans.push(Span::raw(if nth == 0 { " " } else { "   " }));
        let said = text::fit(&said, columns.saturating_sub(1));
        spans.push(Span::styled(said, cx.look.style(role)));
    }
    Line::from(spans)
}

/// Where it is, for how long, and what it answered.
fn first_line(state: &State, cx: &Cx, columns: usize) -> Line<'static> {
    let up = match &state.phase {
        Phase::Off => {
            let said = format!("off   S starts it on {}", cx.listens_at);
            return fitted(vec![(0, said, Role::Base)], cx, columns);
        }
        Phase::Starting(_) => {
            let said = format!("starting on {}…", cx.listens_at);
            return fitted(vec![(0, said, Role::Base)], cx, columns);
        }
        Phase::Up(up) => up,
        Phase::Stopping(up, _) => {
            let said = format!("{}   stopping…", up.address.url);
            return fitted(vec![(0, said, Role::Base)], cx, columns);
        }
    };
    let mut pieces = vec![
        (0, up.address.url.clone(), Role::Head),
        (2, format!("up {}", uptime(up, cx)), Role::Base),
    ];
    pieces.extend(statuses(state));
    fitted(pieces, cx, columns)
}

/// `200 8,412`; those that tell of trouble are there from the start, the others once they were given.
fn statuses(state: &State) -> impl Iterator<Item = Piece> {
    let of = |(status, count): &(u16, u64)| {
        let (rank, always) = match status {
            200 | 401 => (1, true),
            429 | 503 => (3, true),
            400 => (4, false),
            _ => (5, false),
        };
        let role = if *status >= 500 && *count > 0 {
            Role::Warn
        } else {
            Role::Base
        };
        (always || *count > 0).then(|| (rank, format!("{status} {}", grouped(*count)), role))
    };
    let others = state.figures.others;
    let others = (others > 0).then(|| (5, format!("other {}", grouped(others)), Role::Base));
    state.figures.statuses.iter().filter_map(of).chain(others)
}

/// How fast, and whether from memory.
fn second_line(state: &State, cx: &Cx, columns: usize) -> Line<'static> {
    if state.address().is_none() {
        return Line::default();
    }
    let figures = &state.figures;
    let known = match figures.known {
        1 => "1 known key".to_owned(),
        many => format!("{} known keys", grouped(many as u64)),
    };
    let mut pieces = vec![(3, known, Role::Base)];
    pieces.extend(match &figures.doubt {
        None => [(2, "sure of them".to_owned(), Role::Good)],
        Some(why) => [(2, format!("not sure: {why}"), Role::Warn)],
    });
    let percentiles = [
        (4, "p50", figures.p50),
        (1, "p95", figures.p95),
        (4, "p99", figures.p99),
    ];
    pieces.extend(percentiles.map(|(rank, name, took)| {
        let took = took.map_or_else(|| "-".to_owned(), millis);
        (rank, format!("{name} {took}"), Role::Base)
    }));
    fitted(pieces, cx, columns)
}

fn uptime(up: &Up, cx: &Cx) -> String {
    let secs = cx.clock.at.saturating_duration_since(up.since).as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => format!("{} min", secs / 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs / 60 % 60),
        86_400.. => format!("{} d {} h", secs / 86_400, secs / 3_600 % 24),
    }
}

/// `0.04 ms`, `1.6 ms`, `25 ms`, `10 s`.
#[must_use]
pub fn millis(took: Duration) -> String {
    match took.as_secs() {
        0..10 => format!("{} ms", number_of_millis(took)),
        secs => format!("{secs} s"),
    }
}

fn number_of_millis(took: Duration) -> String {
    let micros = took.as_micros();
    match micros {
        0..1_000 => format!("{:.2}", took.as_secs_f64() * 1e3),
        1_000..10_000 => {
            let said = format!("{:.1}", took.as_secs_f64() * 1e3);
            said.trim_end_matches(".0").to_owned()
        }
        _ => (micros / 1_000).to_string(),
    }
}

fn count(state: &State) -> String {
    let said = match state.shown().count() {
        0 => String::new(),
        1 => "1 line".to_owned(),
        NEWEST.. => format!("the newest {} lines", grouped(NEWEST as u64)),
        many => format!("{many} lines"),
    };
    match state.dropped {
        0 => said,
        dropped => format!("{said}   {} came too fast to be listed", grouped(dropped)),
    }
}

/// The columns at this width.
fn columns(cx: &Cx) -> Vec<Column> {
    let time = Column::fixed("TIME", 8, 0);
    let code = Column::fixed("CODE", 4, 0);
    match cx.size.width {
        ..80 => vec![time, code, Column::flexible("USER", 10)],
        80..100 => vec![
            time,
            code,
            Column::flexible("PATH", 10),
            Column::fixed("USER", 9, 3),
            Column::fixed("FROM", 11, 2),
            Column::fixed(REASON, 22, 1),
        ],
        100.. => vec![
            time,
            code,
            Column::flexible("PATH", 14),
            Column::fixed("USER", 12, 3),
            Column::fixed("FROM", 15, 2),
            Column::fixed("MS", 5, 4),
            Column::fixed(REASON, 24, 1),
        ],
    }
}

fn cell(column: &Column, call: &Call, cx: &Cx) -> Cell {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    match column.head {
        "TIME" => {
            let zone = match cx.time {
                TimeStyle::Local => &cx.zone,
                TimeStyle::Relative | TimeStyle::Utc => &TimeZone::UTC,
            };
            Cell::base(call.at.second_in(zone))
        }
        "CODE" => Cell::new(call.status.to_string(), role(call.status)),
        "PATH" => Cell::base(call.path.clone()),
        "USER" => Cell::base(or_none(&call.user)),
        "FROM" => Cell::base(call.client.to_string()),
        "MS" => Cell::base(number_of_millis(call.took)),
        _ => Cell::base(call.told_in(column.width)),
    }
}

const fn role(status: u16) -> Role {
    match status {
        ..400 => Role::Base,
        400..500 => Role::Warn,
        500.. => Role::Bad,
    }
}
