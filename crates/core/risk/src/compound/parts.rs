//! How many are hit at once within each part of the fleet: hosts, guests and tenants of a cluster; hosts that hold a tenant,
//! and its guests.
//!
//! The samples do not keep a count for each part and draw: each batch keeps the sum of the weights of its draws in which a part
//! reached a number that is asked for, which is all that an estimate and its error need.

use std::ops::Range;

use super::any_of::{AnyOf, Members};
use super::counts::Known;
use super::exact::ClassLaw;
use super::figures::{AnyLoss, Weights};
use super::prepared::{ClassSources, DIMENSIONS, PerDimension, Prepared};
use super::result::{AtLeast, Method, Thresholds};
use super::rows::Batch;
use super::sampling::Samples;

/// What is counted within a part.
pub(super) const HOSTS: usize = 0;
pub(super) const GUESTS: usize = 1;
pub(super) const TENANTS: usize = 2;

/// Numbers hit, by what is counted.
pub(super) type Counts = [u32; 3];

/// Numbers that are asked for, each with what is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) list: Vec<(usize, u64)>,
}

impl Asked {
    /// What is asked of each cluster.
    pub(super) fn of_clusters(thresholds: &Thresholds) -> Self {
        let mut asked = Self::of_tenants(thresholds);
        asked.list.extend(thresholds.tenants.iter().map(|&m| (TENANTS, m)));
        asked
    }

    /// What is asked of each tenant.
    pub(super) fn of_tenants(thresholds: &Thresholds) -> Self {
        let hosts = thresholds.hosts.iter().map(|&m| (HOSTS, m));
        Self { list: hosts.chain(thresholds.guests.iter().map(|&m| (GUESTS, m))).collect() }
    }
}

/// Sums of the weights of a batch's draws in which each part reached each number, part after part.
#[derive(Debug, Default)]
pub(super) struct Reached {
    asked: Asked,
    sums: Vec<f64>,
}

impl Reached {
    pub(super) fn new(asked: Asked, parts: usize) -> Self {
        let sums = vec![0.0; parts * asked.list.len()];
        Self { asked, sums }
    }

    /// A part was hit so much in a draw of this weight.
    pub(super) fn add(&mut self, part: u32, counts: Counts, weight: f64) {
        let width = self.asked.list.len();
        let sums = self.sums.iter_mut().skip(part as usize * width);
        for (sum, &(what, m)) in sums.zip(&self.asked.list) {
            *sum += if u64::from(counts[what]) >= m { weight } else { 0.0 };
        }
    }
}

/// A seat for each tenant with guests in a cluster, as a bit: hosts share words of bits, so that to mark what a host has
/// takes a few words side by side, not a place in memory for each of its tenants.
#[derive(Debug)]
pub(super) struct Seats {
    /// Words of each cluster.
    of_cluster: Vec<Range<u32>>,
    /// Stretch of `marks` of each host.
    of_host: Vec<Range<u32>>,
    /// Words, each with the bits of the tenants with guests on the host.
    marks: Vec<(u32, u64)>,
    tenants_of_cluster: Vec<u64>,
}

impl Seats {
    pub(super) fn new(prepared: &Prepared) -> Self {
        let mut seats = Self {
            of_cluster: vec![0..0; prepared.clusters],
            of_host: Vec::with_capacity(prepared.hosts.len()),
            marks: Vec::new(),
            tenants_of_cluster: vec![0; prepared.clusters],
        };
        let of_holding = seats.take_seats(prepared);
        // In the order of the hosts, which is that in which they are hit.
        for host in &prepared.hosts {
            let start = seats.marks.len();
            for at in host.holdings().filter(|&at| prepared.counts_tenant(&prepared.holdings[at])) {
                let (word, bit) = (of_holding[at] / u64::BITS, 1 << (of_holding[at] % u64::BITS));
                match seats.marks[start..].iter_mut().find(|mark| mark.0 == word) {
                    Some(mark) => mark.1 |= bit,
                    None => seats.marks.push((word, bit)),
                }
            }
            seats.of_host.push(start as u32..seats.marks.len() as u32);
        }
        seats
    }

    /// Gives each known tenant a seat in each of its clusters; gives the seat of each of its holdings, as a bit from the first word.
    fn take_seats(&mut self, prepared: &Prepared) -> Vec<u32> {
        let mut by_cluster: Vec<usize> = (0..prepared.hosts.len()).collect();
        by_cluster.sort_by_key(|&at| prepared.hosts[at].cluster);
        let mut of_holding = vec![0; prepared.holdings.len()];
        // Of each tenant the cluster where it was met last, and its seat there.
        let mut last: Vec<(u32, u32)> = vec![(u32::MAX, 0); prepared.tenants];
        let mut words = 0;
        for hosts in by_cluster.chunk_by(|&a, &b| prepared.hosts[a].cluster == prepared.hosts[b].cluster) {
            let (first, mut tenants, mut at_cluster) = (words * u64::BITS, 0, 0);
            for host in hosts.iter().map(|&at| &prepared.hosts[at]) {
                at_cluster = host.cluster;
                for at in host.holdings().filter(|&at| prepared.counts_tenant(&prepared.holdings[at])) {
                    let (cluster, seat) = &mut last[prepared.holdings[at].tenant as usize];
                    if *cluster != host.cluster {
                        (*cluster, *seat) = (host.cluster, first + tenants);
                        tenants += 1;
                    }
                    of_holding[at] = *seat;
                }
            }
            let end = words + tenants.div_ceil(u64::BITS);
            self.of_cluster[at_cluster as usize] = words..end;
            self.tenants_of_cluster[at_cluster as usize] = u64::from(tenants);
            words = end;
        }
        of_holding
    }
}

/// Seats that were hit in a draw.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    seats: &'a Seats,
    words: Vec<u64>,
}

impl<'a> Hit<'a> {
    pub(super) fn new(seats: &'a Seats) -> Self {
        let words = seats.of_cluster.iter().map(|words| words.end).max().unwrap_or(0);
        Self { seats, words: vec![0; words as usize] }
    }

    /// A host is hit.
    pub(super) fn host(&mut self, host: usize) {
        let marks = self.seats.of_host[host].clone();
        for &(word, bits) in &self.seats.marks[marks.start as usize..marks.end as usize] {
            self.words[word as usize] |= bits;
        }
    }

    /// Tenants with guests that were hit in a cluster; forgets them.
    pub(super) fn take(&mut self, cluster: u32) -> u32 {
        let words = self.seats.of_cluster[cluster as usize].clone();
        let words = &mut self.words[words.start as usize..words.end as usize];
        words.iter_mut().map(|word| std::mem::take(word).count_ones()).sum()
    }
}

/// What there is in a part, and what is known of it exactly.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Hosts, guests, tenants in it.
    pub(super) size: [u64; 3],
    /// Hosts that can be hit, and guests on them.
    can_be_hit: [u64; 2],
    /// Mean numbers of hosts and guests hit.
    mean_hit: [f64; 2],
    /// All hosts, those with guests, and those with guests of a known tenant.
    sets: [Members; 3],
    /// Probability that any host of these is hit, where it is known: a host, guests, a tenant.
    pub(super) any: [Option<f64>; 3],
    /// Mean number of hosts hit on which anything can be lost.
    mean_losing: f64,
    /// A hit on a host with guests may lose nothing, or one on a host without guests something.
    spares: bool,
}

impl Part {
    /// One host more, with so many guests, some of them of a known tenant or not, that is hit with this probability.
    fn add(&mut self, class: u32, guests: u32, of_tenant: bool, hit: f64) {
        for (what, count) in [(HOSTS, 1), (GUESTS, u64::from(guests))] {
            self.size[what] += count;
            self.can_be_hit[what] += if hit > 0.0 { count } else { 0 };
            self.mean_hit[what] += hit * count as f64;
        }
        for (set, counts) in self.sets.iter_mut().zip([true, guests > 0, of_tenant]) {
            if counts {
                set.add(class);
            }
        }
    }

    /// What stands on a host that was added, with this probability to be hit by something that always loses of it, or not.
    fn add_worth(
        &mut self,
        guests: u32,
        worth: &PerDimension,
        law: &ClassLaw,
        loses: &[bool; 1 << DIMENSIONS],
    ) {
        let mask = mask_of(worth);
        if law.hit <= 0.0 || (guests == 0 && mask == 0) {
            return;
        }
        self.mean_losing += if mask > 0 { law.hit } else { 0.0 };
        self.spares |= guests == 0 || !loses[mask];
    }

    /// Probability of any loss: that any host with guests is hit, where every hit loses; at most that any host is, and the mean
    /// number of hosts hit on which something can be lost (Boole).
    pub(super) fn any_loss(&self) -> AnyLoss {
        let exactly = self.any[GUESTS].filter(|_| !self.spares);
        let bounds = [exactly, self.any[HOSTS], Some(self.mean_losing)];
        AnyLoss { exactly, at_most: bounds.into_iter().flatten().fold(1.0, f64::min) }
    }

    /// Greatest probability that `m` at least are hit: none if there are not so many, that of one, and Markov's inequality.
    pub(super) fn most(&self, what: usize, m: u64) -> f64 {
        let any = self.any[what];
        let of_numbers = match (self.can_be_hit.get(what), self.mean_hit.get(what)) {
            _ if m == 0 => return 1.0,
            (Some(&most), _) if m > most => 0.0,
            (_, Some(mean)) => mean / m as f64,
            _ if m > self.size[what] || self.can_be_hit[GUESTS] == 0 => 0.0,
            _ => 1.0,
        };
        any.unwrap_or(1.0).min(of_numbers)
    }
}

/// The fleet and its parts.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) fleet: Part,
    pub(super) clusters: Vec<Part>,
    pub(super) tenants: Vec<Part>,
}

impl Parts {
    /// Counts what there is in each part, and works out what has a closed form and is asked for.
    pub(super) fn new(
        prepared: &Prepared,
        laws: &[ClassLaw],
        seats: &Seats,
        exact: &AnyOf<'_>,
        asked: &Thresholds,
    ) -> Self {
        let mut parts = Self {
            fleet: Part::default(),
            clusters: vec![Part::default(); prepared.clusters],
            tenants: vec![Part::default(); prepared.tenants],
        };
        for ((class, sources), law) in (0..).zip(&prepared.classes).zip(laws) {
            let loses = always_lose(prepared, sources);
            for host in &prepared.hosts[sources.hosts.clone()] {
                let of_tenant = prepared.holdings_of(host).iter().any(|it| prepared.counts_tenant(it));
                parts.fleet.add(class, host.guests, of_tenant, law.hit);
                parts.fleet.add_worth(host.guests, &host.worth, law, &loses);
                let cluster = &mut parts.clusters[host.cluster as usize];
                cluster.add(class, host.guests, of_tenant, law.hit);
                cluster.add_worth(host.guests, &host.worth, law, &loses);
                for holding in prepared.holdings_of(host) {
                    let tenant = &mut parts.tenants[holding.tenant as usize];
                    if holding.vms > 0 {
                        tenant.add(class, holding.vms, true, law.hit);
                    }
                    tenant.add_worth(holding.vms, &holding.worth, law, &loses);
                }
            }
        }
        for (part, &count) in parts.clusters.iter_mut().zip(&seats.tenants_of_cluster) {
            part.size[TENANTS] = count;
        }
        let tenants = parts.tenants.iter().zip(&prepared.named);
        parts.fleet.size[TENANTS] =
            tenants.filter(|(it, named)| **named && it.size[GUESTS] > 0).count() as u64;
        know(std::slice::from_mut(&mut parts.fleet), exact);
        if [&asked.hosts, &asked.guests, &asked.tenants].iter().any(|list| !list.is_empty()) {
            know(&mut parts.clusters, exact);
            know(&mut parts.tenants, exact);
        }
        parts
    }
}

/// The dimensions in which there is something, as bits.
fn mask_of(of: &PerDimension) -> usize {
    of.iter().enumerate().map(|(bit, it)| usize::from(*it > 0.0) << bit).sum()
}

/// For each set of dimensions in which a host of a class has something to lose: every hit on it takes of one of them.
fn always_lose(prepared: &Prepared, class: &ClassSources) -> [bool; 1 << DIMENSIONS] {
    let planes = class.planes.iter().map(|&it| &prepared.planes[it as usize]).filter(|it| it.acts());
    let falls = class.falls.iter().filter_map(|&it| prepared.falls[it as usize].by_host.as_ref());
    let own = class.sources.iter().map(|it| &it.impact).chain(falls.map(|it| &it.impact));
    let impacts = own.chain(planes.map(|it| &it.impact));
    let mut loses = [true; 1 << DIMENSIONS];
    for taken in impacts.map(mask_of) {
        for (mask, loses) in loses.iter_mut().enumerate() {
            *loses &= mask & taken != 0;
        }
    }
    loses
}

/// Works out what has a closed form.
fn know(parts: &mut [Part], exact: &AnyOf<'_>) {
    let nothing = Members::default();
    for what in [HOSTS, GUESTS, TENANTS] {
        // Where every host has guests, or all of them are of known tenants, nothing is to be worked out anew.
        let before = |part: &Part| (0..what).find(|&it| part.sets[it] == part.sets[what]);
        let sets = parts.iter().map(|it| if before(it).is_none() { &it.sets[what] } else { &nothing });
        let any = exact.of_each(sets.collect());
        for (part, any) in parts.iter_mut().zip(any) {
            part.any[what] = before(part).map_or(any, |same| part.any[same]);
        }
    }
}

/// Exactly as far as it is known, and from the samples: hosts, guests and tenants of one part hit at once. Numbers that the
/// part does not have are left out.
pub(super) fn at_least(
    number: usize,
    (part, known): (&Part, Option<&Known>),
    asked: &Asked,
    of: impl Fn(&Batch) -> &Reached,
    (samples, weights, method): (&Samples, &Weights, Method),
) -> [Vec<AtLeast>; 3] {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    let width = asked.list.len();
    let mut counted = [0; 3];
    for (place, &(what, m)) in asked.list.iter().enumerate() {
        let known = known.and_then(|known| known[what].get(counted[what]).copied().flatten());
        counted[what] += 1;
        if m > part.size[what] {
            continue;
        }
        // Of one at least this is the answer, of more an upper bound.
        let any = part.any[what];
        lists[what].push(match any.filter(|_| m == 1).or(known) {
            _ if m == 0 => AtLeast::exact(m, 1.0),
            Some(exact) => AtLeast::exact(m, exact),
            None => {
                let sums = samples.batches.iter().map(|batch| of(batch).sums[number * width + place]);
                let sampled = weights.at_least(m, sums.collect(), method);
                sampled.within(part.most(what, m), weights.unseen)
            }
        });
    }
    lists
}
