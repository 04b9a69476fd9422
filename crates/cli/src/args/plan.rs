//! The verbs about plans.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use underpin_model::fleet::Action;
use underpin_model::id::{ClusterId, TenantId};

use super::{Plain, PlanConvert};

/// What a plan is made from, beside the fleet.
#[derive(Debug, Args)]
pub(crate) struct PlanInputs {
    /// Feeds: files, folders, archives. Without any, the built-in facts are used alone. They say what the holes of each
    /// host stand for: hosts that cost most while they are open come first.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) feeds: Vec<PathBuf>,
    /// Leave the built-in facts out. Without feeds and without these, all hosts are equally urgent.
    #[arg(long)]
    pub(crate) no_builtin: bool,
    /// Policy file (TOML): rings, limits, windows, durations, prices. Without one, the default policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The instant at which the plan starts and facts are judged (2026-11-21T20:00:00Z); now, if not given.
    #[arg(long, visible_alias = "as-of", value_name = "TIMESTAMP")]
    pub(crate) starts_at: Option<Timestamp>,
}

impl PlanInputs {
    /// Nothing was asked for beyond the fleet.
    pub(crate) fn is_empty(&self) -> bool {
        self.feeds.is_empty() && !self.no_builtin && self.policy.is_none() && self.starts_at.is_none()
    }
}

/// What is asked of a full plan, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct FullPlan {
    #[command(flatten)]
    pub(crate) inputs: PlanInputs,
    /// Compress soak and rings within the policy's limits; the report says what that gives up.
    #[arg(long)]
    pub(crate) emergency: bool,
    /// Where guests stay after their host was changed; as the policy says, if not given.
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) homing: Option<HomingChoice>,
    /// The plan that this one follows: what changes against it is told.
    #[arg(long, value_name = "PLAN")]
    pub(crate) parent: Option<PathBuf>,
    /// Write the plan here (JSON). Without it, a table or JSON on stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the report of the plan here (JSON).
    #[arg(long, value_name = "FILE", requires = "out")]
    pub(crate) report: Option<PathBuf>,
    /// Show every row of the tables, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
}

impl FullPlan {
    /// Nothing was asked for that only a full plan has.
    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
            && !self.emergency
            && self.homing.is_none()
            && self.parent.is_none()
            && self.out.is_none()
            && !self.all
    }
}

/// Where guests stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HomingChoice {
    /// Where they went: fewest moves.
    Drift,
    /// They go back: twice the moves, the old placement.
    Home,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanVerb {
    /// Make a fleet file from a public planning instance, its limits and model included.
    Convert(PlanConvert),
    /// What a plan does otherwise than another one.
    Diff(PlanDiff),
    /// The JSON Schema of plan files, or of their reports.
    Schema(PlanSchema),
    /// A plan as a table, as a Gantt chart, or step by step for one host.
    Show(PlanShow),
    /// Plan twice, as things are and as they might be, and tell what that changes.
    WhatIf(Box<PlanWhatIf>),
}

#[derive(Debug, Args)]
pub(crate) struct PlanDiff {
    /// The old plan.
    pub(crate) old: PathBuf,
    /// The new plan.
    pub(crate) new: PathBuf,
    /// Exit with code 1 when they differ.
    #[arg(long)]
    pub(crate) fail_on_change: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct PlanSchema {
    /// Of which file.
    #[arg(long, value_enum, default_value_t = PlanFile::Plan)]
    pub(crate) of: PlanFile,
}

/// The two files of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFile {
    /// The plan.
    Plan,
    /// Its report.
    Report,
}

#[derive(Debug, Args)]
pub(crate) struct PlanShow {
    /// The plan; `-` for standard input.
    pub(crate) plan: PathBuf,
    /// Its report: why waves wait, what is blocked, bounds.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// A Gantt chart in the terminal.
    #[arg(long, conflicts_with_all = ["host", "format"])]
    pub(crate) gantt: bool,
    /// Write the Gantt chart as a picture (SVG) to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// The steps of one host (or other element), and of guests that come to it.
    #[arg(long, value_name = "ID")]
    pub(crate) host: Option<String>,
    /// Show every row, not only the first ones.
    #[arg(long)]
    pub(crate) all: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

#[derive(Debug, Args)]
pub(crate) struct PlanWhatIf {
    /// Fleet file (JSON or YAML); `-` for standard input.
    pub(crate) fleet: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: PlanInputs,
    #[command(flatten)]
    pub(crate) relaxed: WhatIf,
    /// Seed of the search: the same seed gives the same plans.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Orders of hosts that are tried in all clusters together at each stage, beyond the first.
    #[arg(long, default_value_t = super::PLAN_ORDERS, value_name = "NUMBER")]
    pub(crate) evaluations: u64,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Plain::Table)]
    pub(crate) format: Plain,
}

/// What might be otherwise.
#[derive(Debug, Args)]
#[group(id = "relaxed", required = true, multiple = true)]
pub(crate) struct WhatIf {
    /// One more host in a cluster (or N), each like its largest one, and empty.
    #[arg(long, value_parser = more_hosts, value_name = "CLUSTER[=N]")]
    pub(crate) add_host: Vec<(ClusterId, u32)>,
    /// Without any consent of a tenant.
    #[arg(long, value_parser = tenant, value_name = "TENANT")]
    pub(crate) without_consent: Vec<TenantId>,
    /// With the consent of a tenant to an action: live-migrate, cold-migrate, suspend or power-off; for all of its guests, or for one.
    #[arg(long, value_parser = consent, value_name = "TENANT:ACTION[=VM]")]
    pub(crate) with_consent: Vec<Agreed>,
    /// With windows of a tenant so many minutes longer; without a tenant those of the hosts.
    #[arg(long, value_parser = longer, value_name = "[TENANT=]MINUTES")]
    pub(crate) longer_window: Vec<(Option<TenantId>, u32)>,
    /// With a window of so many minutes every day, from midnight UTC, for a tenant's guests, a host or a management plane.
    #[arg(long, value_parser = minutes_of, value_name = "TENANT|HOST|PLANE=MINUTES")]
    pub(crate) open_window: Vec<(String, u32)>,
    /// With an exception: restartability:CLUSTER, release-diversity, freeze-calendar:TENANT|HOST, or apart, together, on-hosts or allowed-action:VM.
    #[arg(long, value_name = "RULE[:ELEMENT]")]
    pub(crate) with_exception: Vec<String>,
    /// Without a freeze of the policy, whoever it speaks of.
    #[arg(long, value_name = "FREEZE")]
    pub(crate) without_freeze: Vec<String>,
    /// With so many Mbit/s for migrations in the cluster of a host.
    #[arg(long, value_parser = amount_of, value_name = "HOST=MBPS")]
    pub(crate) bandwidth: Vec<(String, u32)>,
    /// With a cluster or storage whole again.
    #[arg(long, value_name = "ELEMENT")]
    pub(crate) repair: Vec<String>,
    /// With every lock on a guest ended.
    #[arg(long, value_name = "VM")]
    pub(crate) unlock: Vec<String>,
    /// At most so many hosts of a cluster away at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_unavailable: Option<u32>,
    /// Without the reserve for a failure.
    #[arg(long)]
    pub(crate) without_reserve: bool,
    /// Guests stay elsewhere.
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) homing: Option<HomingChoice>,
    /// In the emergency profile.
    #[arg(long)]
    pub(crate) emergency: bool,
}

/// Most hosts that may be added to a cluster.
const MOST_HOSTS: u32 = 1000;

fn more_hosts(text: &str) -> Result<(ClusterId, u32), String> {
    let (cluster, hosts) = match text.rsplit_once('=') {
        Some((cluster, hosts)) => {
            let hosts = hosts.parse().ok().filter(|it| (1..=MOST_HOSTS).contains(it));
            (cluster, hosts.ok_or_else(|| format!("expected CLUSTER=N with N from 1 to {MOST_HOSTS}"))?)
        }
        None => (text, 1),
    };
    Ok((ClusterId::new(cluster).map_err(|error| error.to_string())?, hosts))
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::new(text).map_err(|error| error.to_string())
}

/// A name and an amount of at least one.
fn amount_of(text: &str) -> Result<(String, u32), String> {
    let (name, amount) = text.rsplit_once('=').ok_or("expected NAME=NUMBER")?;
    let amount =
        amount.parse().ok().filter(|it| *it > 0).ok_or("expected NAME=NUMBER with a number of 1 or more")?;
    Ok((name.to_owned(), amount))
}

/// Most minutes of a window: a year, as in policies.
const MOST_MINUTES: u32 = 366 * 24 * 60;

fn minutes_of(text: &str) -> Result<(String, u32), String> {
    let expected = || format!("expected NAME=MINUTES with a number from 1 to {MOST_MINUTES} (a year)");
    amount_of(text).ok().filter(|it| it.1 <= MOST_MINUTES).ok_or_else(expected)
}

fn longer(text: &str) -> Result<(Option<TenantId>, u32), String> {
    let (name, minutes) = text.rsplit_once('=').map_or((None, text), |(name, minutes)| (Some(name), minutes));
    let minutes = minutes.parse().ok().filter(|it| (1..=MOST_MINUTES).contains(it));
    let expected = || format!("expected [TENANT=]MINUTES with a number from 1 to {MOST_MINUTES} (a year)");
    let minutes = minutes.ok_or_else(expected)?;
    Ok((name.map(tenant).transpose()?, minutes))
}

/// An owner's yes: without a tenant that of whoever owns guests of no tenant.
#[derive(Debug, Clone)]
pub(crate) struct Agreed {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) action: Action,
    /// To this guest alone.
    pub(crate) vm: Option<String>,
}

fn consent(text: &str) -> Result<Agreed, String> {
    let actions = [
        (":live-migrate", Action::LiveMigrate),
        (":cold-migrate", Action::ColdMigrate),
        (":suspend", Action::Suspend),
        (":power-off", Action::PowerOff),
    ];
    // Ids may hold colons and equals signs: what is told apart is the action between them.
    let found = actions.into_iter().find_map(|(word, action)| {
        let (name, vm) = text.strip_suffix(word).map(|name| (name, None)).or_else(|| {
            let (name, vm) = text.split_once(&format!("{word}="))?;
            Some((name, Some(vm.to_owned())))
        })?;
        Some((name, action, vm))
    });
    let expected = "expected TENANT:ACTION or TENANT:ACTION=VM with one of live-migrate, cold-migrate, suspend, power-off";
    let (name, action, vm) = found.ok_or(expected)?;
    if name.is_empty() && vm.is_none() {
        return Err(format!("{expected}; without a tenant only for one guest"));
    }
    let tenant = (!name.is_empty()).then(|| tenant(name)).transpose()?;
    Ok(Agreed { tenant, action, vm })
}
