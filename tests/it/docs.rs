//! The README's key table, help text and configuration are the real ones. `TOKENWARD_UPDATE_README=1` writes them
//! anew instead of comparing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use tokenward::tui::keys::Action;

/// The README's parts that are made from the program, by the name in their marks.
#[test]
fn the_readme_tells_of_the_program_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let mut made = readme.clone();
    for (name, part) in [
        ("keys", key_table()),
        ("help", help()),
        ("config", config()),
    ] {
        made = with_part(&made, name, &part);
    }
    if std::env::var_os("TOKENWARD_UPDATE_README").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        readme == made,
        "README.md is out of date; TOKENWARD_UPDATE_README=1 script/test docs mends it"
    );
}

#[test]
fn the_pictures_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let pictures: Vec<&str> = readme
        .split("](docs/")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert_eq!(pictures.len(), 2, "{pictures:?}");
    for picture in pictures {
        let svg = std::fs::read_to_string(root.join("docs").join(picture)).unwrap();
        assert!(svg.contains("[1 Users]"), "{picture} shows no console");
    }
}

fn with_part(text: &str, name: &str, part: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = text.find(&open).unwrap_or_else(|| panic!("no {open}")) + open.len();
    let end = text.find(&close).unwrap_or_else(|| panic!("no {close}"));
    format!("{}{part}{}", &text[..start], &text[end..])
}

/// A row for each action, those of all screens once.
fn key_table() -> String {
    let mut table = "| Key | Action | What it does |\n|---|---|---|\n".to_owned();
    let mut seen: Vec<&str> = Vec::new();
    for action in tokenward::tui::all_actions().into_iter().flatten() {
        if !seen.contains(&action.name) {
            seen.push(action.name);
            writeln!(table, "{}", row(action)).unwrap();
        }
    }
    table
}

fn row(action: &Action) -> String {
    let mut keys: Vec<String> = action
        .keys
        .iter()
        .map(|key| format!("`{}`", key.to_string().replace('|', "\\|")))
        .collect();
    if keys.is_empty() {
        keys.push(format!("`:{}`", action.name));
    }
    format!(
        "| {} | {} | {} |",
        keys.join(" "),
        action.name,
        action.help.replace('|', "\\|")
    )
}

fn help() -> String {
    let said = Command::new(env!("CARGO_BIN_EXE_tokenward"))
        .arg("--help")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    format!("```text\n{}```\n", String::from_utf8(said.stdout).unwrap())
}

fn config() -> String {
    format!("```toml\n{}```\n", tokenward::config::EXAMPLE)
}
