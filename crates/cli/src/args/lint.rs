//! The verb that checks plans.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Plain;

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Plan file (JSON); `-` for standard input.
    pub(crate) plan: PathBuf,
    /// The fleet file that it was made from (JSON or YAML).
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: PathBuf,
    /// Policy file (TOML) that it must keep; without one, the default policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Exit with code 1 for findings of these severities too; for errors it always does.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',')]
    pub(crate) fail_on: Vec<LintFailOn>,
    /// Most findings of each rule and severity that are listed; the rest is counted.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    pub(crate) most: usize,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

/// Severities beside errors that make a pipeline fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFailOn {
    /// What was wrong before the plan.
    Before,
    /// What a missing fact leaves open.
    Unknown,
    /// A preference that is not met.
    Worse,
}
