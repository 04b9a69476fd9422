//! Starting programs: their output is kept, and shown only where it says something.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How often a long run says that it is alive.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// What a program left behind.
pub(crate) struct Finished {
    /// Exit code 0.
    pub(crate) success: bool,
    /// Standard output and standard error in the order in which they were written.
    pub(crate) output: String,
}

/// Runs a program without standard input, to its end.
///
/// # Errors
/// The program cannot be started; the error names it.
pub(crate) fn run(mut command: Command) -> Result<Finished> {
    let name = format!("{command:?}");
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    // Plain output: it is parsed, and it ends in logs.
    command.env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    // The writing ends in `command` must go, or the reader never sees the end.
    drop(command);

    let (sender, receiver) = channel();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = reader.read_to_end(&mut bytes).map(|_| bytes);
        // The receiver waits until this arrives, so there is always one.
        let _ = sender.send(result);
    });
    let started = Instant::now();
    let bytes = loop {
        match receiver.recv_timeout(HEARTBEAT) {
            Ok(result) => break result.with_context(|| format!("cannot read the output of {name}"))?,
            Err(RecvTimeoutError::Timeout) => {
                println!("    ... still running after {} s", started.elapsed().as_secs());
            }
            Err(RecvTimeoutError::Disconnected) => break Vec::new(),
        }
    };
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    let _ = reading.join();
    Ok(Finished { success: status.success(), output: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Whether a program of this name is on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_in_order_and_failure_is_seen() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three; exit 3"]);
        let finished = run(command).unwrap();
        assert!(!finished.success);
        assert_eq!(finished.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn program_that_is_not_there_is_an_error_with_its_name() {
        let error = run(Command::new("underpin-no-such-program")).err().unwrap();
        assert!(format!("{error:#}").contains("underpin-no-such-program"));
        assert!(!is_installed("underpin-no-such-program"));
        assert!(is_installed("sh"));
    }
}
