//! The whole chain of a risk report on a made-up fleet of a stated size: assess, build the portfolio, judge it, decide patch
//! or wait.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::time::Instant;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use underpin_engine::facts;
use underpin_exposure::{Assessment, FactBase, Feed, Options, assess};
use underpin_model::fleet::{Fleet, Tenant};
use underpin_model::id::{TenantId, VulnerabilityId};
use underpin_model::policy::Policy;
use underpin_risk::build::{self, ReleaseDates, build};
use underpin_risk::compound;
use underpin_risk::wait::{self, Evidence};

use crate::{made_up, resident};

/// Vulnerabilities that are left open on the hosts.
const VULNERABILITIES: usize = 200;

/// VMs on a host.
const VMS_PER_HOST: usize = 10;

/// Hosts for each tenant, of whom there are at least ten.
const HOSTS_PER_TENANT: usize = 100;

/// Seconds by the clock and of the processors since the last lap.
struct Laps {
    started: Instant,
    ticks: f64,
}

impl Laps {
    fn start() -> Self {
        Self { started: Instant::now(), ticks: processor_seconds() }
    }

    fn lap(&mut self) -> (f64, f64) {
        let now = Self::start();
        let lap = (now.started.duration_since(self.started).as_secs_f64(), now.ticks - self.ticks);
        *self = now;
        lap
    }
}

/// A fleet, and the vulnerabilities that its facts shall not know.
#[derive(Serialize, Deserialize)]
struct Made {
    fleet: Fleet,
    dropped: BTreeSet<VulnerabilityId>,
}

/// Writes a made-up fleet with the vulnerabilities to leave out, so that a process of its own measures with nothing else in
/// its memory.
pub(crate) fn make(hosts: u32, file: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut fleet = made_up(hosts)?;
    resize(&mut fleet)?;
    let dropped = beyond(&fleet)?;
    let mut out = BufWriter::new(File::create(file)?);
    serde_json::to_writer(&mut out, &Made { fleet, dropped })?;
    out.flush()?;
    Ok(json!({ "hosts": hosts }))
}

/// Assesses, builds, judges and decides once, with the laps of each.
pub(crate) fn measure(file: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let Made { fleet, dropped } = serde_json::from_reader(BufReader::new(File::open(file)?))?;
    let at = Options::at(fleet.seen.at);
    let with_fleet = resident("VmRSS");
    let base = without(&dropped)?;
    let with_facts = resident("VmRSS");
    let mut laps = Laps::start();
    let assessment = assess(&fleet, &base, &at);
    let assessed = laps.lap();
    let open = open_on_hosts(&assessment);
    let listed =
        |id: &&VulnerabilityId| assessment.vulnerabilities.get(*id).is_some_and(|it| it.kev.is_some());
    let exploited = open.iter().filter(listed).count();
    let before = resident("VmRSS");
    std::fs::write("/proc/self/clear_refs", "5")?;
    laps.lap();
    let dates = ReleaseDates::from_facts(base.releases(), at.as_of.to_zoned(TimeZone::UTC).date());
    let policy = Policy::default();
    let built = build(&fleet, &assessment, &policy, &build::Options::new(&dates))?;
    let building = laps.lap();
    let judgement = compound::judge(&built.portfolio, &compound::Options::default())?;
    let judging = laps.lap();
    let judged = resident("VmHWM");
    let evidence = Evidence::default();
    let decisions = wait::groups(&wait::Request {
        fleet: &fleet,
        assessment: &assessment,
        base: &base,
        policy: &policy,
        evidence: &evidence,
        horizon_days: wait::groups::HORIZON_DAYS,
    })?;
    let waiting = laps.lap();
    Ok(json!({
        "hosts": fleet.hosts.len(),
        "vms": fleet.vms.len(),
        "tenants": fleet.tenants.len(),
        "open": open.len(),
        "exploited": exploited,
        "classes": built.portfolio.classes.len(),
        "groups": decisions.iter().map(|it| &it.group).collect::<BTreeSet<_>>().len(),
        "decisions": decisions.len(),
        "decided": decisions.iter().filter(|it| it.wait.is_some()).count(),
        "mean_loss": judgement.fleet.mean,
        "assess": { "seconds": assessed.0, "processor": assessed.1 },
        "build": { "seconds": building.0, "processor": building.1 },
        "judge": { "seconds": judging.0, "processor": judging.1 },
        "wait": { "seconds": waiting.0, "processor": waiting.1 },
        "seconds": building.0 + judging.0 + waiting.0,
        "processor": building.1 + judging.1 + waiting.1,
        "with_fleet": with_fleet,
        "with_facts": with_facts,
        "before": before,
        "judged": judged,
        "peak": resident("VmHWM"),
    }))
}

/// Makes the guests of a made-up fleet as many as are promised: ten VMs a host on average, of many tenants.
fn resize(fleet: &mut Fleet) -> Result<(), Box<dyn Error>> {
    let hosts = fleet.hosts.len();
    let wanted = hosts * VMS_PER_HOST;
    let all = fleet.vms.len();
    // Evenly over the fleet: VMs are in the order of their hosts.
    let keep = |at: usize| all <= wanted || (at + 1) * wanted / all > at * wanted / all;
    let mut at = 0;
    fleet.vms.retain(|_| {
        at += 1;
        keep(at - 1)
    });
    fleet.tenants.clear();
    let tenants = (hosts / HOSTS_PER_TENANT).max(10);
    for number in 1..=tenants {
        fleet.tenants.push(Tenant::new(TenantId::new(format!("tenant-{number:04}"))?));
    }
    for (at, vm) in fleet.vms.iter_mut().enumerate() {
        // A multiplier without a factor in common with the counts spreads neighbours over the tenants.
        let tenant = fleet.tenants.get(at * 7_919 % tenants).map(|it| it.id.clone());
        vm.tenant = vm.tenant.take().and(tenant);
    }
    Ok(())
}

/// The open vulnerabilities beyond those that shall be open: known exploited ones stay, of the others every so many, so that
/// they are of all platforms and years.
fn beyond(fleet: &Fleet) -> Result<BTreeSet<VulnerabilityId>, Box<dyn Error>> {
    let assessment = assess(fleet, &FactBase::new(facts::builtin()?), &Options::at(fleet.seen.at));
    let listed = |id: &VulnerabilityId| assessment.vulnerabilities.get(id).is_some_and(|it| it.kev.is_some());
    let (exploited, others): (Vec<_>, Vec<_>) = open_on_hosts(&assessment).into_iter().partition(listed);
    let wanted = VULNERABILITIES.saturating_sub(exploited.len());
    let of = others.len().max(wanted).max(1);
    let kept = |at: usize| (at + 1) * wanted / of > at * wanted / of;
    Ok(others.into_iter().enumerate().filter(|(at, _)| !kept(*at)).map(|it| it.1).collect())
}

/// The built-in facts without some vulnerabilities.
fn without(dropped: &BTreeSet<VulnerabilityId>) -> Result<FactBase, Box<dyn Error>> {
    let mut all: Vec<Feed> = facts::builtin()?;
    let is_kept = |id: &VulnerabilityId| !dropped.contains(id);
    for document in all.iter_mut().flat_map(|it| &mut it.documents) {
        for advisory in &mut document.advisories {
            for claim in &mut advisory.claims {
                if !claim.vulnerabilities.iter().all(is_kept) {
                    claim.vulnerabilities =
                        claim.vulnerabilities.iter().filter(|it| is_kept(it)).cloned().collect();
                }
            }
            advisory.claims.retain(|it| !it.vulnerabilities.is_empty());
        }
        for release in &mut document.releases {
            release.fixes.retain(is_kept);
        }
    }
    Ok(FactBase::new(all))
}

fn open_on_hosts(assessment: &Assessment) -> BTreeSet<VulnerabilityId> {
    let host = underpin_exposure::report::AssetKind::Host;
    let of_hosts = assessment.groups.iter().filter(|it| it.assets.iter().any(|it| it.kind == host));
    let findings = of_hosts.flat_map(|it| it.findings_in(&assessment.findings));
    findings.filter(|it| it.status.is_open()).filter_map(|it| it.vulnerability.clone()).collect()
}

/// Seconds that all threads of this process have used; 0 where the kernel does not tell.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: user and system time are fields 14 and 15 of the line, in hundredths of a second.
    let fields = text.rsplit_once(')').map_or("", |it| it.1);
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
    ticks / 100.0
}
