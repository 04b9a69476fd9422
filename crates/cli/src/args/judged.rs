//! What verbs that judge a fleet start from.

use std::path::PathBuf;

use clap::Args;

/// The fleet, and the facts that it is judged by.
#[derive(Debug, Args)]
pub(crate) struct FleetAndFacts {
    /// Fleet file (JSON or YAML); `-` for standard input.
    pub(crate) fleet: PathBuf,
    /// Feeds: files, folders, archives. Without any, the built-in facts are used alone.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) feeds: Vec<PathBuf>,
    /// Leave the built-in facts out.
    #[arg(long)]
    pub(crate) no_builtin: bool,
}

/// What is wanted, and what is believed of releases.
#[derive(Debug, Args)]
pub(crate) struct PolicyAndEvidence {
    /// Policy file (TOML): what losses are worth, parameters, promises, controls, rings.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Evidence file (TOML or JSON): trials, canaries, others that run a release, known bugs.
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
}
