//! Draws the Users screen: the filter line, the list, and the details beside it or over the whole screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::last_use::LastUse;
use crate::domain::page::Direction;
use crate::domain::user::{UserRow, UserState};
use crate::ops::Change;
use crate::text;
use crate::tui::TimeStyle;
use crate::tui::layout::{self, Width};
use crate::tui::look::Role;
use crate::tui::model::{Cx, Link};
use crate::tui::text::grouped;
use crate::tui::widgets::field::{self, Focus};
use crate::tui::widgets::table::{Cell, Column, Fresh, Mark, Row, Table};

use super::list::SORTS;
use super::{Loaded, Open, State};

/// The most columns a list can have.
pub const COLUMNS_MAX: usize = 10;

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    if state.open == Open::Yes {
        if let Some(row) = state.window.current() {
            draw_lines(
                details(state, row, cx, usize::from(area.width)),
                frame,
                area,
            );
        }
        return;
    }
    let areas = layout::list(area, state.width);
    filter_line(state, cx, frame, areas.filter);
    list(state, cx, frame, areas.table);
    if let Some(pane) = areas.pane {
        draw_pane(state, cx, frame, pane);
    }
}

fn filter_line(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let typed = text::safe(state.line.value()).into_owned();
    let mut said = Vec::new();
    if let Some(wrong) = &state.wrong {
        said.push(Span::styled(
            text::safe(wrong).into_owned(),
            cx.look.style(Role::Bad),
        ));
    } else {
        said.push(Span::raw(count(state)));
        if !state.marks.is_empty() {
            let marked = format!("{} marked", grouped(state.marks.len() as u64));
            said.push(Span::styled(marked, cx.look.style(Role::Mark)));
        }
        if state.anchor.is_some() {
            said.push(Span::styled("range, v ends it", cx.look.style(Role::Mark)));
        }
        if area.width >= 62 {
            said.push(Span::raw(sort_words(state)));
        }
    }
    let mark = field::mark(&state.line, state.focus);
    let mut spans = vec![
        Span::styled(" /", cx.look.style(Role::Key)),
        Span::raw(typed),
        Span::raw(mark),
    ];
    for (at, span) in said.into_iter().enumerate() {
        spans.push(Span::raw(if at == 0 { "  " } else { "   " }));
        spans.push(span);
    }
    frame.render_widget(Line::from(spans), area);
    if state.focus == Focus::Here {
        state.line.place_cursor(2, frame, area);
    }
}

fn sort_words(state: &State) -> String {
    let name = SORTS
        .iter()
        .find(|(_, key, _)| *key == state.sort.key)
        .map_or("", |(_, _, name)| name);
    let arrow = match state.sort.direction {
        Direction::Ascending => "↑",
        Direction::Descending => "↓",
    };
    format!("sort {name} {arrow}")
}

fn count(state: &State) -> String {
    let shown = state.window.count() as u64;
    match (
        state.loaded,
        state.filter.is_empty(),
        state.window.is_whole(),
    ) {
        (Loaded::Never, _, _) => String::new(),
        (Loaded::Yes, _, true) if shown == 1 => "1 row".to_owned(),
        (Loaded::Yes, _, true) => format!("{} rows", grouped(shown)),
        (Loaded::Yes, true, false) => match state.total {
            Some(total) => format!("about {} rows", grouped(total.max(shown))),
            None => format!("more than {} rows", grouped(shown)),
        },
        (Loaded::Yes, false, false) => format!("more than {} rows", grouped(shown)),
    }
}

/// The columns at this width. In a narrow terminal KIND and CREATED make room for the name from the start.
fn columns(state: &State, cx: &Cx) -> Vec<Column> {
    let time = match cx.time {
        TimeStyle::Relative => 8,
        TimeStyle::Local | TimeStyle::Utc => 16,
    };
    let kind = Column::fixed("KIND", 4, 5);
    let key = Column::fixed("KEY", 9, 0);
    let created = Column::fixed("CREATED", time, 4);
    let last_use = Column::fixed("LAST USED", time.max(9), 5);
    let login = Column::fixed("LOGIN", time, 6);
    let word = Column::fixed("STATE", 5, 3);
    let user = Column::flexible("USER", 12);
    match (state.width, cx.size.width) {
        (Width::Wide, _) => vec![
            Column::flexible("USER", 20),
            Column::fixed("ID", 10, 7),
            kind,
            key,
            created,
            last_use,
            login,
            word,
            Column::fixed("ADDRESS", 26, 8),
            Column::fixed("NAME", 20, 9),
        ],
        (Width::Shared, 100..) => vec![user, kind, key, created, last_use, word],
        (Width::Shared, 80..100) => vec![user, kind, key, created, word],
        (Width::Shared, ..80) => vec![user, key, word],
    }
}

fn cell(column: &Column, row: &UserRow, cx: &Cx) -> Cell {
    let absent = || Cell::base("-");
    let user = &row.user;
    let token = row.token.as_ref();
    match column.head {
        "USER" => Cell::base(user.username.clone()),
        "ID" => Cell::base(user.id.to_string()),
        "KIND" => token.map_or_else(absent, |_| Cell::base("drf")),
        "KEY" => token.map_or_else(absent, |token| Cell::base(token.key.to_string())),
        "CREATED" => token.map_or_else(absent, |token| Cell::base(cx.time_of(token.created))),
        "LAST USED" => token.map_or_else(absent, |token| Cell::base(used(&token.last_use, cx))),
        "LOGIN" => Cell::base(
            user.last_login
                .map_or_else(|| "never".to_owned(), |at| cx.time_of(at)),
        ),
        "ADDRESS" => Cell::base(user.email.clone()),
        "NAME" => Cell::base(user.full_name.clone()),
        _ => word(row.state(cx.clock.now)),
    }
}

fn used(last_use: &LastUse, cx: &Cx) -> String {
    match (last_use, cx.time) {
        (LastUse::Unknown, _) => "-".to_owned(),
        (LastUse::NeverSince(_), _) => "never".to_owned(),
        (LastUse::Used(last), TimeStyle::Relative) => last.age(cx.clock.now).to_string(),
        (LastUse::Used(last), TimeStyle::Local | TimeStyle::Utc) => cx.time_of(last.at),
    }
}

fn word(state: UserState) -> Cell {
    let role = match state {
        UserState::Super | UserState::Stale => Role::Warn,
        UserState::Off | UserState::None => Role::Dim,
        UserState::Ok => Role::Base,
    };
    Cell::new(state.word(), role)
}

fn list(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let columns = columns(state, cx);
    let (seen, cursor) = state
        .window
        .seen(usize::from(area.height).saturating_sub(1));
    let range = state
        .anchor
        .map(|anchor| state.window.between(anchor))
        .unwrap_or_default();
    let rows: Vec<Row> = seen
        .into_iter()
        .map(|row| {
            let id = row.user.id;
            let marked = state.marks.contains_key(&id) || range.iter().any(|row| row.user.id == id);
            Row {
                mark: if marked { Mark::On } else { Mark::Off },
                cells: columns.iter().map(|column| cell(column, row, cx)).collect(),
            }
        })
        .collect();
    let fresh = match cx.link {
        Link::Live { .. } => Fresh::Now,
        Link::Offline { .. } | Link::Connecting { .. } | Link::Unchosen => Fresh::Old,
    };
    let table = Table {
        columns: &columns,
        skip: state.skip,
        rows: &rows,
        cursor,
        fresh,
    };
    table.draw(cx.look, frame, area);
    if rows.is_empty() && state.loaded == Loaded::Yes {
        let below = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
        let columns = usize::from(below.width).saturating_sub(5);
        let said = empty(state, cx).into_iter();
        let lines = said.flat_map(|line| crate::tui::text::wrap(&line, columns));
        let lines = lines.map(|line| Line::raw(format!("    {line}")));
        draw_lines(lines.collect(), frame, below);
    }
}

fn empty(state: &State, cx: &Cx) -> Vec<String> {
    if state.filter.is_empty() {
        let users = cx.place.as_ref().map_or("auth_user", |place| &place.users);
        let mut said = vec![format!("No users in {}.", text::safe(users))];
        if cx.grants(Change::UserCreate) {
            said.push(":user create NAME makes one.".to_owned());
        }
        said.push("tokenward demo shows a database full of them.".to_owned());
        return said;
    }
    let typed = text::fit(state.line.value(), 30);
    let of = state
        .total
        .map(|total| format!(" in {}", grouped(total)))
        .unwrap_or_default();
    vec![format!(
        "No match for \"{typed}\"{of}. Esc clears the filter."
    )]
}

fn draw_pane(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    for y in area.y..area.bottom() {
        let border = Span::styled("│", cx.look.style(Role::Dim));
        frame.render_widget(
            border,
            Rect {
                y,
                height: 1,
                width: 1,
                ..area
            },
        );
    }
    let inside = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(1),
        ..area
    };
    if let Some(row) = state.window.current() {
        draw_lines(
            details(state, row, cx, usize::from(inside.width)),
            frame,
            inside,
        );
    }
}

fn draw_lines(lines: Vec<Line>, frame: &mut Frame, area: Rect) {
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..area
            },
        );
    }
}

/// All about the row, wrapped to `columns`.
fn details(state: &State, row: &UserRow, cx: &Cx, columns: usize) -> Vec<Line<'static>> {
    let user = &row.user;
    let known = state
        .detail
        .as_ref()
        .filter(|detail| detail.row.user.id == user.id);
    let active = if user.is_active { "active" } else { "OFF" };
    let head = format!("id {}   {active}", user.id);
    let name_room = columns.saturating_sub(text::width(&head) + 5).max(8);
    let mut lines = vec![Line::from(vec![
        Span::styled(
            format!(" {}", text::fit(&user.username, name_room)),
            cx.look.style(Role::Head),
        ),
        Span::raw(format!("   {head}")),
    ])];
    let address = match (user.full_name.as_str(), user.email.as_str()) {
        ("", "") => String::new(),
        ("", email) => format!("<{email}>"),
        (name, "") => name.to_owned(),
        (name, email) => format!("{name} <{email}>"),
    };
    if !address.is_empty() {
        lines.push(Line::raw(format!(
            " {}",
            text::fit(&address, columns.saturating_sub(2))
        )));
    }
    let both = |at: crate::domain::moment::Moment| {
        format!("{} ({})", at.minute_utc(), at.age(cx.clock.now))
    };
    let key = row.token.as_ref().map_or_else(
        || {
            let made = if cx.grants(Change::Generate) {
                "; N generates one"
            } else {
                ""
            };
            format!("none{made}")
        },
        |token| format!("drf {}   one per user", token.key),
    );
    let mut facts = vec![("Key", key)];
    facts.extend(
        row.token
            .as_ref()
            .map(|token| ("Made", both(token.created))),
    );
    facts.extend(
        row.token
            .as_ref()
            .map(|token| ("Used", token.last_use.in_full(cx.clock.now))),
    );
    for (start, until) in known.map_or(&[][..], |known| &known.graces) {
        let (start, until) = (text::safe(start.as_str()), until.minute_utc());
        facts.push((
            "Grace",
            format!("old key {start}… works here until {until}"),
        ));
    }
    facts.push((
        "Login",
        user.last_login.map_or_else(|| "never".to_owned(), both),
    ));
    facts.extend(user.date_joined.map(|at| ("Joined", both(at))));
    facts.push((
        "Reach",
        known.map_or_else(|| own_reach(row), crate::ops::UserDetail::reach),
    ));
    if let Some(known) = known.filter(|known| !known.groups.is_empty()) {
        facts.push(("Groups", known.groups.join(", ")));
    }
    for (head, fact) in facts {
        let wrapped = crate::tui::text::wrap(&fact, columns.saturating_sub(8).max(8));
        for (at, part) in wrapped.into_iter().enumerate() {
            let head = if at == 0 { head } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!(" {head:<7}"), cx.look.style(Role::Dim)),
                Span::raw(part),
            ]));
        }
    }
    lines
}

/// What the row itself tells of the reach, until the details are there.
fn own_reach(row: &UserRow) -> String {
    match (row.user.is_superuser, row.user.is_staff) {
        (true, true) => "SUPERUSER, staff".to_owned(),
        (true, false) => "SUPERUSER".to_owned(),
        (false, true) => "staff".to_owned(),
        (false, false) => "…".to_owned(),
    }
}
