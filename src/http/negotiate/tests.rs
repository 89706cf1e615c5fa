use super::*;

fn asked(header: &str) -> Option<usize> {
    let bytes: Vec<u8> = header
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    accepted(Some(&bytes)).map(|indent| indent.0)
}

#[test]
fn headers_are_read_as_the_reference_site_reads_them() {
    assert_eq!(accepted(None), Some(Indent(0)));
    for refused in [
        "",
        " ",
        ",",
        "text/html",
        "*",
        "application",
        "application/",
        "/",
        "/json",
        "json",
        "application/json=x",
        "\u{e9}/json",
        "application /json",
        "application/ json",
        "application/json indent=2",
        "application/*json",
        "*/*json",
        "appl*/json",
        "**/json",
        "*/**",
        "application/json;x*=bogus''a",
    ] {
        assert_eq!(asked(refused), None, "{refused}");
    }
    for (header, indent) in [
        ("*/*", 0),
        ("*/json", 0),
        ("APPLICATION/JSON", 0),
        ("application/*", 0),
        ("application/xml, */*;q=0", 0),
        ("application/json;version=1", 0),
        ("application/json;q=0", 0),
        ("application/json;", 0),
        ("application/json\u{a0}", 0),
        ("\u{a0}application/json", 0),
        ("application/json; indent=4", 4),
        ("application/json; indent=0", 0),
        ("application/json; indent=-3", 0),
        ("application/json; indent=9", 8),
        ("application/json; indent=99999999999999999999", 8),
        ("application/json; indent=+2", 2),
        ("application/json; indent=1_0", 8),
        ("application/json; indent=1__0", 0),
        ("application/json; indent=\"2\"", 2),
        ("application/json; indent=<2>", 2),
        ("application/json; indent= 3 ", 3),
        ("application/json; indent=x", 0),
        ("application/json; INDENT=2", 2),
        ("APPLICATION/JSON;indent=2", 2),
        ("application/json;indent", 0),
        ("application/json;indent=", 0),
        ("application/json;indent=\"2", 0),
        ("application/json;\"indent\"=2", 0),
        ("application/json;indent=02", 2),
        ("application/json;indent=0x2", 0),
        ("application/json;indent=2.0", 0),
        ("application/json;;indent=2", 2),
        ("application/json ; indent = 2", 2),
        ("application/json=x; indent=2", 2),
        ("application/json; indent=2; indent=3", 3),
        ("application/json; q=1; indent=2", 2),
        ("application/json; x=\"a;indent=4\"", 0),
        ("application/json;indent*=utf-8''2", 2),
        ("application/json;indent*0=2", 2),
        ("application/json;indent*0=0;indent*1=7", 7),
        ("*/*; indent=2", 2),
        ("*/*;q=0;indent=1", 1),
        ("*/*; x=\"a;indent=4\"", 4),
        ("application/*; indent=3;q=0.1", 3),
        ("text/html, application/json;indent=2", 2),
        ("application/json;indent=2, */*", 2),
        ("*/*, application/json;indent=2", 2),
        ("application/json, text/html;indent=2", 0),
        ("application/*;indent=2, */*;indent=4, application/json", 0),
    ] {
        assert_eq!(asked(header), Some(indent), "{header}");
    }
}

#[test]
fn long_headers_are_cut_as_rest_framework_cuts_them() {
    let json = "application/json";
    assert_eq!(asked(&format!("{}/json, {json}", "a".repeat(250))), Some(0));
    assert_eq!(asked(&format!("{json};x={}", "y".repeat(300))), None);
    assert_eq!(
        asked(&format!("{}{json}", "text/html,".repeat(63))),
        Some(0)
    );
    assert_eq!(asked(&format!("{}{json}", "text/html,".repeat(64))), None);
    // Cut at the last comma before the 8192nd character.
    let blank = " ".repeat(8_150);
    assert_eq!(asked(&format!("{json},{blank},{json};indent=4")), Some(0));
    assert_eq!(asked(&format!("{},{json}", "x".repeat(9_000))), None);
}
