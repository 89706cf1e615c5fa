use super::*;
use crate::domain::moment::Moment;
use crate::domain::token::KnoxKey;
use crate::domain::user::UserId;

fn principal(username: &str, token: Holds) -> Principal {
    let account = Account {
        id: UserId::Int4(17),
        username: username.into(),
        email: "".into(),
        full_name: "".into(),
        is_active: true,
        groups: Vec::new(),
    };
    Principal {
        account: Arc::new(account),
        token,
        created: Moment::from_unix_micros(0),
        expiry: None,
    }
}

#[test]
fn whoami_writes_what_python_would() {
    let body = whoami(
        &principal("o'brien \"x\" \\ %", Holds::Drf),
        "a/b\"\u{2028}",
    );
    assert_eq!(
        body,
        r#"{"user":"o'brien \"x\" \\ %","auth":"a/b\"\u2028"}"#
    );
    let digest = KnoxKey::new("tiny".into()).digest();
    let body = whoami(&principal("k-short", Holds::Knox(digest)), "tiny");
    let expected = "{\"user\":\"k-short\",\"auth\":\"3f78b24ef73cc8180982787d6db8ade488fa91dbbab294e4fd747a5e0d05c770\
                    263589ae093a8c54e71ed13f84f583c37ad9fe232047f20c9e0780fbfcb99056 : k-short\"}";
    assert_eq!(body, expected);
}
