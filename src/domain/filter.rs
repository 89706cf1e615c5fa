//! The filter line: `ali is:super age:>1y -is:off`. One grammar for the console's `/` and the command line's
//! `--filter`.

use std::fmt;

use thiserror::Error;

use super::user::UserId;

/// What a list is narrowed to: every word must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The words, as parsed.
    pub words: Vec<Word>,
    /// `is:marked`: only these users. The marks live in the console, so it fills them in.
    pub only: Option<Vec<UserId>>,
}

/// One word of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// `-word`: must not hold.
    pub negated: bool,
    /// What must hold.
    pub test: Test,
}

/// What a word asks of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Part of the name or address, the start of a key, or a whole key.
    Text(String),
    /// `is:super`: every permission.
    Super,
    /// `is:staff`.
    Staff,
    /// `is:off`: not active.
    Off,
    /// `is:none`: no token.
    NoToken,
    /// `is:stale`: has a token whose time is over: made more than [`Test::STALE_DAYS`] days ago, or its user is off.
    Stale,
    /// `kind:drf`: has a token of REST framework.
    Drf,
    /// `age:>30d`: the token was made more than so many days ago.
    OlderThan(u32),
    /// `age:<30d`: the token was made less than so many days ago.
    YoungerThan(u32),
    /// `is:marked`.
    Marked,
}

impl Test {
    /// A key of REST framework never expires by itself; an older one than this is stale.
    pub const STALE_DAYS: u32 = 365;
}

/// Why a filter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// `is:` or `kind:` with a word that does not exist.
    #[error(
        "unknown filter word {0}; known are is:super, is:staff, is:off, is:none, is:stale, is:marked, kind:drf, \
         age:>30d"
    )]
    Unknown(String),
    /// `age:` without a comparison and a length of time.
    #[error("{0} is not an age; write age:>30d, age:<2w, age:>1y")]
    Age(String),
    /// More than [`Filter::MOST_WORDS`].
    #[error("a filter may have at most {max} words", max = Filter::MOST_WORDS)]
    TooMany,
    /// Postgres' text holds no NUL.
    #[error("a filter may not contain a NUL character")]
    Nul,
}

impl Filter {
    /// More than anybody types; each word is a condition, and each text a question of its own.
    pub const MOST_WORDS: usize = 32;

    /// Reads the filter line.
    ///
    /// # Errors
    /// Names the first word that cannot be read.
    pub fn parse(line: &str) -> Result<Self, Invalid> {
        if line.contains('\0') {
            return Err(Invalid::Nul);
        }
        if line.split_whitespace().nth(Self::MOST_WORDS).is_some() {
            return Err(Invalid::TooMany);
        }
        let words = line
            .split_whitespace()
            .map(parse_word)
            .collect::<Result<_, _>>()?;
        Ok(Self { words, only: None })
    }

    /// Whether every row passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty() && self.only.is_none()
    }

    /// Whether any word asks for text: those searches have a quick form and a thorough one.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.words
            .iter()
            .any(|word| matches!(word.test, Test::Text(_)))
    }

    /// Whether `is:marked` stands in it.
    #[must_use]
    pub fn wants_marked(&self) -> bool {
        self.words.iter().any(|word| word.test == Test::Marked)
    }
}

impl Word {
    /// `is:staff`.
    #[must_use]
    pub const fn staff() -> Self {
        Self {
            negated: false,
            test: Test::Staff,
        }
    }
}

fn parse_word(word: &str) -> Result<Word, Invalid> {
    let (negated, bare) = match word.strip_prefix('-') {
        Some(rest) if !rest.is_empty() => (true, rest),
        Some(_) | None => (false, word),
    };
    let test = match bare.split_once(':') {
        Some(("is", "super")) => Test::Super,
        Some(("is", "staff")) => Test::Staff,
        Some(("is", "off")) => Test::Off,
        Some(("is", "none")) => Test::NoToken,
        Some(("is", "stale")) => Test::Stale,
        Some(("is", "marked")) => Test::Marked,
        Some(("kind", "drf")) => Test::Drf,
        Some(("age", age)) => parse_age(age).ok_or_else(|| Invalid::Age(bare.to_owned()))?,
        Some(("is" | "kind", _)) => return Err(Invalid::Unknown(bare.to_owned())),
        Some(_) | None => Test::Text(bare.to_owned()),
    };
    Ok(Word { negated, test })
}

fn parse_age(text: &str) -> Option<Test> {
    let older = text.starts_with('>');
    let length = text.strip_prefix(['>', '<'])?;
    let unit = length.chars().last()?;
    let count: u32 = length.strip_suffix(unit)?.parse().ok()?;
    let days = match unit {
        'd' => count,
        'w' => count.checked_mul(7)?,
        'm' => count.checked_mul(30)?,
        'y' => count.checked_mul(365)?,
        _ => return None,
    };
    Some(if older {
        Test::OlderThan(days)
    } else {
        Test::YoungerThan(days)
    })
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Super => f.write_str("is:super"),
            Self::Staff => f.write_str("is:staff"),
            Self::Off => f.write_str("is:off"),
            Self::NoToken => f.write_str("is:none"),
            Self::Stale => f.write_str("is:stale"),
            Self::Drf => f.write_str("kind:drf"),
            Self::OlderThan(days) => write!(f, "age:>{days}d"),
            Self::YoungerThan(days) => write!(f, "age:<{days}d"),
            Self::Marked => f.write_str("is:marked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(line: &str) -> Vec<(bool, Test)> {
        Filter::parse(line)
            .unwrap()
            .words
            .into_iter()
            .map(|word| (word.negated, word.test))
            .collect()
    }

    #[test]
    fn words_mean_what_the_help_says() {
        assert_eq!(
            tests("is:stale -is:stale"),
            [(false, Test::Stale), (true, Test::Stale)]
        );
        assert_eq!(
            tests("ali is:super -is:off age:>1y"),
            [
                (false, Test::Text("ali".into())),
                (false, Test::Super),
                (true, Test::Off),
                (false, Test::OlderThan(365)),
            ]
        );
        assert_eq!(
            tests("-"),
            [(false, Test::Text("-".into()))],
            "a lone dash is text"
        );
        assert_eq!(
            tests("a:b"),
            [(false, Test::Text("a:b".into()))],
            "a name may hold a colon"
        );
        assert!(Filter::parse("  ").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(
            Filter::parse("is:sper")
                .unwrap_err()
                .to_string()
                .contains("is:sper")
        );
        assert!(
            Filter::parse("age:1y")
                .unwrap_err()
                .to_string()
                .contains("age:>30d")
        );
        assert_eq!(Filter::parse("a\0"), Err(Invalid::Nul));
        assert!(Filter::parse("age:>99999999999y").is_err());
        assert!(Filter::parse(&"a ".repeat(Filter::MOST_WORDS)).is_ok());
        let more = "a ".repeat(Filter::MOST_WORDS + 1);
        assert_eq!(Filter::parse(&more), Err(Invalid::TooMany));
    }
}
