//! The command line of `underpin sim`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A simulated datacentre: without scripts, commands are read from standard input (`help` lists them).
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    pub(crate) verb: Option<SimVerb>,
    /// Scripts, each on a datacentre of its own.
    pub(crate) scripts: Vec<PathBuf>,
    /// Start of the random sequence, until a script loads a fleet with its own.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimVerb {
    /// Carry scripts out: exit code 1 where an expectation is not met, 2 where a line is wrong.
    Run(SimRun),
}

#[derive(Debug, Args)]
pub(crate) struct SimRun {
    /// Scripts, each on a datacentre of its own; `-` for standard input.
    #[arg(required = true)]
    pub(crate) scripts: Vec<PathBuf>,
    /// Start of the random sequence, until a script loads a fleet with its own.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}
