use super::json::{indented, pair, push_string};
use super::*;

fn string(text: &str) -> String {
    let mut out = String::new();
    push_string(&mut out, text);
    out
}

#[test]
fn strings_are_escaped_as_python_does() {
    // json.dumps(text, ensure_ascii=False), and REST framework's two replacements.
    for (text, written) in [
        ("", r#""""#),
        ("żółć 日本 😀", "\"żółć 日本 😀\""),
        ("o'brien \"x\" \\ %", r#""o'brien \"x\" \\ %""#),
        ("\u{8}\u{c}\n\r\t", r#""\b\f\n\r\t""#),
        (
            "\0\u{1}\u{1f}\u{7f}\u{80}",
            "\"\\u0000\\u0001\\u001f\u{7f}\u{80}\"",
        ),
        ("a\u{2028}b\u{2029}", r#""a\u2028b\u2029""#),
        ("zero\u{200b}/width", "\"zero\u{200b}/width\""),
    ] {
        assert_eq!(string(text), written);
        let read: String = serde_json::from_str(&string(text)).unwrap();
        assert_eq!(read, text);
    }
    assert_eq!(pair("detail", "a\"b"), r#"{"detail":"a\"b"}"#);
}

#[test]
fn indentation_is_pythons() {
    let compact = r#"{"a":["x","{\"},:["],"b":{"c":[],"d":{}},"e":true,"f":null,"g":-1.5}"#;
    // json.dumps(json.loads(compact), indent=2)
    let wide = r#"{
  "a": [
    "x",
    "{\"},:["
  ],
  "b": {
    "c": [],
    "d": {}
  },
  "e": true,
  "f": null,
  "g": -1.5
}"#;
    assert_eq!(indented(compact.to_owned(), Indent(2)), wide);
    assert_eq!(indented(compact.to_owned(), Indent(0)), compact);
    let eight = indented(pair("a", "b"), Indent(8));
    assert_eq!(eight, "{\n        \"a\": \"b\"\n}");
    assert_eq!(indented("\"\\\\\"".to_owned(), Indent(1)), "\"\\\\\"");
}

fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut all: Vec<_> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "x-content-type-options")
        .collect();
    all.sort();
    all
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn each_answer_has_its_headers() {
    let style = Style {
        allow: "GET, HEAD, OPTIONS",
        indent: Indent(0),
    };
    let allow = ("allow", "GET, HEAD, OPTIONS");
    let json = ("content-type", "application/json");
    let token = HeaderValue::from_static("Token");
    let denied = style.unauthorized(&token, "Invalid token.");
    assert_eq!(denied.status(), 401);
    assert_eq!(
        headers(&denied),
        pairs(&[allow, json, ("www-authenticate", "Token")])
    );
    assert_eq!(denied.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let wrong = style.not_allowed("FOO-BAR");
    assert_eq!(
        (wrong.status().as_u16(), headers(&wrong)),
        (405, pairs(&[allow, json]))
    );
    let late = style.throttled(Wait(59));
    assert_eq!(
        (late.status().as_u16(), headers(&late)),
        (429, pairs(&[allow, json, ("retry-after", "59")]))
    );
    let gone = style.empty(StatusCode::NO_CONTENT);
    assert_eq!(headers(&gone), pairs(&[allow]));
    let moved = moved(HeaderValue::from_static("/api/example/?x=1"));
    let html = ("content-type", "text/html; charset=utf-8");
    assert_eq!(
        (moved.status().as_u16(), headers(&moved)),
        (301, pairs(&[html, ("location", "/api/example/?x=1")]))
    );
    assert_eq!(headers(&not_found()), pairs(&[html]));
    assert_eq!(headers(&bad_request()), pairs(&[html]));
}

#[tokio::test]
async fn one_second_is_not_seconds() {
    use http_body_util::BodyExt;
    let style = Style {
        allow: "POST, OPTIONS",
        indent: Indent(0),
    };
    for (secs, text) in [
        (
            1,
            r#"{"detail":"Request was throttled. Expected available in 1 second."}"#,
        ),
        (
            60,
            r#"{"detail":"Request was throttled. Expected available in 60 seconds."}"#,
        ),
    ] {
        let body = style
            .throttled(Wait(secs))
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, text);
    }
}
