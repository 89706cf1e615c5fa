use std::sync::Arc;

use super::*;
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Holds};
use crate::domain::user::UserId;

#[test]
fn an_active_token_is_told_as_rfc_7662_names_it() {
    let account = Account {
        id: UserId::Int4(17),
        username: "al\"ice".into(),
        email: "".into(),
        full_name: "".into(),
        is_active: true,
        groups: Vec::new(),
    };
    let mut principal = Principal {
        account: Arc::new(account),
        token: Holds::Drf,
        created: Moment::from_unix_micros(1_738_332_131_654_321),
        expiry: None,
    };
    let body = active(&principal, "Bearer");
    let head =
        r#"{"active":true,"username":"al\"ice","sub":"17","token_type":"Bearer","iat":1738332131"#;
    assert_eq!(body, format!("{head}}}"));
    principal.expiry = Some(Moment::from_unix_micros(1_738_332_132_000_000));
    assert_eq!(
        active(&principal, "Bearer"),
        format!("{head},\"exp\":1738332132}}")
    );
}

#[test]
fn a_form_has_one_token() {
    for (form, expected) in [
        ("token=abc", Ok("abc")),
        ("token_type_hint=x&token=a%2Bb+c", Ok("a+b c")),
        ("", Err(())),
        ("token", Err(())),
        ("token=", Err(())),
        ("Token=abc", Err(())),
        ("token=a&token=a", Err(())),
        ("token=&token=a", Err(())),
    ] {
        let read = one_token(form.as_bytes())
            .map(|token| token.expose().clone())
            .map_err(|_| ());
        assert_eq!(read, expected.map(str::to_owned), "{form}");
    }
}

#[test]
fn only_a_form_is_read() {
    for (value, form) in [
        ("application/x-www-form-urlencoded", true),
        ("Application/X-WWW-Form-URLencoded ; charset=utf-8", true),
        ("application/json", false),
        ("application/x-www-form-urlencodedx", false),
        ("", false),
    ] {
        let mut headers = HeaderMap::new();
        assert!(!is_form(&headers));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        assert_eq!(is_form(&headers), form, "{value}");
    }
}
