//! What an OPTIONS request is told of a view: `rest_framework.metadata.SimpleMetadata`. The texts are those of REST
//! framework's own views and of its documentation's example.

use super::reply::json;
use super::route::{Answers, Route, Tokens};

const FORM_FIRST: &str =
    r#"["application/x-www-form-urlencoded","multipart/form-data","application/json"]"#;
const JSON_FIRST: &str =
    r#"["application/json","application/x-www-form-urlencoded","multipart/form-data"]"#;
const CREDENTIALS: &str = concat!(
    r#","actions":{"POST":{"#,
    r#""username":{"type":"string","required":true,"read_only":false,"label":"Username"},"#,
    r#""password":{"type":"string","required":true,"read_only":false,"label":"Password"},"#,
    r#""token":{"type":"string","required":false,"read_only":true,"label":"Token"}}}"#
);
const LOGOUT_ALL: &str =
    "Log the user out of all sessions\nI.E. deletes all auth tokens for the user";

/// The body, compact.
#[must_use]
pub fn metadata(route: &Route) -> String {
    let (parses, actions) = match route.answers {
        Answers::Obtain | Answers::ObtainEx => (FORM_FIRST, CREDENTIALS),
        Answers::Whoami
        | Answers::KnoxLogin
        | Answers::KnoxLogout
        | Answers::KnoxLogoutAll
        | Answers::Auth
        | Answers::Introspect => (JSON_FIRST, ""),
    };
    let description = match route.answers {
        Answers::KnoxLogoutAll => LOGOUT_ALL,
        Answers::Obtain
        | Answers::ObtainEx
        | Answers::Whoami
        | Answers::KnoxLogin
        | Answers::KnoxLogout
        | Answers::Auth
        | Answers::Introspect => "",
    };
    let mut out = r#"{"name":"#.to_owned();
    json::push_string(&mut out, name(route));
    out.push_str(r#","description":"#);
    json::push_string(&mut out, description);
    out.push_str(r#","renders":["application/json"],"parses":"#);
    out.push_str(parses);
    out.push_str(actions);
    out.push('}');
    out
}

/// The view's name: its class in words.
fn name(route: &Route) -> &str {
    match route.answers {
        Answers::Obtain if route.rate.is_some() => "Throttled Auth Token",
        Answers::Obtain => "Obtain Auth Token",
        Answers::ObtainEx => "Custom Auth Token",
        Answers::Whoami if route.tokens == Tokens::Knox => "Knox Example",
        Answers::Whoami if route.keyword != "Token" => &route.keyword,
        Answers::Whoami => "Example",
        Answers::KnoxLogin => "Login",
        Answers::KnoxLogout => "Logout",
        Answers::KnoxLogoutAll => "Logout All",
        Answers::Auth | Answers::Introspect => "",
    }
}

#[cfg(test)]
mod tests;
