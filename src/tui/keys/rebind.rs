//! Reads `[keys]` of the config against the tables. The command line calls it at start, so that a mistake is told
//! with its line before anything is drawn.

use std::collections::HashMap;

use crossterm::event::KeyCode;

use super::{Action, Key, KeyMap, Kind};

/// One line of `[keys]`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The action's name.
    pub action: String,
    /// The names of its keys; none takes the action off the keyboard.
    pub keys: Vec<String>,
    /// Where it stands in the config file.
    pub line: usize,
}

/// What is wrong with a line of `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands in the config file.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Reads `[keys]` against the tables of all screens; `screens` holds for each screen every action that can be
/// reached there, the global ones included.
///
/// # Errors
/// All problems at once: an unknown action or key, a key bound twice on one screen, a touching action on a key
/// without Shift.
pub fn rebind(entries: &[Entry], screens: &[Vec<&'static Action>]) -> Result<KeyMap, Vec<Problem>> {
    let mut map = KeyMap::default();
    let mut problems = Vec::new();
    for entry in entries {
        match read_entry(entry, screens) {
            Ok((action, keys)) => {
                map.rebound.insert(action.name, keys);
            }
            Err(messages) => problems.extend(messages.into_iter().map(|message| Problem {
                line: entry.line,
                message,
            })),
        }
    }
    problems.extend(clashes(entries, screens, &map));
    if problems.is_empty() {
        Ok(map)
    } else {
        Err(problems)
    }
}

fn read_entry(
    entry: &Entry,
    screens: &[Vec<&'static Action>],
) -> Result<(&'static Action, Vec<Key>), Vec<String>> {
    let known = screens.iter().flatten();
    let Some(action) = known.copied().find(|action| action.name == entry.action) else {
        return Err(vec![format!(
            "unknown action {:?}; the help (?) lists the actions of each screen",
            entry.action
        )]);
    };
    let mut keys = Vec::new();
    let mut wrong = Vec::new();
    for name in &entry.keys {
        match Key::parse(name) {
            None => wrong.push(format!(
                "unknown key {name:?} for {}; write R, Ctrl-r, Space, F5 or PgDn",
                action.name
            )),
            Some(key) if FIXED.contains(&key) => {
                wrong.push(format!(
                    "{key} always leaves or stops; it cannot be rebound"
                ));
            }
            Some(key) => match (action.kind, key.needs_shift()) {
                (Kind::Looks, _) | (Kind::Touches(_) | Kind::Serves, true) => keys.push(key),
                (Kind::Touches(_), false) => wrong.push(format!(
                    "{} changes the database, so it needs an upper-case letter, not {key}",
                    action.name
                )),
                (Kind::Serves, false) => wrong.push(format!(
                    "{} starts and stops the listener, so it needs an upper-case letter, not {key}",
                    action.name
                )),
            },
        }
    }
    if wrong.is_empty() {
        Ok((action, keys))
    } else {
        Err(wrong)
    }
}

/// Keys whose meaning never changes: the way out must not depend on a config file.
const FIXED: &[Key] = &[Key::code(KeyCode::Esc), Key::ctrl('c')];

fn clashes(entries: &[Entry], screens: &[Vec<&'static Action>], map: &KeyMap) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for actions in screens {
        let mut taken: HashMap<Key, &'static str> = HashMap::new();
        for action in actions {
            for key in map.keys(action) {
                let Some(other) = taken.insert(*key, action.name) else {
                    continue;
                };
                // Only what was written in the file can be to blame; our own tables are tested.
                let line = entries
                    .iter()
                    .filter(|entry| entry.action == action.name || entry.action == other)
                    .map(|entry| entry.line)
                    .max()
                    .unwrap_or(0);
                let message = format!("{key} is bound twice: to {other} and to {}", action.name);
                let problem = Problem { line, message };
                if other != action.name && !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    problems
}
