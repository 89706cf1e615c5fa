//! Text that a header, a field or a scheme announces as a key.

use super::*;

#[test]
fn headers_and_fields_announce_any_text() {
    for text in [
        "Authorization: Token made-by-hand",
        "authorization:token made-by-hand\r\nHost: a",
        "curl -H 'Authorization: Token made-by-hand' http://h/",
        "curl -H \"Authorization: Token \\\n  made-by-hand\" http://h/",
        "Authorization: Token\r\n made-by-hand\r\n",
        "Authorization: Bearer made-by-hand.",
        "Authorization: made-by-hand\n",
        "Authorization: Api-Key made-by-hand\n",
        "{'Authorization': 'JWT made-by-hand'}",
        r#"{"name": "Authorization", "value": "Token made-by-hand"}"#,
        r#"{"name":"Authorization","value":"made-by-hand"}"#,
        r#"{"name": "token", "value": "made-by-hand"}"#,
        r#"{"token":"made-by-hand"}"#,
        r#"{"auth_token" : "made-by-hand", "x": 1}"#,
        r#"{"body":"{\"token\": \"made-by-hand\"}"}"#,
        r#"{"a":"{\"b\":\"{\\\"token\\\":\\\"made-by-hand\\\"}\"}"}"#,
        r#"{"h":"Authorization: Token\u0020made-by-hand"}"#,
        r#"{"\u0022token\u0022":\u0022made-by-hand\u0022}"#,
        r#"{"token":"\u006dade-by-hand"}"#,
        "GET /x?token=made-by-hand&b=1 HTTP/1.1",
        "GET /x?u=%2Fy%3Ftoken%3Dmade-by-hand%26b%3D1 HTTP/1.1",
        "h=Authorization%3A%20Token%20made-by-hand&x",
        "h=Authorization%3A+Token+made-by-hand&x",
        "h=Authorization%253A%2520Token%2520made-by-hand&x",
        "token: made-by-hand\n",
        "API_TOKEN=made-by-hand",
        "export TOKEN='made-by-hand'",
        "--token made-by-hand -v",
        "--auth-token=made-by-hand",
        "<token>made-by-hand</token>",
        "&quot;token&quot;: &quot;made-by-hand&quot;",
        "'token' => 'made-by-hand'",
        "Generated token made-by-hand for user user1",
        "Authorization: Basic dXNlcjptYWRlLWJ5LWhhbmQ=",
        "  token: bWFkZS1ieS1oYW5kCg==\n",
    ] {
        finds(text, "made-by-hand");
    }
    finds(r#"{"token":"made\/by\/hand"}"#, "made/by/hand");
    finds("?token=made%2Fby%2Fhand&x", "made/by/hand");
    finds("Token made%2Fby", "made%2Fby");
}

#[test]
fn words_that_only_look_like_an_announcement_are_left_alone() {
    for text in [
        "the tokens made-by-hand",
        "tokenize made-by-hand",
        "csrftoken=made-by-hand",
        "\"csrfmiddlewaretoken\": \"made-by-hand\"",
        "broken made-by-hand",
        "Authorization made-by-hand",
        "/api-token-auth/ made-by-hand",
    ] {
        assert_eq!(scan(text.as_bytes()), [], "{text}");
    }
    let long = format!("Token {}", "x".repeat(41));
    assert_eq!(scan(long.as_bytes()), []);
}

#[test]
fn a_scheme_is_known_in_any_case() {
    for scheme in [
        "Bearer", "bearer", "BEARER", "bEARER", "TOKEN", "tOKEN", "BeArEr", "ToKen",
    ] {
        let text = format!("Authorization: {scheme} made-by-hand\n");
        let told = scan(text.as_bytes());
        let keys: Vec<&str> = told.iter().map(|one| &*one.3).collect();
        assert_eq!(keys, ["made-by-hand"], "{scheme}");
    }
    // Where no header announces it, too: each letter large or small.
    for word in ["token", "bearer"] {
        for large in 0..1_u32 << word.len() {
            let letter = |(at, letter): (usize, char)| match large >> at & 1 {
                0 => letter,
                _ => letter.to_ascii_uppercase(),
            };
            let scheme: String = word.chars().enumerate().map(letter).collect();
            let told = scan(format!("curl with {scheme} made-by-hand\n").as_bytes());
            assert_eq!(told.len(), 1, "{scheme}");
            assert_eq!(
                (told[0].3.as_str(), told[0].4),
                ("made-by-hand", Context::Header)
            );
        }
    }
}
