//! Decisions become steps.

mod items;
mod turns;

use std::collections::BTreeMap;

use underpin_model::change::{Layer, Method};
use underpin_model::id::{ElementId, HostId};
use underpin_model::plan::{
    Bounds, Eta, FORMAT, LeftOut, MadeFrom, Moves, Outcome, Plan, PlanReport, REPORT_FORMAT, Reason, Soaking,
    Step, StepKind, Wave, WaveReport, element_of,
};
use underpin_model::policy::{Placing, Spread};

use super::bounds_of_choice;
use super::calendar::Seconds;
use super::drive::{Driven, HostWave};
use super::elements::{BACKUP_CHECK, ElementWork, before, clusters_of};
use super::facts::Facts;
use super::leave::{Departure, How};
use super::order;
use super::timing::{HostTimes, Move, RESUME, START, STOP, SUSPEND, Work};
use super::{Planned, Request};
use items::Item;
use turns::Turn;

/// A step before steps are numbered: `after` names positions in the draft.
struct Draft {
    step: Step,
}

struct Assembly<'r, 'a> {
    request: &'r Request<'a>,
    facts: &'r Facts<'a>,
    drafts: Vec<Draft>,
    /// Of each cluster, what happens in it in order.
    turns: BTreeMap<u32, Vec<Turn>>,
    waves: Vec<Wave>,
    reports: Vec<WaveReport>,
}

/// The plan with the parts of its report that come from the same walk.
pub(super) fn assemble(request: &Request<'_>, facts: &Facts<'_>, driven: &Driven) -> Planned {
    let mut assembly = Assembly {
        request,
        facts,
        drafts: Vec::new(),
        turns: BTreeMap::new(),
        waves: Vec::new(),
        reports: Vec::new(),
    };
    let order = items::in_order(facts, driven);
    let mut numbers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, item) in &order {
        let number = *number;
        match item {
            Item::Element(it) => assembly.element(number, it),
            Item::Hosts(it) => {
                numbers.entry(it.cluster).or_default().push(number);
                assembly.hosts(number, it, numbers.get(&it.cluster).map(Vec::as_slice).unwrap_or_default());
            }
        }
    }
    assembly.waves.sort_by_key(|it| it.number);
    let turns = std::mem::take(&mut assembly.turns);
    assembly.wait(&turns);
    assembly.freeze(&turns);
    let steps = assembly.numbered();
    let plan = Plan {
        format: FORMAT.to_owned(),
        parent: request.parent.map(|it| it.sha256.to_owned()),
        made_from: MadeFrom {
            fleet: request.fleet.name.clone(),
            seen_at: request.fleet.seen.at,
            fleet_sha256: request.fleet_sha256.map(str::to_owned),
            policy_sha256: request.policy_sha256.map(str::to_owned),
            seed: request.seed,
            evaluations: request.evaluations,
        },
        starts_at: jiff::Timestamp::from_second(request.starts_at.as_second()).unwrap_or(request.starts_at),
        profile: request.profile,
        placing: request.policy.planning.placing,
        homing: driven.homing,
        waves: assembly.waves,
        steps,
        soaking: soaking(request, facts, driven),
        left_out: left_out(request, driven),
    };
    let report = PlanReport {
        format: REPORT_FORMAT.to_owned(),
        plan_sha256: String::new(),
        eta: Eta { p50_s: 0, p95_s: plan.end_s() },
        bounds: Bounds::default(),
        static_waves: Vec::new(),
        moves: Moves::default(),
        elements: Vec::new(),
        waves: assembly.reports,
        counterfactuals: Vec::new(),
        capacity_floors: Vec::new(),
        exposure: Vec::new(),
        alternatives: Vec::new(),
        given_up: Vec::new(),
        exceptions_used: driven.exceptions.iter().cloned().collect(),
        standing: Vec::new(),
        durations: Vec::new(),
        changed: Vec::new(),
    };
    Planned { plan, report }
}

/// Soaks that began before.
fn soaking(request: &Request<'_>, facts: &Facts<'_>, driven: &Driven) -> Vec<Soaking> {
    let named = driven.soaking.iter().filter_map(|it| {
        let element = element_of(&facts.hosts[it.host as usize].it.id)?;
        let change = request.changes().get(it.change as usize)?.id.clone();
        Some(Soaking { element, change, canary: it.canary, until_s: it.until, since: it.since })
    });
    let mut all: Vec<Soaking> = named.collect();
    all.sort();
    all
}

fn left_out(request: &Request<'_>, driven: &Driven) -> Vec<LeftOut> {
    let mut left: Vec<LeftOut> = Vec::new();
    for (element, fate) in &driven.fates {
        let deferred = match fate.outcome {
            Some(Outcome::Deferred) => true,
            Some(Outcome::Blocked) | None => false,
            Some(Outcome::Planned | Outcome::NotNeeded) => continue,
        };
        // What the fleet does not have cannot be left as it is.
        let named = |it: &Reason| matches!(it, Reason::UnknownFact { fact, .. } if fact == "id");
        if fate.reasons.iter().any(named) {
            continue;
        }
        for change in fate.changes.iter().filter_map(|&it| request.changes().get(it as usize)) {
            left.push(LeftOut { element: element.clone(), change: change.id.clone(), deferred });
        }
    }
    left
}

impl Assembly<'_, '_> {
    fn push(
        &mut self,
        wave: u32,
        subject: Option<&ElementId>,
        kind: StepKind,
        start_s: Seconds,
        span: Spread,
        after: Vec<u32>,
    ) -> u32 {
        let id = self.drafts.len() as u32;
        let subject = subject.cloned();
        let step = Step { id, wave, subject, kind, start_s, p50_s: span.p50_s, p95_s: span.p95_s, after };
        self.drafts.push(Draft { step });
        id
    }

    fn change_id(&self, change: usize) -> String {
        self.request.changes().get(change).map_or_else(String::new, |it| it.id.clone())
    }

    fn element(&mut self, number: u32, it: &ElementWork) {
        let element = &it.element;
        let change = self.change_id(it.change);
        let spans = it.durations;
        let stage = StepKind::Stage { element: element.clone(), change: change.clone() };
        let staged =
            self.push(number, Some(element), stage, it.start - spans.stage.p95_s, spans.stage, Vec::new());
        let mut last = vec![staged];
        if it.layer == Layer::ManagementPlane {
            let check = StepKind::BackupCheck { element: element.clone() };
            let start = it.start.saturating_sub(BACKUP_CHECK.p95_s);
            last.push(self.push(number, Some(element), check, start, BACKUP_CHECK, Vec::new()));
        }
        let mut now = it.start;
        let first = self.drafts.len() as u32;
        for (position, hop) in (1..).zip(&it.hops) {
            for unit in 1..=it.units {
                let kind = StepKind::Patch {
                    element: element.clone(),
                    change: change.clone(),
                    method: Method::InPlace,
                    to: hop.clone(),
                    unit,
                };
                last =
                    vec![self.push(number, Some(element), kind, now, spans.patch, std::mem::take(&mut last))];
                now += spans.patch.p95_s;
                if spans.reboot.p95_s > 0 {
                    let kind = StepKind::Reboot { element: element.clone(), quick: false };
                    last = vec![self.push(number, Some(element), kind, now, spans.reboot, last)];
                    now += spans.reboot.p95_s;
                }
                if (position, unit) == (it.hops.len(), it.units) && spans.attest.p95_s > 0 {
                    let kind = StepKind::Attest { element: element.clone() };
                    last = vec![self.push(number, Some(element), kind, now, spans.attest, last)];
                    now += spans.attest.p95_s;
                }
                // A unit is verified before the next one goes.
                let kind = StepKind::Verify { element: element.clone() };
                last = vec![self.push(number, Some(element), kind, now, spans.verify, last)];
                now += spans.verify.p95_s;
            }
        }
        let turn = Turn { start: it.start, end: it.end, first: vec![first], over: last, ..Turn::default() };
        for cluster in clusters_of(self.facts, it.layer, element) {
            self.turns.entry(cluster as u32).or_default().push(turn.clone());
        }
        self.waves.push(Wave {
            number,
            layer: it.layer,
            cluster: None,
            ring: None,
            canary: false,
            elements: vec![element.clone()],
            start_s: it.start.saturating_sub(before(it)),
            end_s: it.end,
            soak_until_s: it.end,
        });
        let reasons = it.reasons.clone();
        self.reports.push(WaveReport { wave: number, moves: 0, longest_pause_ms: 0, reasons });
    }

    fn hosts(&mut self, number: u32, it: &HostWave, of_cluster: &[u32]) {
        let start = it.staged.start;
        let first = self.drafts.len();
        let cluster = self.facts.fleet.clusters.get(self.facts.clusters[it.cluster as usize].at as usize);
        let cluster = cluster.map(|it| it.id.clone());
        let gate = self.gate(number, start, cluster.clone());
        let mut turn = Turn { start, end: it.staged.end, gate: Some(gate), ..Turn::default() };
        let works = bounds_of_choice::of_wave(&it.staged.works);
        for (work, times) in works.iter().zip(&it.staged.times) {
            self.host(number, start, work, times, &mut turn);
        }
        self.turns.entry(it.cluster).or_default().push(turn);
        let steps = self.drafts.get(first..).unwrap_or_default();
        let moves = it.staged.times.iter().map(|it| it.out.len() + it.home.len()).sum::<usize>() as u32;
        let pause = it.staged.times.iter().flat_map(|it| it.out.iter().chain(&it.home)).map(|it| it.pause_ms);
        let start_s = steps.iter().map(|it| it.step.start_s).min().unwrap_or(start);
        self.waves.push(Wave {
            number,
            layer: Layer::Host,
            cluster,
            ring: self.ring(it),
            canary: it.canary,
            // Hosts that guests only leave early come in a later wave.
            elements: it
                .staged
                .works
                .iter()
                .filter(|it| !it.hops.is_empty())
                .filter_map(|work| self.element_id(work.host))
                .collect(),
            start_s,
            end_s: it.staged.end,
            soak_until_s: it.soak_until,
        });
        let reasons = it.staged.reasons.iter().map(|reason| match reason {
            // Numbered within the cluster so far.
            Reason::EarlierWave { wave } => {
                let wave = of_cluster.get((*wave as usize).saturating_sub(1)).copied().unwrap_or(*wave);
                Reason::EarlierWave { wave }
            }
            other => other.clone(),
        });
        let report = WaveReport {
            wave: number,
            moves,
            longest_pause_ms: pause.max().unwrap_or(0),
            reasons: reasons.collect(),
        };
        self.reports.push(report);
    }

    /// The ring that all hosts of a wave are in; none where rings were merged and they differ.
    fn ring(&self, it: &HostWave) -> Option<String> {
        let mut rings =
            it.staged.works.iter().map(|work| self.facts.hosts[work.host as usize].it.ring.as_ref());
        let first = rings.next()?;
        if rings.all(|it| it == first) { first.cloned() } else { None }
    }

    fn element_id(&self, host: u32) -> Option<ElementId> {
        element_of(&self.facts.hosts[host as usize].it.id)
    }

    fn host_id(&self, host: u32) -> HostId {
        self.facts.hosts[host as usize].it.id.clone()
    }

    fn host(&mut self, number: u32, start: Seconds, work: &Work, times: &HostTimes, turn: &mut Turn) {
        let Some(element) = self.element_id(work.host) else { return };
        let subject = Some(&element);
        let spans = work.durations;
        let first = work.hops.first().map_or(0, |it| it.change as usize);
        let stage = StepKind::Stage { element: element.clone(), change: self.change_id(first) };
        if work.hops.is_empty() {
            // Guests leave early; nothing is done on the host yet.
            let left = self.out(number, start, &element, work, times, &[]);
            turn.over.extend(&left);
            turn.first.extend(left);
            return;
        }
        let staged = self.push(
            number,
            subject,
            stage,
            start.saturating_sub(spans.stage.p95_s),
            spans.stage,
            Vec::new(),
        );
        let mut last = vec![staged];
        let stay = work.departures.iter().filter(|it| !it.how.moves());
        for it in stay.clone() {
            let (kind, span) = self.pause(it, work.host);
            let step = self.push(number, subject, kind, start + times.stop, span, vec![staged]);
            turn.first.push(step);
            last.push(step);
        }
        let out = self.out(number, start, &element, work, times, &last);
        let makes_room = out.iter().zip(&times.out).filter(|(_, it)| it.from != work.host);
        turn.made_room.extend(makes_room.map(|it| *it.0));
        last.extend(&out);
        turn.first.extend(out);
        // Nobody leaves an empty host, and nobody has to for a live patch: the patch is what disturbs first.
        if last.len() == 1 {
            turn.first.push(self.drafts.len() as u32);
        }
        for (hop, at) in work.hops.iter().zip(&times.patches) {
            let change = &self.request.changes()[hop.change as usize];
            let running = self.facts.hosts[work.host as usize].it.platform.as_ref();
            let names = order::hops(change, running);
            let to = names.get(hop.hop as usize).map_or_else(String::new, |it| (*it).to_owned());
            let kind = StepKind::Patch {
                element: element.clone(),
                change: change.id.clone(),
                method: work.method,
                to,
                unit: 1,
            };
            last = vec![self.push(number, subject, kind, start + at, spans.patch, std::mem::take(&mut last))];
            if hop.reboot {
                let kind =
                    StepKind::Reboot { element: element.clone(), quick: work.method == Method::QuickBoot };
                last = vec![self.push(
                    number,
                    subject,
                    kind,
                    start + at + spans.patch.p95_s,
                    spans.reboot,
                    last,
                )];
            }
        }
        let attest = StepKind::Attest { element: element.clone() };
        last = vec![self.push(number, subject, attest, start + times.attest, spans.attest, last)];
        let verify = StepKind::Verify { element: element.clone() };
        let verified = self.push(number, subject, verify, start + times.verify, spans.verify, last);
        turn.over.push(verified);
        for it in stay {
            let (vm, host) = (self.facts.guests[it.guest as usize].it.id.clone(), self.host_id(work.host));
            let (kind, span) = match it.how {
                How::Suspend => (StepKind::Resume { vm, host }, RESUME),
                _ => (StepKind::Start { vm, host }, START),
            };
            turn.over.push(self.push(number, subject, kind, start + times.start, span, vec![verified]));
        }
        for it in &times.home {
            let kind = self.migrate(it, work);
            let step = self.push(number, subject, kind, start + it.start, it.span, vec![verified]);
            turn.over.push(step);
        }
    }

    /// Guests that move away: each by itself, or all by the platform, whose maintenance mode waits for those that rest (`resting`, after
    /// what was staged) and those that move cold.
    fn out(
        &mut self,
        number: u32,
        start: Seconds,
        element: &ElementId,
        work: &Work,
        times: &HostTimes,
        resting: &[u32],
    ) -> Vec<u32> {
        // A platform's maintenance mode moves what runs; what moves cold is stopped and started by itself.
        let we_place = self.request.policy.planning.placing == Placing::WePlace;
        let ours = |it: &&Move| we_place || !it.live || it.from != work.host;
        let moves: Vec<Move> = times.out.iter().filter(ours).copied().collect();
        let theirs: Vec<Move> = times.out.iter().filter(|it| !ours(it)).copied().collect();
        let staged = resting.get(..1).unwrap_or_default();
        let mut steps: Vec<u32> = Vec::with_capacity(moves.len() + 1);
        for it in moves {
            let (kind, at) = (self.migrate(&it, work), start + it.start);
            steps.push(self.push(number, Some(element), kind, at, it.span, staged.to_vec()));
        }
        if theirs.is_empty() {
            return steps;
        }
        let guest = |it: &Move| self.facts.guests[it.guest as usize].it.id.clone();
        let expected: Vec<_> = theirs.iter().map(|it| (guest(it), self.host_id(it.to))).collect();
        let also = work.also.iter().map(|&it| self.host_id(it));
        let mut only_to: Vec<HostId> = expected.iter().map(|it| it.1.clone()).chain(also).collect();
        only_to.sort();
        only_to.dedup();
        let from = theirs.iter().map(|it| it.start).min().unwrap_or(0);
        let p95_s = theirs.iter().map(Move::end).max().unwrap_or(0).saturating_sub(from);
        let factor = self.request.policy.planning.migration.p95_factor.max(1.0);
        let span = Spread::new((f64::from(p95_s) / factor).ceil() as u32, p95_s);
        let mbps = theirs.iter().map(|it| it.mbps).min().unwrap_or(0);
        let kind = StepKind::Evacuate { host: self.host_id(work.host), expected, only_to, mbps };
        let after = resting.iter().chain(&steps).copied().collect();
        steps.push(self.push(number, Some(element), kind, start + from, span, after));
        steps
    }

    fn migrate(&self, it: &Move, work: &Work) -> StepKind {
        let allowed = work.departures.iter().find(|other| other.guest == it.guest);
        StepKind::Migrate {
            vm: self.facts.guests[it.guest as usize].it.id.clone(),
            from: self.host_id(it.from),
            to: self.host_id(it.to),
            live: it.live,
            mbps: it.mbps,
            pause_ms: it.pause_ms,
            consent: allowed.and_then(|it| self.consent(it)),
        }
    }

    /// The consent that allows what is done with a guest.
    fn consent(&self, it: &Departure) -> Option<String> {
        let planning = self.request.fleet.planning.as_ref()?;
        Some(planning.consents.get(it.consent? as usize)?.id.clone())
    }

    fn pause(&self, it: &Departure, host: u32) -> (StepKind, Spread) {
        let (vm, host) = (self.facts.guests[it.guest as usize].it.id.clone(), self.host_id(host));
        let consent = self.consent(it);
        match it.how {
            How::Suspend => (StepKind::Suspend { vm, host, consent }, SUSPEND),
            _ => (StepKind::Stop { vm, host, consent }, STOP),
        }
    }

    /// Steps in the order of their starts, with their ids.
    fn numbered(&mut self) -> Vec<Step> {
        let mut order: Vec<u32> = (0..self.drafts.len() as u32).collect();
        order.sort_by_key(|&it| {
            let step = &self.drafts[it as usize].step;
            // Of what starts at one moment, what waits for the other comes after it; drafts are in that order.
            (step.start_s, it)
        });
        let mut ids = vec![0; order.len()];
        for (id, &old) in order.iter().enumerate() {
            ids[old as usize] = id as u32;
        }
        let mut steps: Vec<Option<Step>> =
            std::mem::take(&mut self.drafts).into_iter().map(|it| Some(it.step)).collect();
        order
            .into_iter()
            .filter_map(|old| {
                let mut step = steps.get_mut(old as usize)?.take()?;
                step.id = ids[old as usize];
                for it in &mut step.after {
                    *it = ids[*it as usize];
                }
                step.after.sort_unstable();
                step.after.dedup();
                Some(step)
            })
            .collect()
    }
}
