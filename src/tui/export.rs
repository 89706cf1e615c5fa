//! Lists as files: the menu of formats, CSV and JSON. The same for every screen that has a list; the rows come as a
//! screen exports them, which is never with a key.

use serde::Serialize;

use crate::tui::effect::{Effect, Sealed};
use crate::tui::message::Message;
use crate::tui::modal::{Choose, Item, Kind};
use crate::tui::model::Cx;

/// How rows are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, RFC 4180.
    Csv,
    /// One JSON array.
    Json,
}

/// What a row of an export is: its JSON is its `Serialize`, its CSV the cells below [`Exported::HEADS`].
pub trait Exported: Serialize {
    /// The first line of the CSV.
    const HEADS: &'static [&'static str];

    /// One cell for each head.
    fn cells(&self) -> Vec<String>;
}

/// Opens the menu of formats; `then` makes the message of the chosen one.
pub fn ask_format(then: fn(Format) -> Message, cx: &mut Cx) -> Vec<Effect> {
    let item = |letter, label: &str, format| Item {
        letter: Some(letter),
        label: label.to_owned(),
        then: then(format),
    };
    let items = vec![
        item('c', "CSV", Format::Csv),
        item('j', "JSON", Format::Json),
    ];
    cx.open(Kind::Choose(Choose {
        title: "Export as".to_owned(),
        about: String::new(),
        items,
        cursor: 0,
    }));
    Vec::new()
}

/// The effect that writes `rows` to a new file whose name begins with `stem`.
pub fn write<R: Exported>(stem: &'static str, rows: &[R], format: Format) -> Vec<Effect> {
    let (extension, text) = match format {
        Format::Csv => ("csv", csv(rows)),
        Format::Json => ("json", json(rows)),
    };
    vec![Effect::Write {
        stem,
        extension,
        text: Sealed::new(text),
    }]
}

fn json<R: Exported>(rows: &[R]) -> String {
    // Strings, bools and nothing else: this cannot fail, and an empty file would say so if it did.
    serde_json::to_string_pretty(rows).unwrap_or_default() + "\n"
}

fn csv<R: Exported>(rows: &[R]) -> String {
    let mut out = R::HEADS.join(",") + "\r\n";
    for row in rows {
        let cells: Vec<String> = row.cells().iter().map(|cell| csv_cell(cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// One cell, quoted where RFC 4180 asks for it. What a spreadsheet would read as a formula is kept from it by an
/// apostrophe: names come from people who sign up.
fn csv_cell(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        assert_eq!(csv_cell("a,b"), "\"a,b\"");
        assert_eq!(csv_cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("bob"), "bob");
    }
}
