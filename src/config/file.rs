//! Reads the configuration file: every name it may hold is listed here, and `example.toml` beside shows them all.
//! [`super::Config::load`] is the caller; nothing here looks at flags or the environment's choices.

mod listener;
mod profiles;

use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::TokenFormat;
use super::env::Env;
use super::hooks::{self, Hook};
use super::input::{self, Input};
use super::listener::Listener;
use super::problem::{Problem, Problems, did_you_mean};
use super::profile::{PRIVATE, Profile};
use super::section::{Reader, Section};
use super::ui::{Clipboard, Glyphs, KeyEntries, KeyEntry, TimeStyle, Ui};

const TOP: [&str; 7] = [
    "default_profile",
    "profile",
    "token",
    "ui",
    "listener",
    "hooks",
    "keys",
];
const TOKEN: [&str; 1] = ["format"];
const UI: [&str; 5] = ["time", "clipboard", "clipboard_clear", "reveal", "ascii"];

const TOKEN_FORMATS: [(&str, TokenFormat); 2] = [
    ("drf", TokenFormat::Drf),
    ("checksum", TokenFormat::Checksum),
];
const TIME_STYLES: [(&str, TimeStyle); 3] = [
    ("relative", TimeStyle::Relative),
    ("local", TimeStyle::Local),
    ("utc", TimeStyle::Utc),
];
const CLIPBOARDS: [(&str, Clipboard); 5] = [
    ("auto", Clipboard::Auto),
    ("tmux", Clipboard::Tmux),
    ("local", Clipboard::Local),
    ("osc52", Clipboard::Osc52),
    ("off", Clipboard::Off),
];

/// What the file says.
pub(super) struct File {
    pub(super) default_profile: Option<String>,
    /// The profiles without fault, in the order of the file.
    pub(super) profiles: Vec<Profile>,
    /// The names of all profiles, those with a fault too: a fault is told once, not again as a missing profile.
    pub(super) names: Vec<String>,
    pub(super) token_format: TokenFormat,
    pub(super) ui: Ui,
    pub(super) listener: Listener,
    pub(super) hook: Option<Hook>,
    pub(super) keys: KeyEntries,
}

/// Whether someone asked for this very file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// By `--config` or `TOKENWARD_CONFIG`: it must be there.
    ByName,
    /// It is the usual place, where there need not be one.
    Usual,
}

impl File {
    /// Reads the file at `path`, adding what is wrong with it to `problems`. None if it is not TOML at all, or not
    /// to be read: what it would have said is unknown then, and nothing more can be said about it.
    pub(super) fn read(
        path: &Path,
        asked: Asked,
        env: &Env,
        problems: &mut Problems,
    ) -> Option<Self> {
        let input = match (problems.keep(input::read(path))?, asked) {
            (Some(input), Asked::ByName | Asked::Usual) => input,
            (None, Asked::Usual) => Input::default(),
            (None, Asked::ByName) => {
                let hint = "no such file; is --config or TOKENWARD_CONFIG right?";
                problems.push(Problem::file(path, hint));
                return None;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&input.text);
        let mut reader = Reader {
            path,
            text: &input.text,
            problems: Problems::default(),
        };
        for error in &errors {
            // Not its `Display`, which quotes the line, and the line may hold a password.
            let line = reader.line(&error.span().unwrap_or_default());
            reader.problem(line, error.message());
        }
        let is_toml = errors.is_empty();
        let file = is_toml.then(|| Self::of_table(table.get_ref(), &mut reader, input.mode, env));
        reader.problems.sort_by_line();
        problems.append(reader.problems);
        file
    }

    fn of_table<'a>(table: &'a DeTable<'a>, reader: &mut Reader<'a>, mode: u32, env: &Env) -> Self {
        let top = Section {
            title: "the top level",
            table,
        };
        reader.refuse_unknown(top, &TOP);
        let (profiles, names) = profiles::read(reader, top, mode);
        Self {
            default_profile: default_profile(reader, top, &names),
            profiles,
            names,
            token_format: token_format(reader, top),
            ui: ui(reader, top, env),
            listener: listener::read(reader, top),
            hook: hooks::read(reader, top),
            keys: keys(reader, top),
        }
    }
}

/// The default profile's name, if there is such a profile.
fn default_profile<'a>(
    reader: &mut Reader<'a>,
    top: Section<'_, 'a>,
    names: &[String],
) -> Option<String> {
    let name = reader.text(top, "default_profile")?;
    if name.value != PRIVATE && !names.iter().any(|known| known == name.value) {
        let hint = did_you_mean(name.value, names.iter().map(String::as_str));
        reader.problem(
            name.line,
            format!("`default_profile` names no profile of this file{hint}"),
        );
        return None;
    }
    Some(name.value.to_owned())
}

fn token_format<'a>(reader: &mut Reader<'a>, top: Section<'_, 'a>) -> TokenFormat {
    let Some(table) = reader.table(top, "token") else {
        return TokenFormat::default();
    };
    let section = Section {
        title: "[token]",
        table,
    };
    reader.refuse_unknown(section, &TOKEN);
    reader
        .word(section, "format", &TOKEN_FORMATS)
        .unwrap_or_default()
}

fn ui<'a>(reader: &mut Reader<'a>, top: Section<'_, 'a>, env: &Env) -> Ui {
    let mut ui = Ui {
        time: TimeStyle::default(),
        clipboard: Clipboard::default(),
        clipboard_clear: Duration::from_secs(45),
        reveal: Duration::from_secs(10),
        glyphs: Glyphs::of_terminal(env),
    };
    let Some(table) = reader.table(top, "ui") else {
        return ui;
    };
    let section = Section {
        title: "[ui]",
        table,
    };
    reader.refuse_unknown(section, &UI);
    ui.time = reader
        .word(section, "time", &TIME_STYLES)
        .unwrap_or(ui.time);
    ui.clipboard = reader
        .word(section, "clipboard", &CLIPBOARDS)
        .unwrap_or(ui.clipboard);
    ui.clipboard_clear = reader
        .duration(section, "clipboard_clear")
        .unwrap_or(ui.clipboard_clear);
    ui.reveal = reader.duration(section, "reveal").unwrap_or(ui.reveal);
    ui.glyphs = glyphs(reader, section).unwrap_or(ui.glyphs);
    ui
}

/// `ascii = "auto"`, `true` or `false`; none leaves it to the terminal.
fn glyphs<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> Option<Glyphs> {
    let value = section.table.get("ascii")?;
    match (value.get_ref().as_bool(), value.get_ref().as_str()) {
        (Some(true), _) => Some(Glyphs::Ascii),
        (Some(false), _) => Some(Glyphs::Unicode),
        (None, Some("auto")) => None,
        (None, _) => {
            let line = reader.line(&value.span());
            reader.problem(line, "`ascii` in [ui] must be \"auto\", true or false");
            None
        }
    }
}

fn keys<'a>(reader: &mut Reader<'a>, top: Section<'_, 'a>) -> KeyEntries {
    let mut entries = Vec::new();
    if let Some(table) = reader.table(top, "keys") {
        for (action, value) in table {
            let line = reader.line(&action.span());
            let action: &str = action.get_ref();
            let Some(keys) = key_names(value.get_ref()) else {
                let must = "must be a key in quotes or a list of them";
                reader.problem(line, format!("`{action}` in [keys] {must}"));
                continue;
            };
            entries.push(KeyEntry {
                action: action.to_owned(),
                keys,
                line,
            });
        }
    }
    entries.sort_by_key(|entry| entry.line);
    KeyEntries {
        file: reader.path.to_owned(),
        entries,
    }
}

/// The one key or the list of keys that `value` names.
fn key_names(value: &DeValue<'_>) -> Option<Vec<String>> {
    if let Some(key) = value.as_str() {
        return Some(vec![key.to_owned()]);
    }
    let keys = value.as_array()?.iter();
    keys.map(|key| key.get_ref().as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Access, EXAMPLE, Hue, Protection};

    /// What a file with `text` and permissions `mode` says, and every complaint without the path.
    fn read_with_mode(text: &str, mode: u32) -> (Option<File>, Vec<String>) {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(temp.path(), text).expect("written");
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(temp.path(), permissions).expect("set");
        let mut problems = Problems::default();
        let file = File::read(temp.path(), Asked::ByName, &Env::default(), &mut problems);
        let path = temp.path().display().to_string();
        let said = problems
            .as_slice()
            .iter()
            .map(|problem| problem.to_string().replace(&path, "F"));
        (file, said.collect())
    }

    fn read(text: &str) -> (File, Vec<String>) {
        let (file, said) = read_with_mode(text, 0o600);
        (file.expect("it is TOML"), said)
    }

    #[test]
    fn the_example_is_complete_and_good() {
        let (file, said) = read_with_mode(EXAMPLE, 0o644);
        let file = file.expect("it is TOML");
        assert_eq!(said, [""; 0]);
        let names: Vec<_> = file
            .profiles
            .iter()
            .filter_map(|profile| profile.name.as_deref())
            .collect();
        assert_eq!(names, ["dev", "prod", "ci"]);
        assert_eq!(file.default_profile.as_deref(), Some("dev"));
        let prod = &file.profiles[1];
        assert_eq!(
            (prod.protection, prod.access),
            (Protection::Protected, Access::ReadOnly)
        );
        assert_eq!(prod.color.map(Hue::number), Some(1));
        assert_eq!(prod.schema.as_deref(), Some("public"));
        assert_eq!(prod.user_table.as_deref(), Some("accounts_user"));
        assert_eq!(prod.username_column.as_deref(), Some("email"));
        for name in profiles::NAMES
            .iter()
            .chain(&TOKEN)
            .chain(&UI)
            .chain(listener::NAMES.iter().filter(|name| **name != "route"))
            .chain(&listener::ROUTE)
            .chain(&hooks::NAMES)
            .chain(&["default_profile"])
        {
            // Of names that exclude each other one stands there, and the others behind a `#`.
            assert!(
                EXAMPLE.contains(&format!("\n{name} = "))
                    || EXAMPLE.contains(&format!("\n# {name} = ")),
                "the example does not show `{name}`"
            );
        }
        for (word, _) in TOKEN_FORMATS {
            assert!(EXAMPLE.contains(&format!("\"{word}\"")), "{word}");
        }
        for word in TIME_STYLES
            .map(|(word, _)| word)
            .iter()
            .chain(&CLIPBOARDS.map(|(word, _)| word))
        {
            assert!(EXAMPLE.contains(&format!("\"{word}\"")), "{word}");
        }
    }

    #[test]
    fn the_example_names_all_that_a_route_can_be() {
        let answers = crate::domain::route::Answers::ALL.map(crate::domain::route::Answers::word);
        let hashers = listener::HASHERS.map(|(word, _)| word);
        for word in answers.iter().chain(&hashers) {
            assert!(EXAMPLE.contains(word), "{word}");
        }
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let (example, _) = read(EXAMPLE);
        let (empty, said) = read("");
        assert_eq!(said, [""; 0]);
        assert_eq!(example.ui, empty.ui);
        assert_eq!(example.token_format, empty.token_format);
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = r#"default_profile = "prdo"
colour = "red"

[profile.prod]
url = "postgres:///app"
protectd = true
color = "rad"
read_only = "yes"

[profile.none]
color = "red"

[profile.two]
url = "postgres:///a"
url_env = "B"

[profile.private]
url = "sqlite:///db.sqlite3"

[profile."a b"]
url_command = ""

[token]
format = 40

[ui]
time = "lokal"
reveal = "10"
mouse = true
ascii = "yes"

[keys]
quit = 7
refresh = ["F5", 5]
help = "?"

[webhook]
bind = "127.0.0.1:8000"
"#;
        let (file, said) = read(text);
        let expected = [
            "F:2: unknown name `colour` in the top level",
            "F:37: unknown name `webhook` in the top level",
            "F:6: unknown name `protectd` in [profile.prod]; did you mean `protected`?",
            "F:7: `color` in [profile.prod] must be one of \"black\", \"red\", \"green\", \"yellow\", \"blue\", \
             \"magenta\", \"cyan\", \"white\", \"bright-black\", \"bright-red\", \"bright-green\", \
             \"bright-yellow\", \"bright-blue\", \"bright-magenta\", \"bright-cyan\", \"bright-white\"; \
             did you mean `red`?",
            "F:8: `read_only` in [profile.prod] must be true or false, not a string",
            "F:10: [profile.none] names no database; give `url`, `url_command` or `url_env`",
            "F:13: [profile.two] has `url` and `url_env`; keep one of them",
            "F:17: [profile.private]: this name stands for tokenward's own database; choose another",
            "F:18: the database URL starts with `sqlite://`, not `postgres://`; tokenward works on Postgres only",
            "F:20: [profile.a b]: a profile's name may not hold spaces or invisible characters",
            "F:21: `url_command` in [profile.a b] is empty",
            "F:1: `default_profile` names no profile of this file; did you mean `prod`?",
            "F:24: `format` in [token] must be text in quotes, not an integer",
            "F:27: `time` in [ui] must be one of \"relative\", \"local\", \"utc\"; did you mean `local`?",
            "F:28: `reveal` in [ui] must be a time from \"1s\" to \"60min\", such as \"45s\"",
            "F:29: unknown name `mouse` in [ui]",
            "F:30: `ascii` in [ui] must be \"auto\", true or false",
            "F:33: `quit` in [keys] must be a key in quotes or a list of them",
            "F:34: `refresh` in [keys] must be a key in quotes or a list of them",
        ];
        let mut in_order = expected.to_vec();
        in_order.sort_by_key(|line| {
            line[2..]
                .split(':')
                .next()
                .and_then(|line| line.parse::<usize>().ok())
        });
        assert_eq!(said, in_order);
        assert_eq!(file.keys.entries.len(), 1);
        assert_eq!(file.keys.entries[0].line, 35);
    }

    #[test]
    fn broken_toml_tells_each_broken_line_and_quotes_none() {
        let (file, said) = read_with_mode(
            "a = \n[ui]\ntime = 'utc'\ntime = 'utc'\nurl = \"postgres://u:hunter2@h\n",
            0o600,
        );
        assert!(file.is_none());
        let lines: Vec<_> = said
            .iter()
            .map(|line| line.split(':').nth(1).unwrap_or_default())
            .collect();
        assert_eq!(lines, ["1", "4", "5"], "{said:?}");
        assert!(!said.concat().contains("hunter2"), "{said:?}");
    }

    #[test]
    fn keys_are_handed_on_in_order() {
        let (file, said) = read("[keys]\nrefresh = ['F5', 'Ctrl-r']\nhelp = '?'\n");
        assert_eq!(said, [""; 0]);
        let entry = |action: &str, keys: &[&str], line| KeyEntry {
            action: action.to_owned(),
            keys: keys.iter().copied().map(str::to_owned).collect(),
            line,
        };
        assert_eq!(
            file.keys.entries,
            [
                entry("refresh", &["F5", "Ctrl-r"], 2),
                entry("help", &["?"], 3)
            ]
        );
    }

    #[test]
    fn a_password_needs_a_closed_file() {
        let url = "[profile.a]\nurl = 'postgres://u:hunter2@h/db'\n";
        let command = "[profile.a]\nurl_command = 'echo postgres://u:hunter2@h/db'\n";
        let harmless = "[profile.a]\nurl = 'postgres://u@h/db'\n";
        assert_eq!(read_with_mode(url, 0o600).1, [""; 0]);
        assert_eq!(read_with_mode(harmless, 0o644).1, [""; 0]);
        for (text, mode) in [(url, 0o644), (url, 0o640), (url, 0o604), (command, 0o644)] {
            let (_, said) = read_with_mode(text, mode);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with("F:2: "), "{said:?}");
            assert!(said[0].ends_with("run: chmod 600 'F'"), "{said:?}");
            assert!(!said[0].contains("hunter2"));
        }
    }

    #[test]
    fn identifiers_are_as_long_as_postgres_lets_them() {
        let text = |length| {
            format!(
                "[profile.a]\nurl = 'postgres:///a'\nuser_table = '{}'\n",
                "t".repeat(length)
            )
        };
        assert_eq!(read(&text(63)).1, [""; 0]);
        for length in [0, 64] {
            let said = read(&text(length)).1;
            let expected =
                "F:3: `user_table` in [profile.a] must have 1 to 63 bytes, as names in Postgres do";
            assert_eq!(said, [expected]);
        }
    }

    #[test]
    fn a_profile_is_a_table() {
        let (file, said) = read("[profile]\nprod = 'postgres:///app'\n");
        assert_eq!(
            said,
            ["F:2: `prod` in [profile] must be a table: [profile.prod]"]
        );
        assert!(file.profiles.is_empty());
    }

    #[test]
    fn hostile_names_stay_on_one_line() {
        let (_, said) = read("\"a\\n\\u001b[2J\" = 1\n");
        assert_eq!(said, ["F:1: unknown name `a��[2J` in the top level"]);
    }
}
