//! Reads `[listener]` and `[[listener.route]]` of the configuration file, for `file.rs`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::super::listener::{
    Answers, Listener, ListenerLimits, PasswordHasher, Rate, Route, SecretFrom, SecretSource,
    TlsFiles, TokenKind,
};
use super::super::section::{Reader, Section};
use ipnet::IpNet;

/// What `[listener]` may hold.
pub(super) const NAMES: [&str; 23] = [
    "bind",
    "metrics_bind",
    "trusted_proxies",
    "obtain_rate",
    "tls_cert",
    "tls_key",
    "password_hasher",
    "introspect_secret_file",
    "introspect_secret_command",
    "introspect_secret_env",
    "header_bytes",
    "request_line_bytes",
    "body_bytes",
    "header_time",
    "body_time",
    "request_time",
    "idle_time",
    "handshake_time",
    "drain_time",
    "connections",
    "connections_per_address",
    "requests_per_connection",
    "route",
];

/// What a `[[listener.route]]` may hold.
pub(super) const ROUTE: [&str; 5] = ["path", "answers", "tokens", "keyword", "rate"];

pub(super) const HASHERS: [(&str, PasswordHasher); 6] = [
    ("pbkdf2_sha256", PasswordHasher::Pbkdf2Sha256),
    ("pbkdf2_sha1", PasswordHasher::Pbkdf2Sha1),
    ("argon2", PasswordHasher::Argon2),
    ("bcrypt_sha256", PasswordHasher::BcryptSha256),
    ("bcrypt", PasswordHasher::Bcrypt),
    ("scrypt", PasswordHasher::Scrypt),
];

pub(super) const ANSWERS: [(&str, Answers); 8] = [
    ("obtain", Answers::Obtain),
    ("obtain_ex", Answers::ObtainEx),
    ("whoami", Answers::Whoami),
    ("knox_login", Answers::KnoxLogin),
    ("knox_logout", Answers::KnoxLogout),
    ("knox_logoutall", Answers::KnoxLogoutAll),
    ("auth", Answers::Auth),
    ("introspect", Answers::Introspect),
];

const TOKENS: [(&str, TokenKind); 2] = [("drf", TokenKind::Drf), ("knox", TokenKind::Knox)];

/// The three ways to name the secret of `introspect`; never the secret itself.
const SECRETS: [&str; 3] = [
    "introspect_secret_file",
    "introspect_secret_command",
    "introspect_secret_env",
];

/// What a number of bytes may be: enough for what any client sends, and no more than one request may cost.
const BYTES: RangeInclusive<u64> = 1_024..=16 * 1024 * 1024;
const COUNT: RangeInclusive<u64> = 1..=1_000_000;

/// `[listener]`, or what holds without it.
pub(super) fn read<'a>(reader: &mut Reader<'a>, top: Section<'_, 'a>) -> Listener {
    let mut found = Listener::usual();
    let Some(table) = reader.table(top, "listener") else {
        return found;
    };
    let section = Section {
        title: "[listener]",
        table,
    };
    reader.refuse_unknown(section, &NAMES);
    found.bind = address(reader, section, "bind").unwrap_or(found.bind);
    found.metrics_bind = address(reader, section, "metrics_bind");
    found.trusted_proxies = proxies(reader, section);
    found.tls = tls(reader, section);
    found.password_hasher = reader
        .word(section, "password_hasher", &HASHERS)
        .unwrap_or_default();
    found.introspect_secret = secret(reader, section);
    found.limits = limits(reader, section);
    let obtain_rate = rate(reader, section, "obtain_rate", Some(Listener::OBTAIN_RATE));
    found.routes = routes(reader, section, obtain_rate);
    found
}

fn address<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    name: &str,
) -> Option<SocketAddr> {
    let text = reader.text(section, name)?;
    let found = text.value.parse().ok();
    if found.is_none() {
        let must = "must be an address and a port, such as \"127.0.0.1:8000\" or \"[::1]:8000\"";
        let title = section.title;
        reader.problem(text.line, format!("`{name}` in {title} {must}"));
    }
    found
}

fn proxies<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in reader.texts(section, "trusted_proxies") {
        // An address alone is a network of one.
        let network = text.value.parse::<IpNet>();
        match network.or_else(|_| text.value.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => reader.problem(
                text.line,
                "`trusted_proxies` in [listener] must hold addresses or networks, such as \"10.0.0.0/8\"",
            ),
        }
    }
    networks
}

fn tls<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> Option<TlsFiles> {
    let certificate = reader.text(section, "tls_cert");
    let key = reader.text(section, "tls_key");
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.value.into(),
            key: key.value.into(),
        }),
        (Some(lonely), None) | (None, Some(lonely)) => {
            let message = "`tls_cert` and `tls_key` in [listener] go together; give both";
            reader.problem(lonely.line, message);
            None
        }
        (None, None) => None,
    }
}

fn secret<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> Option<SecretSource> {
    let mut found = None;
    for name in SECRETS {
        let Some(text) = reader.text(section, name) else {
            continue;
        };
        if text.value.trim().is_empty() {
            reader.problem(text.line, format!("`{name}` in [listener] is empty"));
            continue;
        }
        if found.is_some() {
            let all = SECRETS.join("`, `");
            let message = format!("[listener] has more than one of `{all}`; keep one of them");
            reader.problem(text.line, message);
            continue;
        }
        found = Some(SecretSource {
            from: match name {
                "introspect_secret_file" => SecretFrom::File(text.value.into()),
                "introspect_secret_command" => SecretFrom::Command(text.value.into()),
                _ => SecretFrom::Variable(text.value.to_owned()),
            },
            file: reader.path.to_owned(),
            line: text.line,
        });
    }
    found
}

fn limits<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> ListenerLimits {
    let mut size = |name, range| {
        let number = reader.number(section, name, range)?;
        usize::try_from(number).ok()
    };
    let header_bytes = size("header_bytes", BYTES);
    let request_line_bytes = size("request_line_bytes", BYTES);
    let body_bytes = size("body_bytes", BYTES);
    let connections = size("connections", COUNT);
    let connections_per_address = size("connections_per_address", COUNT);
    ListenerLimits {
        header_bytes,
        request_line_bytes,
        body_bytes,
        header_time: reader.duration(section, "header_time"),
        body_time: reader.duration(section, "body_time"),
        request_time: reader.duration(section, "request_time"),
        idle_time: reader.duration(section, "idle_time"),
        handshake_time: reader.duration(section, "handshake_time"),
        drain_time: reader.duration(section, "drain_time"),
        connections,
        connections_per_address,
        requests_per_connection: reader.number(section, "requests_per_connection", COUNT),
    }
}

/// `"10/min"`, or `"off"` for none; `usual` where nothing is said or it is wrong.
fn rate<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    name: &str,
    usual: Option<Rate>,
) -> Option<Rate> {
    let Some(text) = reader.text(section, name) else {
        return usual;
    };
    if text.value == "off" {
        return None;
    }
    let found = Rate::parse(text.value);
    if found.is_none() {
        let must = "must be \"off\" or a number in a time, such as \"10/min\" (s, min, hour, day)";
        let title = section.title;
        reader.problem(text.line, format!("`{name}` in {title} {must}"));
    }
    found.or(usual)
}

/// The built-in routes and those of the file, which come instead where the path is the same.
fn routes<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    obtain_rate: Option<Rate>,
) -> Vec<Route> {
    let usual = Listener::ROUTES.iter();
    let mut routes: Vec<Route> = usual
        .map(|(path, answers)| Route::usual(path, *answers, obtain_rate))
        .collect();
    let mut written: Vec<String> = Vec::new();
    for (line, table) in reader.tables(section, "route") {
        let section = Section {
            title: "[[listener.route]]",
            table,
        };
        reader.refuse_unknown(section, &ROUTE);
        let Some(route) = route(reader, section, line, obtain_rate) else {
            continue;
        };
        if written.contains(&route.path) {
            let path = &route.path;
            let message = format!("[[listener.route]]: `{path}` is there twice; keep one of them");
            reader.problem(line, message);
            continue;
        }
        written.push(route.path.clone());
        match routes.iter_mut().find(|known| known.path == route.path) {
            Some(known) => *known = route,
            None => routes.push(route),
        }
    }
    routes
}

fn route<'a>(
    reader: &mut Reader<'a>,
    section: Section<'_, 'a>,
    header: usize,
    obtain_rate: Option<Rate>,
) -> Option<Route> {
    for needed in ["path", "answers"] {
        if !section.table.contains_key(needed) {
            reader.problem(header, format!("{} needs `{needed}`", section.title));
        }
    }
    let path = reader.text(section, "path");
    let answers = reader.word(section, "answers", &ANSWERS);
    let (path, answers) = (path?, answers?);
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '?' | '#' | '%');
    if !path.value.starts_with('/') || !path.value.chars().all(plain) {
        let message = "`path` in [[listener.route]] must begin with `/` and be plain: no `?`, `#`, `%` or spaces";
        reader.problem(path.line, message);
        return None;
    }
    let mut route = Route::usual(path.value, answers, obtain_rate);
    route.rate = rate(reader, section, "rate", route.rate);
    tokens(reader, section, &mut route);
    keyword(reader, section, &mut route);
    Some(route)
}

fn tokens<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>, route: &mut Route) {
    if !section.table.contains_key("tokens") {
        return;
    }
    let mut kinds = Vec::new();
    let mut line = 0;
    for text in reader.texts(section, "tokens") {
        line = text.line;
        let known = TOKENS.iter().find(|(word, _)| *word == text.value);
        match known {
            Some((_, kind)) if !kinds.contains(kind) => kinds.push(*kind),
            Some(_) => {}
            None => reader.problem(
                text.line,
                "`tokens` in [[listener.route]] must hold \"drf\", \"knox\" or both",
            ),
        }
    }
    if !route.answers.chooses_tokens() {
        let message = "`tokens` in [[listener.route]] goes with whoami, auth and introspect only";
        reader.problem(line, message);
    } else if !kinds.is_empty() {
        route.tokens = kinds;
    }
}

fn keyword<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>, route: &mut Route) {
    let Some(text) = reader.text(section, "keyword") else {
        return;
    };
    // What RFC 9110, section 11.1, takes for the name of a scheme.
    let good = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.value.is_empty() || !text.value.chars().all(good) {
        let message = "`keyword` in [[listener.route]] must be one word of letters and digits, such as \"Bearer\"";
        reader.problem(text.line, message);
    } else if route.answers.has_keyword() {
        text.value.clone_into(&mut route.keyword);
    } else {
        let message = "`keyword` in [[listener.route]] goes with whoami, auth, knox_logout and knox_logoutall only";
        reader.problem(text.line, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Problems;
    use std::path::Path;
    use std::time::Duration;
    use toml::de::DeTable;

    /// What `text` says, and what is wrong with it.
    fn listener(text: &str) -> (Listener, Vec<String>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty(), "{errors:?}");
        let mut reader = Reader {
            path: Path::new("F"),
            text,
            problems: Problems::default(),
        };
        let top = Section {
            title: "the top level",
            table: table.get_ref(),
        };
        let found = read(&mut reader, top);
        let said = reader.problems.as_slice().iter();
        (found, said.map(ToString::to_string).collect())
    }

    fn paths(listener: &Listener) -> Vec<&str> {
        let routes = listener.routes.iter();
        routes.map(|route| route.path.as_str()).collect()
    }

    #[test]
    fn without_a_word_the_usual_routes_are_there() {
        let (found, said) = listener("");
        assert_eq!(said, [""; 0]);
        assert_eq!(found.bind.to_string(), "127.0.0.1:8000");
        assert_eq!(paths(&found).len(), Listener::ROUTES.len());
        let rates: Vec<_> = found.routes.iter().map(|route| route.rate).collect();
        let usual = Some(Listener::OBTAIN_RATE);
        assert_eq!(rates, [usual, usual, None, None, None]);
    }

    #[test]
    fn routes_add_to_those_or_replace_them() {
        let (found, said) = listener(
            r#"
[listener]
obtain_rate = "off"
[[listener.route]]
path = "/api-token-auth/"
answers = "obtain"
[[listener.route]]
path = "/api-token-auth-throttled/"
answers = "obtain"
rate = "5/min"
[[listener.route]]
path = "/api/example/"
answers = "whoami"
keyword = "Bearer"
tokens = ["knox", "drf"]
[[listener.route]]
path = "/api/auth/logout/"
answers = "knox_logout"
"#,
        );
        assert_eq!(said, [""; 0]);
        assert_eq!(
            paths(&found),
            [
                "/api-token-auth/",
                "/api-token-auth-ex/",
                "/api/example/",
                "/auth",
                "/introspect",
                "/api-token-auth-throttled/",
                "/api/auth/logout/"
            ]
        );
        assert_eq!(found.routes[0].rate, None);
        assert_eq!(found.routes[5].rate, Rate::parse("5/min"));
        assert_eq!(found.routes[2].keyword, "Bearer");
        assert_eq!(found.routes[2].tokens, [TokenKind::Knox, TokenKind::Drf]);
        assert_eq!(found.routes[6].tokens, [TokenKind::Knox]);
    }

    #[test]
    fn settings_are_taken() {
        let (found, said) = listener(
            r#"
[listener]
bind = "[::1]:9"
metrics_bind = "127.0.0.1:10"
trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "::1"]
tls_cert = "a"
tls_key = "b"
password_hasher = "argon2"
introspect_secret_env = "S"
header_bytes = 0x4000
idle_time = "2min"
connections = 10
"#,
        );
        assert_eq!(said, [""; 0]);
        assert_eq!(found.bind.port(), 9);
        assert_eq!(found.trusted_proxies[1].to_string(), "192.0.2.1/32");
        assert_eq!(found.limits.header_bytes, Some(16 * 1024));
        assert_eq!(found.limits.idle_time, Some(Duration::from_mins(2)));
        assert_eq!(found.limits.connections, Some(10));
        assert_eq!(found.password_hasher, PasswordHasher::Argon2);
        assert!(found.tls.is_some() && found.introspect_secret.is_some());
    }

    #[test]
    fn every_problem_has_its_line() {
        let (_, said) = listener(
            r#"[listener]
bnd = "127.0.0.1:1"
bind = "8000"
trusted_proxies = ["10.0.0.0/33"]
obtain_rate = "often"
tls_cert = "a"
introspect_secret_env = "A"
introspect_secret_file = "B"
header_bytes = 5
connections = "many"

[[listener.route]]
path = "/a"

[[listener.route]]
path = "a"
answers = "whoami"

[[listener.route]]
path = "/b"
answers = "obtain"
keyword = "Bearer"
tokens = ["drf"]

[[listener.route]]
path = "/c"
answers = "whoami"
tokens = ["dfr"]
keyword = "two words"
colour = 1

[[listener.route]]
path = "/c"
answers = "whoam"

[[listener.route]]
path = "/c"
answers = "auth"
"#,
        );
        let lines: Vec<usize> = said
            .iter()
            .map(|line| line.split(':').nth(1).unwrap().parse().unwrap())
            .collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            [2, 3, 4, 5, 6, 7, 9, 10, 12, 16, 22, 23, 28, 29, 30, 34, 36],
            "{said:#?}"
        );
        assert!(
            said.iter()
                .any(|line| line.contains("did you mean `bind`?"))
        );
        assert!(
            said.iter()
                .any(|line| line.contains("did you mean `whoami`?"))
        );
    }
}
