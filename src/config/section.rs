//! Walks a parsed TOML file and turns what does not fit into problems with line numbers. We walk by hand because
//! serde stops at the first error and a person wants to see all of them; `file.rs` is the caller.

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems, did_you_mean};

/// The file being read and what was found wrong in it so far.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) problems: Problems,
}

/// A value and the line it stands on.
#[derive(Clone, Copy)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// A table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'t, 'a> {
    /// Its name in messages, such as `[ui]`.
    pub(super) title: &'t str,
    pub(super) table: &'a DeTable<'a>,
}

impl<'a> Reader<'a> {
    /// The line on which `span` begins.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.split(|byte| *byte == b'\n').count()
    }

    pub(super) fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem::at(self.path, line, message));
    }

    /// Complains about each name of `section` that is not `known`.
    pub(super) fn refuse_unknown(&mut self, section: Section<'_, '_>, known: &[&str]) {
        for name in section.table.keys() {
            let text: &str = name.get_ref();
            if !known.contains(&text) {
                let hint = did_you_mean(text, known.iter().copied());
                let line = self.line(&name.span());
                self.problem(
                    line,
                    format!("unknown name `{text}` in {}{hint}", section.title),
                );
            }
        }
    }

    /// The table called `name`.
    pub(super) fn table(
        &mut self,
        section: Section<'_, 'a>,
        name: &str,
    ) -> Option<&'a DeTable<'a>> {
        let value = section.table.get(name)?;
        self.expect(section, name, value, DeValue::as_table, "a table")
    }

    /// The text called `name`.
    pub(super) fn text(
        &mut self,
        section: Section<'_, 'a>,
        name: &str,
    ) -> Option<Located<&'a str>> {
        let value = section.table.get(name)?;
        let line = self.line(&value.span());
        let value = self.expect(section, name, value, DeValue::as_str, "text in quotes")?;
        Some(Located { value, line })
    }

    /// `name = true` or `false`.
    pub(super) fn boolean(&mut self, section: Section<'_, 'a>, name: &str) -> Option<bool> {
        let value = section.table.get(name)?;
        self.expect(section, name, value, DeValue::as_bool, "true or false")
    }

    /// One of `words`.
    pub(super) fn word<T: Copy>(
        &mut self,
        section: Section<'_, 'a>,
        name: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(section, name)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let hint = did_you_mean(text.value, words.iter().map(|(word, _)| *word));
            let all: Vec<_> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            let title = section.title;
            self.problem(
                text.line,
                format!(
                    "`{name}` in {title} must be one of {}{hint}",
                    all.join(", ")
                ),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number in `range`.
    pub(super) fn number(
        &mut self,
        section: Section<'_, 'a>,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = section.table.get(name)?;
        let number = value.get_ref().as_integer();
        let found = number
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| range.contains(number));
        if found.is_none() {
            let (title, line) = (section.title, self.line(&value.span()));
            let (least, most) = range.into_inner();
            self.problem(
                line,
                format!("`{name}` in {title} must be a whole number from {least} to {most}"),
            );
        }
        found
    }

    /// The list of texts called `name`; what is no text in it is complained about.
    pub(super) fn texts(&mut self, section: Section<'_, 'a>, name: &str) -> Vec<Located<&'a str>> {
        const WANTED: &str = "a list of texts in quotes";
        let Some(value) = section.table.get(name) else {
            return Vec::new();
        };
        let Some(list) = self.expect(section, name, value, DeValue::as_array, WANTED) else {
            return Vec::new();
        };
        let texts = list.iter().filter_map(|value| {
            let line = self.line(&value.span());
            let value = self.expect(section, name, value, DeValue::as_str, WANTED)?;
            Some(Located { value, line })
        });
        texts.collect()
    }

    /// The tables of `[[…name]]` and the lines they begin on.
    pub(super) fn tables(
        &mut self,
        section: Section<'_, 'a>,
        name: &str,
    ) -> Vec<(usize, &'a DeTable<'a>)> {
        const WANTED: &str = "a list of tables";
        let Some(value) = section.table.get(name) else {
            return Vec::new();
        };
        let Some(list) = self.expect(section, name, value, DeValue::as_array, WANTED) else {
            return Vec::new();
        };
        let tables = list.iter().filter_map(|value| {
            let line = self.line(&value.span());
            let table = self.expect(section, name, value, DeValue::as_table, WANTED)?;
            Some((line, table))
        });
        tables.collect()
    }

    /// A time such as `"45s"`, from one second to one hour.
    pub(super) fn duration(&mut self, section: Section<'_, 'a>, name: &str) -> Option<Duration> {
        let text = self.text(section, name)?;
        let found = duration(text.value);
        if found.is_none() {
            let title = section.title;
            let must = "must be a time from \"1s\" to \"60min\", such as \"45s\"";
            self.problem(text.line, format!("`{name}` in {title} {must}"));
        }
        found
    }

    /// The name of a table, column or schema.
    pub(super) fn identifier(&mut self, section: Section<'_, 'a>, name: &str) -> Option<String> {
        /// `NAMEDATALEN - 1`: Postgres manual, section 4.1.1, Identifiers and Key Words.
        const LONGEST: usize = 63;
        let text = self.text(section, name)?;
        if text.value.is_empty() || text.value.len() > LONGEST || text.value.contains('\0') {
            let title = section.title;
            let must = format!("must have 1 to {LONGEST} bytes, as names in Postgres do");
            self.problem(text.line, format!("`{name}` in {title} {must}"));
            return None;
        }
        Some(text.value.to_owned())
    }

    /// What `get` finds in `value`; if that is nothing, the complaint that it must be `wanted`.
    fn expect<T>(
        &mut self,
        section: Section<'_, '_>,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
        get: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
        wanted: &str,
    ) -> Option<T> {
        let found = get(value.get_ref());
        if found.is_none() {
            let line = self.line(&value.span());
            let kind = value.get_ref().type_str();
            let title = section.title;
            self.problem(
                line,
                format!(
                    "`{name}` in {title} must be {wanted}, not {}",
                    article(kind)
                ),
            );
        }
        found
    }
}

/// TOML's word for a type, with its article.
fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let seconds = match &text[unit..] {
        "s" => Some(number),
        "m" | "min" => number.checked_mul(60),
        _ => None,
    }?;
    (1..=3_600)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// What `read` makes of the file `text`, called `F`, and what it finds wrong in it.
#[cfg(test)]
pub(super) fn read_text<T>(
    text: &str,
    read: impl for<'a> FnOnce(&mut Reader<'a>, Section<'_, 'a>) -> T,
) -> (T, Vec<String>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    assert!(errors.is_empty(), "{errors:?}");
    let mut reader = Reader {
        path: Path::new("F"),
        text,
        problems: Problems::default(),
    };
    let top = Section {
        title: "the top level",
        table: table.get_ref(),
    };
    let found = read(&mut reader, top);
    let said = reader.problems.as_slice().iter();
    (found, said.map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_range() {
        for (text, seconds) in [("1s", 1), ("45s", 45), ("2m", 120), ("60min", 3_600)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "10",
            "0s",
            "61min",
            "-1s",
            "1.5s",
            "1 s",
            "99999999999999999999s",
            "307445734561825861min",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
