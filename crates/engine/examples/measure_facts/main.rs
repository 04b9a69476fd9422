//! One measurement per process, for `cargo xtask bench`: time by the clock, memory as the kernel counts it (Linux).
//!
//! `measure_facts` with one of: `ingest FOLDER`, `match HOSTS FEEDS`, `fleet HOSTS FILE` (writes a made-up fleet), `read FILE`,
//! `portfolio HOSTS FILE` (writes a made-up portfolio as plain lists of numbers), `risk HOSTS`, `build HOSTS` (a made-up fleet to its
//! portfolio, by the built-in facts), `whole HOSTS FILE` (writes a made-up fleet with 200 open vulnerabilities), `chain FILE` (that fleet
//! to its losses and to patch or wait). Each prints one JSON object.

#![allow(clippy::print_stdout, reason = "a program that measures prints what it measured")]

mod chain;

use std::error::Error;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;
use underpin_engine::intake::{self, Intake, Source};
use underpin_engine::{facts, progress};
use underpin_exposure::{FactBase, Options, assess};
use underpin_model::fleet::{Fleet, SampleSpec, read, sample};
use underpin_model::policy::Policy;
use underpin_risk::build::{self, ReleaseDates, build};
use underpin_risk::compound;
use underpin_risk::portfolio::{Impact, Portfolio, Response};

/// Components of a host that lists them by the hundred.
const COMPONENTS: u32 = 600;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let measured = match words.as_slice() {
        ["ingest", folder] => ingest(folder),
        ["match", hosts, feeds] => matching(hosts.parse()?, feeds)?,
        ["fleet", hosts, file] => {
            let fleet = made_up(hosts.parse()?)?;
            std::fs::write(file, serde_json::to_vec(&fleet)?)?;
            shape(&fleet)
        }
        ["read", file] => reading(file)?,
        ["portfolio", hosts, file] => {
            let portfolio = made_up_portfolio(hosts.parse()?)?;
            std::fs::write(file, serde_json::to_vec(&plain(&portfolio))?)?;
            json!({ "hosts": portfolio.hosts.len() })
        }
        ["risk", hosts] => risk(hosts.parse()?)?,
        ["build", hosts] => building(hosts.parse()?)?,
        ["whole", hosts, file] => chain::make(hosts.parse()?, file)?,
        ["chain", file] => chain::measure(file)?,
        _ => {
            return Err("usage: measure ingest FOLDER | match HOSTS FEEDS | fleet HOSTS FILE | read FILE \
                        | portfolio HOSTS FILE | risk HOSTS | build HOSTS | whole HOSTS FILE | chain FILE"
                .into());
        }
    };
    println!("{measured}");
    Ok(())
}

fn intake_of(path: &str) -> Intake {
    let options = intake::Options::new(Timestamp::UNIX_EPOCH);
    intake::read(&[Source::from(path)], &options, &progress::Silent)
}

fn ingest(folder: &str) -> serde_json::Value {
    let before = resident("VmRSS");
    let started = Instant::now();
    let intake = intake_of(folder);
    let seconds = started.elapsed().as_secs_f64();
    json!({
        "seconds": seconds,
        "documents": intake.documents().count(),
        "bytes": intake.documents().map(|one| one.bytes).sum::<u64>(),
        "largest": intake.documents().map(|one| one.bytes).max(),
        "quarantined": intake.quarantined.len(),
        "ignored": intake.ignored.len(),
        "kept": resident("VmRSS").saturating_sub(before),
        "peak": resident("VmHWM"),
    })
}

fn matching(hosts: u32, feeds: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut all = facts::builtin()?;
    all.extend(facts::accepted(intake_of(feeds)));
    let fleet = made_up(hosts)?;
    let before = resident("VmRSS");
    // From here on the peak is that of matching, with all facts and the fleet in memory.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let started = Instant::now();
    let base = FactBase::new(all);
    let indexed = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let assessment = assess(&fleet, &base, &Options::at("2026-11-21T00:00:00Z".parse()?));
    let assessed = started.elapsed().as_secs_f64();
    let mut measured = shape(&fleet);
    let summary = &assessment.summary;
    measured["index"] = json!(indexed);
    measured["assess"] = json!(assessed);
    measured["before"] = json!(before);
    measured["peak"] = json!(resident("VmHWM"));
    measured["groups"] = json!(assessment.groups.len());
    measured["findings"] = json!(assessment.findings.len());
    measured["exposures"] = json!(
        summary.unknown_no_source
            + summary.unknown_other
            + summary.affected
            + summary.fixed_not_running
            + summary.fixed
            + summary.not_affected
    );
    Ok(measured)
}

fn reading(file: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let started = Instant::now();
    let bytes = std::fs::read(file)?;
    let checked = read(&bytes).map_err(|errors| format!("{file}: {} errors", errors.len()))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut measured = shape(&checked.fleet);
    measured["seconds"] = json!(seconds);
    measured["bytes"] = json!(bytes.len());
    measured["peak"] = json!(resident("VmHWM"));
    Ok(measured)
}

fn made_up(hosts: u32) -> Result<Fleet, Box<dyn Error>> {
    let spec = SampleSpec { hosts, seed: 1, components_per_host: COMPONENTS };
    Ok(sample(&spec, "2026-09-01T06:00:00Z".parse()?))
}

/// Ten VMs a host, a tenant for each hundred hosts (at least ten), twenty hosts a class, 200 vulnerabilities.
fn made_up_portfolio(hosts: u32) -> Result<Portfolio, Box<dyn Error>> {
    let spec = compound::sample::SampleSpec {
        hosts,
        vms_per_host: 10,
        tenants: (hosts / 100).max(10),
        vulnerabilities: 200,
        classes: (hosts / 20).max(1),
        seed: 1,
    };
    Ok(compound::sample::sample(&spec)?)
}

fn risk(hosts: u32) -> Result<serde_json::Value, Box<dyn Error>> {
    let portfolio = made_up_portfolio(hosts)?;
    let before = resident("VmRSS");
    std::fs::write("/proc/self/clear_refs", "5")?;
    let started = Instant::now();
    let judgement = compound::judge(&portfolio, &compound::Options::default())?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({
        "seconds": seconds,
        "before": before,
        "peak": resident("VmHWM"),
        "hosts": judgement.hosts,
        "guests": judgement.guests,
        "tenants": judgement.tenants.len(),
        "classes": judgement.classes.len(),
        "responses": portfolio.classes.iter().map(|class| class.responses.len()).sum::<usize>(),
        "shocks": portfolio.shocks.len(),
        "fleet": judgement.fleet,
        "hosts_hit_at_least": judgement.hosts_hit_at_least,
        "any_hit": judgement.any_hit.probability,
        "any_hit_method": judgement.any_hit.method,
        "sampling": judgement.sampling,
    }))
}

fn building(hosts: u32) -> Result<serde_json::Value, Box<dyn Error>> {
    let fleet = made_up(hosts)?;
    let base = FactBase::new(facts::builtin()?);
    let assessment = assess(&fleet, &base, &Options::at(fleet.seen.at));
    let dates =
        ReleaseDates::from_facts(base.releases(), fleet.seen.at.to_zoned(jiff::tz::TimeZone::UTC).date());
    let started = Instant::now();
    let built = build(&fleet, &assessment, &Policy::default(), &build::Options::new(&dates))?;
    let seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    compound::judge(&built.portfolio, &compound::Options::default())?;
    Ok(json!({
        "seconds": seconds,
        "judge_seconds": started.elapsed().as_secs_f64(),
        "peak": resident("VmHWM"),
        "hosts": built.portfolio.hosts.len(),
        "vms": fleet.vms.len(),
        "classes": built.portfolio.classes.len(),
        "shocks": built.portfolio.shocks.len(),
    }))
}

/// A portfolio as lists of numbers, for a program that knows nothing of it but the model.
fn plain(portfolio: &Portfolio) -> serde_json::Value {
    let impact = |it: Impact| [it.confidentiality, it.integrity, it.availability];
    let responses = |list: &[Response]| -> Vec<serde_json::Value> {
        list.iter()
            .map(|it| {
                let gate = it.gate.map_or((-1, 1.0), |gate| (i64::from(gate.shock), gate.otherwise));
                json!([it.shock, it.probability, gate.0, gate.1, impact(it.impact)])
            })
            .collect()
    };
    // Hosts class by class, so that a class is a stretch of them.
    let mut hosts: Vec<usize> = (0..portfolio.hosts.len()).collect();
    hosts.sort_by_key(|&at| portfolio.hosts[at].class);
    let lines = || hosts.iter().map(|&at| &portfolio.hosts[at]);
    let holdings = || lines().flat_map(|host| portfolio.holdings_of(host));
    json!({
        "rho": portfolio.rho,
        "shocks": portfolio.shocks.iter().map(|it| it.probability).collect::<Vec<_>>(),
        "exploits": portfolio.shocks.len() - 2,
        "classes": portfolio.classes.iter().map(|it| json!([responses(&it.responses), it.planes])).collect::<Vec<_>>(),
        "planes": portfolio.planes.iter()
            .map(|it| json!([responses(&it.responses), it.takes_host, impact(it.impact)])).collect::<Vec<_>>(),
        "host_class": lines().map(|it| it.class).collect::<Vec<_>>(),
        "host_cluster": lines().map(|it| it.cluster).collect::<Vec<_>>(),
        "host_holdings": lines().map(|it| it.holdings.len()).collect::<Vec<_>>(),
        "tenants": portfolio.tenants.len(),
        "clusters": portfolio.clusters.len(),
        "holding_tenant": holdings().map(|it| it.tenant).collect::<Vec<_>>(),
        "holding_worth": holdings().map(|it| [it.confidentiality, it.integrity, it.availability]).collect::<Vec<_>>(),
    })
}

fn shape(fleet: &Fleet) -> serde_json::Value {
    let most = fleet.component_sets.values().map(|set| set.components.len()).max();
    json!({
        "hosts": fleet.hosts.len(),
        "vms": fleet.vms.len(),
        "images": fleet.images.len(),
        "sets": fleet.component_sets.len(),
        "largest_set": most,
    })
}

/// A size of this process in bytes, as `/proc/self/status` names it; 0 where there is none.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}
