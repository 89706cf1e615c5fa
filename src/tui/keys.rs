//! Keys and what they do. Every screen has one table of [`Binding`]s, and there is one for all screens; the same
//! tables drive dispatch, the hints, the help and the README, so that none of them can tell a different story.
//! `[keys]` in the config rebinds actions by name, which gives the [`KeyMap`] that every lookup goes through.

mod rebind;

use std::collections::HashMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::ops::Change;

pub use rebind::{Entry, Problem, rebind};

/// A key with Ctrl or Alt. Shift shows in the character itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    /// A key that types `c`.
    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::code(KeyCode::Char(c))
    }

    /// Ctrl with `c`.
    #[must_use]
    pub const fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            modifiers: KeyModifiers::CONTROL,
        }
    }

    /// A key that types nothing.
    #[must_use]
    pub const fn code(code: KeyCode) -> Self {
        Self {
            code,
            modifiers: KeyModifiers::NONE,
        }
    }

    /// As the terminal sent it. What a terminal cannot tell reliably (Shift, the state of the locks) is dropped.
    #[must_use]
    pub fn from_event(event: &KeyEvent) -> Self {
        let kept = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        // Terminals send Ctrl-R where Shift or CapsLock is held; a chord has no case.
        let code = match event.code {
            KeyCode::Char(c) if kept.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            other => other,
        };
        Self {
            code,
            modifiers: kept,
        }
    }

    /// The character it types, if it types one.
    #[must_use]
    pub const fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    /// The same as an event, for widgets that read events.
    #[must_use]
    pub const fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Whether changing the database may hang on it: an upper-case letter without Ctrl or Alt.
    #[must_use]
    pub fn needs_shift(self) -> bool {
        self.typed().is_some_and(char::is_uppercase)
    }

    /// Reads a key's name as the help writes it: `R`, `Ctrl-r`, `Space`, `F5`, `PgDn`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut chars = name.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return Self::named(name).or_else(|| (!c.is_control()).then_some(Self::char(c)));
        }
        if let Some(rest) = strip_prefix_any_case(name, "ctrl-") {
            let c = Self::parse(rest)?.typed()?;
            return Some(Self::ctrl(c.to_ascii_lowercase()));
        }
        if let Some(rest) = strip_prefix_any_case(name, "alt-") {
            let mut key = Self::parse(rest)?;
            key.modifiers |= KeyModifiers::ALT;
            return Some(key);
        }
        if let Some(number) = name.strip_prefix(['F', 'f']) {
            let number: u8 = number.parse().ok()?;
            return (1..=24)
                .contains(&number)
                .then_some(Self::code(KeyCode::F(number)));
        }
        Self::named(name)
    }

    fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(code, _)| Self::code(*code))
    }
}

/// `strip_prefix` that takes `Ctrl-`, `ctrl-` and `CTRL-` alike.
fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// Names of the keys that type nothing, and of the space bar. The first name of a code is the one shown.
const NAMES: &[(KeyCode, &str)] = &[
    (KeyCode::Char(' '), "Space"),
    (KeyCode::Enter, "Enter"),
    (KeyCode::Esc, "Esc"),
    (KeyCode::Tab, "Tab"),
    (KeyCode::BackTab, "Shift-Tab"),
    (KeyCode::Backspace, "Backspace"),
    (KeyCode::Delete, "Del"),
    (KeyCode::Insert, "Ins"),
    (KeyCode::Home, "Home"),
    (KeyCode::End, "End"),
    (KeyCode::PageUp, "PgUp"),
    (KeyCode::PageDown, "PgDn"),
    (KeyCode::Up, "↑"),
    (KeyCode::Down, "↓"),
    (KeyCode::Left, "←"),
    (KeyCode::Right, "→"),
    (KeyCode::Up, "Up"),
    (KeyCode::Down, "Down"),
    (KeyCode::Left, "Left"),
    (KeyCode::Right, "Right"),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("Ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("Alt-")?;
        }
        if let Some((_, name)) = NAMES.iter().find(|(code, _)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other}"),
        }
    }
}

/// Whether an action only looks or changes the database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It changes nothing.
    Looks,
    /// It makes this change; where that is refused, it leaves hints and help.
    Touches(Change),
    /// It starts or stops the listener: nothing changes in the database, but others notice.
    Serves,
}

/// What a key does, apart from the message it sends.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// The name in `[keys]` and after `:`.
    pub name: &'static str,
    /// The keys it has unless rebound; the first is the one shown in hints.
    pub keys: &'static [Key],
    /// The word in the hints; empty: never there.
    pub hint: &'static str,
    /// How soon the hint goes when room is short: 1 stays longest.
    pub rank: u8,
    /// The line in the help.
    pub help: &'static str,
    /// Whether it touches.
    pub kind: Kind,
}

/// An action, the message it sends, and when it can.
#[derive(Debug)]
pub struct Binding<S: 'static, M: 'static> {
    /// What it is called and which keys it has.
    pub action: Action,
    /// What it sends.
    pub message: M,
    /// Whether it makes sense just now.
    pub applies: fn(&S) -> bool,
}

impl<S, M> Binding<S, M> {
    /// An action that changes nothing.
    pub const fn looks(
        name: &'static str,
        keys: &'static [Key],
        help: &'static str,
        message: M,
    ) -> Self {
        Self {
            action: Action {
                name,
                keys,
                hint: "",
                rank: 0,
                help,
                kind: Kind::Looks,
            },
            message,
            applies: |_| true,
        }
    }

    /// An action that starts or stops the listener.
    pub const fn serves(
        name: &'static str,
        keys: &'static [Key],
        help: &'static str,
        message: M,
    ) -> Self {
        let mut binding = Self::looks(name, keys, help, message);
        binding.action.kind = Kind::Serves;
        binding
    }

    /// An action that makes `change`.
    pub const fn touches(
        name: &'static str,
        keys: &'static [Key],
        change: Change,
        help: &'static str,
        message: M,
    ) -> Self {
        let mut binding = Self::looks(name, keys, help, message);
        binding.action.kind = Kind::Touches(change);
        binding
    }

    /// Puts it in the hints line; see [`Action::rank`].
    #[must_use]
    pub const fn hint(mut self, rank: u8, word: &'static str) -> Self {
        self.action.hint = word;
        self.action.rank = rank;
        self
    }

    /// Only when `applies` says so.
    #[must_use]
    pub const fn when(mut self, applies: fn(&S) -> bool) -> Self {
        self.applies = applies;
        self
    }
}

/// Which keys each action has after `[keys]` was read.
#[derive(Clone, Debug, Default)]
pub struct KeyMap {
    rebound: HashMap<&'static str, Vec<Key>>,
}

impl KeyMap {
    /// The keys of `action`, the one to show first.
    #[must_use]
    pub fn keys<'a>(&'a self, action: &'a Action) -> &'a [Key] {
        self.rebound
            .get(action.name)
            .map_or(action.keys, Vec::as_slice)
    }

    /// The binding of `key` in `table` that applies now.
    #[must_use]
    pub fn lookup<'a, S, M>(
        &self,
        table: &'a [Binding<S, M>],
        state: &S,
        key: Key,
    ) -> Option<&'a Binding<S, M>> {
        table
            .iter()
            .find(|binding| self.keys(&binding.action).contains(&key) && (binding.applies)(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVOKE: Action = Action {
        name: "revoke",
        keys: &[Key::char('D')],
        hint: "",
        rank: 0,
        help: "",
        kind: Kind::Touches(Change::Revoke),
    };
    const COPY: Action = Action {
        name: "copy",
        keys: &[Key::char('y')],
        hint: "",
        rank: 0,
        help: "",
        kind: Kind::Looks,
    };

    fn rebound(action: &str, keys: &[&str]) -> Result<KeyMap, Vec<String>> {
        let entry = Entry {
            action: action.to_owned(),
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            line: 7,
        };
        rebind(&[entry], &[vec![&REVOKE, &COPY]]).map_err(|problems| {
            assert!(problems.iter().all(|problem| problem.line == 7));
            problems
                .into_iter()
                .map(|problem| problem.message)
                .collect()
        })
    }

    #[test]
    fn names_of_keys_are_read_as_they_are_written() {
        for name in [
            "R", "r", "/", "?", "Ctrl-r", "Space", "F5", "PgDn", "↓", "Alt-x", "F",
        ] {
            assert_eq!(Key::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(Key::parse("down"), Key::parse("↓"));
        assert_eq!(Key::parse("Ctrl-R"), Some(Key::ctrl('r')));
        for name in ["", "Ctrl-", "Ctrl-F5", "F99", "Hyper", "\n"] {
            assert_eq!(Key::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_action_takes_the_keys_it_is_given() {
        let map = rebound("revoke", &["X", "Z"]).unwrap();
        assert_eq!(map.keys(&REVOKE), [Key::char('X'), Key::char('Z')]);
        assert_eq!(map.keys(&COPY), COPY.keys);
        assert!(rebound("copy", &[]).unwrap().keys(&COPY).is_empty());
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        let told = |action, keys: &[&str]| rebound(action, keys).unwrap_err().join("; ");
        assert!(told("revok", &["X"]).contains("unknown action \"revok\""));
        assert!(told("copy", &["Hyper-x"]).contains("unknown key"));
        assert!(told("copy", &["D"]).contains("bound twice"));
        assert!(told("copy", &["Esc"]).contains("cannot be rebound"));
        for key in ["d", "Ctrl-d", "F9", "!"] {
            assert!(told("revoke", &[key]).contains("upper-case"), "{key}");
        }
    }
}
