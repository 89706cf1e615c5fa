//! `[hooks]`: the command that is run after a change.

use std::time::Duration;

use super::section::{Reader, Section};

/// What is run after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retries: u32,
    /// Whether it is told the new key.
    pub with_key: bool,
    /// Whether it is run for what users do at the listener.
    pub logins: bool,
}

pub(super) const NAMES: [&str; 5] = ["command", "timeout", "retries", "with_key", "logins"];

/// More tries than this only put off that somebody looks.
const MOST_RETRIES: u64 = 10;

/// What the table `hooks` of `top` says; none where there is no table, or no command in it.
pub(super) fn read<'a>(reader: &mut Reader<'a>, top: Section<'_, 'a>) -> Option<Hook> {
    let table = reader.table(top, "hooks")?;
    let section = Section {
        title: "[hooks]",
        table,
    };
    reader.refuse_unknown(section, &NAMES);
    let words = reader.texts(section, "command");
    if let (Some(value), true) = (section.table.get("command"), words.is_empty()) {
        let line = reader.line(&value.span());
        reader.problem(
            line,
            "`command` in [hooks] must name a program, such as [\"/usr/local/bin/tell\", \"--all\"]",
        );
    }
    let nul = words.iter().find(|word| word.value.contains('\0'));
    if let Some(word) = nul {
        let line = word.line;
        reader.problem(line, "`command` in [hooks] may not contain a NUL character");
    }
    let hook = Hook {
        command: words.iter().map(|word| word.value.to_owned()).collect(),
        timeout: reader
            .duration(section, "timeout")
            .unwrap_or(Duration::from_secs(10)),
        retries: reader
            .number(section, "retries", 0..=MOST_RETRIES)
            .and_then(|retries| u32::try_from(retries).ok())
            .unwrap_or(2),
        with_key: reader.boolean(section, "with_key").unwrap_or(false),
        logins: reader.boolean(section, "logins").unwrap_or(false),
    };
    (!hook.command.is_empty()).then_some(hook)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_text;

    fn said(text: &str) -> (Option<Hook>, Vec<String>) {
        read_text(text, read)
    }

    #[test]
    fn a_command_is_enough_and_none_is_no_hook() {
        let (hook, problems) = said("[hooks]\ncommand = [\"tell\", \"$x\"]\n");
        let hook = hook.expect("a hook");
        assert_eq!(hook.command, ["tell", "$x"]);
        assert_eq!((hook.timeout, hook.retries), (Duration::from_secs(10), 2));
        assert!(!hook.with_key && !hook.logins && problems.is_empty());
        assert_eq!(said(""), (None, Vec::new()));
        assert_eq!(said("[hooks]\nretries = 0\n"), (None, Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (line, part) in [
            (
                "command = []",
                "F:2: `command` in [hooks] must name a program",
            ),
            (
                "command = \"tell\"",
                "F:2: `command` in [hooks] must be a list",
            ),
            (
                "retries = 11",
                "F:2: `retries` in [hooks] must be a whole number from 0 to 10",
            ),
            (
                "timeout = \"0s\"",
                "F:2: `timeout` in [hooks] must be a time",
            ),
            (
                "with_key = 1",
                "F:2: `with_key` in [hooks] must be true or false",
            ),
            (
                "logins = 1",
                "F:2: `logins` in [hooks] must be true or false",
            ),
            (
                "comand = []",
                "F:2: unknown name `comand` in [hooks]; did you mean `command`?",
            ),
        ] {
            let (hook, problems) = said(&format!("[hooks]\n{line}\n"));
            assert_eq!(hook, None);
            assert!(problems[0].starts_with(part), "{problems:?}");
        }
    }
}
