//! Hooks beside very many changes: none is held up, and each that the command was not run for is counted.

use std::time::Duration;

use tokenward::ops::Mode;
use tokenward::ops::hooks::{Hooks, NewKey, Settings};

use super::{aim, tokens_where, with_users};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_many_is_counted_and_what_is_cut_off_has_its_line() {
    let place = with_users(1).await;
    place.sql(&tokens_where("true")).await;
    let hooks = Hooks::new(Settings {
        command: vec!["sleep".into(), "1000".into()],
        limit: Duration::from_secs(1000),
        retries: 0,
        key: NewKey::Kept,
        logins: false,
    });
    let ops = place.ops().await.with_hooks(Some(hooks.clone()));
    for _ in 0..1_003 {
        ops.regenerate(&aim(&ops, "user1").await, Mode::Apply)
            .await
            .unwrap();
    }
    let count = "SELECT count(*) FROM tokenward.audit WHERE what = 'hook'";
    assert_eq!(place.one::<i64>(count).await, 0, "written in the change");
    let said = hooks.finish_within(Duration::from_millis(10)).await;
    let counted = "failed: not run for 3 changes, too many wait for the command";
    assert!(
        said.iter().any(|said| said.contains(counted)) || said.len() == 21,
        "{said:?}"
    );
    let cut = format!("{count} AND result = 'failed: not run to its end, tokenward was left'");
    assert_eq!(place.one::<i64>(&cut).await, 1_000);
    let counted = format!("{count} AND whom = '' AND result = '{counted}'");
    assert_eq!(place.one::<i64>(&counted).await, 1);
    assert_eq!(hooks.finish().await, [""; 0]);
}
