//! The only file that prints. Results go to stdout, for people or as JSON; the rest goes to stderr. Outside text is
//! made safe here, so that no command can forget it.

mod csv;
mod json;
pub mod table;

use std::fmt::Write as _;
use std::io::{BufWriter, IsTerminal, LineWriter, Write};

use serde::Serialize;

use super::exit::{Code, Failure};
use crate::text;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    People,
    /// JSON alone, a value a line.
    Json,
}

/// Whether messages beside the results are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// Only errors.
    Quiet,
    /// As usual.
    Usual,
}

/// Whether colours are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// On a terminal.
    Allowed,
    /// Nowhere.
    Off,
}

/// What a word means; a terminal may colour it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// Works, done.
    Good,
    /// Works, and that may be a surprise.
    Warning,
    /// Does not work.
    Bad,
}

impl Tone {
    const fn ansi(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\x1b[32m"),
            Self::Warning => Some("\x1b[33m"),
            Self::Bad => Some("\x1b[31m"),
        }
    }
}

/// Where a command writes.
pub struct Output {
    form: Form,
    loudness: Loudness,
    paint: Paint,
    out: Box<dyn Write>,
}

impl Output {
    /// Writes to the process's own stdout and stderr.
    #[must_use]
    pub fn new(form: Form, loudness: Loudness, paint: Paint) -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        // A person wants each line at once; a list of a million rows wants few system calls.
        let out: Box<dyn Write> = if terminal {
            Box::new(LineWriter::new(stdout))
        } else {
            Box::new(BufWriter::with_capacity(64 * 1024, stdout))
        };
        let paint = if terminal { paint } else { Paint::Off };
        Self {
            form,
            loudness,
            paint,
            out,
        }
    }

    /// How results are written.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Whether messages beside the results are wanted.
    #[must_use]
    pub const fn loudness(&self) -> Loudness {
        self.loudness
    }

    /// One line of a result.
    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", text::safe(line)).map_err(lost)
    }

    /// One line, byte for byte, unless a terminal would act on it.
    pub fn exact_line(&mut self, line: &str) -> Result<(), Failure> {
        if std::io::stdout().is_terminal() {
            self.line(line)
        } else {
            writeln!(self.out, "{line}").map_err(lost)
        }
    }

    /// Text of our own making, as it is.
    pub fn text(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(lost)
    }

    /// One JSON value on a line of its own.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = json::line(value).map_err(|error| {
            Failure::new(Code::Failed, format!("cannot write this as JSON: {error}"))
        })?;
        writeln!(self.out, "{line}").map_err(lost)
    }

    /// One record of a CSV file.
    pub fn csv(&mut self, fields: &[&str]) -> Result<(), Failure> {
        self.out
            .write_all(csv::record(fields).as_bytes())
            .map_err(lost)
    }

    /// Rows of a table under `header`. `columns` is what the first page settled: the header is written once, and the
    /// widths stay.
    pub fn rows(
        &mut self,
        header: &[&str],
        rows: &[Vec<table::Cell>],
        columns: &mut Option<Vec<usize>>,
    ) -> Result<(), Failure> {
        let widths = if let Some(widths) = columns {
            &*widths
        } else {
            let widths = columns.insert(table::widths(header, rows));
            let names: Vec<table::Cell> = header.iter().copied().map(table::Cell::plain).collect();
            let line = table::line(&names, widths, Paint::Off);
            writeln!(self.out, "{line}").map_err(lost)?;
            &*widths
        };
        for row in rows {
            let line = table::line(row, widths, self.paint);
            writeln!(self.out, "{line}").map_err(lost)?;
        }
        Ok(())
    }

    /// Names and values, one pair a line.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            self.line(&format!("{name:width$}  {value}"))?;
        }
        Ok(())
    }

    /// A message beside the results, on stderr.
    pub fn note(&self, message: &str) {
        match self.loudness {
            Loudness::Quiet => {}
            Loudness::Usual => note(message),
        }
    }

    /// Tells a person that a list is empty, rather than to show nothing at all.
    pub fn note_if_empty(&self, empty: bool) {
        match self.form {
            Form::People if empty => self.note("nothing found"),
            Form::People | Form::Json => {}
        }
    }

    /// What may help a person with wrong arguments, on stderr.
    pub fn help(&self, text: &str) {
        match self.form {
            Form::People => text.lines().for_each(complain),
            Form::Json => {}
        }
    }

    /// Makes sure that what was written is on its way.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(lost)
    }

    /// What went wrong: on stderr, or as JSON where JSON is asked for.
    pub fn failure(&mut self, failure: &Failure) {
        match (failure, self.form) {
            (Failure::ClosedPipe, _) => {}
            (Failure::Django(message), Form::People) => complain(message),
            (Failure::Said { message, .. }, Form::People) => note(message),
            (Failure::Said { code, message }, Form::Json) => self.json_failure(*code, message),
            (Failure::Django(message), Form::Json) => self.json_failure(Code::Failed, message),
        }
    }

    fn json_failure(&mut self, code: Code, message: &str) {
        let error = serde_json::json!({"error": {"code": code as u8, "message": message}});
        // Where stdout is gone too there is nobody left to tell.
        let _ = self.json(&error).and_then(|()| self.flush());
    }
}

/// A message on stderr, whatever `-q` says: the steps of a first start, errors.
pub fn note(message: &str) {
    for line in message.lines() {
        complain(&format!("tokenward: {line}"));
    }
}

/// Lines of the request log, made safe already: on stderr, or as JSON on stdout. Where that is gone there is nobody left
/// to tell, and requests go on.
pub fn request_log(form: Form, lines: &str) {
    if lines.is_empty() {
        return;
    }
    let _ = match form {
        Form::People => std::io::stderr().write_all(lines.as_bytes()),
        Form::Json => {
            let mut stdout = std::io::stdout();
            stdout
                .write_all(lines.as_bytes())
                .and_then(|()| stdout.flush())
        }
    };
}

/// A line on stderr. Where stderr is gone there is nobody left to tell.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text::safe(line));
}

/// A question on stderr, the cursor left behind it.
pub fn ask(question: &str) {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{}", text::safe(question)).and_then(|()| stderr.flush());
}

/// The progress line on stderr, drawn over the one before; an empty one wipes it.
pub fn progress(line: &str) {
    let mut drawn = String::from("\r\x1b[K");
    let _ = write!(drawn, "{}", text::safe(line));
    let mut stderr = std::io::stderr();
    let _ = stderr
        .write_all(drawn.as_bytes())
        .and_then(|()| stderr.flush());
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn lost(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Failure::ClosedPipe
    } else {
        Failure::new(Code::Failed, format!("cannot write the output: {error}"))
    }
}
