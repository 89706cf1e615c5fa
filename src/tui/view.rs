//! The one frame: header, tabs, the screen, the message line, the hints, and the dialogs over them. It only reads.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use crate::text;
use crate::tui::effect::Slot;
use crate::tui::global;
use crate::tui::layout::{self, SMALLEST};
use crate::tui::look::Role;
use crate::tui::modal;
use crate::tui::model::{Cx, Link, Model, Tone};
use crate::tui::screens::{self, ScreenId};
use crate::tui::text::{span, whole};
use crate::tui::widgets::gauge;
use crate::tui::widgets::hints::{self, Hint};

/// Data older than this shows its age as a warning.
const OLD: u64 = 30;

/// Draws everything.
pub fn view(model: &Model, frame: &mut Frame) {
    let size: Size = frame.area().as_size();
    if layout::fits(size) {
        draw(model, frame, size);
    } else {
        let need = format!("needs {}x{}", SMALLEST.width, SMALLEST.height);
        let line = text::fit(&need, usize::from(size.width));
        let area = Rect {
            height: 1.min(size.height),
            ..frame.area()
        };
        frame.render_widget(Line::raw(line), area);
    }
    model.cx.look.plain(frame.buffer_mut());
}

fn draw(model: &Model, frame: &mut Frame, size: Size) {
    let cx = &model.cx;
    let areas = layout::areas(size);
    header(
        model,
        frame,
        areas.header,
        if areas.tabs.is_some() {
            Tabs::Below
        } else {
            Tabs::Here
        },
    );
    if let Some(area) = areas.tabs {
        let mut spans = tabs(model, Names::Full);
        if let Some(badge) = screens::badge(model) {
            let gap =
                usize::from(area.width).saturating_sub(width(&spans) + text::width(&badge) + 1);
            spans.push(Span::raw(" ".repeat(gap) + &badge));
        }
        frame.render_widget(Line::from(spans), area);
    }
    match cx.link {
        Link::Connecting { .. } if cx.place.is_none() => {
            let name = text::safe(&cx.profile);
            let said = format!(" Connecting to {name}… Esc cancel");
            frame.render_widget(
                Line::raw(said),
                Rect {
                    height: 1,
                    ..areas.body
                },
            );
        }
        // What was listed before is of another database.
        Link::Unchosen if cx.place.is_none() => {
            let said = " Not connected. p lists the profiles, Ctrl-r tries again.";
            let line = Rect {
                height: 1,
                ..areas.body
            };
            frame.render_widget(Line::raw(said), line);
        }
        Link::Connecting { .. } | Link::Live { .. } | Link::Offline { .. } | Link::Unchosen => {
            screens::view(model, frame, areas.body);
        }
    }
    message(model, frame, areas.message);
    hints_line(model, frame, areas.hints);
    for modal in &cx.modals {
        modal::view::view(modal, cx, frame);
    }
}

/// Where the tabs stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Below,
    Here,
}

/// How tabs are named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Full,
    OnlyTheFirst,
    Digits,
}

fn tabs(model: &Model, names: Names) -> Vec<Span<'static>> {
    let look = model.cx.look;
    let mut spans = vec![Span::raw(" ")];
    for (at, &screen) in ScreenId::ALL.iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw(if names == Names::Full { "  " } else { " " }));
        }
        let (digit, title) = (screen.digit(), screen.title());
        if screen == model.screen {
            let name = match names {
                Names::Full | Names::OnlyTheFirst => format!("[{digit} {title}]"),
                Names::Digits => format!("[{digit}]"),
            };
            spans.push(Span::styled(name, look.style(Role::Head)));
        } else if names == Names::Full {
            spans.push(Span::raw(format!("{digit} {title}")));
        } else {
            spans.push(Span::raw(digit.to_string()));
        }
    }
    spans
}

fn header(model: &Model, frame: &mut Frame, area: Rect, place_of_tabs: Tabs) {
    let columns = usize::from(area.width);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for short in Short::STEPS {
        (left, right) = (
            at(model, place_of_tabs, short),
            is(model, place_of_tabs, short),
        );
        if width(&left) + width(&right) < columns {
            break;
        }
    }
    let gap = columns.saturating_sub(width(&left) + width(&right)).max(1);
    left.push(Span::raw(" ".repeat(gap)));
    left.extend(right);
    frame.render_widget(Line::from(left), area);
}

/// What a header has left out to fit; each step leaves out what those before it did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Short {
    /// Nothing.
    Not,
    /// The time of day, the names of tabs.
    Clock,
    /// Role and host.
    Target,
    /// How the listener is.
    Listener,
}

impl Short {
    const STEPS: [Self; 4] = [Self::Not, Self::Clock, Self::Target, Self::Listener];
}

/// Where we are.
fn at(model: &Model, place_of_tabs: Tabs, short: Short) -> Vec<Span<'static>> {
    let cx = &model.cx;
    let mut spans = Vec::new();
    if place_of_tabs == Tabs::Below {
        spans.push(Span::styled(" tokenward ", cx.look.style(Role::Head)));
    }
    spans.extend([
        Span::raw(" "),
        Span::styled(text::fit(cx.place_name(), 24), cx.look.style(Role::Head)),
    ]);
    let Some(place) = &cx.place else {
        return spans;
    };
    if place_of_tabs == Tabs::Below && short < Short::Target && !place.info.target.is_empty() {
        let target = text::fit(&place.info.target, 32);
        spans.push(Span::raw(format!("  {target}")));
    }
    let band = |word| Span::styled(format!(" {word} "), cx.look.band(colour(cx)));
    if place.info.protected {
        spans.extend([Span::raw(" "), band("PROTECTED")]);
    }
    if place.info.read_only {
        spans.extend([Span::raw(" "), band("READ ONLY")]);
    }
    spans
}

/// How it is.
fn is(model: &Model, place_of_tabs: Tabs, short: Short) -> Vec<Span<'static>> {
    let cx = &model.cx;
    let mut spans = work(model);
    if short < Short::Listener {
        spans.extend(listener(model, place_of_tabs));
    }
    spans.push(link(cx));
    match place_of_tabs {
        Tabs::Below if short < Short::Clock => {
            spans.push(Span::raw(format!("   {} UTC ", cx.clock.now.clock_utc())));
        }
        Tabs::Below => spans.push(Span::raw(" ")),
        Tabs::Here if short < Short::Clock => {
            spans.push(Span::raw(" "));
            spans.extend(tabs(model, Names::OnlyTheFirst));
        }
        Tabs::Here => spans.extend(tabs(model, Names::Digits)),
    }
    spans
}

/// `listener :8000`. That it is off is told where there is room for it.
fn listener(model: &Model, place_of_tabs: Tabs) -> Option<Span<'static>> {
    let look = model.cx.look;
    match (model.listener.address(), place_of_tabs) {
        (Some(address), _) => {
            let said = format!("listener :{}   ", address.port);
            Some(Span::styled(said, look.style(Role::Key)))
        }
        (None, Tabs::Below) => Some(Span::styled("listener off   ", look.style(Role::Dim))),
        (None, Tabs::Here) => None,
    }
}

fn width(spans: &[Span]) -> usize {
    spans.iter().map(|span| text::width(&span.content)).sum()
}

fn colour(cx: &Cx) -> Option<&str> {
    cx.place
        .as_ref()
        .and_then(|place| place.info.color.as_deref())
}

/// `backfill 31 %` while long work runs.
fn work(model: &Model) -> Vec<Span<'static>> {
    let Some(job) = &model.cx.job else {
        return Vec::new();
    };
    let said = match job.progress.total {
        Some(total) => format!(
            "{} {} %   ",
            job.verb,
            gauge::percent(job.progress.reached(), total)
        ),
        None => format!("{}   ", job.verb),
    };
    vec![Span::styled(said, model.cx.look.style(Role::Key))]
}

/// How the database is, in words.
fn link(cx: &Cx) -> Span<'static> {
    let since = |at: std::time::Instant| cx.clock.at.saturating_duration_since(at);
    if let Link::Offline {
        since: lost, retry, ..
    } = cx.link
    {
        let next = retry.saturating_duration_since(cx.clock.at).as_secs();
        let next = if cx.is_waiting(Slot::Ping) {
            "trying now".to_owned()
        } else {
            format!("next try in {}", whole(next))
        };
        let said = format!("○ offline {}, {next}", whole(since(lost).as_secs()));
        return Span::styled(said, cx.look.style(Role::Bad));
    }
    if let Link::Connecting { since: begun } = cx.link {
        let said = format!("◌ connecting {}", span(since(begun)));
        return Span::styled(said, cx.look.style(Role::Key));
    }
    if let Some(doing) = &cx.deed {
        let said = format!("◌ working {}", span(since(doing.since)));
        return Span::styled(said, cx.look.style(Role::Key));
    }
    // What is quicker than this would only flicker.
    if let Some(loading) = cx.loading().filter(|loading| loading.as_millis() >= 200) {
        return Span::styled(
            format!("◌ loading {}", span(loading)),
            cx.look.style(Role::Key),
        );
    }
    match cx.link {
        Link::Live { heard } => {
            let age = since(heard).as_secs();
            let role = if age >= OLD { Role::Warn } else { Role::Good };
            Span::styled(format!("● live {}", whole(age)), cx.look.style(role))
        }
        Link::Unchosen | Link::Connecting { .. } | Link::Offline { .. } => {
            Span::styled("○ not connected", cx.look.style(Role::Dim))
        }
    }
}

fn message(model: &Model, frame: &mut Frame, area: Rect) {
    let cx = &model.cx;
    let Some(notice) = &cx.notice else {
        let room = usize::from(area.width).saturating_sub(3);
        if let Some(aside) = screens::aside(model) {
            let line = Line::raw(format!(" · {}", text::fit(&aside, room)));
            frame.render_widget(line, area);
        }
        return;
    };
    let (glyph, role) = match notice.tone {
        Tone::Good => ("✓", Role::Good),
        Tone::Plain => ("·", Role::Base),
        Tone::Bad => ("✗", Role::Bad),
    };
    let room = usize::from(area.width).saturating_sub(3);
    // Below a dialog Enter has another meaning.
    let text =
        if notice.tone == Tone::Bad && text::width(&notice.text) > room && cx.modals.is_empty() {
            // The end of the line says how to read the rest.
            let more = "  Enter: all";
            text::fit(&notice.text, room.saturating_sub(more.len())) + more
        } else {
            text::fit(&notice.text, room)
        };
    let line = Line::from(vec![
        Span::styled(format!(" {glyph} "), cx.look.style(role)),
        Span::raw(text),
    ]);
    frame.render_widget(line, area);
}

fn hints_line(model: &Model, frame: &mut Frame, area: Rect) {
    let cx = &model.cx;
    let columns = usize::from(area.width);
    if let Some((enter, esc)) = screens::typing(model) {
        // Letters are typed now: a hint that names one would lie.
        let enter = enter.map(|word| Hint::fixed(KeyCode::Enter, word));
        let typing: Vec<Hint> = enter
            .into_iter()
            .chain([Hint::fixed(KeyCode::Esc, esc)])
            .collect();
        frame.render_widget(hints::line(cx.look, &typing, &[], columns), area);
        return;
    }
    let of = |action| Hint::of(action, &cx.keys);
    let own: Vec<Hint> = screens::applicable(model)
        .into_iter()
        .filter_map(of)
        .collect();
    let always: Vec<Hint> = global::KEYS
        .iter()
        .filter_map(|binding| of(&binding.action))
        .collect();
    let line = hints::line(cx.look, &own, &always, columns);
    frame.render_widget(line, area);
}
