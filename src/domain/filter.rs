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
    /// `is:stale`: has a token that should be looked at: made more than [`Test::STALE_DAYS`] days ago, unused for
    /// [`Test::STALE_UNUSED_DAYS`], or its user is off, or is a superuser: his never ends by itself either.
    Stale,
    /// `kind:drf`: has a token of REST framework.
    Drf,
    /// `age:>30d`: the token was made more than so many days ago.
    OlderThan(u32),
    /// `age:<30d`: the token was made less than so many days ago.
    YoungerThan(u32),
    /// `unused:>90d`: the token was used more than so many hours ago, as far as is known: a use counts from when a
    /// listener watches, and the making of a token as one. Where none has watched of late no token was.
    UnusedFor(u32),
    /// `unused:<1h`: it was used less than so many hours ago, or may have been.
    UsedWithin(u32),
    /// `is:marked`.
    Marked,
}

impl Test {
    /// A key of REST framework never expires by itself; an older one than this is stale.
    pub const STALE_DAYS: u32 = 365;
    /// What nobody has used for so long, nobody may need.
    pub const STALE_UNUSED_DAYS: u32 = 90;
}

/// Why a filter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// `is:` or `kind:` with a word that does not exist.
    #[error(
        "unknown filter word {0}; known are is:super, is:staff, is:off, is:none, is:stale, is:marked, kind:drf, \
         age:>30d, unused:>90d"
    )]
    Unknown(String),
    /// `age:` without a comparison and a length of time.
    #[error("{0} is not an age; write age:>30d, age:<2w, age:>1y")]
    Age(String),
    /// `unused:` without a comparison and a length of time.
    #[error("{0} is not a length of time; write unused:>90d, unused:<1h, unused:>1y")]
    Unused(String),
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
        Some(("unused", time)) => {
            parse_unused(time).ok_or_else(|| Invalid::Unused(bare.to_owned()))?
        }
        Some(("is" | "kind", _)) => return Err(Invalid::Unknown(bare.to_owned())),
        Some(_) | None => Test::Text(bare.to_owned()),
    };
    Ok(Word { negated, test })
}

fn parse_age(text: &str) -> Option<Test> {
    let (longer, count, unit) = parse_length(text)?;
    let days = days(count, unit)?;
    Some(if longer {
        Test::OlderThan(days)
    } else {
        Test::YoungerThan(days)
    })
}

fn parse_unused(text: &str) -> Option<Test> {
    let (longer, count, unit) = parse_length(text)?;
    let hours = match unit {
        'h' => count,
        unit => days(count, unit)?.checked_mul(24)?,
    };
    Some(if longer {
        Test::UnusedFor(hours)
    } else {
        Test::UsedWithin(hours)
    })
}

/// `>30d`: whether it is to be longer, and the number with its unit.
fn parse_length(text: &str) -> Option<(bool, u32, char)> {
    let longer = text.starts_with('>');
    let length = text.strip_prefix(['>', '<'])?;
    let unit = length.chars().last()?;
    let count = length.strip_suffix(unit)?.parse().ok()?;
    Some((longer, count, unit))
}

fn days(count: u32, unit: char) -> Option<u32> {
    match unit {
        'd' => Some(count),
        'w' => count.checked_mul(7),
        'm' => count.checked_mul(30),
        'y' => count.checked_mul(365),
        _ => None,
    }
}

/// In days where it is so many of them.
fn length(hours: u32) -> String {
    if hours > 0 && hours.is_multiple_of(24) {
        format!("{}d", hours / 24)
    } else {
        format!("{hours}h")
    }
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
            Self::UnusedFor(hours) => write!(f, "unused:>{}", length(*hours)),
            Self::UsedWithin(hours) => write!(f, "unused:<{}", length(*hours)),
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
    fn how_long_a_token_is_unused_is_told_in_hours_or_more() {
        for (line, negated, test, said) in [
            (
                "unused:>90d",
                false,
                Test::UnusedFor(90 * 24),
                "unused:>90d",
            ),
            ("-unused:>2w", true, Test::UnusedFor(14 * 24), "unused:>14d"),
            ("unused:<1h", false, Test::UsedWithin(1), "unused:<1h"),
            (
                "unused:>1y",
                false,
                Test::UnusedFor(365 * 24),
                "unused:>365d",
            ),
        ] {
            assert_eq!(test.to_string(), said);
            assert_eq!(tests(line), [(negated, test)], "{line}");
        }
        for wrong in [
            "unused:",
            "unused:90d",
            "unused:>d",
            "unused:>1x",
            "unused:>9999999y",
        ] {
            let said = Filter::parse(wrong).unwrap_err().to_string();
            assert!(
                said.starts_with(wrong) && said.contains("unused:>90d"),
                "{said}"
            );
        }
        assert!(
            Filter::parse("age:>1h").is_err(),
            "a token's age is told in days"
        );
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
