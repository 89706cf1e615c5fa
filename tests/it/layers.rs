//! The directions in which the layers may lean on each other, read off the `crate::` paths of every source file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A layer, and the layers it may name.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("text", &[]),
    ("domain", &["text"]),
    ("config", &["domain", "text"]),
    ("db", &["domain", "text"]),
    ("ops", &["domain", "db", "text"]),
    ("http", &["domain", "ops", "text"]),
    ("tui", &["domain", "ops", "config", "text"]),
    (
        "cli",
        &["domain", "db", "ops", "http", "tui", "config", "text"],
    ),
];

#[test]
fn no_arrow_points_the_wrong_way() {
    let mut wrong = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let layer = path.split(['/', '.']).next().unwrap();
        if matches!(layer, "main" | "lib") {
            continue;
        }
        seen.insert(layer.to_owned());
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == layer)
            .unwrap_or_else(|| {
                panic!("{path} is in no layer; say in tests/it/layers.rs what it may use")
            });
        for used in named_layers(&text) {
            // The runner holds the listener; screens only know what it tells.
            let held = path.starts_with("tui/runner") && used == "http";
            if used != layer && !allowed.contains(&used.as_str()) && !held {
                wrong.insert(format!("{path} names crate::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), MAY_USE.len(), "a layer has no file: {seen:?}");
}

#[test]
fn only_db_speaks_diesel() {
    for (path, text) in sources() {
        let speaks = code_lines(&text).any(|line| line.contains("diesel"));
        assert!(!speaks || path.starts_with("db"), "{path} names Diesel");
    }
}

/// The first name of each `crate::` path in code, those in braces too.
fn named_layers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in code_lines(text) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                names.extend(
                    group
                        .split(['}', ','])
                        .map(first_name)
                        .filter(|name| !name.is_empty()),
                );
            } else {
                names.push(first_name(rest));
            }
        }
    }
    names
}

fn first_name(path: &str) -> String {
    path.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// Every source file: its path below `src`, and its text.
fn sources() -> impl Iterator<Item = (String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rust_files(&source).into_iter().map(move |file| {
        let path = file.strip_prefix(&source).unwrap().to_str().unwrap();
        (path.to_owned(), std::fs::read_to_string(&file).unwrap())
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
