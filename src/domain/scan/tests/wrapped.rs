//! Keys that a line's end goes through.

use super::*;

#[test]
fn wrapped_keys_are_put_together() {
    let ours = KeyFormat::Checksum.make().unwrap();
    for key in [A, KNOX, ours.expose()] {
        for at in [1, 3, 7, 20, 39] {
            let (one, two) = key.split_at(at);
            for wrap in [
                "\n", "\r\n", "=\n", "=\r\n", "\\\n", "\n    ", "\n\t> ", "\\\n  ",
            ] {
                let text = format!("a line\nkey {one}{wrap}{two} end");
                assert_eq!(keys(&text), [(2, key.to_owned())], "{text:?}");
            }
        }
        let text = format!(
            "Authorization: Token {}\n{}\n  {}\n",
            &key[..10],
            &key[10..25],
            &key[25..]
        );
        let told = scan(text.as_bytes());
        assert_eq!(
            (told[0].0, told[0].3.as_str(), told[0].4),
            (1, key, Context::Header),
            "{told:?}"
        );
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[test]
fn lines_that_begin_and_end_in_digits_make_no_key() {
    for text in [
        format!("took 12\n{A}\n10.0.0.1"),
        format!("{A}\n{B}\n"),
        format!("ab{}\n{}", &A[..20], &A[20..]),
        format!("x {}\n{}", &A[..20], &A[..19]),
    ] {
        let all = keys(&text);
        assert!(all.iter().all(|(_, key)| key == A || key == B), "{all:?}");
    }
    assert_eq!(keys(&"9\n".repeat(200)), []);
}
