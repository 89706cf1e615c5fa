//! The request log of `serve`: one line a request, on stderr for people and log collectors, or as JSON on stdout. A
//! thread of its own writes, for a pipe that nobody empties makes it wait; requests do not, and what was not written is
//! counted.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::super::output::{self, Form, Loudness, Output};
use crate::domain::moment::Moment;
use crate::http::feed::{Batch, Feed, Line};
use crate::text;

/// How often lines are written.
const PAUSE: Duration = Duration::from_millis(100);

/// The writer.
pub struct Journal {
    /// Dropped to end it.
    stop: Sender<()>,
    writing: JoinHandle<()>,
}

impl Journal {
    /// Writes the lines of `feed` in the form of `out` from now on.
    pub fn start(feed: Feed, out: &Output) -> Self {
        let form = out.form();
        let loudness = out.loudness();
        let (stop, stopped) = channel::<()>();
        let writing = tokio::task::spawn_blocking(move || {
            loop {
                let ended = stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout);
                let batch = feed.take();
                match loudness {
                    Loudness::Quiet => {}
                    Loudness::Usual => output::request_log(form, &written(&batch, form)),
                }
                if ended {
                    return;
                }
            }
        });
        Self { stop, writing }
    }

    /// Writes what there is, and ends.
    pub async fn finish(self) {
        drop(self.stop);
        // A pipe that nobody empties must not keep us.
        let _ = tokio::time::timeout(PAUSE * 10, self.writing).await;
    }
}

/// The text of `batch`.
fn written(batch: &Batch, form: Form) -> String {
    let mut out = String::with_capacity(batch.lines.len() * 160);
    let (now, moment) = (Instant::now(), Moment::now());
    let mut clock = Clock::default();
    for line in &batch.lines {
        let ago = now.saturating_duration_since(line.at).as_micros();
        let ago = i64::try_from(ago).unwrap_or(0);
        let at = clock.words(Moment::from_unix_micros(moment.unix_micros() - ago));
        match form {
            Form::People => people(&mut out, line, at),
            Form::Json => json(&mut out, line, at),
        }
    }
    if batch.dropped > 0 {
        let dropped = batch.dropped;
        // Writing to a string does not fail.
        let _ = match form {
            Form::People => writeln!(out, "{} dropped={dropped}", moment.rfc3339()),
            Form::Json => writeln!(
                out,
                "{}",
                serde_json::json!({"time": moment.rfc3339(), "dropped": dropped})
            ),
        };
    }
    out
}

/// Moments in words, which lines have by the thousand: those of one second are made once.
#[derive(Default)]
struct Clock {
    second: i64,
    words: String,
}

impl Clock {
    fn words(&mut self, at: Moment) -> &str {
        let second = at.unix_micros().div_euclid(1_000_000);
        if self.words.is_empty() || second != self.second {
            self.words = at.rfc3339();
            self.second = second;
        }
        &self.words
    }
}

/// `time address method path status user=… ms=… id=… reason="…" calls=…`; the last where a retired key was shown.
fn people(out: &mut String, line: &Line, at: &str) {
    let user = line.user.as_deref().unwrap_or("-");
    let micros = line.took.as_micros();
    let _ = write!(out, "{at} {} ", line.client);
    for part in [
        &text::safe(line.method.as_str()),
        " ",
        &word(&line.path),
        " ",
        line.status.as_str(),
        " user=",
        &word(user),
    ] {
        out.push_str(part);
    }
    let _ = write!(out, " ms={}.{:03} id=", micros / 1_000, micros % 1_000);
    out.extend(line.id.digits().map(char::from));
    if let Some(reason) = &line.reason {
        let _ = write!(out, " reason={}", quoted(reason));
    }
    if let Some(calls) = line.retired_calls {
        let _ = write!(out, " calls={calls}");
    }
    out.push('\n');
}

fn json(out: &mut String, line: &Line, at: &str) {
    let value = serde_json::json!({
        "time": at,
        "address": line.client.to_string(),
        "method": text::safe(line.method.as_str()),
        "path": text::safe(&line.path),
        "status": line.status.as_u16(),
        "user": line.user.as_deref().map(text::safe),
        "ms": line.took.as_secs_f64() * 1e3,
        "id": line.id.to_string(),
        "reason": line.reason.as_deref().map(text::safe),
        "calls": line.retired_calls,
    });
    let _ = writeln!(out, "{value}");
}

/// `text` as one word: in quotes where it would be more than one, or be taken for the end of one.
fn word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    if !text.is_empty() && !text.contains([' ', '"', '=', '\\']) {
        text::safe(text)
    } else {
        Cow::Owned(quoted(text))
    }
}

fn quoted(text: &str) -> String {
    let safe = text::safe(text);
    format!("\"{}\"", safe.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::feed::RequestId;
    use hyper::{Method, StatusCode};
    use std::net::IpAddr;

    fn batch() -> Batch {
        let line = Line {
            at: Instant::now(),
            client: IpAddr::from([192, 0, 2, 1]),
            method: Method::GET,
            path: "/api/example/".into(),
            status: StatusCode::OK,
            user: Some("alice".into()),
            took: Duration::from_micros(1_250),
            reason: None,
            retired_calls: None,
            id: RequestId::default(),
        };
        let hostile = Line {
            path: "/a\u{1b}[2J\nfake".into(),
            status: StatusCode::UNAUTHORIZED,
            user: Some("eve user=\"root\"".into()),
            reason: Some("said \"no\"\n".into()),
            retired_calls: Some(14),
            ..line.clone()
        };
        Batch {
            lines: vec![line, hostile],
            dropped: 7,
        }
    }

    #[test]
    fn a_line_a_request_whatever_is_in_it() {
        let text = written(&batch(), Form::People);
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(
            lines,
            [
                "192.0.2.1 GET /api/example/ 200 user=alice ms=1.250 id=0000000000000000",
                "192.0.2.1 GET /a�[2J�fake 401 user=\"eve user=\\\"root\\\"\" ms=1.250 \
                 id=0000000000000000 reason=\"said \\\"no\\\"�\" calls=14",
                "dropped=7"
            ]
        );
    }

    #[test]
    fn as_json_each_line_is_a_value() {
        let text = written(&batch(), Form::Json);
        let values: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(values.len(), 3);
        assert_eq!(values[0]["user"], "alice");
        assert_eq!(values[0]["ms"], 1.25);
        assert_eq!(values[1]["path"], "/a�[2J�fake");
        assert_eq!(values[1]["calls"], 14);
        assert_eq!(values[2]["dropped"], 7);
    }
}
