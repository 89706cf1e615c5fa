//! The calls in memory: taken in, folded, filtered, opened and exported.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::domain::moment::Moment;
use crate::ops::gate::Caller;
use crate::text;
use crate::tui::effect::Effect;
use crate::tui::export::{self, Exported, Format};
use crate::tui::layout;
use crate::tui::modal::{Kind, Report};
use crate::tui::model::{Cx, Tone};
use crate::tui::moves::Step;
use crate::tui::text::grouped;
use crate::tui::widgets::browse::Extent;

use super::{News, State, view};

/// Lines kept at most.
pub const NEWEST: usize = 1_000;

/// One request and its answer, or several in a row that are alike. Names and paths are as they came: not safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When the first was answered.
    pub first: Moment,
    /// When the last was.
    pub at: Moment,
    /// How many there were.
    pub times: u64,
    /// The client.
    pub client: IpAddr,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// The user, if one was recognised.
    pub user: Option<String>,
    /// How long the last answer took.
    pub took: Duration,
    /// Why it was refused.
    pub reason: Option<String>,
    /// It showed a retired key: how often that user's were shown from this address since the listener was started.
    pub retired_calls: Option<u64>,
    /// The last answer's `X-Request-Id`.
    pub id: String,
}

impl Call {
    /// Whether `other` is the same call again.
    fn is_like(&self, other: &Self) -> bool {
        self.client == other.client
            && self.status == other.status
            && self.method == other.method
            && self.path == other.path
            && self.user == other.user
            && self.reason == other.reason
    }

    /// Whether `wanted`, in lower case, is found in any column.
    fn has(&self, wanted: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(wanted);
        has(&self.path)
            || has(&self.method)
            || self.user.as_deref().is_some_and(has)
            || self.reason.as_deref().is_some_and(has)
            || self.client.to_string().contains(wanted)
            || self.status.to_string().contains(wanted)
    }

    /// Why, and how often.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}{}", self.why(), self.often())
    }

    /// The same in so many columns: the reason is cut, not the number.
    #[must_use]
    pub fn told_in(&self, columns: usize) -> String {
        let often = self.often();
        let room = columns.saturating_sub(text::width(&often));
        text::fit(self.why(), room) + &often
    }

    fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    fn often(&self) -> String {
        match (self.retired_calls.unwrap_or(self.times), &self.reason) {
            (1, _) => String::new(),
            (times, None) => format!("×{}", grouped(times)),
            (times, Some(_)) => format!(", ×{}", grouped(times)),
        }
    }
}

impl State {
    /// The lines that the filter lets through, the newest first.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Call> {
        let wanted = self.browse.filter().to_lowercase();
        self.calls
            .iter()
            .filter(move |call| wanted.is_empty() || call.has(&wanted))
    }

    /// The line under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Call> {
        self.shown().nth(self.browse.cursor())
    }
}

/// Everybody who still calls with a retired key, a line each.
pub fn callers(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let line = |caller: &Caller| {
        let often = format!("×{}", grouped(caller.times));
        format!(
            "{:<20} {:<15} {often:<7} {} ago",
            text::fit(&caller.username, 20),
            caller.address.to_string(),
            caller.last.age(cx.clock.now)
        )
    };
    let lines: Vec<String> = state.callers.iter().map(line).collect();
    if lines.is_empty() {
        cx.say(Tone::Plain, "Nobody has called with a retired key.");
        return Vec::new();
    }
    cx.open(Kind::Report(Report {
        title: "Who still calls with a retired key".to_owned(),
        lines,
        scroll: 0,
    }));
    Vec::new()
}

/// Takes the news in. The cursor stays on its line, unless it is on the first: then it follows what comes.
pub fn take(state: &mut State, news: News, cx: &Cx) {
    state.figures = news.figures;
    if let Some(callers) = news.callers {
        state.callers = callers;
    }
    state.dropped = state.dropped.saturating_add(news.dropped);
    let wanted = state.browse.filter().to_lowercase();
    let mut came = 0;
    for call in news.calls {
        match state.calls.front_mut() {
            Some(newest) if newest.is_like(&call) => {
                *newest = Call {
                    first: newest.first,
                    times: newest.times + call.times,
                    ..call
                };
            }
            Some(_) | None => {
                came += usize::from(wanted.is_empty() || call.has(&wanted));
                state.calls.push_front(call);
            }
        }
    }
    state.calls.truncate(NEWEST);
    let at = state.browse.cursor();
    if at > 0 {
        state.browse.follow(at + came);
    }
    keep_in_sight(state, cx);
}

fn extent(state: &State, cx: &Cx) -> Extent {
    Extent {
        rows: state.shown().count(),
        seen: layout::list_rows(cx.size).saturating_sub(usize::from(view::HEAD)),
        columns: view::COLUMNS_MAX,
    }
}

pub fn keep_in_sight(state: &mut State, cx: &Cx) {
    let extent = extent(state, cx);
    state.browse.keep_in_sight(extent);
}

pub fn step(state: &mut State, step: Step, cx: &mut Cx) -> Vec<Effect> {
    // The message line is for the line that is looked at now; only what failed stays there.
    cx.notice.take_if(|notice| notice.tone != Tone::Bad);
    let extent = extent(state, cx);
    state.browse.step(step, extent);
    Vec::new()
}

pub fn open(state: &State, cx: &mut Cx) -> Vec<Effect> {
    if let Some(call) = state.current() {
        let lines = whole(call, cx);
        cx.open(Kind::Report(Report {
            title: format!("{} {}", call.status, text::fit(&call.path, 50)),
            lines,
            scroll: 0,
        }));
    }
    Vec::new()
}

/// Everything that the line tells, one fact a line.
fn whole(call: &Call, cx: &Cx) -> Vec<String> {
    let age = call.at.age(cx.clock.now);
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let times = (call.times > 1).then(|| {
        let first = call.first.rfc3339();
        format!(
            "Times     {} in a row, the first at {first}; of the last:",
            call.times
        )
    });
    let lines = [
        times,
        Some(format!("When      {} ({age} ago)", call.at.rfc3339())),
        Some(format!("From      {}", call.client)),
        Some(format!("Request   {} {}", call.method, call.path)),
        Some(format!(
            "Answer    {} in {}",
            call.status,
            view::millis(call.took)
        )),
        Some(format!("User      {}", known(&call.user))),
        Some(format!("Reason    {}", known(&call.reason))),
        call.retired_calls.map(|calls| {
            let calls = grouped(calls);
            format!("Calls     {calls} with retired keys of this user from this address")
        }),
        Some(format!("Id        {}", call.id)),
    ];
    lines.into_iter().flatten().collect()
}

/// A line as it is exported.
#[derive(Serialize)]
struct Line<'a> {
    first: Moment,
    last: Moment,
    times: u64,
    client: IpAddr,
    method: &'a str,
    path: &'a str,
    status: u16,
    user: Option<&'a str>,
    micros: u64,
    reason: Option<&'a str>,
    id: &'a str,
}

impl Exported for Line<'_> {
    const HEADS: &'static [&'static str] = &[
        "first", "last", "times", "client", "method", "path", "status", "user", "micros", "reason",
        "id",
    ];

    fn cells(&self) -> Vec<String> {
        let given = |text: Option<&str>| text.unwrap_or_default().to_owned();
        vec![
            self.first.rfc3339(),
            self.last.rfc3339(),
            self.times.to_string(),
            self.client.to_string(),
            self.method.to_owned(),
            self.path.to_owned(),
            self.status.to_string(),
            given(self.user),
            self.micros.to_string(),
            given(self.reason),
            self.id.to_owned(),
        ]
    }
}

impl<'a> From<&'a Call> for Line<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            first: call.first,
            last: call.at,
            times: call.times,
            client: call.client,
            method: &call.method,
            path: &call.path,
            status: call.status,
            user: call.user.as_deref(),
            micros: u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX),
            reason: call.reason.as_deref(),
            id: &call.id,
        }
    }
}

pub fn export(state: &State, format: Format) -> Vec<Effect> {
    let rows: Vec<Line> = state.shown().map(Line::from).collect();
    export::write("listener", &rows, format)
}
