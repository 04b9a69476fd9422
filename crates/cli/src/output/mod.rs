//! Writing data to stdout or a file.

mod columns;
mod list;
pub(crate) mod progress;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

pub(crate) use self::list::{List, counted, width, wrapped};
use crate::exit::Failure;

/// Writes text to stdout; of what steers a terminal only the styles of our own tables pass. A reader that has seen enough
/// (`head`) is no error.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    enough(out.write_all(with_own_styles(text).as_bytes()).and_then(|()| out.flush()))
}

/// What the headers of tables are styled with.
const STYLES: [&str; 2] = ["\u{1b}[1m", "\u{1b}[0m"];

/// Whatever was put into a table or a sentence, none but these styles reaches the terminal.
fn with_own_styles(text: &str) -> String {
    let [bold, plain] = STYLES;
    let part = |part: &str| part.split(plain).map(harmless).collect::<Vec<_>>().join(plain);
    text.split(bold).map(part).collect::<Vec<_>>().join(bold)
}

/// Writes a value as JSON to stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    stream(None, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes what is made row by row, and may be larger than memory, to stdout or to a file: whole or not at all.
pub(crate) fn stream(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    if let Some(path) = path {
        return Ok(underpin_engine::output::write(path, write)?);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    enough(write(&mut out).and_then(|()| out.flush()))
}

fn enough(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::File),
    }
}

/// Writes bytes to a file whole or not at all: beside it first, then in its place.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(underpin_engine::output::write(path, |out| out.write_all(bytes))?)
}

/// Writes sentences with text from outside to stdout. Tables make each cell harmless themselves, for they are styled.
pub(crate) fn plain(text: &str) -> Result<(), Failure> {
    data(&harmless(text))
}

/// Text from outside must not steer the terminal: control characters, and those that turn the direction of writing so
/// that a name reads as another one, are shown as replaced.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// Control characters, and the bidirectional controls of Unicode (its Bidi_Control property).
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Talk: to stderr.
macro_rules! say {
    ($($argument:tt)*) => { anstream::eprintln!("{}", $crate::output::harmless(&format!($($argument)*))) };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_styles_reach_the_terminal() {
        let text = "\u{1b}[1mNAME\u{1b}[0m\n\u{1b}[31mred\u{1b}]0;title\u{7} \u{202e}evil\n";
        let shown = with_own_styles(text);
        assert_eq!(shown, "\u{1b}[1mNAME\u{1b}[0m\n\u{fffd}[31mred\u{fffd}]0;title\u{fffd} \u{fffd}evil\n");
    }
}
