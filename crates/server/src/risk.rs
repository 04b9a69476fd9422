//! The risk of the current fleet: worked out when first asked for, once for each assessment, policy and evidence, by one thread
//! at a time that may block; the same for the API and the pages.

mod asked;
mod tail;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use tokio::sync::OnceCell;
use underpin_exposure::FactBase;
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_model::quantity::Days;
use underpin_risk::report::{self, GroupBy, ReportError, Request, RiskReport};
use underpin_risk::standing::Standing;
use underpin_risk::wait::{self, About, Evidence, GroupDecision};

pub(crate) use self::asked::{Asked, RiskQuery};
use self::tail::detail_of;
pub(crate) use self::tail::{Detail, Tail, TailPoint};
use crate::in_force::InForce;
use crate::index::Index;
use crate::problem::{Code, Problem};
use crate::standing::Kind;
use crate::state::{App, Shared, no_fleet};

/// What a risk rests on. It is kept with the answer, so that an answer is never shown for another state.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    pub(crate) index: Arc<Index>,
    pub(crate) policy: Arc<InForce<Policy>>,
    pub(crate) evidence: Arc<InForce<Evidence>>,
}

impl Basis {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.index, &other.index)
            && Arc::ptr_eq(&self.policy, &other.policy)
            && Arc::ptr_eq(&self.evidence, &other.evidence)
    }
}

/// A report with what it rests on.
#[derive(Debug)]
pub(crate) struct RiskAnswer {
    pub(crate) basis: Basis,
    pub(crate) report: RiskReport,
    /// Its predictions are kept.
    pub(crate) foretold: AtomicBool,
}

/// Every decision of a fleet, with curves.
#[derive(Debug)]
pub(crate) struct Decisions {
    pub(crate) basis: Basis,
    pub(crate) list: Vec<GroupDecision>,
    /// What a reader must know beside them.
    pub(crate) about: About,
}

type Decided = Arc<OnceLock<Result<Arc<Decisions>, Problem>>>;

type Once<T> = Arc<OnceCell<Result<Arc<T>, Problem>>>;

/// What has been worked out for one basis.
#[derive(Debug)]
pub(crate) struct Known {
    basis: Basis,
    reports: Vec<(Asked, Once<RiskAnswer>)>,
    detail: Once<Detail>,
    decisions: Once<Arc<Decisions>>,
    /// The same decisions, where the work for a report finds or leaves them: whoever comes first makes them.
    decided: Decided,
    /// Of elements that were looked at: the one of a tenant takes as long as it has VMs.
    standings: BTreeMap<(Kind, String), Arc<Standing>>,
}

/// Standings that are kept.
const STANDINGS: usize = 1_000;

impl Known {
    fn of(basis: Basis) -> Self {
        Self {
            basis,
            reports: Vec::new(),
            detail: Arc::default(),
            decisions: Arc::default(),
            decided: Arc::default(),
            standings: BTreeMap::new(),
        }
    }
}

fn refused(error: &impl std::fmt::Display) -> Problem {
    Code::NoRisk.with(format!("The risk of this fleet cannot be worked out: {error}"))
}

/// The report with what the core asks for.
fn report_of(
    basis: &Basis,
    base: &FactBase,
    asked: Asked,
    decisions: &[GroupDecision],
) -> Result<RiskReport, Problem> {
    let mut request = Request::new(
        &basis.index.fleet,
        &basis.index.assessment,
        base,
        &basis.policy.value,
        &basis.evidence.value,
    );
    request.independent = asked.independent;
    request.group_by = asked.group_by;
    report::report_with(&request, decisions).map_err(|error| match error {
        ReportError::NothingToJudge { .. } => nothing_to_judge(&basis.index.fleet),
        other => refused(&other),
    })
}

fn decisions_of(basis: &Basis, base: &FactBase) -> Result<Decisions, Problem> {
    let request = wait::Request {
        fleet: &basis.index.fleet,
        assessment: &basis.index.assessment,
        base,
        policy: &basis.policy.value,
        evidence: &basis.evidence.value,
        horizon_days: wait::groups::HORIZON_DAYS,
    };
    let list = wait::groups(&request).map_err(|error| refused(&error))?;
    let about = About::of(&request, &list);
    Ok(Decisions { basis: basis.clone(), list, about })
}

/// The decisions of a basis, made by whoever asks first.
fn decided_once(
    decided: &OnceLock<Result<Arc<Decisions>, Problem>>,
    made: &AtomicU64,
    basis: &Basis,
    base: &FactBase,
) -> Result<Arc<Decisions>, Problem> {
    let decide = || {
        made.fetch_add(1, Ordering::Relaxed);
        decisions_of(basis, base).map(Arc::new)
    };
    decided.get_or_init(decide).clone()
}

impl App {
    /// What this fleet and policy are now.
    pub(crate) fn basis(&self) -> Result<Basis, Problem> {
        let index = self.index().ok_or_else(no_fleet)?;
        Ok(Basis { index, policy: self.in_force(), evidence: self.in_force() })
    }

    /// The same, of a fleet in which something can be hit.
    fn judged(&self) -> Result<Basis, Problem> {
        let basis = self.basis()?;
        if basis.index.fleet.hosts.is_empty() { Err(nothing_to_judge(&basis.index.fleet)) } else { Ok(basis) }
    }

    /// A standing that was worked out before.
    pub(crate) fn known_standing(&self, basis: &Basis, kind: Kind, id: &str) -> Option<Arc<Standing>> {
        self.with_known(basis, |known| known.standings.get(&(kind, id.to_owned())).cloned())
    }

    /// Keeps a standing for the next look.
    pub(crate) fn keep_standing(&self, basis: &Basis, kind: Kind, id: String, standing: &Arc<Standing>) {
        self.with_known(basis, |known| {
            if known.standings.len() >= STANDINGS {
                known.standings.clear();
            }
            known.standings.insert((kind, id), Arc::clone(standing));
        });
    }

    /// What is known of this basis; what was known of an older fleet, policy or evidence is forgotten.
    fn with_known<T>(&self, basis: &Basis, pick: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.risk.lock().unwrap_or_else(PoisonError::into_inner);
        let current = known.take().filter(|it| it.basis.is(basis));
        pick(known.insert(current.unwrap_or_else(|| Known::of(basis.clone()))))
    }

    /// Fills a place once, however many ask for it. The work goes on when those who asked have gone, so that the next
    /// one finds it done.
    async fn once<T: Send + Sync + 'static>(
        self: &Arc<Self>,
        place: Once<T>,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<Arc<T>, Problem> {
        if let Some(done) = place.get() {
            return done.clone();
        }
        let app = Arc::clone(self);
        let filled = tokio::spawn(async move {
            let fill = async {
                // One after the other: several at once would take all cores from the pages.
                let _turn = app.risking.lock().await;
                tokio::task::spawn_blocking(work).await?.map(Arc::new)
            };
            place.get_or_init(|| fill).await.clone()
        });
        // Before the limit of the request cuts it off with words that do not fit.
        match tokio::time::timeout(self.config.timeout.mul_f32(0.8), filled).await {
            Ok(done) => done?,
            Err(_) => Err(Code::TooSlow.with(
                "The risk of this fleet is still being worked out, and that goes on: ask again in a moment.",
            )),
        }
    }

    /// The report on the risk of the current fleet.
    pub(crate) async fn risk(self: &Shared, asked: Asked) -> Result<Arc<RiskAnswer>, Problem> {
        let basis = self.judged()?;
        let base = self.facts().await?;
        let (place, decided) = self.with_known(&basis, |known| {
            let found = known.reports.iter().find(|(it, _)| *it == asked).map(|(_, once)| Arc::clone(once));
            let place = found.unwrap_or_else(|| {
                let once = Once::default();
                known.reports.push((asked, Arc::clone(&once)));
                once
            });
            (place, Arc::clone(&known.decided))
        });
        let made = Arc::clone(&self.decisions_made);
        let work = move || {
            let by_decision = asked.group_by == GroupBy::Decision;
            let known = by_decision.then(|| decided_once(&decided, &made, &basis, &base)).transpose()?;
            let decisions = known.as_ref().map_or(&[][..], |it| &it.list);
            let report = report_of(&basis, &base, asked, decisions)?;
            Ok(RiskAnswer { basis, report, foretold: AtomicBool::new(false) })
        };
        let answer = self.once(place, work).await?;
        if !asked.independent {
            self.foretell(&answer).await?;
        }
        Ok(answer)
    }

    /// The tails in detail.
    pub(crate) async fn risk_detail(self: &Shared) -> Result<Arc<Detail>, Problem> {
        let basis = self.judged()?;
        let base = self.facts().await?;
        let place = self.with_known(&basis, |known| Arc::clone(&known.detail));
        self.once(place, move || detail_of(&basis, &base)).await
    }

    /// Patch or wait for every group and every release that is due, with curves.
    pub(crate) async fn decisions(self: &Shared) -> Result<Arc<Decisions>, Problem> {
        let basis = self.judged()?;
        let base = self.facts().await?;
        let (place, decided) =
            self.with_known(&basis, |known| (Arc::clone(&known.decisions), Arc::clone(&known.decided)));
        let made = Arc::clone(&self.decisions_made);
        let work = move || decided_once(&decided, &made, &basis, &base);
        Ok(Arc::clone(&*self.once(place, work).await?))
    }
}

/// A fleet in which nothing can be hit has no risk of 0: it has none that could be judged.
pub(crate) fn nothing_to_judge(fleet: &Fleet) -> Problem {
    Code::NothingToJudge.with(format!(
        "The fleet {:?} has no hosts, so nothing can be hit and there is nothing to judge. Upload a fleet with hosts: POST \
         /api/v1/fleets, or the page /fleets.",
        fleet.name
    ))
}

/// Groups that are named to whoever asks for one that is not there.
const NAMED: usize = 5;

impl Decisions {
    /// The decisions of a group by its name.
    pub(crate) fn of_group(&self, name: &str) -> Result<Vec<&GroupDecision>, Problem> {
        let own: Vec<&GroupDecision> = self.list.iter().filter(|it| it.group.to_string() == name).collect();
        if !own.is_empty() {
            return Ok(own);
        }
        let mut known: Vec<String> = self.list.iter().map(|it| it.group.to_string()).collect();
        known.dedup();
        let shown: String = name.chars().take(200).collect();
        let detail = match known.len() {
            0 => format!("Nothing is due on a group {shown:?}, nor on any other."),
            all => {
                let more = all.saturating_sub(NAMED);
                let more =
                    if more > 0 { format!(" and {more} more; /risk/group lists all") } else { String::new() };
                let first =
                    known.iter().take(NAMED).map(|it| format!("{it:?}")).collect::<Vec<_>>().join(", ");
                format!("Nothing is due on a group {shown:?}. Something is due on {first}{more}.")
            }
        };
        Err(Code::NotFound.with(detail))
    }
}

/// The horizon of a report as days.
pub(crate) fn horizon(report: &RiskReport) -> Days {
    Days::new(report.horizon_days).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::{Config, Core};

    async fn app(timeout: Duration) -> (tempfile::TempDir, Shared) {
        let folder = tempfile::tempdir().unwrap();
        let store = underpin_store::Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        let config = Config { timeout, ..Config::default() };
        (folder, Arc::new(App::new(config, 0, store, Arc::new(core))))
    }

    /// Work that takes a while, and counts how often it was begun.
    fn slow(begun: &Arc<AtomicU32>) -> impl FnOnce() -> Result<u32, Problem> + Send + use<> {
        let begun = Arc::clone(begun);
        move || {
            begun.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(150));
            Ok(7)
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_ask_at_once_it_is_worked_out_once() {
        let (_folder, app) = app(Duration::from_secs(60)).await;
        let (place, begun) = (Once::default(), Arc::new(AtomicU32::new(0)));
        let asking: Vec<_> = (0..8)
            .map(|_| {
                let (app, place, work) = (Arc::clone(&app), Arc::clone(&place), slow(&begun));
                tokio::spawn(async move { app.once(place, work).await.unwrap() })
            })
            .collect();
        for one in asking {
            assert_eq!(*one.await.unwrap(), 7);
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_leaves_the_work_for_the_next_one() {
        let (_folder, app) = app(Duration::from_secs(60)).await;
        let (place, begun) = (Once::default(), Arc::new(AtomicU32::new(0)));
        let gone =
            tokio::time::timeout(Duration::from_millis(30), app.once(Arc::clone(&place), slow(&begun)));
        assert!(gone.await.is_err());
        assert_eq!(*app.once(place, slow(&begun)).await.unwrap(), 7);
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_for_long_is_told_to_ask_again_and_finds_it_done() {
        let (_folder, app) = app(Duration::from_millis(50)).await;
        let (place, begun) = (Once::default(), Arc::new(AtomicU32::new(0)));
        let early = app.once(Arc::clone(&place), slow(&begun)).await.unwrap_err();
        assert!(early.code == "UP0406" && early.detail.contains("ask again"), "{early:?}");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(*app.once(place, slow(&begun)).await.unwrap(), 7);
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    fn fleet(hosts: usize) -> Vec<u8> {
        let hosts: Vec<_> = (0..hosts).map(|at| serde_json::json!({"id": format!("h{at}")})).collect();
        let seen = serde_json::json!({"at": "1970-01-01T00:00:00Z", "by": "hand"});
        let fleet = serde_json::json!({
            "format": "underpin/fleet/1", "name": "small", "seen": seen, "hosts": hosts,
        });
        fleet.to_string().into_bytes()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn patch_or_wait_is_decided_once_for_a_state_of_fleet_and_policy() {
        let (_folder, app) = app(Duration::from_secs(60)).await;
        let made = || app.decisions_made.load(Ordering::SeqCst);
        app.import_fleet(fleet(2)).await.unwrap();
        let ask_all = async || {
            let naive = Asked { independent: true, ..Asked::default() };
            let (report, naive, list) =
                tokio::join!(app.risk(Asked::default()), app.risk(naive), app.decisions());
            let of_one = (report.unwrap(), naive.unwrap(), list.unwrap());
            assert_eq!(of_one.0.report.hosts, of_one.2.basis.index.fleet.hosts.len() as u64);
            app.risk(Asked { group_by: GroupBy::Cluster, ..Asked::default() }).await.unwrap();
            app.decisions().await.unwrap();
        };
        ask_all().await;
        ask_all().await;
        assert_eq!(made(), 1, "two reports, a list, and again");
        app.put_in_force::<Policy>(b"seed = 7\n").await.unwrap();
        ask_all().await;
        assert_eq!(made(), 2, "another policy");
        app.import_fleet(fleet(3)).await.unwrap();
        ask_all().await;
        assert_eq!(made(), 3, "another fleet");
    }
}
