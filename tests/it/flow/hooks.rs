//! A command of the site's behind the console: told of what the keys changed, and where it fails the message line says so
//! while the change stands.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokenward::domain::audit::Verb;

use super::{Console, PATIENCE, covered};
use crate::support::place;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_is_told_and_its_failure_is_on_the_screen() {
    let place = place::fresh().await;
    let told = place.folder().join("told");
    // It prints too, which must not get on the screen.
    let script = format!(
        "cat >> '{0}'; echo noise; echo noise >&2; test ! -e '{0}.fails'",
        told.display()
    );
    let config = format!("[hooks]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\nretries = 0\n");
    let mut console = Console::start_on(place, 30, 100, &config).await;
    console.press("/", &["Esc leave the line"]);
    console.type_slowly("erin", "/");
    console.press("\r", &["▸  erin"]);

    console.press("N", &["Generate a token for erin"]);
    console.answer("y", &["The token of erin"]);
    let key = console.key_of("erin").await.expect("a token");
    console.close("The token of erin");
    console.audited(Verb::Hook, "erin", Some(&key));
    let said = std::fs::read_to_string(&told).unwrap();
    let event: Value = serde_json::from_str(said.trim_end()).unwrap();
    assert_eq!(
        (&event["verb"], &event["username"], &event["key_start"]),
        (&"generate".into(), &"erin".into(), &key[..8].into())
    );
    assert!(!said.contains(&key), "a key");

    std::fs::write(told.with_extension("fails"), "").unwrap();
    console.press("D", &["Revoke the key of erin", &covered(&key)]);
    console.answer(
        "y",
        &["hook after the change of erin: failed", "the change stands"],
    );
    assert_eq!(console.tokens().await, 0);
    let begun = Instant::now();
    loop {
        let last = console.place.audit().pop().unwrap();
        if last.what == Verb::Hook && last.result.starts_with("failed") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{last:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let written = String::from_utf8_lossy(&console.terminal.bytes()).into_owned();
    assert!(!written.contains("noise"), "what it printed");
    console.assert_covered(&[&key]);
    console.terminal.press("q");
    assert_eq!(console.terminal.wait_exit(), 0);
}
