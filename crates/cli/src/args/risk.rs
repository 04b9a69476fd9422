//! The verbs about risk.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use underpin_risk::report::GroupBy;

use super::judged::{FleetAndFacts, PolicyAndEvidence};
use super::{ChartFormat, Tabular, day, named};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Risk {
    #[command(subcommand)]
    pub(crate) verb: Option<RiskVerb>,
    #[command(flatten)]
    pub(crate) of: Option<FleetAndFacts>,
    #[command(flatten)]
    pub(crate) beliefs: PolicyAndEvidence,
    #[command(flatten)]
    pub(crate) shape: RiskShape,
}

/// Of what kind the answer is, and how it is written.
#[derive(Debug, Args)]
pub(crate) struct RiskShape {
    /// The day that the report speaks about; now, if not given.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<Date>,
    /// The naive figures: the same probabilities of every host, and nothing in common.
    #[arg(long)]
    pub(crate) independent: bool,
    /// Hosts by: decision (release, hardware, ring), cluster, platform, release, hardware, ring.
    #[arg(long, default_value = "decision", value_parser = group_by, value_name = "WHAT")]
    pub(crate) group_by: GroupBy,
    /// Weighted samples.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub(crate) samples: u32,
    /// Days that the deferral of a tenant is priced for.
    #[arg(long, default_value_t = 7, value_name = "DAYS")]
    pub(crate) deferral_days: u16,
    /// Say where confidentiality, integrity and availability stand, with the facts that made it, instead of figures.
    #[arg(long)]
    pub(crate) standing: bool,
    /// Show every row of the tables, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Tabular::Table)]
    pub(crate) format: Tabular,
    /// Write to a file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RiskVerb {
    /// The elicitation sheet: every parameter as a question, with default, range and source.
    Elicit(Elicit),
}

/// Table or TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sheet {
    /// For a terminal.
    Table,
    /// A part of a policy file, to be filled in.
    Toml,
}

#[derive(Debug, Args)]
pub(crate) struct Elicit {
    /// Policy file (TOML): what it states is shown instead of the defaults.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Sheet::Table)]
    pub(crate) format: Sheet,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) of: FleetAndFacts,
    #[command(flatten)]
    pub(crate) beliefs: PolicyAndEvidence,
    /// The day that is decided on; now, if not given.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<Date>,
    /// Span that losses are counted over.
    #[arg(long, default_value_t = 90, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) horizon: u16,
    /// Only groups and releases whose name contains this text, each with its loss curve, terms and tornado.
    #[arg(long, value_name = "TEXT")]
    pub(crate) group: Option<String>,
    /// Show every row, and the recommendation of each in a sentence.
    #[arg(long)]
    pub(crate) all: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Tabular::Table)]
    pub(crate) format: Tabular,
}

fn group_by(text: &str) -> Result<GroupBy, String> {
    named(text, &GroupBy::ALL, GroupBy::name)
}

#[derive(Debug, Args)]
pub(crate) struct Backtest {
    /// Fleet file whose hosts and VMs are replayed; `-` for standard input. Without one: 100 hosts with 20 VMs each.
    pub(crate) fleet: Option<PathBuf>,
    /// Product or distribution; the most frequent one of the fleet, or esxi, if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) platform: Option<String>,
    /// Line of releases (7.0, bookworm); the most frequent one of the fleet, or 7.0, if not given.
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,
    /// What is released (ESXi, linux, xen, qemu); needed where a line has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Feeds beside the built-in facts: files, folders, archives.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) feeds: Vec<PathBuf>,
    /// Leave the built-in facts out.
    #[arg(long)]
    pub(crate) no_builtin: bool,
    /// Policy file (TOML); without one, the default policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// First day; that of the first release, if not given.
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<Date>,
    /// Last day; that of the last release, if not given.
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Date>,
    /// EPSS files, each of the day that its first line names.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) epss: Vec<PathBuf>,
    /// The least EPSS score on which the EPSS policy acts.
    #[arg(long, default_value_t = underpin_risk::backtest::EPSS_AT_LEAST, value_name = "PROBABILITY")]
    pub(crate) epss_at_least: f64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = ChartFormat::Table)]
    pub(crate) format: ChartFormat,
    /// Write to a file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Clocks {
    #[command(flatten)]
    pub(crate) of: FleetAndFacts,
    /// Policy file (TOML) with the promises.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The day that the clocks are read on; today, if not given.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<Date>,
    /// Hosts patched per day in the forecast; the policy's pace, if not given.
    #[arg(long, value_name = "HOSTS_PER_DAY")]
    pub(crate) plan_pace: Option<f64>,
    /// A clock that is due within this many days is due soon.
    #[arg(long, default_value_t = underpin_risk::clocks::SOON_DAYS, value_name = "DAYS")]
    pub(crate) soon: u16,
    /// Only the clocks of this tenant: of its VMs and of the hosts beneath them.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Exit with code 1 when a promise is breached, or a clock cannot be read for want of a fact.
    #[arg(long)]
    pub(crate) check: bool,
    /// Show every clock, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Tabular::Table)]
    pub(crate) format: Tabular,
}
