//! A key replaced by mistake, given back by keys alone; and keys that touch nothing where they are pressed say so.

use tokenward::domain::audit::Verb;

use super::{Console, covered};
use crate::support::place;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_and_one_that_was_deleted_are_given_back() {
    let mut console = Console::start(30, 100).await;
    let old = "0a1b2c3d".repeat(5);
    console
        .place
        .sql(&format!(
            "INSERT INTO authtoken_token SELECT '{old}', now(), id FROM auth_user WHERE username = 'erin'"
        ))
        .await;
    console.press("U", &["Nothing to take back"]);
    console.press("/", &["Esc leave the line"]);
    console.type_slowly("erin", "/");
    console.press("\r", &["▸  erin", &covered(&old)]);

    // Replaced, and given back.
    console.press("R", &["Regenerate the key of erin"]);
    console.answer("y", &["The new key of erin"]);
    let new = console.key_of("erin").await.expect("a token");
    console.close("The new key of erin");
    console.press(
        "U",
        &[
            "Give the old key back to erin",
            &covered(&old),
            &covered(&new),
        ],
    );
    assert_eq!(
        console.key_of("erin").await.as_ref(),
        Some(&new),
        "asking changes nothing"
    );
    console.answer("y", &["erin: ", "works again."]);
    assert_eq!(console.key_of("erin").await.as_ref(), Some(&old));
    console.audited(Verb::Undo, "erin", Some(&new));
    console.press("U", &["Nothing to take back"]);

    // Deleted, and given back while somebody else holds the row: pressed again in the meantime it asks nothing.
    console.press("D", &["Revoke the key of erin", &covered(&old)]);
    console.answer("y", &["revoked."]);
    assert_eq!(console.tokens().await, 0);
    let holder = console.place.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE authtoken_token IN SHARE MODE")
        .await
        .unwrap();
    console.press(
        "U",
        &["Give the old key back to erin", "It works again at once."],
    );
    std::thread::sleep(super::HUMAN);
    console.terminal.press("y");
    console.terminal.wait_gone("It works again at once.");
    console.press("U", &["A change is still under way"]);
    holder.batch_execute("COMMIT").await.unwrap();
    console.terminal.wait_for(&["erin: ", "works again."]);
    assert_eq!(console.key_of("erin").await.as_ref(), Some(&old));
    console.audited(Verb::Undo, "erin", Some(&old));

    console.assert_covered(&[&old, &new]);
    console.terminal.press("q");
    assert_eq!(console.terminal.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_touches_nothing_here_says_where_it_does() {
    let mut console = Console::start_on(place::fresh().await, 20, 60, "").await;
    console.press("S", &["S works on screen 4 Listener."]);
    console.press("B", &["B works on screen 3 Backfill."]);
    console.press("5", &["[5"]);
    console.press("R", &["R works on screens 1 Users, 2 Test keys."]);
    console.press("U", &["U works on screen 1 Users."]);
    console.terminal.press("q");
    assert_eq!(console.terminal.wait_exit(), 0);
    assert!(console.place.audit().is_empty());
}
