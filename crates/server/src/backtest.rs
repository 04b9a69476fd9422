//! Policies replayed over the history of a line, the same for the API and the page.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_exposure::FactBase;
use underpin_model::facts::Document;
use underpin_model::policy::Policy;
use underpin_risk::backtest::{
    self, Answer, Asked, BacktestError, DEFAULT_FLEET, EPSS_AT_LEAST, Line, Question,
};
use utoipa::IntoParams;

use crate::answers::{Answers, Same};
use crate::facts::current_policy;
use crate::index::Index;
use crate::problem::{Code, Problem};
use crate::query::{day, given};
use crate::state::{App, Shared};

/// Backtests of the current fleet, by these facts, under this policy.
pub(crate) type KnownBacktests = Answers<Basis, BacktestQuery, Answer>;

/// What a backtest rests on.
#[derive(Debug, PartialEq)]
pub(crate) struct Basis {
    facts: Same<FactBase>,
    index: Option<Same<Index>>,
    policy: Policy,
    /// Hashes of the dated scores.
    scores: Vec<String>,
}

/// Which backtest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BacktestQuery {
    /// Product or distribution: `esxi`, `proxmox`, `debian`, ...; without it, the one of most hosts of the fleet, or `esxi`.
    pub(crate) platform: Option<String>,
    /// Line of releases: `7.0`, `bookworm`; without it, the one of most hosts of the fleet, or `7.0`.
    pub(crate) line: Option<String>,
    /// What is released: `ESXi`, `linux`, `qemu`; needed where a line has several.
    pub(crate) component: Option<String>,
    /// First day; without it, that of the first release.
    pub(crate) from: Option<String>,
    /// Last day; without it, that of the last release.
    pub(crate) until: Option<String>,
    /// The least EPSS score on which the EPSS policy acts, 0 to 1; without it, 0.1.
    pub(crate) epss_at_least: Option<String>,
}

fn refused(error: &BacktestError) -> Problem {
    match error {
        BacktestError::UnknownLine { .. } | BacktestError::EmptyHistory(_) => {
            Code::NotFound.with(error.to_string())
        }
        _ => Code::BadQuery.with(error.to_string()),
    }
}

/// What a query asks for beside the line.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    from: Option<Date>,
    until: Option<Date>,
    epss_at_least: f64,
}

impl BacktestQuery {
    fn read(&self) -> Result<Wanted, Problem> {
        let epss_at_least = match given(&self.epss_at_least) {
            None => EPSS_AT_LEAST,
            Some(text) => text.parse().map_err(|_| {
                Code::BadQuery.with(format!("epss_at_least is {text:?}; give a probability from 0 to 1"))
            })?,
        };
        let (from, until) = (day("from", &self.from)?, day("until", &self.until)?);
        Ok(Wanted { from, until, epss_at_least })
    }
}

/// The facts and the policy that a replay rests on.
struct Ground {
    base: Arc<FactBase>,
    index: Option<Arc<Index>>,
    policy: Policy,
    scores: Arc<Vec<Document>>,
}

fn work(query: &BacktestQuery, wanted: Wanted, on: &Ground) -> Result<Answer, BacktestError> {
    let (base, fleet) = (&*on.base, on.index.as_ref().map(|it| &*it.fleet));
    let asked = Asked {
        platform: given(&query.platform),
        line: given(&query.line),
        component: given(&query.component),
    };
    let line = backtest::choose(base, fleet, asked)?;
    let hosts = fleet.and_then(|it| backtest::hosts_on(it, &line));
    let (replayed, stand_on_it) = hosts.unwrap_or((DEFAULT_FLEET, true));
    let Wanted { from, until, epss_at_least } = wanted;
    let question = Question { from, until, fleet: replayed, epss_at_least };
    let history = backtest::of_facts(base, &line, &on.scores)?;
    let mut report = backtest::run(&history, &question, &on.policy)?;
    report.notes.splice(0..0, backtest::chosen(base, fleet, asked, &line));
    if fleet.is_some_and(|it| it.hosts.is_empty()) {
        report.notes.insert(0, "the fleet has no hosts: a fleet is assumed".to_owned());
    }
    if !stand_on_it {
        report.notes.insert(0, backtest::as_if(&line, replayed));
    }
    Ok(Answer { report, lines: backtest::lines(base).into_iter().collect() })
}

/// The backtest that a query asks for, by the feeds, the fleet, the policy and the dated scores of now.
pub(crate) async fn answer(app: &Shared, query: &BacktestQuery) -> Result<Arc<Answer>, Problem> {
    let wanted = query.read()?;
    let (base, index, policy) = (app.facts().await?, app.index(), current_policy(app));
    let (scores, hashes) = app.dated_scores(&base).await?;
    let basis = Basis {
        facts: Same(Arc::clone(&base)),
        index: index.clone().map(Same),
        policy: policy.clone(),
        scores: hashes,
    };
    let (asked, on) = (query.clone(), Ground { base, index, policy, scores });
    let work = move || work(&asked, wanted, &on).map_err(|error| refused(&error));
    app.backtests.get(basis, query.clone(), work).await
}

impl App {
    /// The lines that can be replayed.
    pub(crate) async fn lines(&self) -> Result<Vec<Line>, Problem> {
        let base = self.facts().await?;
        Ok(tokio::task::spawn_blocking(move || backtest::lines(&base).into_iter().collect()).await?)
    }
}
