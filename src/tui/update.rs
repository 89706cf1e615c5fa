//! `(Model, Message) -> Vec<Effect>`: only the way of each message to whom it concerns. Keys go to the top dialog,
//! else to a focused field, else to the screen's table, else to the movements, else to the global table.

use crossterm::event::KeyCode;

use crate::text;
use crate::tui::effect::{Effect, Sealed, Slot};
use crate::tui::global::{self, Global};
use crate::tui::keyring;
use crate::tui::keys::Key;
use crate::tui::link;
use crate::tui::message::{Cleared, Message, Sent};
use crate::tui::modal::{Heard, Kind, Report, Stay};
use crate::tui::model::{Clock, Model, Tone};
use crate::tui::moves;
use crate::tui::screens;
use crate::tui::screens::{audit, listener, users};
use crate::tui::widgets::field::Taken;

/// Takes in what happened at `clock`.
pub fn update(model: &mut Model, clock: Clock, message: Message) -> Vec<Effect> {
    model.cx.clock = clock;
    update_now(model, message)
}

/// The same, at the time the model knows.
pub fn update_now(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Pressed(key) => {
            model.cx.touched = model.cx.clock.at;
            pressed(model, key)
        }
        Message::Pasted(text) => {
            model.cx.touched = model.cx.clock.at;
            pasted(model, text)
        }
        Message::Resized(size) => {
            model.cx.size = size;
            screens::resized(model)
        }
        Message::Ticked => ticked(model),
        Message::Resumed => vec![Effect::Redraw],
        Message::Global(wish) => global::update(model, wish),
        Message::Command(line) => global::command(model, &line),
        Message::Connect(profile) => connect(model, profile),
        Message::Connected { ticket, outcome } => link::connected(model, ticket, outcome),
        Message::Ponged { ticket, outcome } => link::ponged(model, ticket, outcome),
        Message::Revealed {
            ticket,
            wanted,
            outcome,
        } => match model.cx.settle(Slot::Reveal, ticket, outcome) {
            Some(Ok(issued)) => keyring::revealed(&mut model.cx, wanted, issued),
            Some(Err(error)) => {
                model.cx.fail(&error);
                Vec::new()
            }
            None => Vec::new(),
        },
        Message::HandOut(what) => keyring::ask_to_hand_out(what, &mut model.cx),
        Message::HandedOut {
            ticket,
            what,
            outcome,
        } => match model.cx.settle(Slot::Reveal, ticket, outcome) {
            Some(Ok(())) => keyring::hand_out(what, &mut model.cx),
            Some(Err(error)) => {
                model.cx.fail(&error);
                Vec::new()
            }
            None => Vec::new(),
        },
        Message::Sent { label, outcome } => {
            sent(model, &label, outcome);
            Vec::new()
        }
        Message::Written { outcome } => {
            match outcome {
                Ok(path) => {
                    let path = path.display().to_string();
                    let said = format!("Wrote {}; only you can read it.", text::safe(&path));
                    model.cx.say(Tone::Good, said);
                }
                Err(why) => model.cx.say(Tone::Bad, why),
            }
            Vec::new()
        }
        Message::HookFailed(said) => {
            model.cx.say(Tone::Bad, said);
            Vec::new()
        }
        Message::Progressed { ticket, progress } => {
            if let Some(job) = model.cx.job.as_mut().filter(|job| job.ticket == ticket) {
                job.progress = progress;
                model.cx.heard(&Ok(()));
            }
            Vec::new()
        }
        Message::StopJob => model.cx.stop_job(),
        Message::Users(message) => users::update(&mut model.users, message, &mut model.cx),
        Message::TestKeys(message) => screens::test_keys(model, message),
        Message::Backfill(message) => screens::backfill(model, message),
        Message::Listener(message) => listener::update(&mut model.listener, message, &mut model.cx),
        Message::Audit(message) => audit::update(&mut model.audit, message, &mut model.cx),
    }
}

fn pressed(model: &mut Model, key: Key) -> Vec<Effect> {
    // The way out works whatever is on the screen.
    if key == Key::ctrl('c') {
        return global::update(model, Global::Stop);
    }
    // So do suspending and redrawing, unless a letter was made their key: that belongs to whoever types.
    let wish = model
        .cx
        .keys
        .lookup(global::KEYS, model, key)
        .map(|binding| binding.message);
    if let Some(wish @ (Global::Suspend | Global::Redraw)) = wish
        && key.typed().is_none()
    {
        return global::update(model, wish);
    }
    if !crate::tui::layout::fits(model.cx.size) && key == Key::char('q') {
        return global::update(model, Global::Quit);
    }
    if let Some(mut modal) = model.cx.modals.pop() {
        let heard = modal.key(key, &model.cx);
        return match heard {
            Heard::Stays => {
                model.cx.modals.push(modal);
                Vec::new()
            }
            Heard::Says(message) => {
                model.cx.modals.push(modal);
                update_now(model, message)
            }
            Heard::Closes => Vec::new(),
            Heard::Sends(message) => update_now(model, message),
        };
    }
    if let Some(field) = screens::field(model) {
        match field.key(key) {
            Taken::Changed => return screens::edited(model),
            Taken::Moved => return Vec::new(),
            Taken::No if key == Key::code(KeyCode::Enter) => return screens::entered_field(model),
            Taken::No if key == Key::code(KeyCode::Esc) => {
                return global::update(model, Global::Back);
            }
            // Arrows move in the list below the field; no letter reaches a table from here.
            Taken::No => {}
        }
    }
    if key == Key::code(KeyCode::Enter) && is_cut(model) {
        show_notice(model);
        return Vec::new();
    }
    if let Some(effects) = screens::key(model, key) {
        return effects;
    }
    if let Some(step) = moves::lookup(&model.cx.keys, key) {
        return screens::step(model, step);
    }
    let wish = model.cx.keys.lookup(global::KEYS, model, key);
    if let Some(wish) = wish.map(|binding| binding.message) {
        return global::update(model, wish);
    }
    if let Some(said) = screens::elsewhere(model, key) {
        model.cx.say(Tone::Plain, said);
    }
    Vec::new()
}

fn pasted(model: &mut Model, text: Sealed) -> Vec<Effect> {
    if let Some(modal) = model.cx.modals.last_mut() {
        modal.paste(&text);
        return Vec::new();
    }
    screens::pasted(model, text)
}

fn ticked(model: &mut Model) -> Vec<Effect> {
    model.cx.forget_notice();
    let mut modals = std::mem::take(&mut model.cx.modals);
    modals.retain_mut(|modal| modal.tick(&model.cx) == Stay::Yes);
    // Nothing is opened while time passes, so nothing is lost here.
    model.cx.modals = modals;
    let mut effects = link::tick(model);
    effects.extend(screens::tick(model));
    effects
}

fn connect(model: &mut Model, profile: String) -> Vec<Effect> {
    let known = model.cx.profiles.iter().any(|known| known.name == profile);
    if !known {
        let name = text::safe(&profile).into_owned();
        global::profiles(model, Some(&format!("No profile {name}.")));
        return Vec::new();
    }
    if model.cx.job.is_some() {
        model.cx.say(
            Tone::Bad,
            "Work is under way; Ctrl-c stops it, then connect elsewhere.",
        );
        return Vec::new();
    }
    if listener::is_on_the_way(&model.listener) {
        let said = "The listener is being started or stopped; try again in a moment.";
        model.cx.say(Tone::Bad, said);
        return Vec::new();
    }
    let next = listener::Next::Connect(profile.clone());
    if listener::ask_before(&model.listener, next, &mut model.cx) {
        return Vec::new();
    }
    link::connect(&mut model.cx, profile)
}

fn sent(model: &mut Model, label: &str, outcome: Result<Sent, String>) {
    let label = text::safe(label).into_owned();
    match outcome {
        Ok(Sent { via, cleared }) => {
            let rest = match cleared {
                Cleared::In(seconds) => {
                    format!("; cleared in {seconds} s. Not pasting? x shows it.")
                }
                Cleared::CannotTell => ". Not pasting? x shows it.".to_owned(),
                Cleared::NoNeed => ".".to_owned(),
            };
            let said = format!("Sent {label} to the clipboard through {via}{rest}");
            model.cx.say(Tone::Good, said);
        }
        Err(why) => model.cx.say(
            Tone::Bad,
            format!("{label} did not get to the clipboard: {why}"),
        ),
    }
}

/// Whether the message line holds an error that is longer than it shows.
fn is_cut(model: &Model) -> bool {
    let room = usize::from(model.cx.size.width).saturating_sub(3);
    let notice = model.cx.notice.as_ref();
    notice.is_some_and(|notice| notice.tone == Tone::Bad && text::width(&notice.text) > room)
}

fn show_notice(model: &mut Model) {
    if let Some(notice) = model.cx.notice.take() {
        let lines = vec![notice.text];
        model.cx.open(Kind::Report(Report {
            title: "The whole message".to_owned(),
            lines,
            scroll: 0,
        }));
    }
}
