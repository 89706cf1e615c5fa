//! What is wrong with the configuration, and where. Readers of configuration collect problems instead of stopping
//! at the first, so that a person mends a file once; the console adds its own about `[keys]`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::text;

/// One thing that is wrong, on one line: `config.toml:12: unknown name …`.
///
/// It never quotes a value that may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in; none for a flag or an environment variable.
    pub file: Option<PathBuf>,
    /// The line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to do, in words.
    pub message: String,
}

impl Problem {
    /// A problem with a flag or the environment.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            file: None,
            line: None,
            message: message.into(),
        }
    }

    /// A problem with a file as a whole.
    pub fn file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: Some(file.to_owned()),
            line: None,
            message: message.into(),
        }
    }

    /// A problem in a line of a file, counted from 1.
    pub fn at(file: &Path, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: Some(file.to_owned()),
            line: Some(line),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", text::safe(&file.to_string_lossy()))?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&text::safe(&self.message))
    }
}

impl std::error::Error for Problem {}

/// Every problem found, in the order of reading. `Display` gives each its line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of `more`.
    pub fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Puts those of one file in the order of its lines.
    pub(super) fn sort_by_line(&mut self) {
        self.0.sort_by_key(|problem| problem.line);
    }

    /// The value of `result`, or none after its problems were added.
    pub fn keep<T, E: Into<Self>>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                self.append(problems.into());
                None
            }
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// `; did you mean `prod`?` when one of `known` is close to `name`, else nothing.
///
/// A name that is nowhere near sends nobody the wrong way: one change in three letters at most, two in all.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let allowed = (name.chars().count() / 3).clamp(1, 2);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    /// No name of ours is nearly as long, and the cost grows with the square.
    const LONGEST: usize = 64;
    let a: Vec<char> = a.chars().take(LONGEST).collect();
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_offered_and_far_ones_are_not() {
        let known = ["protected", "color", "url", "url_command"];
        assert_eq!(
            did_you_mean("protectd", known),
            "; did you mean `protected`?"
        );
        assert_eq!(did_you_mean("colour", known), "; did you mean `color`?");
        assert_eq!(did_you_mean("ulr", known), "; did you mean `url`?");
        assert_eq!(did_you_mean("listener", known), "");
        assert_eq!(did_you_mean("", known), "");
    }

    #[test]
    fn a_problem_is_one_safe_line() {
        let problem = Problem::at(Path::new("a\nb.toml"), 3, "unknown name `x\u{1b}[2J`");
        assert_eq!(problem.to_string(), "a�b.toml:3: unknown name `x�[2J`");
        assert_eq!(
            Problem::file(Path::new("c.toml"), "gone").to_string(),
            "c.toml: gone"
        );
        let both: Problems = [problem, Problem::new("no HOME")].into_iter().collect();
        assert_eq!(both.to_string().lines().count(), 2);
    }
}
