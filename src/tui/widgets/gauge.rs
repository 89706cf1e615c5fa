//! A bar that fills in eighths of a column: `███████▌`.

/// How full, of how much; a total of nothing is full.
#[must_use]
pub fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => done.min(total) * 100 / total,
    }
}

/// The bar, exactly `columns` wide.
#[must_use]
pub fn bar(done: u64, total: u64, columns: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let all = columns as u64 * 8;
    let eighths = match total {
        0 => all,
        // Wide enough for every count: 2^64 rows times a screen's width fit 128 bits.
        _ => u64::try_from(u128::from(done.min(total)) * u128::from(all) / u128::from(total))
            .unwrap_or(all),
    };
    let full = usize::try_from(eighths / 8).unwrap_or(columns).min(columns);
    let mut out = "█".repeat(full);
    if full < columns {
        out.push(PARTS[usize::try_from(eighths % 8).unwrap_or(0)]);
        out.extend(std::iter::repeat_n(' ', columns - full - 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_wide_as_asked_and_as_full_as_told() {
        assert_eq!(bar(0, 8, 4), "    ");
        assert_eq!(bar(3, 8, 4), "█▌  ");
        assert_eq!(bar(9, 8, 4), "████");
        assert_eq!(bar(0, 0, 2), "██");
        assert_eq!(bar(u64::MAX, u64::MAX, 3), "███");
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(0, 0), 100);
    }
}
