//! The environment as a value: taken once from the process, or made by a test, and joined with a `.env` file when
//! one is named. Everything that looks at an environment variable asks here, never the process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::input;
use super::problem::{Problem, Problems};

/// Environment variables. `Debug` lists names only, for values may be passwords.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of `name`; an empty one counts as not set, as the XDG specification and `NO_COLOR` have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The value of `name` as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The value of `name` as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        self.get(name)
            .map(|value| {
                value
                    .to_str()
                    .ok_or_else(|| Problem::new(format!("{name} is not UTF-8 text; set it anew")))
            })
            .transpose()
    }

    /// All variables, for a child process.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Adds what the `.env` file at `path` sets; what is set already, even to nothing, stays.
    ///
    /// A line is `NAME=value`, with `export ` before it if you like. A value in single quotes is taken as it is;
    /// in double quotes `\n`, `\"`, `\\` and `\$` are understood; without quotes it ends at ` #`. Nothing is expanded.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not of that form; every such line is named, none is quoted.
    pub fn add_file(&mut self, path: &Path) -> Result<(), Problems> {
        let text = input::read(path)?
            .ok_or_else(|| Problem::file(path, "no such file; is --env-file right?"))?
            .text;
        let mut problems = Problems::default();
        let mut found = BTreeMap::new();
        for (nth, line) in text.lines().enumerate() {
            match assignment(line) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    found.insert(OsString::from(name), OsString::from(value));
                }
                Err(message) => problems.push(Problem::at(path, nth + 1, message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        for (name, value) in found {
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(vars: I) -> Self {
        Self(
            vars.into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One line of a `.env` file: nothing, a name and its value, or what is wrong.
fn assignment(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("not of the form NAME=value")?;
    let name = name.trim();
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(good) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("a name may have letters, digits and `_` and must not start with a digit");
    }
    if value.contains('\0') {
        return Err("a value may not hold a NUL character");
    }
    unquote(value.trim()).map(|value| Some((name, value)))
}

fn unquote(value: &str) -> Result<String, &'static str> {
    let (inner, rest) = if let Some(body) = value.strip_prefix('\'') {
        let (inner, rest) = body.split_once('\'').ok_or(NOT_CLOSED)?;
        (inner.to_owned(), rest)
    } else if let Some(body) = value.strip_prefix('"') {
        double_quoted(body)?
    } else {
        let end = value
            .find(" #")
            .or_else(|| value.find("\t#"))
            .unwrap_or(value.len());
        return Ok(value[..end].trim_end().to_owned());
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(inner)
    } else {
        Err("text after the closing quote")
    }
}

const NOT_CLOSED: &str = "the quote is not closed on this line";

/// What stands before the closing quote, and what after.
fn double_quoted(body: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &body[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => return Err(NOT_CLOSED),
            },
            c => value.push(c),
        }
    }
    Err(NOT_CLOSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, set: &[(&str, &str)]) -> Result<Env, Problems> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let mut env: Env = set.iter().copied().collect();
        env.add_file(file.path()).map(|()| env)
    }

    #[test]
    fn lines_as_people_write_them() {
        let text = concat!(
            "# a comment\n\nPLAIN=one two  # and why\n  export EXPORTED=yes\nSINGLE='a # $b \\n'\n",
            "DOUBLE=\"a \\\"b\\\" \\$c\\nd \\w\" # comment\nURL=postgres://u:p#w@h/db\nEMPTY=\r\nTWICE=1\nTWICE=2\n"
        );
        let env = read(text, &[("EXPORTED", "real"), ("BLANK", "")]).expect("a good file");
        let value = |name| env.get(name).and_then(OsStr::to_str);
        assert_eq!(value("PLAIN"), Some("one two"));
        assert_eq!(value("EXPORTED"), Some("real"), "the real environment wins");
        assert_eq!(value("SINGLE"), Some("a # $b \\n"));
        assert_eq!(value("DOUBLE"), Some("a \"b\" $c\nd \\w"));
        assert_eq!(value("URL"), Some("postgres://u:p#w@h/db"));
        assert_eq!(value("EMPTY"), None);
        assert_eq!(value("TWICE"), Some("2"));
    }

    #[test]
    fn a_variable_set_to_nothing_stays_nothing() {
        let env =
            read("DATABASE_URL=postgres:///app", &[("DATABASE_URL", "")]).expect("a good file");
        assert_eq!(env.get("DATABASE_URL"), None);
    }

    #[test]
    fn every_bad_line_is_named_and_none_is_quoted() {
        let problems = read(
            "OK=1\nhunter2\n1A=hunter2\nQ='hunter2\nP=\"hunter2\nR='a' hunter2\n",
            &[],
        )
        .expect_err("five bad lines");
        let lines: Vec<_> = problems
            .as_slice()
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(lines, [Some(2), Some(3), Some(4), Some(5), Some(6)]);
        assert!(!problems.to_string().contains("hunter2"));
    }

    #[test]
    fn a_missing_file_is_said() {
        let mut env = Env::default();
        let problems = env
            .add_file(Path::new("/nowhere/.env"))
            .expect_err("missing");
        assert_eq!(
            problems.to_string(),
            "/nowhere/.env: no such file; is --env-file right?"
        );
    }

    #[test]
    fn debug_hides_values() {
        let env: Env = [("PGPASSWORD", "hunter2")].into_iter().collect();
        assert_eq!(format!("{env:?}"), "{\"PGPASSWORD\"}");
    }

    #[test]
    fn what_is_not_text_is_refused_by_name() {
        use std::os::unix::ffi::OsStringExt;
        let env: Env = [("TOKENWARD_PROFILE", OsString::from_vec(vec![0xff]))]
            .into_iter()
            .collect();
        let problem = env.text("TOKENWARD_PROFILE").expect_err("not UTF-8");
        assert_eq!(
            problem.to_string(),
            "TOKENWARD_PROFILE is not UTF-8 text; set it anew"
        );
    }
}
