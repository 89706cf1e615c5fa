//! All routes of a listener, and which of them a request's path and query mean: Django's rules for escapes, for the missing
//! slash and for `?format=`.

use std::borrow::Cow;
use std::fmt::Write;

use hyper::header::HeaderValue;

use super::{Answers, Credential, Problem, Rate, Route};

/// What a path leads to.
#[derive(Debug)]
pub enum Found<'a> {
    /// A route, by its place among [`Routes::all`].
    Route(usize, &'a Route),
    /// A route without its final slash: Django's `APPEND_SLASH` sends the client to this address.
    Slash(HeaderValue),
    /// Nothing.
    Nothing,
}

/// All routes of a listener.
#[derive(Clone, Debug)]
pub struct Routes {
    all: Vec<Route>,
}

impl Routes {
    /// The default routes, replaced by path or added to by `own`. `obtain_rate` is for the default obtain routes;
    /// the default introspection route is there only when there is a `credential` for it.
    ///
    /// # Errors
    /// When two of `own` have one path, or introspection lacks its credential.
    pub fn new(
        own: Vec<Route>,
        obtain_rate: Option<Rate>,
        credential: Option<&Credential>,
    ) -> Result<Self, Problem> {
        let mut all: Vec<Route> = Vec::with_capacity(own.len() + 5);
        for route in own {
            if all.iter().any(|other| other.path == route.path) {
                return Err(Problem::Twice(route.path));
            }
            if route.answers == Answers::Introspect && credential.is_none() {
                return Err(Problem::NoCredential(route.path));
            }
            all.push(route);
        }
        let usual = [
            ("/api-token-auth/", Answers::Obtain),
            ("/api-token-auth-ex/", Answers::ObtainEx),
            ("/api/example/", Answers::Whoami),
            ("/auth", Answers::Auth),
            ("/introspect", Answers::Introspect),
        ];
        for (path, answers) in usual {
            let wanted = answers != Answers::Introspect || credential.is_some();
            if wanted && !all.iter().any(|own| own.path == path) {
                let rate = obtain_rate.filter(|_| answers.may_be_rated());
                all.push(Route::new(path, answers, None, None, rate)?);
            }
        }
        Ok(Self { all })
    }

    /// Every route, the configured ones first.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.all
    }

    /// What `path`, as it came over the wire, leads to. `query` is kept in a redirect.
    ///
    /// A forward-auth route also answers for everything below it: Envoy appends the path that was asked for.
    #[must_use]
    pub fn find(&self, path: &str, query: Option<&str>) -> Found<'_> {
        let decoded = decode(path.as_bytes());
        if let Some((place, route)) = self.exactly(&decoded) {
            return Found::Route(place, route);
        }
        if decoded.last() != Some(&b'/') {
            let whole = [&*decoded, b"/"].concat();
            if let Some((_, route)) = self.exactly(&whole) {
                return redirect(&route.path, query).map_or(Found::Nothing, Found::Slash);
            }
        }
        let below = |route: &Route| {
            let rest = decoded.strip_prefix(route.path.as_bytes());
            route.answers == Answers::Auth && rest.is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        match self.all.iter().position(below) {
            Some(place) => Found::Route(place, &self.all[place]),
            None => Found::Nothing,
        }
    }

    fn exactly(&self, path: &[u8]) -> Option<(usize, &Route)> {
        let mut all = self.all.iter().enumerate();
        all.find(|(_, route)| route.path.as_bytes() == path)
    }
}

/// Percent-escapes decoded as Python's `urllib.parse.unquote_to_bytes` does: what is no escape stays as it is.
/// Bytes that are no UTF-8 need none of Django's care, since no route has any.
fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'%') {
        return Cow::Borrowed(raw);
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        let pair = (digit(raw.get(at + 1)), digit(raw.get(at + 2)));
        if let (b'%', (Some(high), Some(low))) = (byte, pair) {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// The address of `path`, with the query string as `django.utils.encoding.iri_to_uri` writes it. `None` never happens:
/// what is not visible ASCII has been escaped.
fn redirect(path: &str, query: Option<&str>) -> Option<HeaderValue> {
    let mut address = path.to_owned();
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        address.push('?');
        for byte in query.bytes() {
            if byte.is_ascii_alphanumeric() || b"_.-~/#%[]=:;$&()+,!?*@'".contains(&byte) {
                address.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    HeaderValue::from_str(&address).ok()
}

/// What `?format=` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing, or JSON.
    Json,
    /// What we do not have.
    Unknown,
    /// More fields than Django reads (`DATA_UPLOAD_MAX_NUMBER_FIELDS`).
    TooMany,
}

/// Reads `format` out of a query string as Django's `QueryDict` does: the last one counts, `+` is a space, `;` separates
/// nothing.
#[must_use]
pub fn format_of(query: &str) -> Format {
    const MAX_FIELDS: usize = 1_000;
    if query.bytes().filter(|byte| *byte == b'&').count() >= MAX_FIELDS {
        return Format::TooMany;
    }
    let clean = |text: &str| decode(text.replace('+', " ").as_bytes()).into_owned();
    let last = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .rfind(|(name, _)| clean(name) == b"format");
    match last {
        None => Format::Json,
        Some((_, value)) => match clean(value).as_slice() {
            b"" | b"json" => Format::Json,
            _ => Format::Unknown,
        },
    }
}
