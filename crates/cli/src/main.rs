//! The one binary, `underpin`.
//!
//! Data goes to stdout (a table for a terminal, `--format json|csv` for pipes), talk and progress to stderr.
//! Exit codes: 0 done, 1 findings, 2 usage or bad input, 3 halted or blocked, 4 internal.

mod args;
mod exit;
mod facts;
mod output;
mod report;
mod selfcheck;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Verb};
use crate::exit::{Failure, report};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_tracing(arguments.verbose);
    match run(arguments.verb) {
        Ok(code) => code.into(),
        Err(failure) => report(&failure),
    }
}

fn run(verb: Verb) -> Result<exit::Code, Failure> {
    match verb {
        Verb::Assess(arguments) => verbs::assess::run(&arguments),
        Verb::Backtest(arguments) => verbs::backtest::run(&arguments),
        Verb::Cadence(arguments) => verbs::cadence::run(&arguments),
        Verb::Clocks(arguments) => verbs::clocks::run(&arguments),
        Verb::Collect(verb) => verbs::collect::run(&verb),
        Verb::Cvss(arguments) => verbs::tables::cvss(&arguments),
        Verb::Explain(arguments) => verbs::explain::run(&arguments),
        Verb::Feeds(verb) => verbs::feeds::run(verb),
        Verb::Fleet(verb) => verbs::fleet::run(&verb),
        Verb::Lint(arguments) => verbs::lint::run(&arguments),
        Verb::Plan(arguments) => verbs::plan::run(&arguments),
        Verb::Ripple(arguments) => verbs::ripple::run(&arguments),
        Verb::Risk(arguments) => verbs::risk::run(&arguments),
        Verb::Roadef(arguments) => verbs::roadef::run(&arguments),
        Verb::Selfcheck(arguments) => verbs::selfcheck::run(&arguments),
        Verb::Serve(arguments) => verbs::serve::run(&arguments),
        Verb::Sim(arguments) => verbs::sim::run(&arguments),
        Verb::Version(verb) => verbs::tables::version(&verb),
        Verb::Wait(arguments) => verbs::wait::run(&arguments),
    }
}

fn init_tracing(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("UNDERPIN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
