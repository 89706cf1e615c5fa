//! The demo's made-up users.

use super::Error;
use crate::db::{Db, demo};
use crate::domain::password;
use crate::domain::secret::Secret;

/// Every made-up user's password.
pub const PASSWORD: &str = "demo";

/// Fills the empty database `db` with `users` made-up users. Calls `said` with the number made so far.
///
/// # Errors
/// When the database refuses or is away; nothing was made then.
pub async fn populate(db: &Db, users: u64, said: impl FnMut(u64) + Send) -> Result<(), Error> {
    let hashed = tokio::task::spawn_blocking(|| password::encode(&Secret::from(PASSWORD))).await;
    let encoded = hashed.map_err(|error| Error::Internal(format!("hashing failed: {error}")))??;
    let mut tx = db.begin().await?;
    demo::insert_demo(tx.conn(), users, encoded.expose(), said).await?;
    tx.commit().await?;
    Ok(demo::analyze(&mut *db.conn().await?).await?)
}
