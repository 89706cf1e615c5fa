//! Keys in clear: asking for one, showing it for a while, sending it to the clipboard, writing it to a file. The
//! same for every screen. A key lives in a dialog or on its way out, never in a list.

use crate::domain::token::{CoveredKey, Issued};
use crate::ops::Aim;
use crate::text;
use crate::tui::effect::{Effect, Form, Keep, Question, Sealed, Slot, Use};
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

/// The keys in the top dialog.
fn at_hand(cx: &Cx) -> &[Issued] {
    match cx.modals.last().map(|modal| &modal.kind) {
        Some(Kind::Keys(keys)) => &keys.issued,
        Some(_) | None => &[],
    }
}

/// `y` in the dialog of a new key.
pub fn copy_issued(cx: &Cx, form: Form) -> Vec<Effect> {
    at_hand(cx)
        .iter()
        .map(|issued| copy(issued, form))
        .take(1)
        .collect()
}

/// `w` in that dialog: one key alone, several with their users' names before them.
pub fn write_issued(cx: &Cx) -> Vec<Effect> {
    let issued = at_hand(cx);
    let text = match issued {
        [] => return Vec::new(),
        [one] => format!("{}\n", one.key.expose()),
        many => many.iter().fold(String::new(), |text, issued| {
            text + issued.key.expose() + "\t" + &text::safe(&issued.username) + "\n"
        }),
    };
    vec![Effect::Write {
        stem: "keys",
        extension: "txt",
        text: Sealed::new(text),
    }]
}
