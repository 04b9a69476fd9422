//! `underpin plan`: the full plan, static waves, and fleet files from public planning instances.

mod compare;
mod files;
mod inputs;
mod make;
mod show;
mod what_if;

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use underpin_model::fleet::{Fleet, Seen, validate};
use underpin_planner::instances::{self, InstanceError};
use underpin_planner::waves::{FleetWaves, Options, Status, plan_waves};

use crate::args::{InstanceFormat, Plain, Plan, PlanConvert, PlanVerb, WAVES_TRIES};
use crate::exit::{Code, Failure};
use crate::output::{List, say};
use crate::verbs::{fleet, migrations};
use crate::{facts, output};

pub(crate) use what_if::{Comparison, Sum};

/// Largest instance once it is unpacked.
const MAX_BYTES: u64 = 256 << 20;
/// The moment that converted instances are seen at: fixed, so that the same instance gives the same file.
const CONVERTED: &str = "2026-11-20T00:00:00Z";

pub(crate) fn run(arguments: &Plan) -> Result<Code, Failure> {
    match (&arguments.verb, &arguments.fleet) {
        (Some(PlanVerb::Convert(arguments)), _) => convert(arguments),
        (None, Some(path)) if arguments.migrations_only => migrations::run(arguments, path),
        (Some(PlanVerb::Diff(arguments)), _) => compare::run(arguments),
        (Some(PlanVerb::Schema(arguments)), _) => show::schema(arguments),
        (Some(PlanVerb::Show(arguments)), _) => show::run(arguments),
        (Some(PlanVerb::WhatIf(arguments)), _) => what_if::run(arguments),
        (None, Some(path)) if arguments.waves_only => waves(arguments, path),
        (None, Some(path)) => make::run(arguments, path),
        (None, None) => Err(Failure::Usage("name a fleet file".to_owned())),
    }
}

fn waves(arguments: &Plan, path: &Path) -> Result<Code, Failure> {
    if !arguments.full.is_empty() {
        let why = "--waves-only solves the static model alone: it takes --seed, --evaluations and --format; leave it out for \
                   the full plan";
        return Err(Failure::Usage(why.to_owned()));
    }
    let checked = facts::fleet(path)?;
    let options = Options { seed: arguments.seed, evaluations: arguments.evaluations.unwrap_or(WAVES_TRIES) };
    let waves = plan_waves(&checked.fleet, &options)
        .map_err(|error| Failure::Instance(format!("{}: {error}", path.display())))?;
    match arguments.format {
        Plain::Json => output::json(&waves)?,
        Plain::Table => output::data(&table(&checked.fleet, &waves))?,
    }
    // A pipeline that goes on with the schedule must not take a proof that there is none for one.
    if waves.status == Status::Infeasible {
        say!("infeasible: no schedule of these waves exists, whatever the budget; the answer says why");
        return Ok(Code::Blocked);
    }
    Ok(Code::Done)
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Optimal => "optimal: no schedule has fewer waves",
        Status::Feasible => "feasible: fewer waves are neither found nor excluded",
        Status::Unknown => "unknown",
        Status::Infeasible => "infeasible: no schedule exists",
    }
}

/// Bounds and moves, as far as there are any: an instance may be refuted before anything is counted.
fn figures(waves: &FleetWaves) -> String {
    let bounds: Vec<String> = waves.lower_bound.iter().map(|(name, it)| format!("{name} {it}")).collect();
    let bounds = match (waves.status, bounds.len()) {
        (Status::Infeasible, 0) => "none: no number of waves is enough".to_owned(),
        (_, 0) => "none is known".to_owned(),
        _ => bounds.join(", "),
    };
    let mut text = format!("Lower bounds: {bounds}\n");
    if waves.waves.is_some() || waves.moves > 0 {
        let least = match waves.moves_bound {
            0 => String::new(),
            bound => format!(" (at least {bound} with this first wave)"),
        };
        let scheduled = if waves.waves.is_some() { "" } else { ", in the clusters that have a schedule" };
        let _ = writeln!(text, "Moves: {}{least}{scheduled}", waves.moves);
    }
    text
}

fn table(fleet: &Fleet, waves: &FleetWaves) -> String {
    let mut text = String::new();
    let count = waves.waves.map_or_else(|| "none".to_owned(), |it| it.to_string());
    let _ = writeln!(text, "Waves: {count} ({})", name(waves.status));
    text += &figures(waves);
    if let Some(why) = &waves.infeasible {
        let _ = writeln!(text, "Infeasible ({:?}): {}", why.proof, output::harmless(&why.reason));
    }
    if let Some(why) = &waves.unknown {
        let _ = writeln!(text, "Unknown: {}", output::harmless(why));
    }
    let left = waves.left_out;
    if left.not_running + left.nowhere > 0 {
        let _ = writeln!(
            text,
            "Left out: {} VMs not running, {} on no known host",
            left.not_running, left.nowhere
        );
    }
    let mut clusters =
        List::new(&["CLUSTER", "HOSTS", "VMS", "WAVES", "BOUND", "MOVES", "STATUS"], output::width());
    for it in &waves.clusters {
        let waves = it.waves.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let bound = it.lower_bound.get("best").map_or_else(|| "-".to_owned(), ToString::to_string);
        let why = it.infeasible.as_ref().map(|it| &it.reason).or(it.unknown.as_ref());
        let status = name(it.status).split(':').next().unwrap_or_default();
        let status = why.map_or_else(|| status.to_owned(), |why| format!("{status}: {why}"));
        clusters.row([
            it.cluster.clone(),
            it.hosts.to_string(),
            it.vms.to_string(),
            waves,
            bound,
            it.moves.to_string(),
            status,
        ]);
    }
    let _ = write!(text, "\n{clusters}");
    for it in &waves.clusters {
        for line in &it.start {
            let _ = writeln!(
                text,
                "At the start, cluster {}: {}",
                output::harmless(&it.cluster),
                output::harmless(line)
            );
        }
    }
    for (number, wave) in waves.schedule.iter().enumerate() {
        let hosts: Vec<&str> = wave
            .hosts
            .iter()
            .take(12)
            .filter_map(|at| fleet.hosts.get(*at))
            .map(|it| it.id.as_str())
            .collect();
        let more = if wave.hosts.len() > hosts.len() { ", ..." } else { "" };
        let shown = output::harmless(&hosts.join(", "));
        let _ = writeln!(text, "Wave {}: {} hosts: {shown}{more}", number + 1, wave.hosts.len());
    }
    text
}

fn convert(arguments: &PlanConvert) -> Result<Code, Failure> {
    let path = &arguments.file;
    let at: Timestamp = CONVERTED.parse().map_err(|error| Failure::Internal(format!("{error}")))?;
    let seen = Seen { at, by: "plan convert".to_owned() };
    let which = arguments.instance.as_deref();
    if arguments.from != InstanceFormat::Hroller && !arguments.peer_flags.is_empty() {
        return Err(Failure::Usage("--peer-flags are for --from hroller".to_owned()));
    }
    let stem = path.file_stem().map_or_else(|| "instance".into(), |it| it.to_string_lossy());
    let read = match arguments.from {
        InstanceFormat::WavesJson => instances::waves_json(&text(path, facts::bytes(path)?)?, which, seen),
        InstanceFormat::Hroller => {
            instances::ganeti(&text(path, facts::bytes(path)?)?, &stem, &arguments.peer_flags, seen)
        }
        InstanceFormat::Btrplace => {
            let (name, text) = unpacked(path, which)?;
            instances::btrplace(&text, &name, seen)
        }
    };
    let fleet =
        read.map_err(|error: InstanceError| Failure::Instance(format!("{}: {error}", path.display())))?;
    // What is written must be readable: rules of the instance that contradict each other are told here.
    let (errors, _) = validate(&fleet);
    if let Some(first) = errors.first() {
        return Err(Failure::Instance(format!("{}: as a fleet file: {first}", path.display())));
    }
    fleet::write(&fleet, &arguments.output)?;
    Ok(Code::Done)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes)
        .map_err(|error| Failure::Instance(format!("{}: {error}, expected UTF-8 text", path.display())))
}

/// The name and text of an instance that may be packed, and alone or in an archive: the one that has this name with or
/// without its ending, or else the first one that has it in its name.
pub(super) fn unpacked(path: &Path, which: Option<&str>) -> Result<(String, String), Failure> {
    let bytes = facts::bytes(path)?;
    let own = path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let plain = unzip(path, bytes)?;
    // A tar header has this word at this place, and JSON text has not.
    if plain.get(257..262) != Some(b"ustar") {
        return Ok((own, text(path, plain)?));
    }
    let bad = |error: std::io::Error| Failure::Instance(format!("{}: {error}", path.display()));
    let (mut names, mut found) = (Vec::new(), None);
    for entry in tar::Archive::new(plain.as_slice()).entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let name = entry.path().map_err(bad)?.to_string_lossy().into_owned();
        let short = name.rsplit('/').next().unwrap_or_default().to_owned();
        let ending = [".gz", ".json"].into_iter().find(|it| short.ends_with(it));
        let Some(ending) = ending.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let whole = which.is_some_and(|which| which == short || short.strip_suffix(ending) == Some(which));
        if whole || found.is_none() && which.is_some_and(|which| short.contains(which)) {
            let mut packed = Vec::new();
            entry.read_to_end(&mut packed).map_err(bad)?;
            found = Some((short.clone(), packed));
        }
        if whole {
            break;
        }
        names.push(short);
    }
    if let Some((short, packed)) = found {
        return Ok((short, text(path, unzip(path, packed)?)?));
    }
    say!("instances: {}", names.join(", "));
    Err(Failure::Instance(format!(
        "{}: found {}, expected --instance with a part of the name of one of its {} instances",
        path.display(),
        which.unwrap_or("no instance named"),
        names.len()
    )))
}

/// Unpacks gzip where it is, up to a size.
fn unzip(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let bad = |what: String| Failure::Instance(format!("{}: {what}", path.display()));
    MultiGzDecoder::new(bytes.as_slice())
        .take(MAX_BYTES + 1)
        .read_to_end(&mut plain)
        .map_err(|error| bad(error.to_string()))?;
    if plain.len() as u64 > MAX_BYTES {
        return Err(bad(format!("found more than {MAX_BYTES} bytes, expected at most that many")));
    }
    Ok(plain)
}
