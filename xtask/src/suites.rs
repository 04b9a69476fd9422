//! `cargo xtask test`: every suite in order, a table of times, and one line at the end that says how it went.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::count::{self, Counts};
use crate::{arrows, fuzzing, licences, needs, process, promises, purity, workspace};

/// What the person asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A skip is a failure.
    require_all: bool,
    /// These suites only; empty: all.
    only: Vec<String>,
}

impl Options {
    /// Reads the words after `test`.
    ///
    /// # Errors
    /// An unknown option or suite, with the ones that there are.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let list = match word.as_str() {
                "--require-all" => {
                    options.require_all = true;
                    continue;
                }
                "--only" => words.next().map(String::as_str),
                other => other.strip_prefix("--only="),
            };
            let Some(list) = list else {
                bail!(
                    "`{word}` is not understood: `cargo xtask test [--require-all] [--only {}]`",
                    names().join(",")
                );
            };
            options.only.extend(list.split(',').map(str::to_owned));
        }
        match options.only.iter().find(|name| *name != "list" && !names().contains(&name.as_str())) {
            Some(unknown) => bail!("no suite is called `{unknown}`; there are {}", names().join(", ")),
            None => Ok(options),
        }
    }

    fn wants(&self, suite: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == suite)
    }
}

/// What a suite found.
struct Verdict {
    counts: Counts,
    /// Shown whole if anything failed.
    output: String,
    /// Shown always: one line each.
    notes: Vec<String>,
}

impl Verdict {
    /// A suite that is one test: it held with this to say, or it did not.
    fn of_check(result: Result<String>) -> Self {
        match result {
            Ok(note) => Self { counts: Counts::PASS, output: String::new(), notes: vec![note] },
            Err(error) => Self { counts: Counts::FAIL, output: format!("{error:#}"), notes: Vec::new() },
        }
    }

    /// A suite that is one command.
    fn of_command(command: Command) -> Result<Self> {
        let finished = process::run(command)?;
        let counts = if finished.success { Counts::PASS } else { Counts::FAIL };
        Ok(Self { counts, output: finished.output, notes: Vec::new() })
    }

    /// Nothing was run, and why.
    fn skipped(note: &str) -> Self {
        Self { counts: Counts::SKIP, output: String::new(), notes: vec![note.to_owned()] }
    }
}

type Suite = (&'static str, fn(&Options) -> Result<Verdict>);

/// Every suite, quick ones first: who breaks the format should not wait for the browser.
const SUITES: &[Suite] = &[
    ("format", |_| Verdict::of_command(workspace::cargo_command(&["fmt", "--all", "--check"]))),
    ("arrows", |_| {
        let check = || -> Result<String> {
            let metadata = workspace::metadata(false)?;
            arrows::check(&metadata)?;
            Ok(format!("{} crates", metadata.workspace_members.len()))
        };
        Ok(Verdict::of_check(check()))
    }),
    ("licences", |_| Ok(Verdict::of_check(licences::check()))),
    ("promises", |_| Ok(Verdict::of_check(promises::check()))),
    ("clippy", |_| {
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        Verdict::of_command(workspace::cargo_command(&arguments))
    }),
    ("purity", |_| {
        Ok(Verdict::of_check(workspace::metadata(false).and_then(|metadata| purity::check(&metadata))))
    }),
    ("docs", |_| {
        let mut command = workspace::cargo_command(&["doc", "--workspace", "--no-deps", "--locked"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        Verdict::of_command(command)
    }),
    ("tests", tests),
    ("doctests", |options| {
        run_tests(&["test", "--doc", "--workspace", "--locked", "--no-fail-fast"], options)
    }),
    ("facts", facts),
    ("fuzz", fuzz),
];

/// The names of the suites, in order.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|(name, _)| *name).collect()
}

/// Unit, property, vector, CLI, server and browser tests: all that is a test of a crate.
fn tests(options: &Options) -> Result<Verdict> {
    let missing = needs::missing();
    let notes: Vec<String> = missing.iter().map(|need| need.describe()).collect();
    let mut verdict = if process::is_installed("cargo-nextest") {
        // Passing output too: a test that could not run says so there.
        let shown =
            ["--success-output", "immediate", "--failure-output", "immediate", "--show-progress", "none"];
        run_tests(
            &[&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"], &shown[..]].concat(),
            options,
        )?
    } else {
        let kinds = ["--lib", "--bins", "--tests", "--no-fail-fast", "--", "--show-output"];
        run_tests(&[&["test", "--workspace", "--locked"], &kinds[..]].concat(), options)?
    };
    if workspace::shared_data().is_none() {
        let note = "shared/data is not found: skips tests on real feeds and vectors; set UNDERPIN_SHARED_DATA to its folder";
        verdict.notes.push(note.to_owned());
    }
    for note in notes {
        verdict.counts += Counts::SKIP;
        verdict.notes.push(note);
    }
    Ok(verdict)
}

fn run_tests(arguments: &[&str], options: &Options) -> Result<Verdict> {
    let mut command = workspace::cargo_command(arguments);
    if options.require_all {
        command.env("UNDERPIN_REQUIRE_ALL", "1");
    }
    let finished = process::run(command)?;
    let mut notes: Vec<String> = Vec::new();
    for skip in count::announced_skips(&finished.output) {
        if !notes.iter().any(|note| note == skip) {
            notes.push(skip.to_owned());
        }
    }
    Ok(Verdict { counts: test_counts(&finished.output, finished.success), output: finished.output, notes })
}

/// A run without a summary, or one that went wrong beside its tests (a crate that does not build), is a failure too.
fn test_counts(output: &str, success: bool) -> Counts {
    let mut counts = count::tests(output).unwrap_or(Counts::FAIL);
    if !success && counts.failed == 0 {
        counts += Counts::FAIL;
    }
    counts
}

/// The built-in facts are what the reference data says today.
fn facts(_: &Options) -> Result<Verdict> {
    if workspace::shared_data().is_none() {
        return Ok(Verdict::skipped("shared/data is not found: set UNDERPIN_SHARED_DATA to its folder"));
    }
    // Through cargo: building the tests may have replaced the file that this process was started from.
    let arguments = ["run", "--quiet", "--locked", "--package", "xtask", "--", "facts", "--check"];
    Verdict::of_command(workspace::cargo_command(&arguments))
}

/// Every fuzz target for a few seconds; each is one test.
fn fuzz(options: &Options) -> Result<Verdict> {
    let targets = fuzzing::targets(&workspace::root())?;
    if targets.is_empty() {
        return Ok(Verdict::skipped("there is no target in fuzz/fuzz_targets"));
    }
    if !fuzzing::is_installed() {
        if !options.require_all {
            return Ok(Verdict::skipped("cargo-fuzz is not installed: `cargo install cargo-fuzz --locked`"));
        }
        fuzzing::install()?;
    }
    let mut verdict = Verdict { counts: Counts::default(), output: String::new(), notes: Vec::new() };
    for target in &targets {
        let finished = fuzzing::run(target)?;
        if finished.success {
            verdict.counts += Counts::PASS;
        } else {
            verdict.counts += Counts::FAIL;
            verdict.output += &format!("target {target}:\n{}\n", finished.output);
        }
    }
    verdict.notes.push(format!("{} targets", targets.len()));
    Ok(verdict)
}

/// Runs what was asked for and prints the summary line last.
///
/// # Errors
/// None of the suites is reached; a suite that cannot be started is a failed suite.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.only.iter().any(|name| name == "list") {
        println!("{}", names().join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows: Vec<(&str, Counts, Duration)> = Vec::new();
    for (name, suite) in SUITES.iter().filter(|(name, _)| options.wants(name)) {
        println!("\n=== {name} ===");
        let started = Instant::now();
        let verdict = suite(options).unwrap_or_else(|error| Verdict::of_check(Err(error)));
        let counts = if options.require_all { verdict.counts.skips_as_failures() } else { verdict.counts };
        if counts.failed > 0 {
            println!("{}", verdict.output.trim_end());
        }
        for note in &verdict.notes {
            println!("    {note}");
        }
        let time = started.elapsed();
        println!("    {} in {:.1} s", line(counts), time.as_secs_f64());
        rows.push((name, counts, time));
    }
    let mut total = Counts::default();
    println!("\nsuite        passed   failed  skipped    seconds");
    for (name, counts, time) in rows {
        let Counts { passed, failed, skipped } = counts;
        println!("{name:<12} {passed:>6} {failed:>8} {skipped:>8} {:>10.1}", time.as_secs_f64());
        total += counts;
    }
    println!("\n{}", line(total));
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(counts: Counts) -> String {
    format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused_with_the_known() {
        let options = parse(&["--require-all", "--only", "format,arrows"]).unwrap();
        assert!(options.require_all && options.wants("arrows") && !options.wants("clippy"));
        assert!(parse(&[]).unwrap().wants("clippy"));
        assert!(parse(&["--only=licences"]).unwrap().wants("licences"));
        let unknown = parse(&["--only", "formt"]).unwrap_err().to_string();
        assert!(unknown.contains("`formt`") && unknown.contains("format, arrows"), "{unknown}");
        assert!(parse(&["--fast"]).unwrap_err().to_string().contains("`--fast` is not understood"));
        assert!(parse(&["--only"]).is_err());
    }

    #[test]
    fn run_that_fails_beside_its_tests_is_a_failure() {
        let good =
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(test_counts(good, true), Counts { passed: 2, failed: 0, skipped: 0 });
        assert_eq!(test_counts(good, false), Counts { passed: 2, failed: 1, skipped: 0 });
        assert_eq!(test_counts("error: could not compile", false), Counts::FAIL);
        assert_eq!(test_counts("", true), Counts::FAIL);
    }

    #[test]
    fn summary_line_has_the_agreed_form() {
        assert_eq!(line(Counts { passed: 12, failed: 0, skipped: 3 }), "12 passed, 0 failed, 3 skipped");
    }
}
