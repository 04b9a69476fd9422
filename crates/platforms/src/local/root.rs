//! The machine under inspection: a file tree and the commands that may be asked.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one command may take. A hung daemon must not hang the inventory.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// How much a command may print. The package list of a large host has a few MiB.
const MAX_OUTPUT_BYTES: u64 = 128 << 20;

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not installed.
    #[error("not installed")]
    Missing,
    /// It did not end in time and was stopped.
    #[error("no answer within {0:?}; it was stopped")]
    TimedOut(Duration),
    /// It printed more than an inventory needs.
    #[error("more than {MAX_OUTPUT_BYTES} bytes of output; the rest was not read")]
    TooLong,
    /// It reported a failure.
    #[error("failed with {status}: {message}")]
    Failed {
        /// Exit code or signal, as the system words it.
        status: String,
        /// The first line that it printed to standard error.
        message: String,
    },
    /// It could not be started.
    #[error("could not be started: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs the few commands that a collector asks. None of them changes anything.
pub trait Commands {
    /// Standard output of the command.
    ///
    /// # Errors
    /// [`CommandError`] when it is missing, fails, prints too much or does not end in time.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, CommandError>;
}

/// The commands of this machine: standard input closed, `LC_ALL=C`, at most [`COMMAND_TIMEOUT`] each.
#[derive(Debug, Clone, Copy)]
pub struct SystemCommands {
    timeout: Duration,
}

impl Default for SystemCommands {
    fn default() -> Self {
        Self { timeout: COMMAND_TIMEOUT }
    }
}

impl SystemCommands {
    /// With another time limit.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout }
    }
}

/// Reads a pipe in a thread of its own: a child that fills one pipe while the other is read would block for ever.
fn drain(pipe: impl Read + Send + 'static) -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let outcome = pipe.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes);
        // The receiver is gone when the command was given up.
        let _ = sender.send(outcome);
    });
    receiver
}

impl Commands for SystemCommands {
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, CommandError> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => CommandError::Missing,
                _ => CommandError::Start(error),
            })?;
        let deadline = Instant::now() + self.timeout;
        let stdout = child.stdout.take().map(drain);
        let stderr = child.stderr.take().map(drain);
        let answer = wait(stdout, deadline);
        let complaint = if answer.is_some() { wait(stderr, deadline) } else { None };
        let status = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if answer.is_none() || Instant::now() >= deadline => break None,
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        let (Some(status), Some(answer)) = (status, answer) else {
            // Both may fail only because the child has just ended, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
            return Err(CommandError::TimedOut(self.timeout));
        };
        let answer = answer?;
        if answer.len() as u64 > MAX_OUTPUT_BYTES {
            return Err(CommandError::TooLong);
        }
        if !status.success() {
            let complaint = complaint.and_then(Result::ok).unwrap_or_default();
            let message =
                String::from_utf8_lossy(&complaint).lines().next().unwrap_or("no message").to_owned();
            return Err(CommandError::Failed { status: status.to_string(), message: crate::shown(&message) });
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn wait(
    pipe: Option<mpsc::Receiver<std::io::Result<Vec<u8>>>>,
    deadline: Instant,
) -> Option<std::io::Result<Vec<u8>>> {
    pipe?.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// The machine under inspection.
pub struct Root {
    path: PathBuf,
    commands: Box<dyn Commands>,
}

impl Root {
    /// The machine that this process runs on.
    #[must_use]
    pub fn live() -> Self {
        Self::new("/", Box::new(SystemCommands::default()))
    }

    /// A file tree with the answers that commands would give on it.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, commands: Box<dyn Commands>) -> Self {
        Self { path: path.into(), commands }
    }

    /// Where a path of the machine is found.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    /// Whether a path of the machine exists.
    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// The commands.
    pub(super) fn commands(&self) -> &dyn Commands {
        self.commands.as_ref()
    }

    /// The top of the tree.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn input_is_closed_and_the_locale_is_c() {
        let text = SystemCommands::default().run("sh", &["-c", "cat; echo $LC_ALL"]).unwrap();
        assert_eq!(text, "C\n");
    }

    #[test]
    fn a_hung_command_is_stopped() {
        let started = Instant::now();
        let outcome = SystemCommands::with_timeout(Duration::from_millis(200)).run("sleep", &["30"]);
        assert!(matches!(outcome, Err(CommandError::TimedOut(_))), "{outcome:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_command_whose_output_is_closed_early_is_stopped_too() {
        let outcome = SystemCommands::with_timeout(Duration::from_millis(200))
            .run("sh", &["-c", "exec >&- 2>&-; exec sleep 30"]);
        assert!(matches!(outcome, Err(CommandError::TimedOut(_))), "{outcome:?}");
    }

    #[test]
    fn failures_are_told_apart() {
        let commands = SystemCommands::default();
        assert!(matches!(commands.run("no-such-command-here", &[]), Err(CommandError::Missing)));
        match commands.run("sh", &["-c", "echo broken >&2; exit 3"]) {
            Err(CommandError::Failed { status, message }) => {
                assert!(status.contains('3'), "{status}");
                assert_eq!(message, "broken");
            }
            other => panic!("{other:?}"),
        }
    }
}
