//! Tokens: generated, regenerated, revoked, backfilled, listed, verified.

mod listed;
mod refused;
mod several;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::place::{self, Place};
use crate::support::program::{Program, Ran};

const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// Makes users as Django's tables want them, without tokens.
async fn users(place: &Place, names: &[&str]) {
    for name in names {
        place
            .sql(&format!(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
                 is_active, date_joined) VALUES ('{name}', '!', '', '', '', false, false, true, now())"
            ))
            .await;
    }
}

async fn give(place: &Place, name: &str, key: &str) {
    place
        .sql(&format!(
            "INSERT INTO authtoken_token (key, created, user_id) \
             SELECT '{key}', '2025-01-31T14:02:11Z', id FROM auth_user WHERE username = '{name}'"
        ))
        .await;
}

async fn key_of(place: &Place, name: &str) -> String {
    place
        .one(&format!(
            "SELECT coalesce(max(key), '') FROM authtoken_token t \
             JOIN auth_user u ON u.id = t.user_id WHERE u.username = '{name}'"
        ))
        .await
}

fn is_drf_key(key: &str) -> bool {
    key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn drf_create_token_speaks_djangos_words() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    let program = Program::on(&place);
    let first = program.run(&["drf_create_token", "user1"]).ok();
    let key = key_of(&place, "user1").await;
    assert!(is_drf_key(&key), "{key}");
    assert_eq!(first, format!("Generated token {key} for user user1\n"));
    assert_eq!(
        program.run(&["drf_create_token", "user1"]).ok(),
        first,
        "the same again"
    );

    let reset = program.run(&["drf_create_token", "-r", "user1"]).ok();
    let new = key_of(&place, "user1").await;
    assert_ne!(new, key);
    assert_eq!(reset, format!("Generated token {new} for user user1\n"));

    for name in ["nobody", "", &"x".repeat(300)] {
        assert_eq!(
            program.run(&["drf_create_token", name]).fails(1),
            format!("CommandError: Cannot create the Token: user {name} does not exist\n")
        );
    }
    let audit = [
        ("generate", "user1", &key[..8]),
        // The second time it changed nothing, but it showed a key.
        ("show", "user1", &key[..8]),
        ("regenerate", "user1", &key[..8]),
    ];
    let audit = audit.map(|(what, whom, key)| (what.to_owned(), whom.to_owned(), key.to_owned()));
    assert_eq!(program.audit(), audit);
}

#[tokio::test]
async fn generate_leaves_a_key_alone_and_prints_it_as_asked() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    give(&place, "user1", KEY).await;
    let id: i32 = place.one("SELECT id FROM auth_user").await;
    let program = Program::on(&place);
    assert_eq!(
        program.run(&["token", "generate", "user1", "--json"]).ok(),
        format!(
            "{{\"username\":\"user1\",\"user_id\":{id},\"kind\":\"drf\",\"key\":\"{KEY}\",\
             \"created\":\"2025-01-31T14:02:11Z\",\"new\":false}}\n"
        )
    );
    assert_eq!(
        program.run(&["token", "generate", "user1", "--raw"]).ok(),
        format!("{KEY}\n")
    );
    let answer = program
        .run(&["token", "generate", "-r", "user1", "--json"])
        .json(0);
    assert_eq!(answer[0]["new"], json!(true));
    assert_ne!(answer[0]["key"], json!(KEY));
    assert_eq!(
        program.run(&["token", "generate", "nobody"]).fails(1),
        "tokenward: no user nobody\n"
    );
    assert_eq!(
        program
            .run(&["token", "generate", "nobody", "--json"])
            .json(1),
        [json!({"error": {"code": 1, "message": "no user nobody"}})]
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let place = place::fresh().await;
    users(&place, &["user1"]).await;
    give(&place, "user1", KEY).await;
    let program = Program::on(&place);
    let name = place.name();
    for (verb, past) in [("regenerate", "regenerated"), ("revoke", "revoked")] {
        assert_eq!(
            program.run(&["token", verb, "user1", "--dry-run"]).ok(),
            format!(
                "would {verb}  user1  9944b091…\n1 token on {name} would be {past}. Nothing was changed.\n"
            )
        );
    }
    assert_eq!(key_of(&place, "user1").await, KEY);
    assert_eq!(program.audit(), []);
}

#[tokio::test]
async fn verify_tells_whose_keys_are_on_stdin() {
    let place = place::fresh().await;
    users(&place, &["ann", "off"]).await;
    give(&place, "ann", KEY).await;
    give(&place, "off", "0ff0ff0ff0").await;
    place
        .sql("UPDATE auth_user SET is_active = false WHERE username = 'off'")
        .await;
    let program = Program::on(&place);
    let input = format!("Authorization: Token {KEY}\n\n0ff0ff0ff0\r\nbeefbeefbeef\n");
    let out = program.run_with(&["verify"], &input).ok();
    assert_eq!(
        out,
        "KEY        VERDICT  USER  REACH\n\
         9944b091…  LIVE     ann   no groups\n\
         0ff0f…     INERT    off   no groups\n\
         beefbe…    UNKNOWN  -\n"
    );
    let answer = program.run_with(&["verify", "--json"], KEY).json(0);
    assert_eq!(answer[0]["verdict"], json!("LIVE"));
    assert_eq!(answer[0]["username"], json!("ann"));
    assert!(!answer[0].to_string().contains(KEY));

    let none = program.run_with(&["verify", "--json"], "unknown-key\n");
    assert_eq!(none.json(1)[0]["verdict"], json!("UNKNOWN"));

    // A key that was replaced is known still, and told of in the words of a scan.
    place
        .sql(
            "DELETE FROM authtoken_token WHERE key LIKE '9944b091%'; \
             UPDATE tokenward.retired_key SET retired = now() - interval '40 d', by = 'carol@ops1', leak = 7",
        )
        .await;
    let out = program.run_with(&["verify"], KEY).ok();
    assert_eq!(
        out,
        "KEY        VERDICT  USER  REACH\n\
         9944b091…  RETIRED  ann   drf key, 40 d ago by carol (leak 7)\n"
    );
    let told = program.run_with(&["verify", "--json"], KEY).json(0);
    let scan = program.run_with(&["leak", "scan", "--json"], KEY).json(0);
    let mut scanned = scan[0].as_object().unwrap().clone();
    scanned.retain(|name, _| !["file", "line"].contains(&name.as_str()));
    assert_eq!(told[0].as_object(), Some(&scanned));
    assert_eq!(
        (&told[0]["by"], &told[0]["leak"]),
        (&json!("carol@ops1"), &json!(7))
    );
    let err = program.run_with(&["verify"], "\n \n").fails(2);
    assert!(err.contains("no key on stdin"), "{err}");
    let err = program.run_with(&["verify"], &"x".repeat(9_000)).fails(2);
    assert!(err.contains("line 1 of stdin is longer"), "{err}");
    let ran = program.run_with(&["verify"], "Token two keys\n");
    assert_eq!(ran.code, Some(1));
    assert!(
        !ran.err.contains("keys\n") && ran.err.contains("line 1 is not one key"),
        "{}",
        ran.err
    );
}

/// Knox's are found by their digests; a hash of 64 digits that is no key stays unknown.
#[tokio::test]
async fn verify_knows_tokens_of_knox() {
    let place = place::fresh().await;
    users(&place, &["ann", "bob", "eve"]).await;
    let keys = ["aaaa1111", "bbbb2222", "cccc3333"].map(|start| format!("{start:0<64}"));
    for (name, key, days) in [
        ("ann", &keys[0], 1),
        ("bob", &keys[1], -1),
        ("eve", &keys[2], 1),
    ] {
        place
            .sql(&format!(
                "INSERT INTO knox_authtoken (digest, token_key, created, expiry, user_id) \
                 SELECT encode(sha512('{key}'), 'hex'), left('{key}', 15), now(), now() + interval '{days} d', id \
                   FROM auth_user WHERE username = '{name}'"
            ))
            .await;
    }
    place
        .sql("DELETE FROM knox_authtoken WHERE token_key LIKE 'cccc%'")
        .await;
    let program = Program::on(&place);
    let input = format!(
        "Authorization: Token {}\n{}\n{}\n{:0<64}\n",
        keys[0], keys[1], keys[2], "dddd4444"
    );
    let ran = program.run_with(&["verify"], &input);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines[1..3],
        [
            "aaaa1111…  LIVE     ann   no groups",
            "bbbb2222…  INERT    bob   no groups"
        ]
    );
    assert!(
        lines[3].starts_with("cccc3333…  RETIRED  eve   knox key, "),
        "{}",
        lines[3]
    );
    assert_eq!(lines[4], "dddd4444…  UNKNOWN  -");
    let told = program.run_with(&["verify", "--json"], &keys[0]).json(0);
    assert_eq!(told[0]["kind"], json!("knox"));
    assert_eq!(told[0]["username"], json!("ann"));
}
