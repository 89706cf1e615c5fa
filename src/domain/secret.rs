//! A value that must not leak. Whatever first sees a key or a password wraps it here; from then on it can be
//! passed, cloned and compared, but only [`Secret::expose`] shows it, and that word is easy to search for.

use std::fmt;

use zeroize::Zeroize;

/// A secret whose `Debug` and `Display` hide it and whose memory is wiped on drop.
///
/// It has no `PartialEq`: comparing secrets with `==` invites a comparison that stops at the first difference.
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place where the secret leaves our care.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_it() {
        let secret = Secret::<String>::from("9944b091");
        assert!(!format!("{secret:?} {secret}").contains("9944"));
        assert_eq!(secret.expose(), "9944b091");
    }
}
