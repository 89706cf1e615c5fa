use std::sync::Arc;

use super::*;
use crate::domain::moment::Moment;
use crate::domain::principal::Holds;
use crate::domain::user::UserId;

fn told(username: &str, groups: &[&str]) -> Vec<(String, String)> {
    let account = Account {
        id: UserId::Int8(17),
        username: username.into(),
        email: "ż@example.test".into(),
        full_name: "Żółć Ćma".into(),
        is_active: true,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let principal = Principal {
        account: Arc::new(account),
        token: Holds::Drf,
        created: Moment::from_unix_micros(0),
        expiry: None,
    };
    let answer = welcome(&principal);
    assert_eq!(answer.status(), StatusCode::OK);
    let identity =
        |name: &HeaderName| name.as_str().starts_with("remote-") || name == "x-auth-user-id";
    let headers = answer.headers().iter().filter(|(name, _)| identity(name));
    headers
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8(value.as_bytes().to_vec()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn five_headers_tell_who_it_is() {
    let expected = [
        ("remote-user", "żółć"),
        ("remote-email", "ż@example.test"),
        ("remote-name", "Żółć Ćma"),
        ("remote-groups", "admins,ops team"),
        ("x-auth-user-id", "17"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(told("żółć", &["admins", "ops team"]), expected);
}

#[test]
fn no_name_breaks_a_header_or_passes_for_another() {
    for name in [
        "a\r\nRemote-Groups: admins",
        "a\nb",
        "\0",
        "tab\tin it",
        "del\u{7f}",
        " alice",
        "alice ",
        "",
    ] {
        let told = told(name, &[]);
        assert_eq!(told.len(), 5);
        assert_eq!(
            told[0],
            ("remote-user".to_owned(), String::new()),
            "{name:?}"
        );
        assert_eq!(told[3].1, "");
        assert_eq!(told[4].1, "17");
    }
    // C1 controls and separators are two or three bytes of UTF-8, none of them of any meaning to HTTP.
    assert_eq!(told("a\u{85}b\u{2028}", &[])[0].1, "a\u{85}b\u{2028}");
    let groups = ["a,admins", "x\ny", "plain", " blank"];
    assert_eq!(told("a", &groups)[3].1, "plain");
}
