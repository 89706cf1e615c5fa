//! Reads the `[profile.NAME]` tables of the configuration file, for `file.rs`. What is wrong with one profile is
//! told even when another is opened.

use super::super::profile::{Access, Hue, PRIVATE, Place, Profile, Protection};
use super::super::section::{Located, Reader, Section};
use super::super::url::{DatabaseUrl, UrlSource, has_password};
use crate::text;

/// What a profile may hold.
pub(super) const NAMES: [&str; 9] = [
    "url",
    "url_command",
    "url_env",
    "color",
    "protected",
    "read_only",
    "schema",
    "user_table",
    "username_column",
];

/// The three ways to name a database; a profile has exactly one.
const URLS: [&str; 3] = ["url", "url_command", "url_env"];

/// The profiles without fault, in the order of the file, and the names of all.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: Section<'_, 'a>,
    mode: u32,
) -> (Vec<Profile>, Vec<String>) {
    let Some(table) = reader.table(top, "profile") else {
        return (Vec::new(), Vec::new());
    };
    let mut found: Vec<_> = table.iter().collect();
    found.sort_by_key(|(name, _)| name.span().start);
    let mut profiles = Vec::new();
    for (name, value) in &found {
        let line = reader.line(&name.span());
        let name: &str = name.get_ref();
        let title = format!("[profile.{name}]");
        if let Some(wrong) = wrong_name(name) {
            reader.problem(line, format!("{title}: {wrong}"));
        }
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{name}` in [profile] must be a table: {title}");
            reader.problem(line, message);
            continue;
        };
        let section = Section {
            title: &title,
            table,
        };
        profiles.extend(profile(
            reader,
            section,
            Located { value: name, line },
            mode,
        ));
    }
    (
        profiles,
        found
            .iter()
            .map(|(name, _)| name.get_ref().to_string())
            .collect(),
    )
}

/// Why a profile may not be called `name`: a person has to type it, and to tell it from others by sight.
fn wrong_name(name: &str) -> Option<&'static str> {
    const LONGEST: usize = 40;
    if name == PRIVATE {
        Some("this name stands for tokenward's own database; choose another")
    } else if name.is_empty() || name.chars().count() > LONGEST {
        Some("a profile's name has 1 to 40 characters")
    } else if name.contains(char::is_whitespace) || text::safe(name) != name {
        Some("a profile's name may not hold spaces or invisible characters")
    } else {
        None
    }
}

fn profile<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    name: Located<&str>,
    mode: u32,
) -> Option<Profile> {
    reader.refuse_unknown(section, &NAMES);
    let url = database_url(reader, section, name.line, mode);
    let hues: Vec<_> = Hue::NAMES
        .into_iter()
        .filter_map(|name| Some((name, Hue::named(name)?)))
        .collect();
    let rest = Profile {
        color: reader.word(section, "color", &hues),
        protection: match reader.boolean(section, "protected") {
            Some(true) => Protection::Protected,
            Some(false) | None => Protection::Open,
        },
        access: match reader.boolean(section, "read_only") {
            Some(true) => Access::ReadOnly,
            Some(false) | None => Access::ReadWrite,
        },
        schema: reader.identifier(section, "schema"),
        user_table: reader.identifier(section, "user_table"),
        username_column: reader.identifier(section, "username_column"),
        ..Profile::private()
    };
    url.map(|url| Profile {
        name: Some(name.value.to_owned()),
        place: Place::Url(url),
        ..rest
    })
}

/// The one of `url`, `url_command` and `url_env` that a profile must have.
fn database_url<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    header: usize,
    mode: u32,
) -> Option<DatabaseUrl> {
    let title = section.title;
    let given: Vec<_> = URLS
        .into_iter()
        .filter(|name| section.table.contains_key(*name))
        .collect();
    let name = match given[..] {
        [] => {
            let message =
                format!("{title} names no database; give `url`, `url_command` or `url_env`");
            reader.problem(header, message);
            return None;
        }
        [only] => only,
        [_, _, ..] => {
            let message = format!("{title} has `{}`; keep one of them", given.join("` and `"));
            reader.problem(header, message);
            return None;
        }
    };
    let text = reader.text(section, name)?;
    if text.value.trim().is_empty() {
        reader.problem(text.line, format!("`{name}` in {title} is empty"));
        return None;
    }
    let source = match name {
        "url" => UrlSource::Inline(text.value.into()),
        "url_command" => UrlSource::Command(text.value.into()),
        _ => UrlSource::Variable(text.value.to_owned()),
    };
    // A command such as `echo postgres://…` gives a password away just as well.
    if mode & 0o077 != 0 && name != "url_env" && has_password(text.value) {
        let path = text::safe(&reader.path.to_string_lossy()).into_owned();
        let message = format!(
            "`{name}` holds a password, and others may open this file (mode {mode:04o}); run: chmod 600 '{path}'"
        );
        reader.problem(text.line, message);
    }
    let url = DatabaseUrl::of_profile(source, reader.path, text.line).checked();
    reader.problems.keep(url)
}
