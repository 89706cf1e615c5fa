//! Draws the pictures of the README: runs the real program on a demo in a pseudo-terminal, presses keys, and writes
//! the cells it then sees as SVG. `cargo build --bins && cargo run --example pictures`.
#![expect(
    clippy::print_stderr,
    reason = "a program for whoever remakes the pictures"
)]
#![expect(
    clippy::expect_used,
    reason = "without a terminal or the program there is no picture"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

#[path = "../tests/it/support/pty.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod pty;

use pty::{Setting, Terminal};

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;

/// What is pressed before a picture is taken, and what must then be on the screen.
struct Picture {
    file: &'static str,
    title: &'static str,
    keys: &'static [&'static str],
    expect: &'static [&'static str],
}

const PICTURES: [Picture; 2] = [
    Picture {
        file: "docs/users.svg",
        title: "The Users screen: a list of users with their keys covered, and one user's detail beside it",
        keys: &["/", "alice", "\r", "j", "j", " "],
        expect: &["marked"],
    },
    Picture {
        file: "docs/regenerate.svg",
        title: "The question before a key is replaced: whom it hits, and what stops working",
        keys: &["\u{1b}", "R"],
        expect: &["The old key stops working at once; its clients will get 401."],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let here = std::env::current_exe()?;
    let profile = here
        .ancestors()
        .nth(2)
        .ok_or("examples stand in a folder of the profile's")?;
    let binary = profile.join("tokenward");
    let home = tempfile::Builder::new()
        .prefix("tokenward-pictures")
        .tempdir()?;
    open_to_the_server(home.path())?;

    let setting = Setting::at(home.path());
    let mut terminal = Terminal::start(&binary, &["demo"], &setting, ROWS, COLUMNS);
    terminal.wait_for(&["STATE", "Enter open"]);
    for picture in PICTURES {
        for keys in picture.keys {
            terminal.press(keys);
            // A dialog takes no key in its first 300 ms, and keys that come at once are taken for a paste.
            std::thread::sleep(Duration::from_millis(400));
        }
        terminal.wait_for(picture.expect);
        let svg = terminal.look(|screen| draw(screen, picture.title))?;
        std::fs::write(root.join(picture.file), svg)?;
        eprintln!("{}", picture.file);
    }
    for keys in ["\u{1b}", "\u{1b}", "\u{1b}", "q"] {
        terminal.press(keys);
        std::thread::sleep(Duration::from_millis(400));
    }
    terminal.wait_exit();
    Ok(())
}

/// Started by root, the demo's server runs as somebody else, who must be able to enter.
fn open_to_the_server(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

/// Width and height of a cell in the picture's units.
const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 12.0;
const PAPER: &str = "#16181d";
const INK: &str = "#d6d9df";

/// The 16 colours of a terminal in the picture; themes differ, the roles do not.
const PALETTE: [&str; 16] = [
    "#1d2027", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d6d9df",
    "#6b7280", "#ef8089", "#b3dd94", "#f0d399", "#83c4ff", "#d99bee", "#7fd3de", "#ffffff",
];

fn draw(screen: &vt100::Screen, title: &str) -> Result<String, std::fmt::Error> {
    let (width, height) = (
        f32::from(COLUMNS) * CELL.0 + 2.0 * MARGIN,
        f32::from(ROWS) * CELL.1 + 2.0 * MARGIN,
    );
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">"
    )?;
    writeln!(svg, "<title>{title}</title>")?;
    writeln!(
        svg,
        "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>"
    )?;
    for row in 0..ROWS {
        draw_row(&mut svg, screen, row)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

#[derive(Clone, PartialEq)]
struct Style {
    ink: &'static str,
    paper: Option<&'static str>,
    bold: bool,
    dim: bool,
}

fn style_of(cell: &vt100::Cell) -> Style {
    let color = |color: vt100::Color| match color {
        vt100::Color::Idx(index) => PALETTE.get(usize::from(index)).copied(),
        vt100::Color::Default | vt100::Color::Rgb(..) => None,
    };
    let (ink, paper) = (color(cell.fgcolor()), color(cell.bgcolor()));
    let (ink, paper) = if cell.inverse() {
        (paper.unwrap_or(PAPER), Some(ink.unwrap_or(INK)))
    } else {
        (ink.unwrap_or(INK), paper)
    };
    Style {
        ink,
        paper,
        bold: cell.bold(),
        dim: cell.dim(),
    }
}

/// One row, as runs of equal style. Each run says how wide it is, so that a font with other widths for wide or
/// right-to-left letters shifts nothing that follows.
fn draw_row(svg: &mut String, screen: &vt100::Screen, row: u16) -> std::fmt::Result {
    let mut column = 0;
    while column < COLUMNS {
        let Some(first) = screen.cell(row, column) else {
            return Ok(());
        };
        let (start, style) = (column, style_of(first));
        let mut text = String::new();
        while column < COLUMNS {
            let Some(cell) = screen.cell(row, column) else {
                break;
            };
            if style_of(cell) != style {
                break;
            }
            if !cell.is_wide_continuation() {
                text.push_str(if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                });
            }
            column += 1;
        }
        draw_run(svg, row, start, column - start, &text, &style)?;
    }
    Ok(())
}

fn draw_run(
    svg: &mut String,
    row: u16,
    start: u16,
    cells: u16,
    text: &str,
    style: &Style,
) -> std::fmt::Result {
    let (x, y) = (
        MARGIN + f32::from(start) * CELL.0,
        MARGIN + f32::from(row) * CELL.1,
    );
    let width = f32::from(cells) * CELL.0;
    if let Some(paper) = style.paper {
        let height = CELL.1;
        writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{paper}\"/>"
        )?;
    }
    let blank_before = text.width() - text.trim_start().width();
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a hundred columns")]
    let (x, width) = (
        x + blank_before as f32 * CELL.0,
        text.width() as f32 * CELL.0,
    );
    let weight = if style.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let faint = if style.dim { " opacity=\"0.6\"" } else { "" };
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" fill=\"{}\"{weight}{faint} xml:space=\"preserve\">{}</text>",
        y + 13.5,
        style.ink,
        escaped(text)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
