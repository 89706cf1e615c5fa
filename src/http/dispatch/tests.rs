use hyper::Request;

use super::*;

fn route(answers: Answers) -> Route {
    Route::new("/api/x/", answers, None, None, None).unwrap()
}

/// Status of the refusal at step 2, or the indentation.
fn step_two(answers: Answers, target: &str, accept: Option<&str>) -> Result<usize, (u16, bool)> {
    let mut request = Request::builder().uri(target);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    match negotiated(&route(answers), &head) {
        Ok(style) => Ok(style.indent.0),
        Err(why) => {
            let (answer, _) = unwanted(&route(answers), why);
            let allow = answer.headers().contains_key("allow");
            Err((answer.status().as_u16(), allow))
        }
    }
}

#[test]
fn format_is_looked_at_before_accept() {
    let whoami = |target, accept| step_two(Answers::Whoami, target, accept);
    assert_eq!(whoami("/api/x/", None), Ok(0));
    assert_eq!(whoami("/api/x/?format=json", Some("*/*;indent=2")), Ok(2));
    assert_eq!(whoami("/api/x/?format=JSON", None), Err((404, true)));
    assert_eq!(
        whoami("/api/x/?format=xml", Some("text/html")),
        Err((404, true))
    );
    assert_eq!(
        whoami("/api/x/?format=json", Some("text/html")),
        Err((406, true))
    );
    assert_eq!(
        step_two(Answers::Obtain, "/api/x/", Some("")),
        Err((406, true))
    );
    let many = format!("/api/x/?{}", "&".repeat(1_000));
    assert_eq!(whoami(&many, Some("text/html")), Err((400, false)));
}

#[test]
fn methods_that_no_django_ever_sees_are_refused() {
    for (name, seen) in [
        ("GET", true),
        ("FOO-BAR", true),
        ("M_X", true),
        ("$$$", true),
        ("AAAAAAAAAAAAAAAAAAAA", true),
        ("AAAAAAAAAAAAAAAAAAAAA", false),
        ("AB", false),
        ("get", false),
        ("Get", false),
        ("A#B", false),
    ] {
        let method = Method::from_bytes(name.as_bytes()).unwrap();
        assert_eq!(is_conventional(&method), seen, "{name}");
    }
}

#[test]
fn what_needs_tables_of_knox_is_known() {
    let needing: Vec<_> = [
        Answers::Obtain,
        Answers::Whoami,
        Answers::KnoxLogin,
        Answers::KnoxLogout,
        Answers::KnoxLogoutAll,
    ]
    .into_iter()
    .filter(|answers| needs_knox(&route(*answers)))
    .collect();
    assert_eq!(
        needing,
        [
            Answers::KnoxLogin,
            Answers::KnoxLogout,
            Answers::KnoxLogoutAll
        ]
    );
    let mut whoami = route(Answers::Whoami);
    for (tokens, needs) in [
        (Tokens::Drf, false),
        (Tokens::Both, false),
        (Tokens::Knox, true),
    ] {
        whoami.tokens = tokens;
        assert_eq!(needs_knox(&whoami), needs);
    }
}

#[test]
fn trouble_tells_when_to_come_again_and_nothing_of_the_cause() {
    let style = Style {
        allow: "POST, OPTIONS",
        indent: Indent(0),
    };
    let cause = || "db1.internal:5432 refused app".to_owned();
    for (error, status, reason) in [
        (Error::Busy, 503, Reason::Busy),
        (Error::Unavailable(cause()), 503, Reason::Unavailable),
        (Error::ReadOnly(cause()), 503, Reason::Unavailable),
        (Error::MissingRight(cause()), 503, Reason::Unavailable),
        (Error::Conflict(cause()), 503, Reason::Unavailable),
        (Error::Internal(cause()), 500, Reason::Failed),
    ] {
        let (answer, record) = trouble(style, Answers::Obtain, &error);
        assert_eq!((answer.status().as_u16(), record.reason), (status, reason));
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
        assert!(!format!("{answer:?}").contains("db1"));
    }
}
