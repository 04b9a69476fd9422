//! How many tests ran, read from what the test runners print.

use std::ops::AddAssign;

/// Tests by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u64,
    /// Ran and did not hold, or could not be built or started.
    pub(crate) failed: u64,
    /// Did not run, or ran without what it needs.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Counts {
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIP: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// Where nothing may be skipped, a skip is a failure.
    pub(crate) fn skips_as_failures(self) -> Self {
        Self { failed: self.failed + self.skipped, skipped: 0, ..self }
    }
}

/// The sum over every summary in the output of `cargo test` or `cargo nextest run`; `None`: no summary, nothing ran.
///
/// A test that passes after printing `skipped: ...` counts as skipped: it held because it did nothing.
pub(crate) fn tests(output: &str) -> Option<Counts> {
    // Nextest sums up once, at the end, and repeats (indented) what each test process printed.
    let mut counts = match output.lines().filter_map(nextest_summary).next_back() {
        Some(summary) => summary,
        None => output.lines().filter_map(libtest_summary).reduce(|mut sum, each| {
            sum += each;
            sum
        })?,
    };
    let announced = u64::try_from(announced_skips(output).len()).unwrap_or(u64::MAX).min(counts.passed);
    counts.passed -= announced;
    counts.skipped += announced;
    Some(counts)
}

/// What passing tests say that they lack: one entry for each such test.
pub(crate) fn announced_skips(output: &str) -> Vec<&str> {
    let mut skips = Vec::new();
    let mut open = false;
    for line in output.lines() {
        let text = line.trim();
        // Each test's output follows its own heading: of nextest, or of libtest's `--show-output`.
        if text.starts_with("PASS [") || (text.starts_with("---- ") && text.ends_with(" stdout ----")) {
            open = true;
        } else if text.starts_with("FAIL [") || text.starts_with("TRY ") || text == "failures:" {
            open = false;
        } else if open && text.starts_with("skipped: ") {
            skips.push(text);
            open = false;
        }
    }
    skips
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
fn libtest_summary(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    for (number, word) in numbers.split("; ").filter_map(number_and_word) {
        match word {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

/// `Summary [   0.412s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
fn nextest_summary(line: &str) -> Option<Counts> {
    let (_, rest) = line.trim().strip_prefix("Summary [")?.split_once("] ")?;
    let (_, numbers) = rest.split_once(" run: ")?;
    let mut counts = Counts::default();
    for (number, word) in numbers.split(", ").filter_map(number_and_word) {
        match word {
            "passed" => counts.passed += number,
            "failed" | "timed" | "exec" => counts.failed += number,
            "skipped" => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

fn number_and_word(part: &str) -> Option<(u64, &str)> {
    let mut words = part.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_summaries_are_added_up() {
        let output = "\
running 2 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";
        assert_eq!(tests(output), Some(Counts { passed: 5, failed: 2, skipped: 1 }));
    }

    #[test]
    fn nextest_summary_counts_every_way_to_fail() {
        let output = "     Summary [   0.412s] 9 tests run: 5 passed (1 slow), 1 failed, 2 timed out, 1 exec failed, 2 skipped";
        assert_eq!(tests(output), Some(Counts { passed: 5, failed: 4, skipped: 2 }));
        let aborted = "     Summary [  61.5s] 3/9 tests run: 2 passed, 1 failed, 0 skipped";
        assert_eq!(tests(aborted), Some(Counts { passed: 2, failed: 1, skipped: 0 }));
    }

    #[test]
    fn no_summary_means_that_nothing_ran() {
        assert_eq!(tests("error: could not compile `x`"), None);
    }

    #[test]
    fn test_that_passes_without_its_data_counts_as_skipped_once() {
        let output = "\
        PASS [   0.004s] underpin-feeds real::csaf
  stdout ───

    running 1 test
    skipped: shared/data not found
    skipped: shared/data not found
    test real::csaf ... ok

    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 8 filtered out; finished in 0.00s

        PASS [   0.004s] underpin-feeds real::osv
        FAIL [   0.004s] underpin-feeds real::epss
    skipped: said by a test that failed
     Summary [   0.412s] 3 tests run: 2 passed, 1 failed, 0 skipped
";
        assert_eq!(announced_skips(output), ["skipped: shared/data not found"]);
        assert_eq!(tests(output), Some(Counts { passed: 1, failed: 1, skipped: 1 }));

        let shown = "\
successes:

---- real::csaf stdout ----
skipped: shared/data not found

successes:
    real::csaf

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        assert_eq!(tests(shown), Some(Counts { passed: 0, failed: 0, skipped: 1 }));
    }

    #[test]
    fn skips_become_failures_where_nothing_may_be_skipped() {
        let counts = Counts { passed: 3, failed: 1, skipped: 2 };
        assert_eq!(counts.skips_as_failures(), Counts { passed: 3, failed: 3, skipped: 0 });
    }
}
