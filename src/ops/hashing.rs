//! The few threads that check passwords: minimal, for what stands on it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::domain::password;
use crate::domain::secret::Secret;

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// What a check found.
#[derive(Debug)]
pub enum Checked {
    /// It is not the password.
    Wrong,
    /// It is.
    Right,
    /// It is, and Django would write it anew: so.
    RightButOld(Secret<String>),
}

/// Checks passwords, so many at a time, so many more in a queue.
#[derive(Clone, Debug)]
pub struct Hashing {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl Hashing {
    /// With so many threads and so many waiting.
    #[must_use]
    pub fn new(threads: usize, queue: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(threads + queue)),
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Checks `password` against `encoded`.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    pub async fn check(
        &self,
        encoded: Secret<String>,
        password: Secret<String>,
    ) -> Result<Checked, Busy> {
        let _place = self.places.try_acquire().map_err(|_| Busy)?;
        let _thread = self.threads.acquire().await.map_err(|_| Busy)?;
        let checked = tokio::task::spawn_blocking(move || check(&encoded, &password)).await;
        checked.map_err(|_| Busy)
    }
}

fn check(encoded: &Secret<String>, password: &Secret<String>) -> Checked {
    let Some(stored) = encoded.expose().strip_prefix("bcrypt_sha256$") else {
        let _ = password::encode(password);
        return Checked::Wrong;
    };
    let digest = password::hex_sha256(password.expose());
    if !bcrypt::verify(digest, stored).unwrap_or(false) {
        Checked::Wrong
    } else if stored.starts_with("$2b$12$") {
        Checked::Right
    } else {
        password::encode(password).map_or(Checked::Right, Checked::RightButOld)
    }
}
