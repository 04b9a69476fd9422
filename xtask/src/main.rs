//! Tasks of this project: `cargo xtask ...`.
//!
//! Everything that a developer or the continuous integration runs goes through here, so that both run the same.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task speaks to the person who runs it")]

mod arrows;
mod bench;
mod count;
mod facts;
mod fuzzing;
mod licences;
mod needs;
mod process;
mod promises;
mod purity;
mod spdx;
mod suites;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
Tasks of this project.

  cargo xtask test [--require-all] [--only SUITE,...]
      Runs every suite and ends with one line: `N passed, N failed, N skipped`.
      --require-all  a suite or a test that cannot run is a failure
      --only         these suites only; `--only list` lists them

  cargo xtask bench [ingest|match|risk|plan|all]
  cargo xtask bench roadef [--only a1_1,...] [--seconds 300]
      Measures speed and memory on the reference data and writes docs/benchmarks.md.

  cargo xtask facts [--check]
      Writes the built-in facts from the reference data.
      --check        compares only, and fails on a difference
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (task, rest) = match arguments {
        [] => ("help", &[][..]),
        [task, rest @ ..] => (task.as_str(), rest),
    };
    match task {
        "bench" => bench::run(rest).map(|()| ExitCode::SUCCESS),
        "facts" => match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => facts::run(false).map(|()| ExitCode::SUCCESS),
            ["--check"] => facts::run(true).map(|()| ExitCode::SUCCESS),
            _ => anyhow::bail!("usage: cargo xtask facts [--check]"),
        },
        "test" => suites::run(&suites::Options::parse(rest)?),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => anyhow::bail!("no task is called `{other}`; `cargo xtask help` lists them"),
    }
}
