//! Draws the Backfill screen: whom it is for, who lacks a token, and how the work goes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::audit::Verb;
use crate::ops::{Audience, Progress};
use crate::text;
use crate::tui::effect::Slot;
use crate::tui::look::Role;
use crate::tui::model::{Cx, Stopping};
use crate::tui::text::{grouped, span, whole};
use crate::tui::widgets::{gauge, lines};

use super::{End, Hold, Run, State, plan};

/// Below this width only what is to be done is shown.
const NARROW: u16 = 80;
/// The column of each number ends here.
const NUMBERS: [usize; 3] = [13, 15, 13];
/// Numbers older than this show their age.
const OLD: u64 = 30;

/// Draws it.
pub fn view(state: &State, cx: &Cx, frame: &mut Frame, area: Rect) {
    let columns = usize::from(area.width);
    let mut shown = vec![head(state, cx, columns)];
    shown.extend(table(state, cx, area.width));
    shown.extend(work(state, cx, columns));
    lines::draw(shown, frame, area);
}

/// Whom it is for at the left, how it is at the right.
fn head(state: &State, cx: &Cx, columns: usize) -> Line<'static> {
    let (word, role) = status(state, cx);
    let room = columns.saturating_sub(text::width(&word) + 9);
    let sentence = match plan::keys(&state.plan) {
        "" => plan::sentence(state),
        keys => format!("{}   {keys}", plan::sentence(state)),
    };
    let sentence = text::pad(&sentence, room);
    Line::from(vec![
        Span::styled(" For  ", cx.look.style(Role::Head)),
        Span::raw(format!("{sentence}  ")),
        Span::styled(word, cx.look.style(role)),
    ])
}

/// How the work is, in a word.
fn status(state: &State, cx: &Cx) -> (String, Role) {
    match &state.run {
        Run::Never if cx.is_waiting(Slot::Counts) => ("counting".to_owned(), Role::Key),
        Run::Never => (String::new(), Role::Base),
        Run::On { since, hold } => {
            let job = cx.job.as_ref();
            let stopping = job.is_some_and(|job| job.stopping == Stopping::Asked);
            let paused = job.is_some_and(|job| job.progress.paused);
            match (stopping, paused, hold) {
                (true, _, _) => ("stopping".to_owned(), Role::Warn),
                (false, true, Hold::Asked) => ("paused".to_owned(), Role::Warn),
                (false, false, Hold::Asked) => ("pausing".to_owned(), Role::Warn),
                (false, _, Hold::No) => {
                    let time = cx.clock.at.saturating_duration_since(*since);
                    (format!("running, {}", whole(time.as_secs())), Role::Key)
                }
            }
        }
        Run::Over { end: End::Done, .. } => ("done".to_owned(), Role::Good),
        Run::Over {
            end: End::Stopped, ..
        } => ("stopped".to_owned(), Role::Warn),
        Run::Over {
            end: End::Failed, ..
        } => ("failed".to_owned(), Role::Bad),
    }
}

/// One row of numbers; `-` where a number was not asked for.
fn row(name: &str, numbers: [Option<u64>; 3]) -> String {
    let cells = numbers.iter().zip(NUMBERS).map(|(number, width)| {
        let number = number.map_or_else(|| "-".to_owned(), grouped);
        format!("{number:>width$}")
    });
    format!(" {name:<8}{}", cells.collect::<String>())
}

/// Who has a token and who lacks one.
fn table(state: &State, cx: &Cx, width: u16) -> Vec<Line<'static>> {
    let Some((seen, at)) = &state.seen else {
        let said = if cx.is_waiting(Slot::Counts) {
            " Counting who lacks a token… Esc cancels"
        } else {
            " Nothing was counted yet; Ctrl-r counts."
        };
        return vec![Line::raw(said)];
    };
    let of = |count: crate::ops::Count| [count.users, count.with_token, count.without()].map(Some);
    let counts = &seen.counts;
    // The whole plan in one row, where it is neither of the two that are always there.
    let own = seen.plan.audience == Audience::Staff || !seen.plan.filter.is_empty();
    let is_todo = |audience: &[Audience]| !own && audience.contains(&seen.plan.audience);
    let name = if seen.plan.filter.is_empty() {
        "staff"
    } else {
        "filter"
    };
    let all = [
        Some((
            "active",
            of(counts.active),
            is_todo(&[Audience::Active, Audience::All]),
        )),
        Some(("inactive", of(counts.inactive), is_todo(&[Audience::All]))),
        own.then_some((name, [None, None, Some(seen.todo)], true)),
    ];
    let [h1, h2, h3] = NUMBERS;
    let head = format!(
        " {:<8}{:>h1$}{:>h2$}{:>h3$}",
        "", "users", "with a token", "without"
    );
    let mut lines = vec![Line::styled(head, cx.look.style(Role::Head))];
    for (name, numbers, todo) in all.into_iter().flatten() {
        if width < NARROW && !todo {
            continue;
        }
        let mut spans = vec![Span::raw(row(name, numbers))];
        if todo {
            spans.push(Span::styled("  ◂ to do", cx.look.style(Role::Mark)));
        }
        lines.push(Line::from(spans));
    }
    let age = cx.clock.at.saturating_duration_since(*at).as_secs();
    let note = if state.current().is_none() {
        Some("These numbers are of the plan before.".to_owned())
    } else if age >= OLD {
        Some(format!("Counted {} ago; Ctrl-r counts again.", whole(age)))
    } else {
        None
    };
    lines.extend(note.map(|note| Line::styled(format!(" {note}"), cx.look.style(Role::Dim))));
    lines
}

/// The gauge and the results.
fn work(state: &State, cx: &Cx, columns: usize) -> Vec<Line<'static>> {
    let job = cx.job.as_ref().filter(|job| job.verb == Verb::Backfill);
    let progress = match (&state.run, job) {
        (Run::On { .. }, Some(job)) => &job.progress,
        (Run::Over { progress, .. }, _) => progress,
        (Run::Never, _) | (Run::On { .. }, None) => return Vec::new(),
    };
    let narrow = columns < usize::from(NARROW);
    let mut lines = vec![
        bar(progress, cx, columns),
        Line::raw(results(progress, narrow)),
    ];
    if let Some(last) = &progress.last {
        let p95 = progress
            .batch_p95
            .map(|p95| format!("   p95 of a batch {} ms", p95.as_millis()))
            .unwrap_or_default();
        let last = text::fit(last, if narrow { 24 } else { 40 });
        lines.push(Line::raw(text::fit(
            &format!(" last user {last}{p95}"),
            columns,
        )));
    }
    // On a wide terminal the last two share a line, as there is room for both.
    if columns >= 100
        && let [_, done, last] = lines.as_slice()
    {
        let (done, last) = (done.to_string(), last.to_string());
        if text::width(&done) + text::width(&last) + 6 <= columns {
            lines.truncate(1);
            lines.push(Line::raw(format!("{done}      {}", last.trim_start())));
        }
    }
    let goes_on = !matches!(state.run, Run::Over { end: End::Done, .. });
    if !narrow && goes_on {
        lines.push(Line::styled(
            " What is done stays done; starting again goes on where it stopped.",
            cx.look.style(Role::Dim),
        ));
    }
    lines
}

/// The bar with what it says in numbers to its right.
fn bar(progress: &Progress, cx: &Cx, columns: usize) -> Line<'static> {
    let reached = progress.reached();
    let total = progress.total.unwrap_or(0).max(reached);
    let percent = gauge::percent(reached, total);
    let rate = rate(progress).map_or_else(String::new, |rate| format!("   {}/s", grouped(rate)));
    let left = progress.left.map(|left| format!("   {} left", span(left)));
    let said = match progress.total {
        None => "counting".to_owned(),
        Some(total) if columns < usize::from(NARROW) => {
            format!(
                "{percent} %{rate}{}",
                left.unwrap_or_else(|| format!("   of {}", grouped(total)))
            )
        }
        Some(total) => format!(
            "{percent} %   {} of {}{rate}{}",
            grouped(reached),
            grouped(total),
            left.unwrap_or_default()
        ),
    };
    let room = columns.saturating_sub(text::width(&said) + 4).min(60);
    let filled = match progress.total {
        None => " ".repeat(room),
        Some(_) => gauge::bar(reached, total, room),
    };
    Line::from(vec![
        Span::raw(" "),
        Span::styled(filled, cx.look.style(Role::Key)),
        Span::raw(format!("  {said}")),
    ])
}

/// Rows a second as a whole number; none before there is one, as at the start.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is no less than zero, and far from 2^64"
)]
fn rate(progress: &Progress) -> Option<u64> {
    Some(progress.per_second.round() as u64).filter(|rate| *rate > 0)
}

fn results(progress: &Progress, narrow: bool) -> String {
    let (done, already, failed) = (
        grouped(progress.done),
        grouped(progress.already),
        grouped(progress.failed),
    );
    if narrow {
        format!(" {done} done   {already} already   {failed} failed")
    } else {
        format!(" {done} done   {already} already had one   {failed} failed")
    }
}
