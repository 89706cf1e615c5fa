//! Draws the keys of a longer text: where they come from, the list, and what would be done.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Line;

use crate::domain::moment::Moment;
use crate::ops::leak::{Deed, Finding, Held, Verdict};
use crate::text;
use crate::tui::effect::Slot;
use crate::tui::layout;
use crate::tui::look::Role;
use crate::tui::model::{Cx, Link};
use crate::tui::text::grouped;
use crate::tui::widgets::table::{Cell, Column, Fresh, Mark, Row, Table};

use super::{State, plan};

/// The most columns the list can have.
pub const COLUMNS_MAX: usize = 7;

/// From this width on there is room for everything.
const WIDE: u16 = 100;
/// From this width on there is room for what is said beside a verdict, and for tabs with the leak's number.
const MEDIUM: u16 = 80;

/// Lines above the list: what was read, and from [`WIDE`] on the line that the key was found in.
const fn head(width: u16) -> u16 {
    if width >= WIDE { 2 } else { 1 }
}

/// How many keys the list shows at `size`: what is left beside the head, the column heads and the plan.
#[must_use]
pub fn rows(size: Size) -> usize {
    let body = layout::areas(size).body;
    usize::from(body.height.saturating_sub(head(size.width) + 2))
}

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let line = |nth: u16| Rect {
        y: area.y + nth.min(area.height.saturating_sub(1)),
        height: 1.min(area.height),
        ..area
    };
    let head = head(area.width);
    let columns = usize::from(area.width).saturating_sub(1);
    let source = text::fit(&source(state, cx), columns);
    frame.render_widget(Line::raw(format!(" {source}")), line(0));
    if head > 1 {
        let style = cx.look.style(Role::Dim);
        let excerpt = text::fit(&excerpt(state), columns.saturating_sub(2));
        frame.render_widget(Line::styled(format!("   {excerpt}"), style), line(1));
    }
    let table = Rect {
        y: area.y + head.min(area.height),
        height: area.height.saturating_sub(head + 1),
        ..area
    };
    list(state, cx, frame, table);
    let plan = text::fit(&plan::line(state, cx.clock.now), columns);
    let style = cx.look.style(Role::Head);
    frame.render_widget(
        Line::styled(format!(" {plan}"), style),
        line(area.height.saturating_sub(1)),
    );
}

fn source(state: &State, cx: &Cx) -> String {
    if state.case.is_none() {
        let said = if cx.is_waiting(Slot::Leak) {
            "Reading and asking whose the keys are… Esc cancels"
        } else {
            "Nothing was read."
        };
        return said.to_owned();
    }
    if let Some(number) = state.opened
        && state.lines == 0
    {
        let case = state.case.as_ref();
        let opened = case.map_or_else(String::new, |case| {
            format!(", of {} by {}", case.opened.minute_utc(), case.by)
        });
        return format!(
            "Leak {number}{opened}: {}. No key is kept of it; paste again to add.",
            state.source
        );
    }
    let mut source = state.source.clone();
    if let Some(first) = source.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let lines = match state.lines {
        1 => "1 line".to_owned(),
        many => format!("{} lines", grouped(many)),
    };
    let others = match state.others {
        0 => String::new(),
        1 => "; 1 look-alike".to_owned(),
        many => format!("; {} look-alikes", grouped(many as u64)),
    };
    let badge = match cx.size.width {
        MEDIUM.. => String::new(),
        ..MEDIUM => format!("{}. ", state.badge()),
    };
    let more = "Paste again to add, Ctrl-o reads a file.";
    format!("{badge}{source}, {lines}, kept in memory only{others}. {more}")
}

/// The line that the key under the cursor was found in.
fn excerpt(state: &State) -> String {
    let excerpt = state
        .current()
        .and_then(|finding| state.excerpts.get(&finding.key.fingerprint));
    excerpt.cloned().unwrap_or_default()
}

fn list(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let columns = columns(area.width);
    let seen = usize::from(area.height).saturating_sub(1);
    let top = state.browse.top();
    let rows: Vec<Row> = state
        .findings()
        .iter()
        .skip(top)
        .take(seen)
        .map(|finding| Row {
            mark: if state.is_marked(finding) {
                Mark::On
            } else {
                Mark::Off
            },
            cells: columns
                .iter()
                .map(|column| cell(column, state, finding, cx))
                .collect(),
        })
        .collect();
    let fresh = match cx.link {
        Link::Offline { .. } => Fresh::Old,
        Link::Live { .. } | Link::Connecting { .. } | Link::Unchosen => Fresh::Now,
    };
    let table = Table {
        columns: &columns,
        skip: state.browse.skip(),
        rows: &rows,
        cursor: (!rows.is_empty())
            .then(|| state.browse.cursor().checked_sub(top))
            .flatten(),
        fresh,
    };
    table.draw(cx.look, frame, area);
}

fn columns(width: u16) -> Vec<Column> {
    let key = Column::fixed("KEY", 9, 0);
    let told = Column::fixed("TOLD", 4, 1);
    match width {
        ..MEDIUM => vec![
            key,
            Column::flexible("WHOSE", 8),
            Column::fixed("VERDICT", 8, 0),
            told,
        ],
        MEDIUM..WIDE => vec![
            key,
            Column::fixed("LINE", 6, 3),
            Column::flexible("WHOSE", 10),
            Column::fixed("VERDICT", 37, 0),
            told,
        ],
        WIDE.. => vec![
            key,
            Column::fixed("LINE", 6, 3),
            Column::flexible("WHOSE", 10),
            Column::fixed("REACH", 11, 2),
            Column::fixed("AGE", 5, 4),
            Column::fixed("VERDICT", 37, 0),
            told,
        ],
    }
}

fn cell(column: &Column, state: &State, finding: &Finding, cx: &Cx) -> Cell {
    let dash = || "-".to_owned();
    match column.head {
        "KEY" => Cell::base(finding.key.to_string()),
        "LINE" => Cell::base(line_of(finding)),
        "WHOSE" => {
            let name = finding.whose().map_or_else(dash, str::to_owned);
            let holder = finding.verdict.holder();
            let is_super = holder.is_some_and(|holder| holder.user.is_superuser);
            // Where there is no room for REACH.
            Cell::base(if is_super && cx.size.width < WIDE {
                format!("{name} !")
            } else {
                name
            })
        }
        "REACH" => match finding.verdict.holder() {
            Some(holder) if holder.user.is_superuser => Cell::new("SUPERUSER", Role::Warn),
            Some(holder) if holder.groups == 0 && holder.permissions == 0 => {
                Cell::base(if holder.user.is_staff { "staff" } else { "-" })
            }
            Some(holder) => Cell::base(holder.reach()),
            None => Cell::base("-"),
        },
        "AGE" => Cell::base(
            finding
                .verdict
                .holder()
                .map_or_else(dash, |holder| holder.made.age(cx.clock.now).to_string()),
        ),
        "VERDICT" => verdict(state, finding, cx),
        _ => Cell::base(told(finding)),
    }
}

fn line_of(finding: &Finding) -> String {
    let lines = &finding.sighting.lines;
    let first = lines.first.first();
    let first = first.map_or_else(String::new, |line| line.number.to_string());
    match lines.first.len() {
        0 | 1 => first,
        _ => format!("{first}+"),
    }
}

fn told(finding: &Finding) -> &'static str {
    match (&finding.told, &finding.verdict) {
        (Some(_), _) => "yes",
        (None, Verdict::Live(_) | Verdict::Retired(_)) => "no",
        (None, Verdict::Inert(..) | Verdict::Unknown | Verdict::Partial(_)) => "-",
    }
}

fn verdict(state: &State, finding: &Finding, cx: &Cx) -> Cell {
    let (word, detail, role) = worth(state, finding, cx.clock.now, cx.place_name());
    if cx.size.width < MEDIUM {
        return Cell::new(word, role);
    }
    Cell::new(format!("{word:<9} {detail}"), role)
}

/// The word, what is said beside it, and how it looks. What was done here is told before the database is asked again.
pub fn worth(
    state: &State,
    finding: &Finding,
    now: Moment,
    place: &str,
) -> (&'static str, String, Role) {
    let done = state
        .case
        .as_ref()
        .and_then(|case| case.done.get(&finding.key.fingerprint));
    if let Some(done) = done
        && !state.is_live(finding)
    {
        let past = match done.what {
            Deed::Regenerate => "regenerated",
            Deed::Revoke => "revoked",
        };
        let detail = format!("{past} {} ago", done.when.age(now));
        return ("RETIRED", detail, Role::Good);
    }
    let role = match &finding.verdict {
        Verdict::Live(_) => Role::Bad,
        Verdict::Inert(..) => Role::Warn,
        Verdict::Retired(retired) if retired.grace(now).is_some() => Role::Warn,
        Verdict::Retired(_) => Role::Good,
        Verdict::Unknown | Verdict::Partial(_) => Role::Dim,
    };
    let detail = finding.detail(now, place);
    (finding.verdict.word(), detail, role)
}

/// Everything about one key, a fact a line.
pub fn whole(state: &State, finding: &Finding, cx: &Cx) -> Vec<String> {
    let now = cx.clock.now;
    let ago = |at: Moment| format!("{} ({} ago)", at.minute_utc(), at.age(now));
    let (word, detail, _) = worth(state, finding, cx.clock.now, cx.place_name());
    let mut facts = vec![format!("Verdict   {word}: {detail}")];
    let mut fact = |name: &str, said: Option<String>| {
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            facts.push(format!("{name:<9} {said}"));
        }
    };
    fact("Whose", finding.whose().map(str::to_owned));
    let owner = finding.owner.as_ref();
    fact("Id", owner.map(|user| user.id.to_string()));
    fact("Name", owner.map(|user| user.full_name.clone()));
    fact("Address", owner.map(|user| user.email.clone()));
    let login = |user: &crate::domain::user::User| match user.last_login {
        Some(login) => ago(login),
        None => "never".to_owned(),
    };
    fact("Login", owner.map(login));
    let holder = finding.verdict.holder();
    fact("Reach", holder.map(crate::ops::leak::Holder::reach));
    fact("Token", holder.map(|holder| holder.token.word().to_owned()));
    fact("Made", holder.map(|holder| ago(holder.made)));
    let used = holder.filter(|holder| !holder.last_use.is_unknown());
    fact("Used", used.map(|holder| holder.last_use.in_full(now)));
    let ends = holder.and_then(|holder| match holder.token {
        Held::Knox(_, ends) => ends.map(Moment::minute_utc),
        Held::Drf => None,
    });
    fact("Ends", ends);
    let lines = &finding.sighting.lines;
    let listed: Vec<String> = lines.first.iter().map(ToString::to_string).collect();
    let times = match lines.times {
        1 => String::new(),
        times => format!(" ({} times in all)", grouped(times)),
    };
    fact("Lines", Some(format!("{}{times}", listed.join(", "))));
    let excerpt = state.excerpts.get(&finding.key.fingerprint);
    fact("Found in", excerpt.cloned());
    let told = finding.told.as_ref();
    fact(
        "Told",
        told.map(|told| format!("{} by {}", ago(told.when), told.by)),
    );
    facts
}
