//! Reads `[listener]` and `[[listener.route]]` of the configuration file, for `file.rs`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use toml::de::DeTable;

use super::super::listener::{Listener, ListenerLimits, Route, SecretFrom, SecretSource, TlsFiles};
use super::super::section::{Reader, Section};
use crate::domain::password::Preferred;
use crate::domain::route::{Answers, Rate, Tokens};

/// What `[listener]` may hold.
pub(super) const NAMES: [&str; 24] = [
    "bind",
    "metrics_bind",
    "trusted_proxies",
    "obtain_rate",
    "failed_logins",
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

pub(super) const HASHERS: [(&str, Preferred); 2] = [
    ("pbkdf2_sha256", Preferred::Pbkdf2Sha256),
    ("bcrypt_sha256", Preferred::BcryptSha256),
];

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
    found.obtain_rate = rate(reader, section, "obtain_rate", found.obtain_rate);
    // Who wants no limit by address wants to answer as Django does, which has none by name either.
    let usual = found.obtain_rate.and(found.failed_logins);
    found.failed_logins = rate(reader, section, "failed_logins", usual);
    found.routes = reader
        .tables(section, "route")
        .into_iter()
        .filter_map(|(line, table)| route(reader, table, line, found.obtain_rate))
        .collect();
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

fn route<'a>(
    reader: &mut Reader<'a>,
    table: &'a DeTable<'a>,
    line: usize,
    obtain_rate: Option<Rate>,
) -> Option<Route> {
    let section = Section {
        title: "[[listener.route]]",
        table,
    };
    reader.refuse_unknown(section, &ROUTE);
    for needed in ["path", "answers"] {
        if !table.contains_key(needed) {
            reader.problem(line, format!("{} needs `{needed}`", section.title));
        }
    }
    let path = reader.text(section, "path");
    let answers = reader.word(section, "answers", &Answers::ALL.map(|a| (a.word(), a)));
    let tokens = tokens(reader, section);
    let keyword = reader.text(section, "keyword");
    let (path, answers) = (path?, answers?);
    let usual = obtain_rate.filter(|_| answers.may_be_rated());
    Some(Route {
        path: path.value.to_owned(),
        answers,
        tokens,
        keyword: keyword.map(|keyword| keyword.value.to_owned()),
        rate: rate(reader, section, "rate", usual),
        line,
    })
}

fn tokens<'a>(reader: &mut Reader<'a>, section: Section<'_, 'a>) -> Option<Tokens> {
    let mut kinds = (false, false);
    for text in reader.texts(section, "tokens") {
        match text.value {
            "drf" => kinds.0 = true,
            "knox" => kinds.1 = true,
            _ => reader.problem(
                text.line,
                "`tokens` in [[listener.route]] must hold \"drf\", \"knox\" or both",
            ),
        }
    }
    match kinds {
        (true, true) => Some(Tokens::Both),
        (true, false) => Some(Tokens::Drf),
        (false, true) => Some(Tokens::Knox),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_text;
    use std::time::Duration;

    /// What `text` says, and what is wrong with it.
    fn listener(text: &str) -> (Listener, Vec<String>) {
        read_text(text, read)
    }

    #[test]
    fn without_a_word_the_usual_limits_hold() {
        let (found, said) = listener("");
        assert_eq!(said, [""; 0]);
        assert_eq!(found.bind.to_string(), "127.0.0.1:8000");
        assert_eq!(found.routes, []);
        let limits = (found.obtain_rate, found.failed_logins);
        assert_eq!(limits, (Rate::parse("10/min"), Rate::parse("20/min")));
    }

    #[test]
    fn routes_are_taken_and_a_site_without_limits_has_none_by_name() {
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
"#,
        );
        assert_eq!(said, [""; 0]);
        assert_eq!((found.obtain_rate, found.failed_logins), (None, None));
        let rates: Vec<_> = found.routes.iter().map(|route| route.rate).collect();
        assert_eq!(rates, [None, Rate::parse("5/min"), None]);
        assert_eq!(found.routes[2].keyword.as_deref(), Some("Bearer"));
        assert_eq!(found.routes[2].tokens, Some(Tokens::Both));
        assert_eq!(found.routes[1].line, 7);
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
password_hasher = "bcrypt_sha256"
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
        assert_eq!(found.password_hasher, Preferred::BcryptSha256);
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
            [2, 3, 4, 5, 6, 7, 9, 10, 12, 28, 30, 34],
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
