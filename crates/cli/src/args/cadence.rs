//! The verb about cadence.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use underpin_exposure::cadence::{CLASSES, Dated, Policy, Split};
use underpin_exposure::report::Area;
use underpin_model::facts::PatchClass;

use super::named;

#[derive(Debug, Args)]
pub(crate) struct Cadence {
    /// File with one release date (YYYY-MM-DD) a line, # starts a comment; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["platform", "line",
        "component", "area", "class", "bulletin", "dated", "by", "feeds", "no_builtin", "policy", "fleet"])]
    pub(crate) dates: Option<PathBuf>,
    /// A platform of the facts (esxi, proxmox, debian, xen, ...); several stand side by side.
    #[arg(long, value_name = "NAME")]
    pub(crate) platform: Vec<String>,
    /// A product line (6.7, bookworm); several stand side by side.
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Vec<String>,
    /// Only this component, `*` for any letters; several are counted together.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Vec<String>,
    /// Only components of this area: vmm-core, device-emulation, management, kernel, firmware, guest-tools, network, other.
    #[arg(long, value_parser = area, value_name = "AREA")]
    pub(crate) area: Option<Area>,
    /// Only patches of this class: security, bug-fix, hardware-enablement, feature.
    #[arg(long, value_parser = class, value_name = "CLASS")]
    pub(crate) class: Option<PatchClass>,
    /// Only patches whose bulletin starts with this text (DSA-).
    #[arg(long, value_name = "START")]
    pub(crate) bulletin: Option<String>,
    /// Only days of this kind: published, advisory, built. Kinds are never mixed; without it the first one that is known.
    #[arg(long, value_parser = dated, value_name = "KIND")]
    pub(crate) dated: Option<Dated>,
    /// Which patches make a maintenance: all, security, cve (names one), applicable (installed on the hosts of --fleet).
    #[arg(long, default_value = "all", value_parser = policy, value_name = "POLICY")]
    pub(crate) policy: Policy,
    /// Fleet file for the policy applicable.
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: Option<PathBuf>,
    /// One series for each line, component, area or class, or of nothing: all together. ESXi alone is split by line where nobody says.
    #[arg(long, value_parser = split, value_name = "WHAT")]
    pub(crate) by: Option<By>,
    /// The day on which the host was built; patches of that day are in it.
    #[arg(long, value_name = "DATE")]
    pub(crate) built: Option<Date>,
    /// The last day that counts; without it, as far as the facts go.
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Date>,
    /// Patches within so many days of the first one are one maintenance.
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    pub(crate) batch_days: u16,
    /// Feeds beside the built-in facts: files, folders, archives.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) feeds: Vec<PathBuf>,
    /// Leave the built-in facts out.
    #[arg(long)]
    pub(crate) no_builtin: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = ChartFormat::Table)]
    pub(crate) format: ChartFormat,
    /// Write to a file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How data with a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChartFormat {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets: a row a maintenance, or a policy.
    Csv,
    /// One self-contained page.
    Html,
    /// Its picture in one file: the timeline, or the frontier.
    Svg,
}

fn area(text: &str) -> Result<Area, String> {
    named(text, &Area::ALL, Area::name)
}

fn class(text: &str) -> Result<PatchClass, String> {
    named(text, &CLASSES, |(_, name)| name).map(|(class, _)| class)
}

fn dated(text: &str) -> Result<Dated, String> {
    named(text, &Dated::ALL, Dated::name)
}

fn policy(text: &str) -> Result<Policy, String> {
    named(text, &Policy::ALL, Policy::name)
}

fn split(text: &str) -> Result<By, String> {
    let all: Vec<By> = Split::ALL.into_iter().map(|it| By(Some(it))).chain([By(None)]).collect();
    named(text, &all, |it| it.0.map_or("nothing", Split::name))
}

/// What somebody asked to split by; `None`: nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By(pub(crate) Option<Split>);
