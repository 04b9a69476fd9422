//! A plan that somebody edits by hand to get something through: the lint finds each edit.

use std::collections::BTreeMap;

use underpin_lint::{Finding, Options, lint};
use underpin_model::change::{Layer, Method};
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, Fleet, ManagementPlane};
use underpin_model::id::{ElementId, HostId, ManagementPlaneId};
use underpin_model::plan::{LeftOut, Plan, Profile, Rule, Severity, Step, StepKind};
use underpin_model::policy::{Placing, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Request, plan};

use super::build::{change, fleet, guest, planning, request};

const FLEET: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const POLICY: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Six hosts of two models in two rings, a plane to be changed before them, guests that move and one that is stopped; h6 has the release.
pub fn case(placing: Placing) -> (Fleet, Policy) {
    let mut fleet = fleet(6);
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        host.ring = Some(if number < 2 { "test" } else { "production" }.to_owned());
        host.model = Some(if number % 3 == 2 { "R2" } else { "R1" }.to_owned());
    }
    let had = &mut fleet.hosts[5];
    had.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    had.changed_at = Some("2026-11-20T12:00:00Z".parse().unwrap());
    for number in 1..=6 {
        for _ in 0..2 {
            guest(&mut fleet, &format!("h{number}"), 8);
        }
    }
    guest(&mut fleet, "h4", 8).allowed_actions = vec![Action::PowerOff];
    super::build::consent(&mut fleet, Action::PowerOff, true);
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("plane").unwrap());
    plane.platform = Some(Family::Proxmox);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    (fleet.clusters[0].load_balancing, fleet.clusters[0].admission_control) = (Some(true), Some(true));
    let mut first = change("plane-first", "9");
    first.layer = Layer::ManagementPlane;
    planning(&mut fleet).changes.push(first);
    let ring = |name: &str, days| Ring { name: name.to_owned(), soak: Days::new(days).unwrap() };
    let mut policy = Policy { rings: vec![ring("test", 2.0), ring("production", 1.0)], ..Policy::default() };
    policy.planning.placing = placing;
    (fleet, policy)
}

pub fn made(fleet: &Fleet, policy: &Policy) -> Plan {
    let loss = BTreeMap::new();
    let request =
        Request { fleet_sha256: Some(FLEET), policy_sha256: Some(POLICY), ..request(fleet, policy, &loss) };
    plan(&request).unwrap().plan
}

fn findings(fleet: &Fleet, policy: &Policy, plan: &Plan) -> Vec<Finding> {
    let options = Options {
        fleet_sha256: Some(FLEET.to_owned()),
        policy_sha256: Some(POLICY.to_owned()),
        ..Options::default()
    };
    lint(fleet, policy, plan, &options).findings
}

fn host(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

fn element(id: &str) -> ElementId {
    ElementId::new(id).unwrap()
}

/// The kind of a step as files name it.
fn kind(step: &Step) -> String {
    serde_json::to_value(&step.kind).unwrap()["kind"].as_str().unwrap().to_owned()
}

/// The step of a kind for a host.
pub fn step<'p>(plan: &'p mut Plan, of: &str, wanted: &str) -> &'p mut Step {
    let is = |it: &&mut Step| it.subject.as_ref().is_some_and(|it| it.as_str() == of) && kind(it) == wanted;
    plan.steps.iter_mut().find(is).unwrap()
}

/// The wave of a host.
fn wave_of(plan: &Plan, of: &str) -> usize {
    plan.waves.iter().position(|it| it.elements.contains(&element(of))).unwrap()
}

/// Whoever edits a file by hand with care: ids are positions again, and who waited for what is gone waits for what that waited for.
pub fn renumber(plan: &mut Plan, steps: Vec<Step>) {
    let old = std::mem::take(&mut plan.steps);
    let kept: BTreeMap<u32, u32> = steps.iter().zip(0..).map(|(it, at)| (it.id, at)).collect();
    plan.steps = steps;
    for (step, id) in plan.steps.iter_mut().zip(0..) {
        step.id = id;
        let mut open = std::mem::take(&mut step.after);
        while let Some(it) = open.pop() {
            match kept.get(&it) {
                Some(id) => step.after.push(*id),
                None => open.extend(&old[it as usize].after),
            }
        }
        step.after.sort_unstable();
        step.after.dedup();
    }
    spans(plan);
}

/// Waves span their steps.
fn spans(plan: &mut Plan) {
    for wave in &mut plan.waves {
        let own = || plan.steps.iter().filter(|it| it.wave == wave.number);
        let soak = wave.soak_until_s - wave.end_s;
        wave.start_s = own().map(|it| it.start_s).min().unwrap_or(0);
        wave.end_s = own().map(Step::end_s).max().unwrap_or(0);
        wave.soak_until_s = wave.end_s + soak;
    }
}

fn without(plan: &mut Plan, gone: impl Fn(&Step) -> bool) {
    let kept = plan.steps.iter().filter(|it| !gone(it)).cloned().collect();
    renumber(plan, kept);
}

/// Takes the last step of a kind once more, right after itself.
fn twice(plan: &mut Plan, wanted: &str) {
    let at = plan.steps.iter().rposition(|it| kind(it) == wanted).unwrap();
    let mut steps = plan.steps.clone();
    let mut again = steps[at].clone();
    again.id = u32::MAX;
    steps.insert(at + 1, again);
    renumber(plan, steps);
}

/// All of a wave so much earlier.
fn earlier(plan: &mut Plan, wave: usize, by_s: u32) {
    let number = plan.waves[wave].number;
    plan.steps.iter_mut().filter(|it| it.wave == number).for_each(|it| it.start_s -= by_s);
    plan.steps.sort_by_key(|it| it.start_s);
    let steps = plan.steps.clone();
    renumber(plan, steps);
}

/// Takes the wave of a host out, as if it had never been.
fn drop_wave(plan: &mut Plan, of: &str) {
    let wave = wave_of(plan, of) as u32 + 1;
    without(plan, |it| it.wave == wave);
    plan.waves.remove(wave as usize - 1);
    plan.waves.iter_mut().filter(|it| it.number > wave).for_each(|it| it.number -= 1);
    plan.steps.iter_mut().filter(|it| it.wave > wave).for_each(|it| it.wave -= 1);
}

pub type Edit = (Rule, &'static str, fn(&mut Plan));

/// What may be tried, and a rule that it breaks.
pub const EDITS: &[Edit] = &[
    (Rule::WellFormed, "hosts of two waves exchanged in their lists", |it| {
        let (a, b) = (wave_of(it, "h1"), wave_of(it, "h4"));
        let elements = it.waves[a].elements.clone();
        it.waves[a].elements = std::mem::replace(&mut it.waves[b].elements, elements);
    }),
    (Rule::WellFormed, "a wave that no longer lists its host", |it| {
        let wave = wave_of(it, "h4");
        it.waves[wave].elements.clear();
    }),
    (Rule::WellFormed, "a wave of no ring", |it| {
        let wave = wave_of(it, "h4");
        it.waves[wave].ring = None;
    }),
    (Rule::WellFormed, "a wave of hosts that calls itself one of storage", |it| {
        let wave = wave_of(it, "h4");
        it.waves[wave].layer = Layer::Storage;
    }),
    (Rule::Soak, "a soak cut to an hour", |it| {
        for wave in it.waves.iter_mut().filter(|it| it.layer == Layer::Host) {
            wave.soak_until_s = wave.end_s + 3600;
        }
    }),
    (Rule::RingOrder, "canaries soak for nobody, and the rest goes a day earlier", |it| {
        it.waves.iter_mut().for_each(|it| it.canary = false);
        let last = it.waves.len() - 1;
        earlier(it, last, 86_400);
    }),
    (Rule::RingOrder, "everybody is a canary, and the last goes a day earlier", |it| {
        it.waves.iter_mut().for_each(|it| it.canary = true);
        let last = it.waves.len() - 1;
        earlier(it, last, 86_400);
    }),
    (Rule::RingOrder, "production before the soak of test is over", |it| {
        let wave = wave_of(it, "h3");
        earlier(it, wave, 40_000);
    }),
    (Rule::StepTime, "a step that starts later and ends as before", |it| {
        let reboot = step(it, "h4", "reboot");
        (reboot.start_s, reboot.p95_s, reboot.p50_s) = (reboot.start_s + 600, reboot.p95_s - 600, 60);
    }),
    (Rule::StepTime, "a reboot that is over at once", |it| {
        (step(it, "h4", "reboot").p50_s, step(it, "h4", "reboot").p95_s) = (0, 0);
    }),
    (Rule::StepTime, "medians cut so that the end looks near", |it| {
        for step in it.steps.iter_mut().filter(|it| kind(it) == "patch") {
            step.p50_s = 1;
        }
    }),
    (Rule::MigrationTime, "medians of migrations cut", |it| {
        for step in it.steps.iter_mut().filter(|it| matches!(kind(it).as_str(), "migrate" | "evacuate")) {
            step.p50_s = 0;
        }
    }),
    (Rule::StepTime, "an attestation that nobody waits for", |it| step(it, "h4", "attest").p95_s = 10),
    (Rule::Order, "no gates", |it| without(it, |it| kind(it) == "gate")),
    (Rule::Order, "one gate less", |it| {
        let wave = wave_of(it, "h4") as u32 + 1;
        without(it, |it| kind(it) == "gate" && it.wave == wave);
    }),
    (Rule::Order, "a gate twice", |it| twice(it, "gate")),
    (Rule::Order, "a gate after what it opens", |it| {
        let at = it.steps.iter().rposition(|it| kind(it) == "gate").unwrap();
        let mut steps = it.steps.clone();
        let mut gate = steps.remove(at);
        let wave = gate.wave;
        let last = steps.iter().rposition(|it| it.wave == wave).unwrap();
        gate.start_s = steps[last].start_s;
        steps.iter_mut().for_each(|it| it.after.retain(|it| *it != gate.id));
        steps.insert(last, gate);
        renumber(it, steps);
    }),
    (Rule::Order, "nothing waits for anything", |it| it.steps.iter_mut().for_each(|it| it.after.clear())),
    (Rule::Order, "a patch that waits for nobody", |it| step(it, "h4", "patch").after.clear()),
    (Rule::Coverage, "a patch twice", |it| twice(it, "patch")),
    (Rule::Coverage, "a reboot twice", |it| twice(it, "reboot")),
    (Rule::WellFormed, "a stop twice", |it| twice(it, "stop")),
    (Rule::WellFormed, "a start twice", |it| twice(it, "start")),
    (Rule::Method, "another method with the steps of the old one", |it| {
        for step in &mut it.steps {
            if let StepKind::Patch { method, .. } = &mut step.kind {
                *method = Method::LivePatch;
            }
        }
    }),
    (Rule::Method, "no reboot", |it| without(it, |it| kind(it) == "reboot")),
    (Rule::Method, "no attestations", |it| without(it, |it| kind(it) == "attest")),
    (Rule::Method, "no verifications", |it| without(it, |it| kind(it) == "verify")),
    (Rule::Method, "nothing staged", |it| {
        without(it, |it| kind(it) == "stage");
    }),
    (Rule::Method, "no check of the backup of the plane", |it| without(it, |it| kind(it) == "backup-check")),
    (Rule::Method, "another release", |it| {
        if let StepKind::Patch { to, .. } = &mut step(it, "h4", "patch").kind {
            *to = "8.0.3".to_owned();
        }
    }),
    (Rule::FreezeThaw, "no freeze", |it| without(it, |it| matches!(kind(it).as_str(), "freeze" | "thaw"))),
    (Rule::FreezeThaw, "no thaw", |it| without(it, |it| kind(it) == "thaw")),
    (Rule::FreezeThaw, "a freeze of nothing", |it| {
        for step in &mut it.steps {
            if let StepKind::Freeze { what, .. } = &mut step.kind {
                what.clear();
            }
        }
    }),
    (Rule::Consent, "a consent by another name", |it| {
        if let StepKind::Stop { consent, .. } = &mut step(it, "h4", "stop").kind {
            *consent = Some("answer-9".to_owned());
        }
    }),
    (Rule::OccupiedHost, "a guest that stays where its host reboots", |it| {
        without(it, |it| matches!(kind(it).as_str(), "stop" | "start"));
    }),
    (Rule::WellFormed, "a step for another host than its own", |it| {
        step(it, "h4", "reboot").subject = Some(element("h5"));
    }),
    (Rule::Coverage, "a host that is forgotten", |it| drop_wave(it, "h4")),
    (Rule::Coverage, "a host that is left out on purpose, though nobody may", |it| {
        drop_wave(it, "h4");
        it.left_out.push(LeftOut { element: element("h4"), change: "go".to_owned(), deferred: true });
    }),
    (Rule::ChangeOrder, "a plane that nothing holds back is said to be blocked", |it| {
        drop_wave(it, "plane");
        it.left_out.push(LeftOut {
            element: element("plane"),
            change: "plane-first".to_owned(),
            deferred: false,
        });
    }),
    (Rule::Coverage, "a plane that is left out on purpose, though nobody may", |it| {
        drop_wave(it, "plane");
        it.left_out.push(LeftOut {
            element: element("plane"),
            change: "plane-first".to_owned(),
            deferred: true,
        });
    }),
    (Rule::WellFormed, "another fleet", |it| it.made_from.fleet_sha256 = Some(POLICY.to_owned())),
    (Rule::WellFormed, "a fleet that is not named", |it| it.made_from.fleet_sha256 = None),
    (Rule::WellFormed, "another policy", |it| it.made_from.policy_sha256 = Some(FLEET.to_owned())),
    (Rule::WellFormed, "a fleet of another day", |it| {
        it.made_from.seen_at = "2026-11-20T00:00:00Z".parse().unwrap();
    }),
    (Rule::MostAway, "two hosts at a time", |it| {
        let (a, b) = (wave_of(it, "h4"), wave_of(it, "h5"));
        let by_s = it.waves[a].start_s.abs_diff(it.waves[b].start_s);
        earlier(it, a.max(b), by_s - 60);
    }),
];

/// Edits that make sense where the plan places.
pub const OF_TARGETS: &[Edit] = &[
    (Rule::WellFormed, "a migration twice", |it| twice(it, "migrate")),
    (Rule::WellFormed, "a plan that says the platform places", |it| it.placing = Placing::PlatformPlaces),
    (Rule::Capacity, "a guest on the host that is away", |it| {
        let moves =
            |it: &&mut Step| matches!(&it.kind, StepKind::Migrate { from, .. } if from.as_str() == "h2");
        let first = it.steps.iter_mut().filter(|it| it.wave > 2).find(moves).unwrap();
        if let StepKind::Migrate { to, .. } = &mut first.kind {
            *to = host("h2");
        }
    }),
    (Rule::MigrationTime, "a migration over twice its bandwidth, in the same time", |it| {
        for step in &mut it.steps {
            if let StepKind::Migrate { pause_ms, .. } = &mut step.kind {
                *pause_ms = 100_000;
            }
        }
    }),
    (Rule::AllowedAction, "a live move that is a cold one", |it| {
        for step in &mut it.steps {
            if let StepKind::Migrate { live, mbps, pause_ms, .. } = &mut step.kind {
                (*live, *mbps, *pause_ms) = (false, 0, 0);
            }
        }
    }),
];

/// Edits that make sense where the platform places.
pub const OF_BOUNDS: &[Edit] = &[
    (Rule::WellFormed, "a platform that places in a plan that does", |it| it.placing = Placing::WePlace),
    (Rule::WellFormed, "a host that may take its own guests", |it| {
        if let StepKind::Evacuate { only_to, .. } = &mut step(it, "h4", "evacuate").kind {
            only_to.push(host("h4"));
        }
    }),
    (Rule::OccupiedHost, "a guest that nobody expects anywhere", |it| {
        if let StepKind::Evacuate { expected, .. } = &mut step(it, "h4", "evacuate").kind {
            expected.pop();
        }
    }),
    (Rule::MigrationTime, "an evacuation in no time", |it| {
        let evacuate = step(it, "h4", "evacuate");
        (evacuate.p50_s, evacuate.p95_s) = (1, 1);
    }),
];

#[test]
fn every_edit_of_a_plan_by_hand_is_found() {
    let mut missed = Vec::new();
    for (placing, more) in [(Placing::WePlace, OF_TARGETS), (Placing::PlatformPlaces, OF_BOUNDS)] {
        let (fleet, policy) = case(placing);
        let sound = made(&fleet, &policy);
        let found = findings(&fleet, &policy, &sound);
        assert!(found.is_empty(), "{found:#?}");
        for (rule, what, edit) in EDITS.iter().chain(more) {
            let mut plan = sound.clone();
            edit(&mut plan);
            assert_ne!(plan, sound, "{what}");
            let found = findings(&fleet, &policy, &plan);
            let mut errors = found.iter().filter(|it| it.severity == Severity::Error);
            if !errors.any(|it| it.rule == *rule) {
                missed.push(format!("{placing:?}, {what}: expected {rule:?}, found {found:#?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn what_an_emergency_would_excuse_is_told_of_an_edited_plan() {
    let (fleet, policy) = case(Placing::WePlace);
    let mut plan = made(&fleet, &policy);
    plan.profile = Profile::Emergency;
    assert!(findings(&fleet, &policy, &plan).is_empty(), "it gives nothing up");
    for wave in plan.waves.iter_mut().filter(|it| it.layer == Layer::Host) {
        wave.soak_until_s = wave.end_s + (wave.soak_until_s - wave.end_s) / 2;
    }
    let found = findings(&fleet, &policy, &plan);
    let hosts = plan.waves.iter().filter(|it| it.layer == Layer::Host).count();
    let told = found.iter().filter(|it| it.rule == Rule::Soak && it.severity == Severity::Worse);
    assert_eq!((told.count(), found.len()), (hosts, hosts), "{found:#?}");
}

#[test]
fn a_soak_that_began_before_the_plan_is_held_to_the_fleet_and_not_to_the_plan() {
    let (fleet, policy) = case(Placing::WePlace);
    let sound = made(&fleet, &policy);
    assert_eq!(sound.soaking.len(), 1, "h6 soaks still: {:#?}", sound.soaking);
    let mut plan = sound;
    plan.soaking.clear();
    // Of its model h6 is what h3 learns from.
    let wave = wave_of(&plan, "h3");
    assert!(plan.waves[wave].start_s > 40_000, "{:#?}", plan.waves);
    let by_s = plan.waves[wave].start_s - 20_000;
    earlier(&mut plan, wave, by_s);
    let found = findings(&fleet, &policy, &plan);
    assert!(
        found.iter().any(|it| it.rule == Rule::RingOrder && it.severity == Severity::Error),
        "{found:#?}"
    );
}
