//! Draws the dialogs: one box for all, over whatever is below.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use crate::domain::token::{CoveredKey, Issued};
use crate::text;
use crate::tui::layout;
use crate::tui::look::Role;
use crate::tui::model::Cx;
use crate::tui::text::{grouped, whole, wrap};
use crate::tui::widgets::gauge;

use super::{
    Choose, Commands, Confirm, Keys, KeysOf, Kind, Modal, Need, Prompt, Report, Way, Ways,
    stop_word,
};

/// The usual width of a dialog, its borders included.
const WIDTH: u16 = 66;
/// The most lines of a list of names in a dialog.
const NAMES: usize = 8;

/// The lines of a dialog, with the cursor where it has one.
struct Page {
    title: String,
    lines: Vec<Line<'static>>,
    cursor: Option<(usize, usize)>,
    /// The furthest that its list scrolls.
    furthest: usize,
}

impl Page {
    fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            lines: Vec::new(),
            cursor: None,
            furthest: 0,
        }
    }

    fn text(&mut self, said: &str, columns: usize) {
        self.lines
            .extend(wrap(said, columns).into_iter().map(Line::raw));
    }

    fn styled(&mut self, said: &str, style: Style, columns: usize) {
        let lines = wrap(said, columns).into_iter();
        self.lines
            .extend(lines.map(|line| Line::styled(line, style)));
    }

    /// A list scrolled to `offset`, of which `room` lines are seen.
    fn scrolled(&mut self, all: &[String], offset: usize, room: usize, columns: usize) {
        let room = room.max(1);
        self.furthest = all.len().saturating_sub(room);
        let offset = offset.min(self.furthest);
        for line in all.iter().skip(offset).take(room) {
            self.lines.push(Line::raw(text::fit(line, columns)));
        }
        if all.len() > room {
            let last = (offset + room).min(all.len());
            let said = format!("↑↓ {}-{last} of {}", offset + 1, all.len());
            self.lines.push(Line::raw(said));
        }
    }
}

/// Draws `modal`.
pub fn view(modal: &Modal, cx: &Cx, frame: &mut Frame) {
    let outer = frame.area();
    let (page, width) = page_of(&modal.kind, cx, outer);
    let height = u16::try_from(page.lines.len() + 2).unwrap_or(u16::MAX);
    draw(&page, cx, frame, layout::dialog(outer, width, height));
}

/// The furthest that the list of a dialog scrolls: beyond it, a key would move nothing that is seen.
pub fn furthest(kind: &Kind, cx: &Cx) -> usize {
    let outer = Rect::from((Position::ORIGIN, cx.size));
    page_of(kind, cx, outer).0.furthest
}

fn page_of(kind: &Kind, cx: &Cx, outer: Rect) -> (Page, u16) {
    let width = match kind {
        Kind::Help(_) | Kind::Commands(_) => 78,
        Kind::Confirm(_)
        | Kind::Prompt(_)
        | Kind::Keys(_)
        | Kind::Report(_)
        | Kind::Choose(_)
        | Kind::Progress { .. } => WIDTH,
    };
    let columns = usize::from(layout::dialog(outer, width, 1).width).saturating_sub(4);
    let room = usize::from(outer.height).saturating_sub(4).max(1);
    let page = match kind {
        Kind::Confirm(confirm) => confirm_page(confirm, cx, columns, room),
        Kind::Prompt(prompt) => prompt_page(prompt, cx, columns),
        Kind::Keys(keys) => keys_page(keys, cx, columns, room),
        Kind::Report(report) | Kind::Help(report) => report_page(report, cx, columns, room),
        Kind::Choose(choose) => choose_page(choose, cx, columns, room),
        Kind::Commands(commands) => commands_page(commands, cx, columns, room),
        Kind::Progress { title } => progress_page(title, cx, columns),
    };
    (page, width)
}

fn draw(page: &Page, cx: &Cx, frame: &mut Frame, area: Rect) {
    // At full width the sides would only cost two columns.
    let sides = area.width < frame.area().width;
    let inner = usize::from(area.width).saturating_sub(2);
    let title = text::fit(&page.title, inner.saturating_sub(3));
    let rule = "─".repeat(inner.saturating_sub(text::width(&title) + 3));
    let style = cx.look.style(Role::Base);
    let head = Line::from(vec![
        Span::styled(if sides { "┌ " } else { "─ " }, style),
        Span::styled(title, cx.look.style(Role::Head)),
        Span::styled(format!(" {rule}─{}", if sides { "┐" } else { "─" }), style),
    ]);
    Clear.render(area, frame.buffer_mut());
    clear_halves(frame.buffer_mut(), area);
    frame.render_widget(
        head,
        Rect {
            height: 1.min(area.height),
            ..area
        },
    );
    let last = area.bottom().saturating_sub(1);
    for (line, y) in page.lines.iter().zip(area.y + 1..last) {
        let inside = Rect {
            x: area.x + 2,
            width: area.width.saturating_sub(4),
            y,
            height: 1,
        };
        frame.render_widget(line, inside);
    }
    for y in area.y + 1..last {
        if sides {
            frame.render_widget(
                "│",
                Rect {
                    y,
                    height: 1,
                    width: 1,
                    ..area
                },
            );
            frame.render_widget(
                "│",
                Rect {
                    x: area.right() - 1,
                    y,
                    height: 1,
                    width: 1,
                },
            );
        }
    }
    if area.height > 1 {
        let rule = "─".repeat(inner);
        let foot = if sides {
            format!("└{rule}┘")
        } else {
            format!("─{rule}─")
        };
        frame.render_widget(
            foot.as_str(),
            Rect {
                y: last,
                height: 1,
                ..area
            },
        );
    }
    if let Some((column, line)) = page.cursor
        && let (Ok(column), Ok(line)) = (u16::try_from(column), u16::try_from(line))
    {
        let at = Position::new(area.x + 2 + column, area.y + 1 + line);
        if area.contains(at) {
            frame.set_cursor_position(at);
        }
    }
}

/// A wide character that begins left of the box would reach into it: it goes.
fn clear_halves(buffer: &mut Buffer, area: Rect) {
    let Some(x) = area.x.checked_sub(1) else {
        return;
    };
    for y in area.y..area.bottom() {
        if let Some(cell) = buffer.cell_mut((x, y))
            && text::width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
    }
}

/// A key and what it does, then another far to the right.
fn choices(left: (&str, &str), right: &str, cx: &Cx, columns: usize) -> Line<'static> {
    let used = text::width(left.0) + 1 + text::width(left.1);
    let gap = columns
        .saturating_sub(used + text::width(right))
        .clamp(2, 8);
    Line::from(vec![
        Span::styled(left.0.to_owned(), cx.look.style(Role::Key)),
        Span::raw(format!(" {}{}{right}", left.1, " ".repeat(gap))),
    ])
}

fn confirm_page(confirm: &Confirm, cx: &Cx, columns: usize, room: usize) -> Page {
    let mut page = Page::new(&confirm.title);
    for said in &confirm.about {
        page.text(said, columns);
    }
    if !confirm.whom.is_empty() {
        let left = room.saturating_sub(page.lines.len() + 3);
        page.scrolled(&confirm.whom, confirm.scroll, left.min(NAMES), columns);
    }
    if let Some(ways) = &confirm.ways {
        if let Some(way) = ways.all.get(ways.at) {
            page.text(&way.means, columns);
        }
        page.text(&labels(ways), columns);
    }
    if !confirm.same_as().is_empty() {
        page.text(&format!("Same as: {}", confirm.same_as()), columns);
    }
    match &confirm.need {
        Need::Yes => page.lines.push(choices(
            ("y", confirm.verb),
            "Enter or Esc cancel",
            cx,
            columns,
        )),
        Need::Typed {
            text: wanted,
            field,
        } => {
            let wanted = text::safe(wanted).into_owned();
            let before = format!("Type  {wanted}  to go on: ");
            let (typed, column) = field.window(columns.saturating_sub(text::width(&before)));
            page.cursor = Some((text::width(&before) + column, page.lines.len()));
            let used = text::width(&before) + text::width(&typed);
            let esc = "Esc cancel";
            let gap = columns.saturating_sub(used + esc.len() + 1);
            if gap >= 2 {
                page.lines.push(Line::raw(format!(
                    "{before}{typed}▏{}{esc}",
                    " ".repeat(gap)
                )));
            } else {
                page.lines.push(Line::raw(format!("{before}{typed}▏")));
                page.lines.push(Line::raw(esc));
            }
        }
    }
    page
}

/// `Grace  [none]  1 h  24 h  7 d   Tab goes on`: what can be chosen, and what is.
fn labels(ways: &Ways) -> String {
    let label = |(at, way): (usize, &Way)| {
        if at == ways.at {
            format!("[{}]", way.label)
        } else {
            way.label.to_owned()
        }
    };
    let labels: Vec<String> = ways.all.iter().enumerate().map(label).collect();
    format!("{}  {}   Tab changes it", ways.name, labels.join("  "))
}

fn prompt_page(prompt: &Prompt, cx: &Cx, columns: usize) -> Page {
    let mut page = Page::new(&prompt.title);
    for said in &prompt.about {
        page.text(said, columns);
    }
    let (typed, column) = prompt.field.window(columns.saturating_sub(1));
    page.cursor = Some((column, page.lines.len()));
    page.lines.push(Line::raw(format!("{typed}▏")));
    page.lines
        .push(choices(("Enter", "go on"), "Esc cancel", cx, columns));
    page
}

fn keys_page(keys: &Keys, cx: &Cx, columns: usize, room: usize) -> Page {
    let mut page = Page::new(&keys.title);
    let shown = keys
        .until
        .map(|until| until.saturating_duration_since(cx.clock.at));
    if let ([issued], []) = (keys.issued.as_slice(), keys.notes.as_slice()) {
        page.styled(
            &spoken(issued, shown.is_some()),
            cx.look.style(Role::Head),
            columns,
        );
    } else {
        let lines: Vec<String> = keys
            .issued
            .iter()
            .map(|issued| {
                format!(
                    "{}  {}",
                    spoken(issued, shown.is_some()),
                    text::safe(&issued.username)
                )
            })
            .chain(keys.notes.iter().map(|note| format!("failed: {note}")))
            .collect();
        page.scrolled(
            &lines,
            keys.scroll,
            room.saturating_sub(4).min(NAMES),
            columns,
        );
    }
    if let Some(left) = shown {
        page.text(
            &format!("Covered again in {}.", whole(left.as_secs() + 1)),
            columns,
        );
    }
    let toggle = if shown.is_some() { "x cover" } else { "x show" };
    match (keys.origin, keys.issued.len()) {
        (KeysOf::Shown, _) => page.lines.push(Line::raw("Esc done")),
        (KeysOf::Made, 1) => page.text(
            &format!("y copy   {toggle}   w write to a 0600 file   Esc done"),
            columns,
        ),
        (KeysOf::Made, _) => page.text(
            &format!("{toggle}   w write to a 0600 file   Esc done"),
            columns,
        ),
    }
    page
}

fn spoken(issued: &Issued, seen: bool) -> String {
    if seen {
        issued.key.expose().clone()
    } else {
        CoveredKey::of(&issued.key).to_string()
    }
}

fn report_page(report: &Report, cx: &Cx, columns: usize, room: usize) -> Page {
    let mut page = Page::new(&report.title);
    let lines: Vec<String> = report
        .lines
        .iter()
        .flat_map(|line| wrap(line, columns))
        .collect();
    page.scrolled(&lines, report.scroll, room.saturating_sub(2), columns);
    page.lines.push(choices(("Esc", "close"), "", cx, columns));
    page
}

fn choose_page(choose: &Choose, cx: &Cx, columns: usize, room: usize) -> Page {
    let mut page = Page::new(&choose.title);
    if !choose.about.is_empty() {
        page.text(&choose.about, columns);
    }
    // A long reason leaves room for the choice.
    page.lines.truncate(room.saturating_sub(3));
    let room = room.saturating_sub(page.lines.len() + 1).max(1);
    let from = (choose.cursor + 1).saturating_sub(room);
    for (at, item) in choose.items.iter().enumerate().skip(from).take(room) {
        let style = cx.look.style(if at == choose.cursor {
            Role::Cursor
        } else {
            Role::Base
        });
        let pointer = if at == choose.cursor { "▸ " } else { "  " };
        let letter = item
            .letter
            .map(|letter| format!("{letter}  "))
            .unwrap_or_default();
        let said = text::fit(&item.label, columns.saturating_sub(5));
        page.lines
            .push(Line::styled(format!("{pointer}{letter}{said}"), style));
    }
    if choose.items.is_empty() {
        page.text("Nothing to choose from.", columns);
    }
    page.lines
        .push(choices(("Enter", "choose"), "Esc cancel", cx, columns));
    page
}

fn commands_page(commands: &Commands, cx: &Cx, columns: usize, room: usize) -> Page {
    let mut page = Page::new("Command");
    let (typed, column) = commands.field.window(columns.saturating_sub(2));
    page.cursor = Some((column + 1, 0));
    page.lines.push(Line::raw(format!(":{typed}▏")));
    let matching = commands.matching();
    let room = room.saturating_sub(2).clamp(1, 14);
    let from = (commands.cursor + 1).saturating_sub(room);
    for (at, command) in matching.iter().enumerate().skip(from).take(room) {
        let style = cx.look.style(if at == commands.cursor {
            Role::Cursor
        } else {
            Role::Base
        });
        let pointer = if at == commands.cursor { "▸ " } else { "  " };
        let said = format!(
            "{} {} {}",
            text::pad(&format!("{}{}", command.name, command.argument), 18),
            text::pad(&command.key, 9),
            command.help
        );
        page.lines.push(Line::styled(
            format!("{pointer}{}", text::fit(&said, columns.saturating_sub(2))),
            style,
        ));
    }
    page.lines.push(choices(
        ("Enter", "do it"),
        "Tab complete   Esc cancel",
        cx,
        columns,
    ));
    page
}

fn progress_page(title: &str, cx: &Cx, columns: usize) -> Page {
    let mut page = Page::new(title);
    let Some(job) = &cx.job else {
        return page;
    };
    let progress = &job.progress;
    let total = progress.total.unwrap_or(progress.reached());
    let left = progress
        .left
        .map(|left| format!("   {} left", whole(left.as_secs())))
        .unwrap_or_default();
    let head = format!("{} of {}   ", grouped(progress.reached()), grouped(total));
    let tail = format!("  {} %{left}", gauge::percent(progress.reached(), total));
    let bar = columns
        .saturating_sub(text::width(&head) + text::width(&tail))
        .min(30);
    page.lines.push(Line::raw(format!(
        "{head}{}{tail}",
        gauge::bar(progress.reached(), total, bar)
    )));
    let said = format!(
        "{} done, {} failed",
        grouped(progress.done),
        grouped(progress.failed)
    );
    let stop = stop_word(job.stopping);
    let gap = columns
        .saturating_sub(text::width(&said) + text::width(stop))
        .max(2);
    page.lines
        .push(Line::raw(format!("{said}{}{stop}", " ".repeat(gap))));
    page
}
