//! `underpin sim`: the simulated datacentre, from scripts or line by line.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use underpin_sim::script::{Files, ScriptError, Session};

use crate::args::{Sim, SimVerb};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::{facts, output};

/// The longest line that is read from standard input, in bytes: a line without an end must not fill the memory.
const LONGEST_LINE: u64 = 1 << 20;

pub(crate) fn run(arguments: &Sim) -> Result<Code, Failure> {
    let (scripts, seed) = match &arguments.verb {
        Some(SimVerb::Run(run)) => (&run.scripts, run.seed),
        None => (&arguments.scripts, arguments.seed),
    };
    if scripts.is_empty() {
        return line_by_line(seed);
    }
    let mut code = Code::Done;
    for path in scripts {
        if !carry_out(path, seed)? {
            code = Code::Findings;
        }
    }
    Ok(code)
}

/// Files beside a script: names are relative to its folder.
struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        facts::bytes(&self.0.join(name)).map_err(|error| error.to_string())
    }
}

/// Carries out one script. False: it was understood, and an expectation was not met.
fn carry_out(path: &Path, seed: u64) -> Result<bool, Failure> {
    let script = |text: String| Failure::Script(format!("{}: {text}", path.display()));
    let text = String::from_utf8(facts::bytes(path)?)
        .map_err(|error| script(format!("{error}; expected UTF-8 text")))?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let mut written = Ok(());
    let result = Session::new(seed).carry_out(&text, &Beside(folder), |line| {
        if written.is_ok() {
            written = output::plain(&format!("{line}\n"));
        }
    });
    written?;
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.unmet => {
            say!("{}: {error}", path.display());
            Ok(false)
        }
        Err(error) => Err(script(error.to_string())),
    }
}

/// Reads commands from standard input; a prompt only for people. A line that is wrong is told, and the next one read; for a pipe
/// it decides how the program ends.
fn line_by_line(seed: u64) -> Result<Code, Failure> {
    let mut input = io::stdin().lock();
    let talks = io::stdin().is_terminal();
    let mut session = Session::new(seed);
    let mut first_wrong: Option<ScriptError> = None;
    let mut unmet = false;
    if talks {
        say!("A simulated datacentre: `load-example`, then `help`. Ctrl-D ends it.");
    }
    loop {
        if talks {
            anstream::eprint!("sim> ");
            io::stderr().flush()?;
        }
        let mut bytes = Vec::new();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = String::from_utf8_lossy(&bytes);
        let mut written = Ok(());
        let result = session.line(line.trim_end(), &Beside(PathBuf::new()), |line| {
            if written.is_ok() {
                written = output::plain(&format!("{line}\n"));
            }
        });
        written?;
        if let Err(error) = result {
            say!("{error}");
            unmet |= error.unmet;
            if !error.unmet {
                first_wrong.get_or_insert(error);
            }
        }
    }
    match first_wrong {
        Some(error) if !talks => Err(Failure::Script(format!("standard input: {error}"))),
        _ if unmet && !talks => Ok(Code::Findings),
        _ => Ok(Code::Done),
    }
}
