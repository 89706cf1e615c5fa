//! From the terminal's events to messages. Tells typing from pasting, since pasted text must never act as commands.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use crossterm::event::{Event, KeyCode, KeyEventKind};
use futures_util::{Stream, StreamExt};
use ratatui::layout::Size;

use super::effect::Sealed;
use super::keys::Key;
use super::message::Message;

/// More keys than this in one moment, and different ones, were typed by no hand.
const BURST: usize = 6;
/// Events taken together at most.
const EVENTS: usize = 4_096;

/// The event and whatever is ready with it. Many different keys at once are a paste from a terminal that does not
/// bracket it: they must not act as commands. One key many times is a held key.
pub async fn gather<S>(first: Event, input: &mut S) -> Vec<Message>
where
    S: Stream<Item = io::Result<Event>> + Unpin,
{
    let mut events = vec![first];
    while events.len() < EVENTS {
        // Polled with this task's own waker: the event stream keeps the last one it saw, and would wake nobody
        // after a look with an empty one.
        match poll_fn(|cx| Poll::Ready(input.poll_next_unpin(cx))).await {
            Poll::Ready(Some(Ok(event))) => events.push(event),
            // An error or the end comes again when it is asked for next.
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => break,
        }
    }
    let typed: Vec<char> = events.iter().filter_map(typed_char).collect();
    let held = typed.windows(2).all(|pair| pair[0] == pair[1]);
    if typed.len() == events.len() && typed.len() >= BURST && !held {
        let text: String = typed.into_iter().collect();
        return vec![Message::Pasted(Sealed::new(text))];
    }
    events.into_iter().filter_map(message_of).collect()
}

/// What an event would type, were it part of a paste.
fn typed_char(event: &Event) -> Option<char> {
    let Event::Key(key) = event else {
        return None;
    };
    match key.code {
        KeyCode::Enter => Some('\n'),
        KeyCode::Tab => Some('\t'),
        _ => Key::from_event(key).typed(),
    }
}

fn message_of(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) => Some(Message::Pressed(Key::from_event(&key))),
        Event::Paste(text) => Some(Message::Pasted(Sealed::new(with_line_ends(text)))),
        Event::Resize(width, height) => Some(Message::Resized(Size::new(width, height))),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}

/// Terminals send what Enter would for each end of a line: a paste without a single `\n` has its lines ended by `\r`.
/// Changed in place, for a copy would leave a key in memory that nobody wipes.
fn with_line_ends(text: String) -> String {
    if text.contains('\n') {
        return text;
    }
    let mut bytes = text.into_bytes();
    for byte in &mut bytes {
        if *byte == b'\r' {
            *byte = b'\n';
        }
    }
    // One ASCII character for another leaves UTF-8 what it was.
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_has_its_lines_however_the_terminal_ends_them() {
        for (sent, lines) in [("a\rb", "a\nb"), ("a\r\nb", "a\r\nb"), ("é\r", "é\n")] {
            assert_eq!(with_line_ends(sent.to_owned()), lines);
        }
    }
}
