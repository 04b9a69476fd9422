//! Arguments of `roadef`.

use std::path::PathBuf;

use clap::Args;

use super::Plain;

#[derive(Debug, Args)]
pub(crate) struct Roadef {
    /// The model of an instance.
    pub(crate) model: PathBuf,
    /// Its initial assignment.
    pub(crate) assignment: PathBuf,
    /// The solution to check, with --check.
    #[arg(requires = "check", required_if_eq("check", "true"))]
    pub(crate) solution: Option<PathBuf>,
    /// Check a solution instead of looking for one; exit code 1 when it breaks a law.
    #[arg(long, conflicts_with_all = ["seconds", "evaluations", "seed", "out"])]
    pub(crate) check: bool,
    /// Look for so long. What is found depends on the machine.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with = "evaluations")]
    pub(crate) seconds: Option<u64>,
    /// Try so many moves: with the same seed, the same result everywhere.
    #[arg(long, default_value_t = 100_000_000, value_name = "NUMBER")]
    pub(crate) evaluations: u64,
    /// Seed of the random choices.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the solution here.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}
