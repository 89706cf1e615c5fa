//! The operations on a real Postgres, by duty.

use crate::support::place;

#[tokio::test(flavor = "multi_thread")]
async fn each_test_has_a_database_of_its_own() {
    let one = place::fresh().await;
    let two = place::fresh().await;
    one.sql("CREATE TABLE mine ()").await;
    assert!(
        one.one::<bool>("SELECT to_regclass('mine') IS NOT NULL")
            .await
    );
    assert!(two.one::<bool>("SELECT to_regclass('mine') IS NULL").await);
    assert_ne!(one.ops().await.place().name, two.ops().await.place().name);
}
