//! One draw: which shocks happen, how strong the attacker is, which planes fall, which hosts are hit.

use std::ops::Range;

use rand::{Rng, RngExt};

use super::pmf::Pmf;
use super::prepared::{PerDimension, Prepared, Source, multiplier};
use super::rows::greatest;
use super::tilt::{Alike, Hits, MOST_ODDS, Measure, Tilt};

/// Most classes, and most hosts in them, whose number hit is worked out as a law in each draw.
const MOST_CLASSES: usize = 16;
const MOST_HOSTS: usize = 10_000;

/// Most stretches of hosts whose hits are tilted in a draw.
const MOST_STRETCHES: usize = 64;

/// What hits a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Shock(u32),
    Plane(u32),
    /// The host's own hits that give control of the planes on it.
    Fall(u32),
}

/// A source that is live in this draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) hit: f64,
    pub(super) impact: PerDimension,
    pub(super) by: By,
}

/// State of a draw, kept between draws for its memory.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    prepared: &'a Prepared,
    tilts: &'a [Tilt],
    /// Share of each law in the mixture.
    shares: &'a [f64],
    /// That of this draw.
    law: usize,
    z: f64,
    happens: Vec<bool>,
    /// Shocks that happen.
    pub(super) active: Vec<u32>,
    values: Vec<(u32, f64)>,
    draws: u32,
    kinds: LiveSources,
    /// What hits all hosts of a profile.
    profiles: LiveSources,
    /// Fallen planes by the classes that they may take besides, and falls by a host of the class; in the order of their hosts.
    taken: LiveSources,
    /// Planes that have fallen.
    fallen: Vec<u32>,
    /// For each of them the shocks that hit it in this draw.
    pub(super) plane_causes: Vec<Vec<u32>>,
    /// The same for each fall by a host.
    pub(super) fall_causes: Vec<Vec<u32>>,
    log_ratios: Vec<f64>,
}

/// Live sources of kinds of planes, of profiles or of classes, with those that have any.
#[derive(Debug)]
struct LiveSources {
    sources: Vec<Vec<Live>>,
    touched: Vec<u32>,
}

impl LiveSources {
    fn new(len: usize) -> Self {
        Self { sources: vec![Vec::new(); len], touched: Vec::new() }
    }

    fn clear(&mut self) {
        for &at in &self.touched {
            self.sources[at as usize].clear();
        }
        self.touched.clear();
    }

    fn push(&mut self, at: u32, live: Live) {
        let sources = &mut self.sources[at as usize];
        if sources.is_empty() {
            self.touched.push(at);
        }
        sources.push(live);
    }
}

/// A uniform number in 0 to below 1.
fn uniform(rng: &mut impl Rng) -> f64 {
    rng.random::<f64>()
}

/// Waiting time until the next hit, at rate one.
pub(super) fn exponential(rng: &mut impl Rng) -> f64 {
    -(-uniform(rng)).ln_1p()
}

impl<'a> Draw<'a> {
    pub(super) fn new(prepared: &'a Prepared, tilts: &'a [Tilt], shares: &'a [f64]) -> Self {
        Self {
            prepared,
            tilts,
            shares,
            law: 0,
            z: 0.0,
            happens: vec![false; prepared.shocks.len()],
            active: Vec::new(),
            values: vec![(0, 0.0); prepared.answers.len()],
            draws: 0,
            kinds: LiveSources::new(prepared.fall_kinds.len()),
            profiles: LiveSources::new(prepared.profiles.len()),
            taken: LiveSources::new(prepared.classes.len()),
            fallen: Vec::new(),
            plane_causes: vec![Vec::new(); prepared.planes.len()],
            fall_causes: vec![Vec::new(); prepared.falls.len()],
            log_ratios: Vec::new(),
        }
    }

    /// Draws shocks and planes from one of the laws at a value of the factor; gives their weight: the nominal density over that
    /// of the mixture (balance heuristic).
    pub(super) fn common_causes(&mut self, law: usize, z: f64, rng: &mut impl Rng) -> f64 {
        (self.law, self.z) = (law, z);
        self.draws += 1;
        self.active.clear();
        for (at, &probability) in (0..).zip(&self.tilts[law].shocks) {
            let happens = uniform(rng) < probability;
            self.happens[at as usize] = happens;
            if happens {
                self.active.push(at);
            }
        }
        self.log_ratios.clear();
        for tilt in self.tilts {
            let odds: f64 = self.active.iter().map(|&shock| tilt.shock_odds[shock as usize]).sum();
            self.log_ratios.push(odds - tilt.log_norm + tilt.shift * z - 0.5 * tilt.shift * tilt.shift);
        }
        self.fall_of_planes(law, rng);
        self.profiles.clear();
        for place in 0..self.active.len() {
            let shock = self.active[place];
            for &(profile, position) in &self.prepared.profile_answers[shock as usize] {
                let source = &self.prepared.profiles[profile as usize].sources[position as usize];
                let hit = self.hit(source);
                if hit > 0.0 {
                    self.profiles.push(profile, Live { hit, impact: source.impact, by: By::Shock(shock) });
                }
            }
        }
        self.weight(&self.log_ratios)
    }

    /// Nominal density over that of the mixture, from the logs of each law's density over the nominal one.
    fn weight(&self, log_ratios: &[f64]) -> f64 {
        let laws = self.shares.iter().zip(log_ratios);
        1.0 / laws.map(|(share, log)| share * log.exp()).sum::<f64>()
    }

    /// Probability of a source's hit in this draw; each answer is worked out once a draw.
    fn hit(&mut self, source: &Source) -> f64 {
        let (seen, value) = &mut self.values[source.answer as usize];
        if *seen != self.draws {
            (*seen, *value) = (self.draws, self.prepared.answers[source.answer as usize].at(self.z));
        }
        *value * multiplier(source.gate, &self.happens)
    }

    fn fall_of_planes(&mut self, law: usize, rng: &mut impl Rng) {
        self.kinds.clear();
        for place in 0..self.active.len() {
            let shock = self.active[place];
            for &(kind, position) in &self.prepared.kind_answers[shock as usize] {
                let first = self.prepared.fall_kinds[kind as usize].falls.start;
                let source = &self.prepared.falls[first].sources[position as usize];
                let hit = self.hit(source);
                if hit > 0.0 {
                    self.kinds.push(kind, Live { hit, impact: source.impact, by: By::Shock(shock) });
                }
            }
        }
        self.taken.clear();
        self.fallen.clear();
        if self.kinds.touched.is_empty() {
            return;
        }
        let prepared = self.prepared;
        let tilted = &self.tilts[law];
        let mut wait = exponential(rng);
        for &kind in &self.kinds.touched {
            let sources = &self.kinds.sources[kind as usize];
            let any = 1.0 - survival(sources);
            let falls = prepared.fall_kinds[kind as usize].falls.clone();
            for (log, tilt) in self.log_ratios.iter_mut().zip(self.tilts) {
                *log -= tilt.log_norm_of_falls(falls.clone(), any);
            }
            // Candidates at the greatest probability of the kind, each kept with the share that is its own.
            let probability = |gain: f64| any * (1.0 + gain) / (1.0 + any * gain);
            let gains = &tilted.fall_gains[falls.clone()];
            let most = probability(gains.iter().copied().fold(0.0, f64::max));
            wait = each_hit(falls, -(-most).ln_1p(), wait, rng, |at, rng| {
                if uniform(rng) * most >= probability(tilted.fall_gains[at]) {
                    return;
                }
                for (log, tilt) in self.log_ratios.iter_mut().zip(self.tilts) {
                    *log += tilt.fall_odds[at];
                }
                let causes = &mut self.fall_causes[at];
                causes.clear();
                which(sources, any, rng, |live| {
                    if let By::Shock(shock) = live.by {
                        causes.push(shock);
                    }
                });
                let fall = &prepared.falls[at];
                let mut control = 1.0;
                if let Some(host) = &fall.by_host {
                    let live = Live { hit: 1.0, impact: host.impact, by: By::Fall(at as u32) };
                    self.taken.push(host.class, live);
                    control = host.control;
                }
                for &shock in &*causes {
                    if control < 1.0 && uniform(rng) >= control {
                        continue;
                    }
                    for &plane in &fall.planes {
                        let causes = &mut self.plane_causes[plane as usize];
                        if !self.fallen.contains(&plane) {
                            causes.clear();
                            self.fallen.push(plane);
                        }
                        causes.push(shock);
                    }
                }
            });
        }
        for &plane in &self.fallen {
            let fallen = &prepared.planes[plane as usize];
            let hit = fallen.takes(&self.happens);
            if hit > 0.0 {
                let live = Live { hit, impact: fallen.impact, by: By::Plane(plane) };
                fallen.classes.iter().for_each(|&class| self.taken.push(class, live));
            }
        }
        self.taken.touched.sort_unstable_by_key(|&class| prepared.classes[class as usize].hosts.start);
    }

    /// Calls for hosts that answer alike in this draw, with what may hit them: for each profile the stretches of hosts whose
    /// planes stand, and each class of which a plane has fallen.
    fn alike(&self, mut call: impl FnMut(Range<usize>, &Alike<'_>, &[Live])) {
        let prepared = self.prepared;
        let hosts = |class: u32| prepared.classes[class as usize].hosts.clone();
        let taken = &self.taken.touched;
        for &profile in &self.profiles.touched {
            let sources = &self.profiles.sources[profile as usize];
            let profile = &prepared.profiles[profile as usize];
            let (alike, Range { mut start, end }) = (profile.alike(), profile.hosts.clone());
            let first = taken.partition_point(|&class| hosts(class).start < start);
            for class in taken[first..].iter().map(|&class| hosts(class)).take_while(|it| it.start < end) {
                call(start..class.start, &alike, sources);
                start = class.end;
            }
            call(start..end, &alike, sources);
        }
        let mut both: Vec<Live> = Vec::new();
        for &class in taken {
            let sources = &prepared.classes[class as usize];
            both.clear();
            both.extend(&self.profiles.sources[sources.profile as usize]);
            both.extend(&self.taken.sources[class as usize]);
            call(hosts(class), &sources.alike(), &both);
        }
    }

    /// The law of the number of hosts hit, given shocks, planes and factor; `None` where that is more work than a draw is
    /// worth. To count by it instead of by the hosts drawn takes their noise away (conditional Monte Carlo).
    pub(super) fn count_law(&self) -> Option<Pmf> {
        let profiles = self.profiles.touched.iter().map(|&it| &self.prepared.profiles[it as usize]);
        let taken = self.taken.touched.iter().map(|&it| self.prepared.classes[it as usize].hosts.len());
        let (mut classes, mut hosts) = (taken.len(), taken.sum::<usize>());
        for profile in profiles {
            classes += profile.classes;
            hosts += profile.hosts.len();
        }
        if classes > MOST_CLASSES || hosts > MOST_HOSTS {
            return None;
        }
        let mut law = Pmf::zero();
        self.alike(|hosts, _, sources| {
            law = law.plus(&Pmf::binomial(hosts.len(), 1.0 - survival(sources)), 1, MOST_HOSTS);
        });
        Some(law)
    }

    /// How each law tilts hits in this draw; `None`: none does, or that is more work than a draw is worth.
    fn thetas_of_hits(&self) -> Option<Vec<f64>> {
        if self.tilts.iter().all(|tilt| tilt.hits.is_none()) {
            return None;
        }
        let mut all: [Vec<Hits>; 3] = Default::default();
        let measures = [Measure::Loss, Measure::Hosts, Measure::Guests];
        self.alike(|hosts, alike, sources| {
            let (impact, probability) = (greatest(sources), 1.0 - survival(sources));
            for (all, measure) in all.iter_mut().zip(measures) {
                let brings = alike.of_one(measure, &impact);
                all.push(Hits { hosts: hosts.len() as f64, probability, brings });
            }
        });
        let few = all[0].len() <= MOST_STRETCHES;
        let of = |measure: Measure| &all[measures.iter().position(|it| *it == measure).unwrap_or(0)];
        let theta = |tilt: &Tilt| tilt.hits.map_or(0.0, |hits| hits.theta(of(hits.measure)));
        few.then(|| self.tilts.iter().map(theta).collect())
    }

    /// Draws the hosts that are hit, each with what hit it; gives the weight of the whole draw. The waiting time until the next
    /// hit runs on from stretch to stretch, so that the cost is that of the hits.
    pub(super) fn hosts(&self, rng: &mut impl Rng, mut call: impl FnMut(usize, &[Live])) -> f64 {
        let mut log_ratios = self.log_ratios.clone();
        let thetas = self.thetas_of_hits();
        let mut odds = vec![0.0; self.tilts.len()];
        let mut wait = exponential(rng);
        let mut hits: Vec<Live> = Vec::new();
        self.alike(|hosts, alike, sources| {
            let survival = survival(sources);
            let (hit, size, mut count) = (1.0 - survival, hosts.len() as f64, 0.0);
            if let Some(thetas) = &thetas {
                let impact = greatest(sources);
                for ((odds, tilt), theta) in odds.iter_mut().zip(self.tilts).zip(thetas) {
                    let brings = tilt.hits.map_or(0.0, |hits| alike.of_one(hits.measure, &impact));
                    *odds = (theta * brings).min(MOST_ODDS);
                }
            }
            // Minus the log of the survival, under the law of this draw.
            let mut rate = -survival.ln();
            if odds[self.law] > 0.0 {
                rate += (hit * odds[self.law].exp_m1()).ln_1p();
            }
            wait = each_hit(hosts, rate, wait, rng, |host, rng| {
                count += 1.0;
                if let [only] = sources {
                    call(host, std::slice::from_ref(only));
                } else {
                    hits.clear();
                    which(sources, hit, rng, |live| hits.push(*live));
                    call(host, &hits);
                }
            });
            for (log, odds) in log_ratios.iter_mut().zip(&odds).filter(|(_, odds)| **odds > 0.0) {
                *log += count * odds - size * (hit * odds.exp_m1()).ln_1p();
            }
        });
        self.weight(&log_ratios)
    }
}

/// Probability that none of the sources hits.
fn survival(sources: &[Live]) -> f64 {
    sources.iter().map(|live| 1.0 - live.hit).product()
}

/// Calls for each host that is hit at `rate` (minus the log of its survival); gives what remains of the waiting time.
pub(super) fn each_hit<R: Rng>(
    hosts: Range<usize>,
    rate: f64,
    mut wait: f64,
    rng: &mut R,
    mut call: impl FnMut(usize, &mut R),
) -> f64 {
    let mut at = hosts.start;
    if hosts.is_empty() {
        return wait;
    }
    loop {
        let left = (hosts.end - at) as f64;
        // A rate of infinity hits each host at once.
        let skipped = if rate > 0.0 { wait / rate } else { f64::INFINITY };
        if skipped >= left {
            return wait - left * rate;
        }
        at += skipped as usize;
        call(at, rng);
        at += 1;
        wait = exponential(rng);
        if at == hosts.end {
            return wait;
        }
    }
}

/// Calls for those of the sources that hit, given that at least one does (with probability `any`).
fn which(sources: &[Live], any: f64, rng: &mut impl Rng, mut call: impl FnMut(&Live)) {
    let mut left = uniform(rng) * any;
    let mut survival = 1.0;
    let mut found = false;
    for (at, live) in sources.iter().enumerate() {
        if found {
            if uniform(rng) < live.hit {
                call(live);
            }
        } else {
            let first = survival * live.hit;
            // The last one, should rounding have passed all others.
            found = left < first || at + 1 == sources.len();
            if found {
                call(live);
            }
            left -= first;
            survival *= 1.0 - live.hit;
        }
    }
}
