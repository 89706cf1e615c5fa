//! Keys in clear: asking for one, showing it for a while, sending it to the clipboard, writing it to a file. The
//! same for every screen. A key lives in a dialog or on its way out, never in a list.

use crate::domain::token::{CoveredKey, Issued};
use crate::ops::Aim;
use crate::text;
use crate::tui::effect::{Effect, Form, HandOut, Keep, Question, Sealed, Slot, Use};
use crate::tui::modal::{Keys, KeysOf, Kind};
use crate::tui::model::{Cx, Manner};

/// Asks for the key that `aim` was seen with.
pub fn ask(aim: Aim, wanted: Use, cx: &mut Cx) -> Vec<Effect> {
    vec![cx.ask(Slot::Reveal, Manner::Loud, Question::Reveal(aim, wanted))]
}

/// The key came.
pub fn revealed(cx: &mut Cx, wanted: Use, issued: Issued) -> Vec<Effect> {
    match wanted {
        Use::Copy(form) => vec![copy(&issued, form)],
        Use::Show => {
            let until = Some(cx.clock.at + cx.settings.reveal);
            let title = format!("The key of {}", text::fit(&issued.username, 40));
            cx.open(Kind::Keys(Keys {
                title,
                issued: vec![issued],
                notes: Vec::new(),
                until,
                origin: KeysOf::Shown,
                scroll: 0,
            }));
            Vec::new()
        }
    }
}

fn copy(issued: &Issued, form: Form) -> Effect {
    Effect::Copy {
        label: CoveredKey::of(&issued.key).to_string(),
        text: Sealed::new(form.write(issued.key.expose())),
        keep: Keep::ForAWhile,
    }
}

/// The dialog of fresh keys, if that is the top one.
fn fresh(cx: &mut Cx) -> Option<&mut Keys> {
    match cx.modals.last_mut().map(|modal| &mut modal.kind) {
        Some(Kind::Keys(keys)) if keys.origin == KeysOf::Made => Some(keys),
        Some(_) | None => None,
    }
}

/// `y`, `x` or `w` in the dialog of fresh keys: first the audit has to know.
pub fn ask_to_hand_out(what: HandOut, cx: &mut Cx) -> Vec<Effect> {
    let Some(keys) = fresh(cx) else {
        return Vec::new();
    };
    let aims = keys.issued.iter().map(Aim::from).collect();
    let question = Question::HandOut(aims, what);
    vec![cx.ask(Slot::Reveal, Manner::Loud, question)]
}

/// The audit knows. Where the dialog was closed meanwhile nothing more happens.
pub fn hand_out(what: HandOut, cx: &mut Cx) -> Vec<Effect> {
    let until = cx.clock.at + cx.settings.reveal;
    let Some(keys) = fresh(cx) else {
        return Vec::new();
    };
    match (what, keys.issued.as_slice()) {
        (HandOut::Show, _) => {
            keys.until = Some(until);
            Vec::new()
        }
        (HandOut::Copy, [one]) => vec![copy(one, Form::Key)],
        (HandOut::Copy | HandOut::Write, []) | (HandOut::Copy, _) => Vec::new(),
        (HandOut::Write, [one]) => vec![write(format!("{}\n", one.key.expose()))],
        (HandOut::Write, many) => vec![write(many.iter().fold(String::new(), |text, issued| {
            text + issued.key.expose() + "\t" + &text::safe(&issued.username) + "\n"
        }))],
    }
}

/// Writes keys to a file: one alone, several with their users' names behind them.
fn write(text: String) -> Effect {
    Effect::Write {
        stem: "keys",
        extension: "txt",
        text: Sealed::new(text),
    }
}
