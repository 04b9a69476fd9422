//! How the program ends.

use std::process::ExitCode;

/// Exit codes, the same for every verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Done,
    /// Done, and something was found that the caller asked to be told about.
    Findings,
    /// Done, and nothing of what was asked for is possible as things stand.
    Blocked,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Done => Self::SUCCESS,
            Code::Findings => Self::from(1),
            Code::Blocked => Self::from(3),
        }
    }
}

/// Why a verb could not do its work. Every kind has a code that `underpin explain` knows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// A file cannot be put in its place.
    #[error("{0}")]
    Data(#[from] underpin_engine::data::DataError),
    /// A fleet breaks rules: all of them.
    #[error("{source_name} is not a usable fleet: {} problem(s)\n{}", problems.len(), problems.join("\n"))]
    Fleet {
        /// The file.
        source_name: String,
        /// One line each: path, value, expectation.
        problems: Vec<String>,
    },
    /// No feed could be read.
    #[error("no document could be read from {paths}: {reason}")]
    NoFeeds {
        /// The paths given.
        paths: String,
        /// What was found instead.
        reason: String,
    },
    /// A table of test values is not usable.
    #[error("{0}")]
    Table(String),
    /// Nothing in the fleet has this name.
    #[error("{0}")]
    NotFound(String),
    /// An inventory of another tool is not usable.
    #[error("{0}")]
    Inventory(String),
    /// A planning instance of a public format is not usable.
    #[error("{0}")]
    Instance(String),
    /// A script of a simulation is not usable.
    #[error("{0}")]
    Script(String),
    /// A provider could not be read.
    #[error("{0}")]
    Provider(String),
    /// The server could not start or stopped with an error.
    #[error("{0}")]
    Server(String),
    /// A policy or evidence file breaks rules: the first of them, and how many more.
    #[error("{source_name} is not usable: {} problem(s)\n{}", problems.len(), first(problems))]
    Policy {
        /// The file.
        source_name: String,
        /// One line each: place, value, expectation.
        problems: Vec<String>,
    },
    /// A plan file, or the report of a plan, cannot be read as one.
    #[error("{source_name} is not a usable plan: {} problem(s)\n{}", problems.len(), problems.join("\n"))]
    Plan {
        /// The file.
        source_name: String,
        /// One line each: place, value, expectation.
        problems: Vec<String>,
    },
    /// Arguments that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// A fault of Underpin itself.
    #[error("{0}")]
    Internal(String),
}

/// Problems that are printed: who corrects them reads the file again, and a file of thousands would hide the first.
const PROBLEMS: usize = 20;

/// The first problems, one a line, and how many more there are.
fn first(problems: &[String]) -> String {
    let mut lines: Vec<String> = problems.iter().take(PROBLEMS).cloned().collect();
    if problems.len() > PROBLEMS {
        lines.push(format!("  ... and {} more", problems.len() - PROBLEMS));
    }
    lines.join("\n")
}

impl Failure {
    /// The code for `underpin explain`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "UP0001",
            Self::File(_) | Self::Data(_) => "UP0002",
            Self::Fleet { .. } => "UP0003",
            Self::NoFeeds { .. } => "UP0004",
            Self::Table(_) => "UP0005",
            Self::NotFound(_) => "UP0006",
            Self::Inventory(_) => "UP0007",
            Self::Provider(_) => "UP0008",
            Self::Server(_) => "UP0009",
            Self::Internal(_) => "UP0010",
            Self::Policy { .. } => "UP0011",
            Self::Instance(_) => "UP0012",
            Self::Plan { .. } => "UP0013",
            Self::Script(_) => "UP0015",
        }
    }

    fn exit(&self) -> u8 {
        match self {
            Self::Internal(_) | Self::Server(_) => 4,
            _ => 2,
        }
    }
}

/// Prints a failure once, with its code and the way to its explanation.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    let code = failure.code();
    anstream::eprintln!(
        "error[{code}]: {}\n  `underpin explain {code}` says what to do about it",
        crate::output::harmless(&failure.to_string())
    );
    ExitCode::from(failure.exit())
}
