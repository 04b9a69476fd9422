//! Facts for a verb: the built-in ones and what the paths hold.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use underpin_engine::facts as engine_facts;
use underpin_engine::intake::{self, Intake, Partly, Source};
use underpin_engine::quarantine::Quarantine;
use underpin_exposure::{FactBase, Feed};
use underpin_model::fleet::{self, Checked};
use underpin_model::policy::{self, Policy};
use underpin_risk::wait::Evidence;

use crate::exit::Failure;
use crate::output::progress::Bar;
use crate::output::{counted, say};
use crate::verbs::lint::sha256;

/// Reads the feeds under the paths, with a progress bar on a terminal.
pub(crate) fn read(paths: &[PathBuf], now: Timestamp, quarantine: Option<&Quarantine>) -> Intake {
    let sources: Vec<Source> = paths.iter().cloned().map(Source::from).collect();
    let bar = Bar::new("reading feeds");
    intake::read(&sources, &intake::Options { quarantine, ..intake::Options::new(now) }, &bar)
}

/// All facts: built in, and under the paths. What could not be used is said on stderr, and given in words.
///
/// # Errors
/// [`Failure::NoFeeds`] when paths were given and none of them held a usable document.
pub(crate) fn base(
    paths: &[PathBuf],
    builtin: bool,
    now: Timestamp,
) -> Result<(FactBase, Vec<String>), Failure> {
    let mut feeds: Vec<Feed> = Vec::new();
    let mut left_out = Vec::new();
    if builtin {
        feeds.extend(engine_facts::builtin().map_err(|error| Failure::Internal(error.to_string()))?);
    }
    if !paths.is_empty() {
        let intake = read(paths, now, None);
        left_out = what_was_left_out(&intake);
        left_out.iter().for_each(|it| say!("warning: {it}"));
        if intake.documents().next().is_none() {
            return Err(nothing_read(paths, &intake));
        }
        feeds.extend(engine_facts::accepted(intake));
    }
    Ok((FactBase::new(feeds), left_out))
}

/// The failure of a reading that found nothing.
pub(crate) fn nothing_read(paths: &[PathBuf], intake: &Intake) -> Failure {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let reason = match intake.unreadable.first() {
        Some(unreadable) => format!("{}: {}", unreadable.file, unreadable.reason),
        None => format!(
            "{}, {}",
            quarantined(intake.quarantined.len()),
            match intake.ignored.len() {
                1 => "1 file is no advisory".to_owned(),
                more => format!("{more} files are no advisories"),
            }
        ),
    };
    Failure::NoFeeds { paths: shown.join(", "), reason }
}

fn quarantined(count: usize) -> String {
    if count == 1 {
        "1 document was quarantined".to_owned()
    } else {
        format!("{count} documents were quarantined")
    }
}

fn what_was_left_out(intake: &Intake) -> Vec<String> {
    let unreadable = intake.unreadable.iter().map(|it| format!("{}: {}", it.file, it.reason));
    let quarantined = intake.quarantined.first().map(|first| {
        format!(
            "{}, the first one {}: {} (`underpin feeds check` lists them all)",
            quarantined(intake.quarantined.len()),
            first.file,
            first.reason
        )
    });
    unreadable.chain(quarantined).chain(intake.partly().map(|it| partly(&it))).collect()
}

/// What was left out of a table, with the first lines.
pub(crate) fn partly(it: &Partly<'_>) -> String {
    /// Lines that are named: a table may have thousands.
    const NAMED: usize = 3;
    let named: Vec<&str> = it.left_out.iter().take(NAMED).map(String::as_str).collect();
    let rest = it.left_out.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!(
        "{}: {} left out, the others count: {}{more}",
        it.file,
        counted(it.left_out.len(), "line"),
        named.join("; ")
    )
}

/// Reads and checks a fleet file; warnings go to stderr.
pub(crate) fn fleet(path: &Path) -> Result<Checked, Failure> {
    fleet_of(path, &bytes(path)?)
}

/// The same, with the SHA-256 of the file.
pub(crate) fn fleet_hashed(path: &Path) -> Result<(Checked, String), Failure> {
    let bytes = bytes(path)?;
    Ok((fleet_of(path, &bytes)?, sha256(&bytes)))
}

/// Checks the bytes of a fleet file.
pub(crate) fn fleet_of(path: &Path, bytes: &[u8]) -> Result<Checked, Failure> {
    fleet::read(bytes).map_err(|errors| Failure::Fleet {
        source_name: path.display().to_string(),
        problems: errors.iter().map(|error| format!("  {error}")).collect(),
    })
}

/// Reads and checks a policy; without a file, the policy of one who has not written any.
pub(crate) fn policy(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::default()) };
    policy_of(path, bytes(path)?)
}

/// Checks the bytes of a policy.
pub(crate) fn policy_of(path: &Path, bytes: Vec<u8>) -> Result<Policy, Failure> {
    policy::read(&text_of(path, bytes)?).map_err(|errors| unusable(path, &errors))
}

/// Reads and checks an evidence file; without one, there is no evidence.
pub(crate) fn evidence(path: Option<&Path>) -> Result<Evidence, Failure> {
    let Some(path) = path else { return Ok(Evidence::default()) };
    underpin_risk::wait::evidence::read(&text(path)?).map_err(|errors| unusable(path, &errors))
}

fn unusable<E: std::fmt::Display>(path: &Path, errors: &[E]) -> Failure {
    Failure::Policy {
        source_name: path.display().to_string(),
        problems: errors.iter().map(|error| format!("  {error}")).collect(),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    text_of(path, bytes(path)?)
}

fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes)
        .map_err(|error| unusable(path, &[format!("the file is not UTF-8 text: {error}")]))
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
        return Ok(bytes);
    }
    Ok(fs_err::read(path)?)
}
