//! CSV as RFC 4180 has it. Who wants a table for another program takes `--json`, which is exact; CSV is what people
//! open in a spreadsheet, so a field that one would run as a formula gets a `'` before it, as OWASP advises
//! ("CSV Injection"): a user can choose his own name.

use crate::text;

/// One record with its line end.
pub fn record(fields: &[&str]) -> String {
    let mut line = String::new();
    for (nth, field) in fields.iter().enumerate() {
        if nth > 0 {
            line.push(',');
        }
        let field = text::safe(field);
        let formula = field.starts_with(['=', '+', '-', '@']) && field.len() > 1;
        if !formula && !field.contains([',', '"']) {
            line.push_str(&field);
            continue;
        }
        line.push('"');
        if formula {
            line.push('\'');
        }
        line.push_str(&field.replace('"', "\"\""));
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_formulas_disarmed() {
        assert_eq!(record(&["a", "b c", ""]), "a,b c,\r\n");
        assert_eq!(
            record(&["a,b", "say \"x\""]),
            "\"a,b\",\"say \"\"x\"\"\"\r\n"
        );
        assert_eq!(record(&["=1+1", "@x", "-"]), "\"'=1+1\",\"'@x\",-\r\n");
        assert_eq!(record(&["two\nlines"]), "two\u{fffd}lines\r\n");
    }
}
