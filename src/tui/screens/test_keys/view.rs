//! Draws the Test keys screen: the line, the verdict, and what a request would get.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::ops::{Answer, UserDetail, Verdict};
use crate::text;
use crate::tui::effect::Slot;
use crate::tui::look::Role;
use crate::tui::model::{Cx, Link};
use crate::tui::text::{span, whole, wrap};
use crate::tui::widgets::field::Focus;
use crate::tui::widgets::lines;

use super::single::covered;
use super::{State, Tested, leak};

/// The length of a key as REST framework makes it: `generate_key()` gives 20 bytes in hex.
const KEY_LENGTH: usize = 40;
/// Columns before the line's text.
const LABEL: usize = 6;
/// A verdict older than this shows its age.
const OLD: u64 = 30;

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    if let Some(leak) = &state.leak {
        leak::view::view(leak, cx, frame, area);
        return;
    }
    let first = Rect {
        height: 1.min(area.height),
        ..area
    };
    let rest = Rect {
        y: area.y + first.height,
        height: area.height - first.height,
        ..area
    };
    line(state, cx, frame, first);
    let columns = usize::from(area.width).saturating_sub(2);
    let below = match &state.tested {
        Some(tested) => verdict(state, tested, cx, columns),
        None if cx.is_waiting(Slot::Verify) => vec![Line::raw(" Testing… Esc cancels")],
        None => idle(state, cx, columns),
    };
    lines::draw(below, frame, rest);
}

fn line(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let seen = state.shown.is_some_and(|until| cx.clock.at < until);
    let room = usize::from(area.width).saturating_sub(LABEL);
    let (shown, style) = if state.line.is_empty() {
        let said = "Paste a key, a header or a log".to_owned();
        (said, cx.look.style(Role::Dim))
    } else if state.focus == Focus::Here {
        (state.line.window(room).0, Style::new())
    } else if seen {
        let clear = text::safe(state.line.value()).into_owned();
        (clear, cx.look.style(Role::Warn))
    } else {
        (text::safe(&covered(state)).into_owned(), Style::new())
    };
    let spans = vec![
        Span::styled(" Key ", cx.look.style(Role::Head)),
        Span::raw("▏"),
        Span::styled(shown, style),
    ];
    frame.render_widget(Line::from(spans), area);
    if state.focus == Focus::Here {
        state.line.place_cursor(LABEL, frame, area);
    }
}

fn idle(state: &State, cx: &Cx, columns: usize) -> Vec<Line<'static>> {
    let said = if state.line.is_empty() {
        "A test tells whose the key is and what a request with it would get. It changes nothing, and the key is kept \
         nowhere."
    } else {
        "Enter tests it."
    };
    let dim = cx.look.style(Role::Dim);
    wrap(said, columns)
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), dim))
        .collect()
}

fn verdict(state: &State, tested: &Tested, cx: &Cx, columns: usize) -> Vec<Line<'static>> {
    let tried = &tested.tried;
    let role = match &tried.verdict {
        Verdict::Live(_) => Role::Good,
        Verdict::Inert(_) | Verdict::Retired(_) => Role::Warn,
        Verdict::Unknown { .. } => Role::Bad,
    };
    let word = tried.verdict.word();
    let age = cx.clock.at.saturating_duration_since(tested.at).as_secs();
    let mut facts = facts(&tried.verdict, state, cx);
    if age >= OLD {
        facts.push(format!("tested {} ago", whole(age)));
    }
    let indent = word.len() + 3;
    let mut lines = Vec::new();
    for (at, part) in wrap(&facts.join("   "), columns.saturating_sub(indent))
        .into_iter()
        .enumerate()
    {
        let head = if at == 0 { word } else { "" };
        lines.push(Line::from(vec![
            Span::styled(format!(" {head:<indent$}"), cx.look.style(role)),
            Span::raw(part),
        ]));
    }
    let [token, bearer] = &tried.answers;
    lines.extend(answer(token, Some(&millis(tried.took)), cx, columns));
    lines.extend(answer(bearer, None, cx, columns));
    if matches!(cx.link, Link::Offline { .. }) {
        let style = cx.look.style(Role::Dim);
        lines.push(Line::styled(
            " The database is away; this is what it said last.",
            style,
        ));
    }
    lines
}

fn facts(verdict: &Verdict, state: &State, cx: &Cx) -> Vec<String> {
    let owned = |detail: &UserDetail| {
        let row = &detail.row;
        let mut facts = vec![
            format!(
                "drf key of {} (id {})",
                text::fit(&row.user.username, 40),
                row.user.id
            ),
            detail.reach(),
        ];
        facts.extend(
            row.token
                .as_ref()
                .map(|token| format!("made {} ago", token.created.age(cx.clock.now))),
        );
        facts.extend(
            row.token
                .as_ref()
                .and_then(|token| token.last_use.brief(cx.clock.now)),
        );
        facts
    };
    match verdict {
        Verdict::Live(detail) => owned(detail),
        Verdict::Inert(detail) => {
            let mut facts = owned(detail);
            facts.insert(1, "the user is off".to_owned());
            facts
        }
        Verdict::Retired(retired) => {
            let whose = retired.username.as_ref().map_or_else(
                || format!("the user with id {}", text::fit(&retired.user_id, 40)),
                |name| text::fit(name, 40),
            );
            vec![
                format!("{} key of {whose}", retired.kind.word()),
                retired.story(cx.clock.now),
            ]
        }
        Verdict::Unknown { checksum, .. } => {
            let mut facts = vec![format!("not a key of {}", text::safe(cx.place_name()))];
            match checksum {
                Some(true) => facts.push(
                    "checksum good: it was a key once, or is one of another database".to_owned(),
                ),
                Some(false) => facts.push("checksum wrong: mistyped, or cut".to_owned()),
                None => {
                    let length = state
                        .key()
                        .map_or(KEY_LENGTH, |key| key.expose().chars().count());
                    if length != KEY_LENGTH {
                        facts.push(format!(
                            "{length} characters; those that Django makes have {KEY_LENGTH}"
                        ));
                    }
                }
            }
            facts
        }
    }
}

/// `1.1 ms`, `1.2 s`.
fn millis(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
    } else {
        span(took)
    }
}

/// A request and its answer: in one line where that fits, else the answer below, indented.
fn answer(answer: &Answer, took: Option<&str>, cx: &Cx, columns: usize) -> Vec<Line<'static>> {
    let header = text::safe(&answer.header).into_owned();
    let body = text::safe(&answer.body).into_owned();
    let status = answer.status.to_string();
    let role = if answer.status == 200 {
        Role::Good
    } else {
        Role::Warn
    };
    let status_style = cx.look.style(role);
    let took = took.map(|took| format!("  {took}")).unwrap_or_default();
    let width = text::width(&header) + 9 + text::width(&body);
    if width <= columns {
        let gap = columns.saturating_sub(width + text::width(&took));
        let mut spans = vec![
            Span::raw(format!(" {header}  → ")),
            Span::styled(status, status_style),
            Span::raw(format!("  {body}")),
        ];
        if width + text::width(&took) <= columns {
            spans.push(Span::raw(" ".repeat(gap) + &took));
        }
        return vec![Line::from(spans)];
    }
    let mut lines = vec![
        Line::raw(format!(" {header}")),
        Line::from(vec![
            Span::raw("   → "),
            Span::styled(status, status_style),
            Span::raw(took),
        ]),
    ];
    let parts = wrap(&body, columns.saturating_sub(4));
    lines.extend(
        parts
            .into_iter()
            .map(|part| Line::raw(format!("     {part}"))),
    );
    lines
}
