//! Queries for cadence, the same for the API and the page.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use underpin_exposure::FactBase;
use underpin_exposure::cadence::{
    CLASSES, Cadence, Dated, History, Installed, Interval, Policy, Query, Split,
};
use underpin_exposure::report::Area;
use utoipa::IntoParams;

use crate::answers::{Answers, Same};
use crate::problem::{Code, Problem};
use crate::query::{day, given};
use crate::state::{App, Shared, no_fleet};

/// The dated patches of these facts.
pub(crate) type KnownHistory = Answers<Same<FactBase>, (), History>;

/// Which cadence.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CadenceQuery {
    /// Platforms, comma-separated: `esxi`, `proxmox`, `debian`, `xen`, ...; without it, all that the feeds have.
    pub(crate) platform: Option<String>,
    /// Product lines, comma-separated; each makes a series of every platform that has it.
    pub(crate) line: Option<String>,
    /// Components, comma-separated, `*` for any letters; they are counted together.
    pub(crate) component: Option<String>,
    /// Only components of this area: `vmm-core`, `device-emulation`, `management`, `kernel`, `firmware`, `guest-tools`, `network`, `other`.
    pub(crate) area: Option<String>,
    /// Only patches of this class: `security`, `bug-fix`, `hardware-enablement`, `feature`.
    pub(crate) class: Option<String>,
    /// Only patches whose bulletin starts with this text.
    pub(crate) bulletin: Option<String>,
    /// Only days of this kind: `published`, `advisory`, `built`; without it the first one that is known.
    pub(crate) dated: Option<String>,
    /// Which patches make a maintenance: `all`, `security`, `cve`, `applicable` (installed on the hosts of the current fleet).
    pub(crate) policy: Option<String>,
    /// The day on which the host was built; patches of that day are in it.
    pub(crate) built: Option<String>,
    /// The last day that counts; without it, as far as the facts go.
    pub(crate) until: Option<String>,
    /// Patches within so many days of the first one are one maintenance.
    pub(crate) batch_days: Option<String>,
    /// One series for each `line`, `component`, `area` or `class`, or of `nothing`: all together. `esxi` alone is split by line where nobody says.
    pub(crate) by: Option<String>,
}

fn list(text: &Option<String>) -> Vec<String> {
    let words = given(text).into_iter().flat_map(|text| text.split(',')).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn named<T: Copy>(
    name: &str,
    text: &Option<String>,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    let found = all.iter().copied().find(|one| name_of(*one) == text);
    let names = || all.iter().map(|one| name_of(*one)).collect::<Vec<_>>().join(", ");
    found.map(Some).ok_or_else(|| Code::BadQuery.with(format!("{name} is {text:?}; give one of {}", names())))
}

impl CadenceQuery {
    /// What to split by: what is asked for, else what is usual.
    pub(crate) fn split(&self) -> Result<Option<Split>, Problem> {
        match given(&self.by) {
            Some("nothing") => Ok(None),
            Some(_) => named("by", &self.by, &Split::ALL, Split::name),
            None => Ok(Split::usual(&list(&self.platform), &list(&self.line), &list(&self.component))),
        }
    }

    fn read(&self) -> Result<Query<'static>, Problem> {
        let batch_days = match given(&self.batch_days) {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                Code::BadQuery.with(format!("batch_days is {text:?}; give a number from 0 to 65535"))
            })?,
        };
        Ok(Query {
            platforms: list(&self.platform),
            lines: list(&self.line),
            components: list(&self.component),
            area: named("area", &self.area, &Area::ALL, Area::name)?,
            class: named("class", &self.class, &CLASSES, |(_, name)| name)?.map(|(class, _)| class),
            bulletin: given(&self.bulletin).map(str::to_owned),
            dated: named("dated", &self.dated, &Dated::ALL, Dated::name)?,
            policy: named("policy", &self.policy, &Policy::ALL, Policy::name)?.unwrap_or_default(),
            installed: None,
            interval: Interval { built: day("built", &self.built)?, until: day("until", &self.until)? },
            batch_days,
            by: self.split()?,
        })
    }
}

/// The cadence that a query asks for, by the feeds and the fleet of now.
pub(crate) async fn answer(app: &Shared, query: &CadenceQuery) -> Result<Cadence, Problem> {
    let query = query.read()?;
    let history = app.history().await?;
    let fleet = match query.policy {
        Policy::Applicable => Some(Arc::clone(&app.index().ok_or_else(no_fleet)?.fleet)),
        _ => None,
    };
    tokio::task::spawn_blocking(move || {
        let installed = fleet.as_deref().map(Installed::on_hosts);
        let query = Query { installed: installed.as_ref(), ..query };
        history.cadence(&query).map_err(|error| Code::BadQuery.with(error.to_string()))
    })
    .await?
}

impl App {
    /// Every dated patch of the current feeds; made anew only when the feeds have changed.
    pub(crate) async fn history(&self) -> Result<Arc<History>, Problem> {
        let base = self.facts().await?;
        self.history.get(Same(Arc::clone(&base)), (), move || Ok(History::new(&base))).await
    }
}
