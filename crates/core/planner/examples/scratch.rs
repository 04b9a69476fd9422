use std::collections::BTreeMap;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut total = (0,0,0u64,0usize);
    for pair in args.chunks(2) {
        let bytes = std::fs::read(&pair[0]).unwrap();
        let Ok(checked) = underpin_model::fleet::read(&bytes) else { println!("{} unreadable", pair[0]); continue }; let fleet = checked.fleet;
        let policy = if pair[1] == "-" { Default::default() } else { let t = std::fs::read_to_string(&pair[1]).unwrap(); match underpin_model::policy::read(&t) { Ok(p) => p, Err(e) => { println!("{}: {e:?}", pair[1]); continue } } };
        let loss = BTreeMap::new();
        let request = underpin_planner::campaign::Request { fleet: &fleet, policy: &policy, starts_at: "2026-10-20T06:00:00Z".parse().unwrap(), profile: underpin_model::plan::Profile::Normal, homing: None, seed: 1, evaluations: std::env::var("E").map_or(0, |e| e.parse().unwrap()), loss_per_day: &loss, parent: None, fleet_sha256: None, policy_sha256: None };
        let t = std::time::Instant::now();
        let it = match underpin_planner::campaign::plan(&request) { Ok(it) => it, Err(e) => { println!("{}: {e}", pair[0]); continue } };
        let took = t.elapsed();
        let report = underpin_lint::lint(&fleet, &policy, &it.plan, &underpin_lint::Options::default());
        let errors = report.findings.iter().filter(|f| f.severity == underpin_model::plan::Severity::Error).count();
        let blocked: Vec<_> = it.report.elements.iter().filter(|e| e.outcome == underpin_model::plan::Outcome::Blocked).collect();
        let planned = it.report.elements.iter().filter(|e| e.outcome == underpin_model::plan::Outcome::Planned).count();
        let name = pair[0].rsplit('/').next().unwrap();
        println!("{name} planned {planned} blocked {} waves {} moves {} end {} lint {errors} {}ms", blocked.len(), it.plan.waves.len(), it.report.moves.moves, it.plan.end_s(), if std::env::var("TIMES").is_ok() { took.as_millis() } else { 0 });
        total.0 += planned; total.1 += it.report.moves.moves; total.2 += u64::from(it.plan.end_s()); total.3 += errors;
        if std::env::var("V").is_ok() {
            for b in blocked { println!("   {} {}", b.element, serde_json::to_string(&b.reasons).unwrap()); }
            for c in &it.report.counterfactuals { println!("   cf {}", serde_json::to_string(c).unwrap()); }
            for f in report.findings.iter().take(3) { println!("   lint {f:?}"); }
        }
        if std::env::var("S").is_ok() { for s in &it.plan.steps { println!("   {} {} {}-{} {:?}", s.id, s.wave, s.start_s, s.end_s(), s.kind); } }
    }
    println!("total {total:?}");
}
