//! The two spellings of a connection string, URL and `key=value`, taken apart exactly as libpq does
//! (`conninfo_parse` and `conninfo_uri_parse` of its fe-connect.c). tokio-postgres parses them too, but cannot tell
//! a value that was given from a default, which the order string, service, environment needs.

use super::Error;
use super::keys;
use crate::domain::secret::Secret;

/// The parameters as written, in order; where one comes twice the later one counts.
pub(super) type Pairs = Vec<(&'static keys::Key, Secret<String>)>;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Takes `text` apart. A bare word is the name of a database, as on psql's command line.
pub(super) fn parse(text: &str) -> Result<Pairs, Error> {
    let text = text.trim();
    if let Some(rest) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        return url(rest);
    }
    if text.contains("://") && !text.contains("='") && !text.contains(char::is_whitespace) {
        return Err(Error::Scheme);
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.contains('=') {
        return key_values(text);
    }
    Ok(vec![(known("dbname")?, Secret::from(text))])
}

/// The key called `name`. The name is repeated in the error only if it looks like one: it may be the rest of an
/// unquoted password.
pub(super) fn known(name: &str) -> Result<&'static keys::Key, Error> {
    keys::find(name).ok_or_else(|| {
        let plausible = name.len() <= 40
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if plausible {
            Error::UnknownKey(name.to_owned())
        } else {
            Error::Syntax("something that is no parameter's name stands before a \"=\"")
        }
    })
}

fn key_values(text: &str) -> Result<Pairs, Error> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(Error::Syntax(
            "a word without \"=\"; a value with a space needs quotes, like password='two words'",
        ))?;
        let name = name.trim_end();
        if name.contains(char::is_whitespace) {
            return Err(Error::Syntax(
                "a word without \"=\"; a value with a space needs quotes, like password='two words'",
            ));
        }
        let (value, after) = value(after.trim_start())?;
        pairs.push((known(name)?, value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// One value and what follows it. A backslash takes the next character as it is, within quotes and without.
fn value(text: &str) -> Result<(Secret<String>, &str), Error> {
    let quoted = text.starts_with('\'');
    let body = text.strip_prefix('\'').unwrap_or(text);
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((Secret::new(value), &body[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((Secret::new(value), &body[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(Error::Syntax("a quoted value does not end"));
    }
    Ok((Secret::new(value), ""))
}

fn url(text: &str) -> Result<Pairs, Error> {
    let mut pairs = Vec::new();
    let rest = credentials(text, &mut pairs)?;

    let (servers, rest) = split_before(rest, &['/', '?']);
    hosts(servers, &mut pairs)?;

    let (path, query) = split_before(rest, &['?']);
    if path.contains('@') {
        return Err(Error::Syntax(MISPLACED_AT));
    }
    let database = decode(path.strip_prefix('/').unwrap_or(path))?;
    if !database.expose().is_empty() {
        pairs.push((known("dbname")?, database));
    }

    for parameter in query
        .strip_prefix('?')
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
    {
        let (name, value) = parameter
            .split_once('=')
            .ok_or(Error::Syntax("a parameter after \"?\" has no \"=\""))?;
        let (name, value) = (decode(name)?, decode(value)?);
        // JDBC's spelling, which libpq understands too.
        if name.expose() == "ssl" && value.expose() == "true" {
            pairs.push((known("sslmode")?, Secret::from("require")));
        } else {
            pairs.push((known(name.expose())?, value));
        }
    }
    Ok(pairs)
}

/// Without this a `/` or `@` in a password would move part of it into the name of the host or database, which
/// messages show.
const MISPLACED_AT: &str =
    "an \"@\" stands where none can; in a user name or password write @ as %40, / as %2F, : as %3A";

fn credentials<'a>(text: &'a str, pairs: &mut Pairs) -> Result<&'a str, Error> {
    let (before, after) = split_before(text, &['@', '/']);
    let Some(after) = after.strip_prefix('@') else {
        return Ok(text);
    };
    let (user, password) = before
        .split_once(':')
        .map_or((before, None), |(user, password)| (user, Some(password)));
    if !user.is_empty() {
        pairs.push((known("user")?, decode(user)?));
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        pairs.push((known("password")?, decode(password)?));
    }
    Ok(after)
}

fn hosts(text: &str, pairs: &mut Pairs) -> Result<(), Error> {
    if text.contains('@') {
        return Err(Error::Syntax(MISPLACED_AT));
    }
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in text.split(',') {
        let (host, rest) = if let Some(inner) = server.strip_prefix('[') {
            inner
                .split_once(']')
                .ok_or(Error::Syntax("an IPv6 address does not end with \"]\""))?
        } else {
            split_before(server, &[':'])
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => {
                return Err(Error::Syntax(
                    "after \"]\" only a port can follow, like [::1]:5432",
                ));
            }
        };
        hosts.push(host);
        ports.push(port);
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        pairs.push((known("host")?, decode(&hosts.join(","))?));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push((known("port")?, decode(&ports.join(","))?));
    }
    Ok(())
}

/// `text` up to the first of `ends`, and the rest that begins with it.
fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Undoes percent-encoding. Unlike most decoders it refuses a broken one, and a NUL, which would end the value early.
fn decode(text: &str) -> Result<Secret<String>, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let byte = after
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|&byte| byte != 0)
            .ok_or(Error::Syntax(
                "a \"%\" is not followed by two hexadecimal digits; write % itself as %25",
            ))?;
        bytes.push(byte);
        rest = &after[2..];
    }
    String::from_utf8(bytes)
        .map(Secret::new)
        .map_err(|_| Error::Syntax("a percent-encoded value is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&'static str, String)> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key.name, value.expose().clone()))
            .collect()
    }

    #[test]
    fn a_url_with_everything() {
        assert_eq!(
            read(
                "postgresql://app:p%40ss@db1:5433,[::1],%2Frun%2Fpg/my%20db?sslmode=verify-full&connect_timeout=2"
            ),
            [
                ("user", "app".to_owned()),
                ("password", "p@ss".to_owned()),
                ("host", "db1,::1,/run/pg".to_owned()),
                ("port", "5433,,".to_owned()),
                ("dbname", "my db".to_owned()),
                ("sslmode", "verify-full".to_owned()),
                ("connect_timeout", "2".to_owned()),
            ]
        );
        assert_eq!(read("postgres://"), []);
        assert_eq!(
            read("postgres:///app?host=/tmp"),
            [("dbname", "app".into()), ("host", "/tmp".into())]
        );
        assert_eq!(
            read("postgres://h?ssl=true"),
            [("host", "h".into()), ("sslmode", "require".into())]
        );
    }

    #[test]
    fn key_value_with_quotes_and_escapes() {
        assert_eq!(
            read(r"host = db1  password='it\'s two' user=a\ b dbname=''"),
            [
                ("host", "db1".to_owned()),
                ("password", "it's two".to_owned()),
                ("user", "a b".to_owned()),
                ("dbname", String::new()),
            ]
        );
        assert_eq!(read("app"), [("dbname", "app".to_owned())]);
    }

    #[test]
    fn no_error_repeats_what_may_be_a_password() {
        for text in [
            "postgres://app:hunter2/x@db/app",
            "postgres://app:hun@ter2@db/app",
            "postgres://app:1/hunter2@db",
            "postgres://app:hunter2%zz@db/app",
            "password=a hunter2",
            "password=a hunter2 b=c",
            "password=hun ter2=x",
            "password='hunter2",
            "mysql://app:hunter2@db/app",
        ] {
            let error = parse(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("ter2"), "{shown}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        assert_eq!(
            parse("host=a colour=red").unwrap_err(),
            Error::UnknownKey("colour".to_owned())
        );
        assert_eq!(
            parse("postgres://h/d?colour=red").unwrap_err(),
            Error::UnknownKey("colour".to_owned())
        );
        assert_eq!(parse("mysql://h/d").unwrap_err(), Error::Scheme);
    }
}
