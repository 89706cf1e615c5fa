//! The clipboard: which way a text goes there, and that a key does not stay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::tui::clipboard::{self, Route, Tool};
use crate::tui::effect::{Keep, Sealed};
use crate::tui::message::{Cleared, Message, Sent};

use super::{Answer, Held, Outside, Runner};

impl Runner {
    /// Sends `text` to the clipboard, or gives it back to the loop where only the terminal can.
    pub(super) fn copy(&self, label: String, text: Sealed, keep: Keep) -> Option<Outside> {
        let outcome = match clipboard::route(self.settings.clipboard) {
            Ok(Route::Osc52) => {
                let cleared = match keep {
                    Keep::ForAWhile => Cleared::CannotTell,
                    Keep::Forever => Cleared::NoNeed,
                };
                return Some(Outside::Osc52(label, text, cleared));
            }
            Ok(Route::Tool(tool)) => Ok(tool),
            Err(why) => Err(why),
        };
        let (answers, held) = (self.answers.clone(), Arc::clone(&self.held));
        let after = self.settings.clipboard_clear;
        tokio::spawn(async move {
            let outcome = match outcome {
                Ok(tool) => tool.copy(&text).await.map(|()| tool),
                Err(why) => Err(why),
            };
            let sent = outcome.as_ref().map(|tool| Sent {
                via: tool.name,
                cleared: match keep {
                    Keep::ForAWhile => Cleared::In(after.as_secs()),
                    Keep::Forever => Cleared::NoNeed,
                },
            });
            let told = Message::Sent {
                label: label.clone(),
                outcome: sent.map_err(Clone::clone),
            };
            // The loop is gone: nobody is left to tell.
            let _ = answers.send(Answer::Told(told)).await;
            if let (Ok(tool), Keep::ForAWhile) = (outcome, keep) {
                clear_later(tool, &text, label, after, &held).await;
            }
        });
        None
    }
}

/// Waits, then clears the clipboard if nothing of ours was sent since.
async fn clear_later(
    tool: &Tool,
    text: &Sealed,
    label: String,
    after: Duration,
    held: &Mutex<Held>,
) {
    let nth = {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.nth += 1;
        held.label = Some(label);
        held.nth
    };
    sleep(after).await;
    if held.lock().unwrap_or_else(PoisonError::into_inner).nth == nth {
        tool.clear(text).await;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.nth == nth {
            held.label = None;
        }
    }
}
