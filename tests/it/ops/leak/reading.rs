//! A text is read part by part: what matters is listed with its line, and of the rest nothing is held.

use std::fmt::Write as _;

use tokenward::ops::leak::{Input, Reading};

use super::super::{tokens_where, with_users};
use super::{keys_of, words};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_full_of_look_alikes_is_listed_in_parts() {
    let place = with_users(3).await;
    place.sql(&tokens_where("true")).await;
    let keys = keys_of(&place, 1..=3).await;
    let ops = place.ops().await;
    let mut text = String::new();
    for line in 1..=60_000_u64 {
        match line {
            // At the end of one part and at the beginning of the next, beside look-alikes.
            4_096 | 50_000 => writeln!(text, "{line:040x} {} {line:040x}", keys[0]),
            4_097 => writeln!(text, "was {} here", keys[1]),
            // One that looks like the hashes and is announced.
            30_000 => writeln!(text, "Authorization: Token {:040x}", 17),
            _ => writeln!(text, "commit {line:040x}"),
        }
        .unwrap();
    }
    let read = |case, known, input| {
        let reading = Reading {
            known,
            case,
            input: Some(input),
            ..Reading::default()
        };
        ops.read_leak(reading)
    };
    let pasted = read(None, Vec::new(), Input::Pasted(text.clone().into()))
        .await
        .unwrap();
    let findings = &pasted.case.findings;
    assert_eq!(words(findings), ["LIVE", "LIVE", "UNKNOWN"]);
    let lines = &findings[0].sighting.lines;
    let numbers: Vec<u64> = lines.first.iter().map(|line| line.number).collect();
    assert_eq!((numbers.as_slice(), lines.times), (&[4_096, 50_000][..], 2));
    assert_eq!((pasted.lines, pasted.pasted), (60_000, 60_000));
    assert!(pasted.others > 59_000, "{}", pasted.others);
    let excerpt = |at: usize| &*pasted.excerpts[&findings[at].key.fingerprint];
    assert_eq!(excerpt(0), "████████ ████████ ████████");
    assert_eq!(excerpt(1), "was ████████ here");
    assert_eq!(excerpt(2), "Authorization: Token ████████");

    // A file has lines of its own, and says so.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    std::fs::write(&path, &text).unwrap();
    let known = findings.iter().map(|finding| finding.sighting.clone());
    let file = read(None, known.collect(), Input::File(path))
        .await
        .unwrap();
    let lines = &file.case.findings[0].sighting.lines;
    let said: Vec<String> = lines.first.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["4096", "50000", "app.log:4096", "app.log:50000"]);
    assert_eq!(words(&file.case.findings), ["LIVE", "LIVE", "UNKNOWN"]);
    assert_eq!(file.excerpts.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_listed_is_refused_before_all_is_read() {
    let place = with_users(1).await;
    let ops = place.ops().await;
    let mut text = String::new();
    for line in 0..20_000_u64 {
        writeln!(text, "Authorization: Token {line:040x}").unwrap();
    }
    let reading = Reading {
        input: Some(Input::Pasted(text.into())),
        ..Reading::default()
    };
    let error = ops.read_leak(reading).await.unwrap_err().to_string();
    assert!(
        error.contains("more than 10000 keys there matter"),
        "{error}"
    );
}
