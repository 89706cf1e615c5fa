//! Keys inside Base64.

use super::*;

#[test]
fn base64_is_looked_into() {
    let ours = KeyFormat::Checksum.make().unwrap();
    for key in [A, KNOX, ours.expose(), "made-by-hand"] {
        for before in ["", "a", "ab", "abc"] {
            let bare = format!(
                "{before}{}{key}\n",
                if before.is_empty() { "" } else { ":" }
            );
            let header = format!("{before} Authorization: Token {key}\r\nHost: h\r\n");
            let bearer = format!("{before}\nAuthorization: Bearer {key}");
            let field = format!("{before};TOKEN={key}\n");
            let json = format!("{before}{{\"token\":\"{key}\",\"n\":1}}");
            let clear = [bare, header, bearer, field, json];
            for clear in clear.iter().skip(usize::from(key == "made-by-hand")) {
                let blob = encoded(clear);
                finds(&blob, key);
                finds(&format!("data: {blob}\n"), key);
                finds(&format!("x/{blob}=="), key);
                finds(&blob.replace('+', "-").replace('/', "_"), key);
            }
        }
    }
}

#[test]
fn base64_over_many_lines_and_in_large_pieces_is_looked_into() {
    for filler in 0..90 {
        let clear = format!("{}\nkey={A}\n{}", "x".repeat(filler), "y".repeat(60));
        for wrap in ["\n", "\r\n", "\n    "] {
            let lines: Vec<String> = encoded(&clear)
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            finds(&format!("mail\n\n{}\n", lines.join(wrap)), A);
        }
    }
    let mut clear = String::new();
    for nth in 0..2_000 {
        writeln!(clear, "n{nth} {nth:040x} some words between").unwrap();
    }
    let told = scan(encoded(&clear).as_bytes());
    let found: Vec<_> = told.iter().map(|one| one.3.clone()).collect();
    let all: Vec<_> = (0..2_000).map(|nth| format!("{nth:040x}")).collect();
    assert_eq!(found, all);
}
