//! Committed files that tests compute anew: a test fails if its file is out of date, and writes it if `GOLDEN_WRITE` is set.

use std::path::Path;

/// Fails unless the committed file at `path`, relative to the repository, is exactly `text`.
pub fn golden(path: &str, text: &str) {
    compare(path, text, |was, is| was == is);
}

/// The same, but in tables the numbers of one column, counted from 1, may be off by so many per cent.
pub fn golden_within(path: &str, text: &str, column: usize, percent: u64) {
    compare(path, text, |was, is| close(was, is, column, percent));
}

fn compare(path: &str, text: &str, same: impl Fn(&str, &str) -> bool) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let [was, is]: [Vec<&str>; 2] = [&committed, text].map(|text| text.split('\n').collect());
    for line in 0..was.len().max(is.len()) {
        let (was, is) = (was.get(line), is.get(line));
        assert!(
            was.zip(is).is_some_and(|(was, is)| same(was, is)),
            "line {} of {path} is out of date:\n{}\nshould be\n{}\nwhich this test writes with GOLDEN_WRITE=1 (all of bench/: cargo xtask \
             bench cu)",
            line + 1,
            was.unwrap_or(&"(none)"),
            is.unwrap_or(&"(none)"),
        );
    }
}

/// Whether two rows of a table differ at most by so many per cent in one column's number.
fn close(was: &str, is: &str, column: usize, percent: u64) -> bool {
    let [was, is]: [Vec<&str>; 2] = [was, is].map(|row| row.split('|').collect());
    let number = |cell: &str| cell.replace([',', '*', ' '], "").parse::<u64>().ok();
    let near = |was: &str, is: &str| {
        let numbers = number(was).zip(number(is));
        numbers.is_some_and(|(was, is)| was.abs_diff(is) * 100 <= was * percent)
    };
    let mut cells = was.iter().zip(&is).enumerate();
    was.len() == is.len() && cells.all(|(at, (was, is))| was == is || at == column && near(was, is))
}

/// A number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_columns_numbers_may_differ_and_by_little() {
        let was = "| `claim` | 1,000 | 2,000 |";
        for (is, expected) in [
            (was, true),
            ("| `claim` | 1,050 | 2,000 |", true),
            ("| `claim` | **950** | 2,000 |", true),
            ("| `claim` | 1,051 | 2,000 |", false),
            ("| `claim` | 949 | 2,000 |", false),
            ("| `claim` | 1,000 | 2,001 |", false),
            ("| `claims` | 1,000 | 2,000 |", false),
            ("| `claim` | none | 2,000 |", false),
            ("| `claim` | 1,000 |", false),
        ] {
            assert_eq!(close(was, is, 2, 5), expected, "{is}");
        }
    }

    #[test]
    fn thousands_are_apart() {
        let shown = [0, 999, 1_000, 1_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,000,000"]);
    }
}
