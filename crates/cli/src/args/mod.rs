//! The command line.

mod cadence;
mod judged;
mod lint;
mod plan;
mod risk;
mod roadef;
mod sim;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::{Date, date};
use underpin_exposure::Status;
use underpin_planner::instances::UCC15_LINKS_MBPS;

pub(crate) use cadence::{Cadence, ChartFormat};
pub(crate) use judged::{FleetAndFacts, PolicyAndEvidence};
pub(crate) use lint::{Lint, LintFailOn};
pub(crate) use plan::{
    Agreed, FullPlan, HomingChoice, PlanDiff, PlanFile, PlanInputs, PlanSchema, PlanShow, PlanVerb,
    PlanWhatIf, WhatIf,
};
pub(crate) use risk::{Backtest, Clocks, Elicit, Risk, RiskShape, RiskVerb, Sheet, Wait};
pub(crate) use roadef::Roadef;
pub(crate) use sim::{Sim, SimVerb};

/// Patch the hypervisor under running virtual machines, and show when that is safer than waiting.
#[derive(Debug, Parser)]
#[command(name = "underpin", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Say more on stderr (twice: everything).
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Which hosts, guests, images and tenants stand on a vulnerable platform, why, and how old that knowledge is.
    Assess(Assess),
    /// What each patch policy would have cost on a fleet, replayed over real history without look-ahead.
    Backtest(Backtest),
    /// How often a platform asks for maintenance: dates, batches, gaps, side by side.
    Cadence(Box<Cadence>),
    /// Promises of the policy as running clocks: kept, running, due soon, breached, and who will breach at the planned pace.
    Clocks(Clocks),
    /// Make a fleet file from this machine or from another tool's inventory.
    #[command(subcommand)]
    Collect(Collect),
    /// Compute CVSS base scores; check a table of expected ones.
    Cvss(CvssTable),
    /// Explain an error code.
    Explain(Explain),
    /// Read, check and fetch advisories and facts.
    #[command(subcommand)]
    Feeds(Feeds),
    /// Schema, example, sample and check of fleet files.
    #[command(subcommand)]
    Fleet(FleetVerb),
    /// Replay a plan against its fleet and policy, with code of its own, and report every rule that it breaks.
    Lint(Lint),
    /// In which waves hosts can be away, and where all VMs are meanwhile.
    /// When each host is changed, by which method and after which moves; what cannot be, why, and what would unblock it.
    Plan(Box<Plan>),
    /// What stands on an asset or component, and what it stands on.
    Ripple(Ripple),
    /// What open holes and bad patches can cost: compound risk by cluster, tenant and cause, or the parameters as questions.
    Risk(Risk),
    /// The placement engine alone, on machine reassignment instances (ROADEF/EURO challenge 2012): solve, or check a solution.
    Roadef(Roadef),
    /// Check what is computed against a file of expected values.
    Selfcheck(Selfcheck),
    /// Pages and HTTP API on an embedded store.
    Serve(Serve),
    /// A simulated datacentre with faults on a virtual clock: scripts, or line by line.
    Sim(Sim),
    /// The order of versions.
    #[command(subcommand)]
    Version(VersionVerb),
    /// Patch now, wait or mitigate: per group of hosts and release, with numbers and reasons.
    Wait(Wait),
}

/// How data is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// One self-contained page.
    Html,
}

/// Table or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plain {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Assess {
    #[command(flatten)]
    pub(crate) of: FleetAndFacts,
    /// The day that the report speaks about; now, if not given.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<Date>,
    /// A feed older than this many days is reported as stale.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    pub(crate) stale_after: u16,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Write to a file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with code 1 when such exposures exist.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
    /// Show exposures of these statuses only (`affected,fixed_not_running`); the counts still count all.
    #[arg(long, num_args = 1.., value_delimiter = ',', value_parser = status, value_name = "STATUS")]
    pub(crate) status: Vec<Status>,
    /// Show every row of the tables, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Days that an answer can speak about: any beyond is a slip, and the calendar of the program ends with the year 9999.
const DAYS: RangeInclusive<Date> = date(1970, 1, 1)..=date(2999, 12, 31);

/// A day of the report.
fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .ok()
        .filter(|day| DAYS.contains(day))
        .ok_or_else(|| format!("expected a day such as 2026-11-21, from {} to {}", DAYS.start(), DAYS.end()))
}

/// A status by its name in JSON, with hyphens if one likes.
fn status(name: &str) -> Result<Status, String> {
    let wanted = name.trim().replace('-', "_").to_ascii_lowercase();
    Status::ALL.into_iter().find(|one| one.name() == wanted).ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|one| one.name()).collect();
        format!("there is no such status; there are {}", names.join(", "))
    })
}

/// Reads a value by its name, and lists all names when there is none.
fn named<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    let names = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("expected one of: {}", names()))
}

/// What makes a pipeline fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Any affected exposure.
    Affected,
    /// Any exposure that is fixed but not running.
    FixedNotRunning,
    /// An open exposure that is known to be exploited.
    Kev,
    /// An open exposure whose BOD 26-04 deadline has passed.
    Overdue,
    /// Any component without a source.
    Unknown,
    /// Any stale feed.
    Stale,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Collect {
    /// The machine that this runs on.
    Local(Output),
    /// An RVTools export (.xlsx).
    Rvtools(CollectFile),
    /// A CycloneDX bill of materials (JSON) of a host or an image.
    Cyclonedx(CollectBom),
    /// A table of hosts and VMs (CSV).
    Csv(CollectFile),
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Write the fleet file here instead of to stdout (.yaml and .yml give YAML).
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CollectFile {
    /// The file of the other tool.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct CollectBom {
    /// The bill of materials.
    pub(crate) file: PathBuf,
    /// The host that it describes.
    #[arg(long, value_name = "ID", conflicts_with = "image", required_unless_present = "image")]
    pub(crate) host: Option<String>,
    /// The image that it describes.
    #[arg(long, value_name = "ID")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct CvssTable {
    /// Table with the columns vector and base_score.
    #[arg(long, value_name = "FILE", required_unless_present = "vector")]
    pub(crate) tsv: Option<PathBuf>,
    /// A vector to score.
    #[arg(conflicts_with = "tsv")]
    pub(crate) vector: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, such as UP0003; none: list them all.
    pub(crate) code: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Feeds {
    /// Read files, folders and archives and tell what was accepted and what was not.
    Check(FeedsCheck),
    /// Fetch from a CSAF provider.
    Pull(FeedsPull),
    /// Try the quarantined documents again: a later version may read them.
    Retry(FeedsRetry),
}

#[derive(Debug, Args)]
pub(crate) struct FeedsCheck {
    /// Files, folders, archives; `-` for standard input.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Keep the bytes of bad documents in the quarantine of this data folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct FeedsPull {
    /// Address of provider-metadata.json, or of the site.
    pub(crate) url: String,
    /// Data folder: documents go to feeds/ in it, bad ones to quarantine/.
    #[arg(long, default_value = "underpin-data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Folder that keeps the documents and where the last pull stopped, if not below the data folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,
    /// Also trust the certificate authorities in this PEM file, beside those of the system.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Allow plain HTTP to other machines than this one.
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct FeedsRetry {
    /// Data folder with the quarantine; what is released goes to feeds/released in it.
    #[arg(long, default_value = "underpin-data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FleetVerb {
    /// The JSON Schema of the fleet file.
    Schema,
    /// An annotated example.
    Example,
    /// A made-up fleet of any size.
    Sample(Sample),
    /// Read a fleet file and tell everything that is wrong with it.
    Check(FleetCheck),
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// Number of hosts.
    #[arg(long, default_value_t = 60)]
    pub(crate) hosts: u32,
    /// Seed: the same seed gives the same fleet.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct FleetCheck {
    /// Fleet file (JSON or YAML); `-` for standard input.
    pub(crate) fleet: PathBuf,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Plan {
    #[command(subcommand)]
    pub(crate) verb: Option<PlanVerb>,
    /// Fleet file (JSON or YAML); `-` for standard input. A file of this name in the folder: `./convert`.
    #[arg(required = true)]
    pub(crate) fleet: Option<PathBuf>,
    /// When each migration of a public migration plan (UCC 2015: JSON, or an archive of them, in place of a fleet file) starts
    /// at best: the same moves, bandwidths, links and room as the plan has.
    #[arg(long, conflicts_with = "waves_only")]
    pub(crate) migrations_only: bool,
    /// Which plan of an archive (with --migrations-only): a part of its file name.
    #[arg(long, value_name = "NAME", requires = "migrations_only")]
    pub(crate) instance: Option<String>,
    /// The links of the nodes by their numbers, in Mbit/s (with --migrations-only): they are not in the file.
    #[arg(long, value_name = "MBPS", value_delimiter = ',', default_values_t = UCC15_LINKS_MBPS, requires = "migrations_only")]
    pub(crate) link_mbps: Vec<u64>,
    #[command(flatten)]
    pub(crate) full: FullPlan,
    /// The static waves alone: what holds while a wave is away, not the moves between. Exit code 3: it is proven that there is no schedule.
    #[arg(long)]
    pub(crate) waves_only: bool,
    /// Seed of the search: the same seed gives the same answer.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long to search: orders of hosts that are tried in all clusters together at each stage, beyond the first [default:
    /// 64]. With --waves-only: hosts that may be tried for a VM, in all, in each cluster; with --migrations-only: moves that
    /// are tried at a moment [default: 30000000].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) evaluations: Option<u64>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

/// Orders of hosts that a full plan tries at each stage beyond the first.
pub(crate) const PLAN_ORDERS: u64 = 64;
/// Hosts that static waves try for a VM in each cluster.
pub(crate) const WAVES_TRIES: u64 = 30_000_000;

#[derive(Debug, Args)]
pub(crate) struct PlanConvert {
    /// The format of the instance.
    #[arg(long, value_enum)]
    pub(crate) from: InstanceFormat,
    /// The instance, or the archive that holds it.
    pub(crate) file: PathBuf,
    /// Which instance of several: its id, its position, or a part of its file name.
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Flags of the peer that change its model (hroller), in one text.
    #[arg(long, default_value = "", allow_hyphen_values = true, value_name = "FLAGS")]
    pub(crate) peer_flags: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Public formats of planning instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstanceFormat {
    /// A JSON array of small instances with proven numbers of waves.
    WavesJson,
    /// A Ganeti cluster as text, as `hroller -t` reads it.
    Hroller,
    /// A BtrPlace instance: JSON, packed by gzip or not, or an archive of them.
    Btrplace,
}

#[derive(Debug, Args)]
pub(crate) struct Ripple {
    /// Fleet file (JSON or YAML); `-` for standard input.
    pub(crate) fleet: PathBuf,
    /// Id of an element, or a component name, or name@version.
    #[arg(long, value_name = "ID")]
    pub(crate) at: String,
    /// Show every row of the tables, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct Selfcheck {
    /// File of expected values (JSON: sections of rows with inputs and outputs); `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: PathBuf,
    /// Relative error up to which numbers agree; texts, booleans and nulls must be the same.
    #[arg(long, default_value_t = 1e-9, value_name = "ERROR")]
    pub(crate) tolerance: f64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Folder of the store, the feeds and the quarantine.
    #[arg(long, default_value = "underpin-data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8420", value_name = "ADDRESS:PORT")]
    pub(crate) listen: std::net::SocketAddr,
    /// Allow an address that other machines can reach. There is no sign-in yet: put one in front of it.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// A host name (without port) under which the pages are reached, beyond localhost and the address itself.
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// Start with the sample fleet if the store has none.
    #[arg(long)]
    pub(crate) sample: bool,
    /// Put this policy in force before the pages are served, instead of the one in the store.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The same for evidence.
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VersionVerb {
    /// Compare two versions, or check a table of expected results.
    Compare(Compare),
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// dpkg, rpm, esxi, xcp-ng, windows-kb, hex or generic.
    #[arg(long)]
    pub(crate) scheme: String,
    /// Table with the columns a, b and expected (-1, 0, 1).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["left", "right"], required_unless_present = "left")]
    pub(crate) tsv: Option<PathBuf>,
    /// A version.
    #[arg(requires = "right")]
    pub(crate) left: Option<String>,
    /// Another version.
    pub(crate) right: Option<String>,
}

/// Table, JSON or CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tabular {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}
