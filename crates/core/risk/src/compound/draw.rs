//! One draw: which shocks happen, how strong the attacker is, which planes fall, which hosts are hit.

use rand::{Rng, RngExt};

use super::pmf::Pmf;
use super::prepared::{Prepared, Source, Triple, multiplier};
use super::tilt::Tilt;

/// Most classes, and most hosts in them, whose number hit is worked out as a law in each draw.
const MOST_CLASSES: usize = 16;
const MOST_HOSTS: usize = 10_000;

/// What hits a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Shock(u32),
    Plane(u32),
}

/// A source that is live in this draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) hit: f64,
    pub(super) impact: Triple,
    pub(super) by: By,
}

/// State of a draw, kept between draws for its memory.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    prepared: &'a Prepared,
    tilts: &'a [Tilt],
    /// Share of each law in the mixture.
    shares: &'a [f64],
    z: f64,
    happens: Vec<bool>,
    /// Shocks that happen.
    pub(super) active: Vec<u32>,
    values: Vec<(u32, f64)>,
    draws: u32,
    planes: LiveSources,
    classes: LiveSources,
    /// For each plane the shocks that hit it in this draw.
    pub(super) plane_causes: Vec<Vec<u32>>,
    log_ratios: Vec<f64>,
}

/// Live sources of planes or classes, with those that have any.
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
            z: 0.0,
            happens: vec![false; prepared.shocks.len()],
            active: Vec::new(),
            values: vec![(0, 0.0); prepared.answers.len()],
            draws: 0,
            planes: LiveSources::new(prepared.planes.len()),
            classes: LiveSources::new(prepared.classes.len()),
            plane_causes: vec![Vec::new(); prepared.planes.len()],
            log_ratios: Vec::new(),
        }
    }

    /// Draws shocks and planes from one of the laws at a value of the factor; gives the weight of the draw: the nominal
    /// density over that of the mixture (balance heuristic).
    pub(super) fn common_causes(&mut self, law: usize, z: f64, rng: &mut impl Rng) -> f64 {
        self.z = z;
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
        self.classes.clear();
        self.fall_of_planes(law, rng);
        for place in 0..self.active.len() {
            let shock = self.active[place];
            for &(class, position) in &self.prepared.class_answers[shock as usize] {
                let source = &self.prepared.classes[class as usize].sources[position as usize];
                let hit = self.hit(source);
                if hit > 0.0 {
                    self.classes.push(class, Live { hit, impact: source.impact, by: By::Shock(shock) });
                }
            }
        }
        let mixture: f64 =
            self.shares.iter().zip(&self.log_ratios).map(|(share, log)| share * log.exp()).sum();
        1.0 / mixture
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
        self.planes.clear();
        for place in 0..self.active.len() {
            let shock = self.active[place];
            for &(plane, position) in &self.prepared.plane_answers[shock as usize] {
                let source = &self.prepared.planes[plane as usize].sources[position as usize];
                let hit = self.hit(source);
                if hit > 0.0 {
                    self.planes.push(plane, Live { hit, impact: source.impact, by: By::Shock(shock) });
                }
            }
        }
        for place in 0..self.planes.touched.len() {
            let plane = self.planes.touched[place];
            let sources = &self.planes.sources[plane as usize];
            let any = 1.0 - sources.iter().map(|live| 1.0 - live.hit).product::<f64>();
            let odds = self.tilts[law].plane_odds[plane as usize];
            let tilted = any * odds.exp() / (1.0 + any * odds.exp_m1());
            let falls = uniform(rng) < tilted;
            for (log, tilt) in self.log_ratios.iter_mut().zip(self.tilts) {
                let odds = tilt.plane_odds[plane as usize];
                *log += if falls { odds } else { 0.0 } - (any * odds.exp_m1()).ln_1p();
            }
            let causes = &mut self.plane_causes[plane as usize];
            causes.clear();
            if falls {
                which(sources, any, rng, |live| {
                    if let By::Shock(shock) = live.by {
                        causes.push(shock);
                    }
                });
                let sources = &self.prepared.planes[plane as usize];
                let hit = sources.takes(&self.happens);
                if hit > 0.0 {
                    let live = Live { hit, impact: sources.impact, by: By::Plane(plane) };
                    for &class in &sources.classes {
                        self.classes.push(class, live);
                    }
                }
            }
        }
    }

    /// The law of the number of hosts hit, given shocks, planes and factor; `None` where that is more work than a draw is
    /// worth. To count by it instead of by the hosts drawn takes their noise away (conditional Monte Carlo).
    pub(super) fn count_law(&self) -> Option<Pmf> {
        let hosts = |class: &u32| self.prepared.classes[*class as usize].hosts.len();
        let touched = &self.classes.touched;
        if touched.len() > MOST_CLASSES || touched.iter().map(hosts).sum::<usize>() > MOST_HOSTS {
            return None;
        }
        Some(touched.iter().fold(Pmf::zero(), |sum, class| {
            let survival: f64 =
                self.classes.sources[*class as usize].iter().map(|live| 1.0 - live.hit).product();
            sum.plus(&Pmf::binomial(hosts(class), 1.0 - survival), 1, MOST_HOSTS)
        }))
    }

    /// Draws the hosts that are hit, each with what hit it. The waiting time until the next hit runs on from class to
    /// class, so that the cost is that of the hits.
    pub(super) fn hosts(&self, rng: &mut impl Rng, mut call: impl FnMut(usize, usize, &[Live])) {
        let mut wait = exponential(rng);
        let mut hits: Vec<Live> = Vec::new();
        for &class in &self.classes.touched {
            let sources = &self.classes.sources[class as usize];
            let survival: f64 = sources.iter().map(|live| 1.0 - live.hit).product();
            let rate = -survival.ln();
            let hosts = self.prepared.classes[class as usize].hosts.clone();
            wait = each_hit(hosts, rate, wait, rng, |host, rng| {
                if let [only] = sources.as_slice() {
                    call(class as usize, host, std::slice::from_ref(only));
                } else {
                    hits.clear();
                    which(sources, 1.0 - survival, rng, |live| hits.push(*live));
                    call(class as usize, host, &hits);
                }
            });
        }
    }
}

/// Calls for each host that is hit at `rate` (minus the log of its survival); gives what remains of the waiting time.
pub(super) fn each_hit<R: Rng>(
    hosts: std::ops::Range<usize>,
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
