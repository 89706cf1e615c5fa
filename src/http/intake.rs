//! The body of a request, read only when somebody asks for it, within the limits of size and time. The part that
//! answers calls [`Body::collect`] at the step where Django would read; a request refused before is never read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use thiserror::Error;

/// A body that has not been read.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    most: usize,
    time: Duration,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It has more bytes than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It came too slowly.
    #[error("the body took longer than {0:?}")]
    TooSlow(Duration),
    /// The client broke off, or its chunks are not well formed.
    #[error("the body is broken off or malformed")]
    Broken,
}

impl Unreadable {
    /// The status it is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl Body {
    pub(super) const fn new(incoming: Incoming, most: usize, time: Duration) -> Self {
        Self {
            incoming,
            most,
            time,
        }
    }

    /// Whether nothing will come: a request without a body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// All of it. One that is announced as too large is refused before a byte is read.
    ///
    /// # Errors
    /// When it is too large, too slow or broken.
    pub async fn collect(self) -> Result<Bytes, Unreadable> {
        if self.is_empty() {
            return Ok(Bytes::new());
        }
        if self.incoming.size_hint().lower() > self.most as u64 {
            return Err(Unreadable::TooLarge(self.most));
        }
        let Self {
            incoming,
            most,
            time,
        } = self;
        tokio::time::timeout(time, read(incoming, most))
            .await
            .unwrap_or(Err(Unreadable::TooSlow(time)))
    }
}

async fn read(mut incoming: Incoming, most: usize) -> Result<Bytes, Unreadable> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        // Trailers say nothing that we ask for.
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else {
            continue;
        };
        if first.len() + all.len() + data.len() > most {
            return Err(Unreadable::TooLarge(most));
        }
        // Nearly every body comes in one piece, which need not be copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
