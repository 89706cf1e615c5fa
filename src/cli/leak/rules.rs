//! `leak rules`: what a secret scanner needs to know the keys. Ours it knows by their prefix; 40 hex digits are more often a
//! hash of Git, so they count only behind a word that announces a key.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::exit::{Code, Failure};
use crate::cli::output::{Form, Output};

/// `leak rules`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// For gitleaks as a configuration, for GitHub's custom patterns, or as regular expressions, one a line
    #[arg(value_name = "gitleaks|github|regex", hide_possible_values = true)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    Gitleaks,
    #[value(name = "github")]
    GitHub,
    Regex,
}

/// How one kind of key is recognised.
#[derive(Debug, Serialize)]
struct Rule {
    id: &'static str,
    description: &'static str,
    /// What must stand before the key.
    before: &'static str,
    key: &'static str,
    /// What must stand behind it.
    after: &'static str,
    /// Words of which a file must have one, in any case, to be searched at all.
    keywords: &'static [&'static str],
}

const NOT_A_WORD: &str = r"(?:[^0-9A-Za-z]|$)";
/// The word, then quotes, blanks, colons and equal signs, escaped or not, and perhaps the scheme behind a header's name.
const ANNOUNCED: &str = r"(?i:token|bearer|authorization)(?:[^0-9A-Za-z\r\n]|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}){1,24}(?:(?i:token|bearer)(?:[^0-9A-Za-z\r\n]|%[0-9A-Fa-f]{2}){1,8})?";
const ANNOUNCING: &[&str] = &["token", "bearer", "authorization"];

const RULES: [Rule; 3] = [
    Rule {
        id: "tokenward-key",
        description: "API token with a checksum, made by tokenward",
        before: r"(?:^|[^0-9A-Za-z]|%[0-9A-Fa-f]{2}|\\[nrt]|\\u[0-9A-Fa-f]{4})",
        key: "twd_[0-9A-Za-z]{36}",
        after: NOT_A_WORD,
        keywords: &["twd_"],
    },
    Rule {
        id: "django-rest-framework-token",
        description: "API token of Django REST framework",
        before: ANNOUNCED,
        key: "[0-9a-f]{40}",
        after: NOT_A_WORD,
        keywords: ANNOUNCING,
    },
    Rule {
        id: "django-rest-knox-token",
        description: "API token of django-rest-knox",
        before: ANNOUNCED,
        key: "[0-9a-f]{64}",
        after: NOT_A_WORD,
        keywords: ANNOUNCING,
    },
];

impl Rule {
    fn regex(&self) -> String {
        format!("{}({}){}", self.before, self.key, self.after)
    }
}

/// Runs `leak rules`. It needs neither configuration nor database.
pub fn run(out: &mut Output, args: Args) -> Result<Code, Failure> {
    if out.form() == Form::Json {
        for rule in &RULES {
            out.json(rule)?;
        }
        return Ok(Code::Done);
    }
    let text = match args.target {
        Target::Gitleaks => gitleaks(),
        Target::GitHub => github(),
        Target::Regex => RULES.iter().map(|rule| rule.regex() + "\n").collect(),
    };
    out.text(text.as_bytes())?;
    Ok(Code::Done)
}

fn gitleaks() -> String {
    let mut text =
        "# API tokens of Django REST framework and django-rest-knox, for: gitleaks --config FILE\n\
                    title = \"API tokens\"\n\n[extend]\nuseDefault = true\n"
            .to_owned();
    for rule in &RULES {
        let words: Vec<String> = rule
            .keywords
            .iter()
            .map(|word| format!("\"{word}\""))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[rules]]\nid = \"{}\"\ndescription = \"{}\"\nregex = '''{}'''\nsecretGroup = 1\nkeywords = [{}]\n",
            rule.id,
            rule.description,
            rule.regex(),
            words.join(", ")
        );
    }
    text
}

/// The fields of the page "New custom pattern", which has no file to be read from.
fn github() -> String {
    let one = |rule: &Rule| {
        format!(
            "Pattern name   {}\nSecret format  {}\nBefore secret  {}\nAfter secret   {}\n",
            rule.description,
            rule.key,
            rule.before.replace("(?:^|", r"(?:\A|"),
            rule.after.replace("|$)", r"|\z)"),
        )
    };
    let all: Vec<String> = RULES.iter().map(one).collect();
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::KeyFormat;

    const HEX: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

    /// What the rule finds in `text`, as the scanners read it: the one group is the secret.
    fn found(rule: &Rule, text: &str) -> Option<String> {
        let regex = regex::Regex::new(&rule.regex()).unwrap();
        assert_eq!(regex.captures_len(), 2);
        regex.captures(text).map(|all| all[1].to_owned())
    }

    #[test]
    fn each_rule_finds_its_keys_and_no_hash_of_git() {
        let ours = KeyFormat::Checksum.make().unwrap();
        let knox = format!("{HEX}{}", &HEX[..24]);
        for (rule, key) in RULES.iter().zip([ours.expose().as_str(), HEX, &knox]) {
            for text in [
                format!("Authorization: Token {key}"),
                format!("curl -H 'authorization: token {key}' h"),
                format!("{{\"token\": \"{key}\"}}"),
                format!("{{\\\"token\\\":\\\"{key}\\\"}}"),
                format!("API_TOKEN={key}\n"),
                format!("?h=Authorization%3A%20Bearer%20{key}&x"),
                format!("a\n  token: {key}\n"),
            ] {
                assert_eq!(found(rule, &text).as_deref(), Some(key), "{text}");
            }
            for text in [
                format!("Token x{key}"),
                format!("Token {key}0"),
                format!("Token {}", &key[1..]),
            ] {
                assert_eq!(found(rule, &text), None, "{text}");
            }
        }
        assert_eq!(
            found(&RULES[0], &format!("see {}.", ours.expose())).as_deref(),
            Some(ours.expose().as_str())
        );
        assert_eq!(found(&RULES[1], &format!("commit {HEX}\n")), None);
    }

    #[test]
    fn the_configuration_of_gitleaks_is_toml_with_these_rules() {
        let read: toml::Table = gitleaks().parse().unwrap();
        let rules = read["rules"].as_array().unwrap();
        assert_eq!(rules.len(), RULES.len());
        for (read, rule) in rules.iter().zip(&RULES) {
            assert_eq!(read["id"].as_str(), Some(rule.id));
            assert_eq!(read["regex"].as_str(), Some(rule.regex().as_str()));
            assert_eq!(read["secretGroup"].as_integer(), Some(1));
            let words = read["keywords"].as_array().unwrap();
            // gitleaks compares them with the text in small letters.
            assert!(words.iter().all(|word| {
                word.as_str()
                    .is_some_and(|word| word == word.to_lowercase())
            }));
        }
    }
}
