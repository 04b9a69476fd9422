//! What each draw of a batch lost, and whose it was.

use super::draw::{By, Draw, Live};
use super::parts::{Asked, Counts, GUESTS, HOSTS, Hit, Reached, Seats, TENANTS};
use super::pmf::Pmf;
use super::prepared::{PerDimension, Prepared};
use super::result::Options;

/// Values of few keys a row, row after row.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    ends: Vec<usize>,
    pub(super) keys: Vec<u32>,
    pub(super) values: Vec<f64>,
}

impl Sparse {
    /// Gives back the room for rows that did not come.
    fn end(&mut self) {
        self.ends.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// The entries of a row.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = start..self.ends[row];
        self.keys[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }
}

/// Sum of one key: what was lost, and how many were hit. Together, because they are far apart in memory from the sum of the
/// next key.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    loss: f64,
    hit: Counts,
    seen: bool,
}

/// Sums by key of the row that is being drawn.
#[derive(Debug)]
struct Sums {
    sums: Vec<Sum>,
    touched: Vec<u32>,
}

impl Sums {
    fn new(len: usize) -> Self {
        Self { sums: vec![Sum::default(); len], touched: Vec::new() }
    }

    fn add(&mut self, key: u32, loss: f64) -> &mut Counts {
        let sum = &mut self.sums[key as usize];
        if !sum.seen {
            sum.seen = true;
            self.touched.push(key);
        }
        sum.loss += loss;
        &mut sum.hit
    }

    /// Ends the row; calls for each key with how many of it were hit.
    fn end_row(&mut self, rows: &mut Sparse, mut hit: impl FnMut(u32, Counts)) {
        for &key in &self.touched {
            let sum = std::mem::take(&mut self.sums[key as usize]);
            hit(key, sum.hit);
            if sum.loss > 0.0 {
                rows.keys.push(key);
                rows.values.push(sum.loss);
            }
        }
        rows.ends.push(rows.keys.len());
        self.touched.clear();
    }
}

/// The draws of one batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) weights: Vec<f64>,
    pub(super) fleet: Vec<f64>,
    pub(super) hosts: Vec<u64>,
    pub(super) guests: Vec<u64>,
    pub(super) tenants_hit: Vec<u64>,
    /// For each draw the probability to reach each threshold of hosts, given its common causes, times their weight over that of
    /// the draw.
    pub(super) reached: Vec<f64>,
    pub(super) tenants: Sparse,
    pub(super) clusters: Sparse,
    pub(super) classes: Sparse,
    pub(super) causes: Sparse,
    /// In which draws clusters and tenants reached the numbers that are asked of them.
    pub(super) clusters_reached: Reached,
    pub(super) tenants_reached: Reached,
}

impl Batch {
    /// Gives back the rows of classes and causes.
    pub(super) fn forget_classes_and_causes(&mut self) {
        (self.classes, self.causes) = (Sparse::default(), Sparse::default());
    }
}

/// The greatest impact by dimension.
pub(super) fn greatest(hits: &[Live]) -> PerDimension {
    let mut impact = PerDimension::default();
    for live in hits {
        for (most, one) in impact.iter_mut().zip(live.impact) {
            *most = most.max(one);
        }
    }
    impact
}

/// Writes down the hits of one draw after the other.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    prepared: &'a Prepared,
    thresholds: &'a [u64],
    batch: Batch,
    /// Tenants hit in each cluster; `None`: nobody asks.
    seats: Option<Hit<'a>>,
    fleet: f64,
    hosts: u64,
    guests: u64,
    tenants: Sums,
    clusters: Sums,
    classes: Sums,
    causes: Sums,
    /// Of the hits that share a loss.
    shocks: Vec<u32>,
}

impl<'a> Recorder<'a> {
    /// With the numbers that are asked for.
    pub(super) fn new(prepared: &'a Prepared, seats: &'a Seats, options: &'a Options) -> Self {
        let asked = &options.at_least_in_parts;
        let batch = Batch {
            clusters_reached: Reached::new(Asked::of_clusters(asked), prepared.clusters),
            tenants_reached: Reached::new(Asked::of_tenants(asked), prepared.tenants),
            ..Batch::default()
        };
        Self {
            prepared,
            thresholds: &options.at_least.hosts,
            batch,
            seats: (!asked.tenants.is_empty()).then(|| Hit::new(seats)),
            fleet: 0.0,
            hosts: 0,
            guests: 0,
            tenants: Sums::new(prepared.tenants),
            clusters: Sums::new(prepared.clusters),
            classes: Sums::new(prepared.classes.len()),
            causes: Sums::new(prepared.shocks.len()),
            shocks: Vec::new(),
        }
    }

    /// A host is hit and loses by `impact`; gives its loss by dimension.
    pub(super) fn host(&mut self, host: usize, impact: &PerDimension) -> PerDimension {
        if let Some(seats) = &mut self.seats {
            seats.host(host);
        }
        let host = &self.prepared.hosts[host];
        let lost: PerDimension = std::array::from_fn(|it| host.worth[it] * impact[it]);
        let loss: f64 = lost.iter().sum();
        self.fleet += loss;
        self.hosts += 1;
        self.guests += u64::from(host.guests);
        self.classes.add(host.class, loss);
        let of_cluster = self.clusters.add(host.cluster, loss);
        of_cluster[HOSTS] += 1;
        of_cluster[GUESTS] = of_cluster[GUESTS].saturating_add(host.guests);
        for holding in self.prepared.holdings_of(host) {
            let loss = super::prepared::loss(&holding.worth, impact);
            let of_tenant = self.tenants.add(holding.tenant, loss);
            if holding.vms > 0 {
                of_tenant[HOSTS] += 1;
                of_tenant[GUESTS] = of_tenant[GUESTS].saturating_add(holding.vms);
            }
        }
        lost
    }

    /// A host is hit by these: in each dimension it loses by the greatest impact. The step up to each level of impact is shared
    /// equally by the shocks that reach it, as in the exact mean by cause.
    pub(super) fn host_by(&mut self, host: usize, hits: &[Live], draw: &Draw<'_>) {
        let impact = greatest(hits);
        let lost = self.host(host, &impact);
        if let [only] = hits {
            return self.share(lost.iter().sum(), std::slice::from_ref(only).iter(), draw);
        }
        for dimension in 0..3 {
            let of_whole = if lost[dimension] > 0.0 { lost[dimension] / impact[dimension] } else { continue };
            let mut below = 0.0;
            while below < impact[dimension] {
                let above = hits.iter().map(|live| live.impact[dimension]).filter(|&level| level > below);
                let level = above.fold(f64::INFINITY, f64::min);
                let reach = hits.iter().filter(|live| live.impact[dimension] >= level);
                self.share(of_whole * (level - below), reach, draw);
                below = level;
            }
        }
    }

    /// Shares a loss among the shocks of some hits, each once; what a plane brings is of the shocks that hit the plane.
    fn share<'l>(&mut self, loss: f64, hits: impl Iterator<Item = &'l Live>, draw: &Draw<'_>) {
        self.shocks.clear();
        for live in hits {
            match live.by {
                By::Shock(shock) => self.shocks.push(shock),
                By::Plane(plane) => self.shocks.extend(&draw.plane_causes[plane as usize]),
                By::Fall(fall) => self.shocks.extend(&draw.fall_causes[fall as usize]),
            }
        }
        self.shocks.sort_unstable();
        self.shocks.dedup();
        let share = loss / self.shocks.len() as f64;
        for &shock in &self.shocks {
            self.causes.add(shock, share);
        }
    }

    /// Ends the draw; `law` is that of the hosts hit given its common causes, where it was worked out, with their weight.
    pub(super) fn end_draw(&mut self, weight: f64, law: Option<(&Pmf, f64)>) {
        let batch = &mut self.batch;
        batch.reached.extend(self.thresholds.iter().map(|&m| match law {
            Some((law, of_causes)) if weight > 0.0 => law.at_least(m) * of_causes / weight,
            _ => f64::from(u8::from(self.hosts >= m)),
        }));
        batch.weights.push(weight);
        batch.fleet.push(self.fleet);
        batch.hosts.push(self.hosts);
        batch.guests.push(self.guests);
        let mut tenants_hit = 0;
        let named = &self.prepared.named;
        self.tenants.end_row(&mut batch.tenants, |key, hit| {
            tenants_hit += u64::from(hit[GUESTS] > 0 && named[key as usize]);
            batch.tenants_reached.add(key, hit, weight);
        });
        batch.tenants_hit.push(tenants_hit);
        let reached = &mut batch.clusters_reached;
        let seats = &mut self.seats;
        self.clusters.end_row(&mut batch.clusters, |key, mut hit| {
            hit[TENANTS] = seats.as_mut().map_or(0, |seats| seats.take(key));
            reached.add(key, hit, weight);
        });
        self.classes.end_row(&mut batch.classes, |_, _| ());
        self.causes.end_row(&mut batch.causes, |_, _| ());
        (self.fleet, self.hosts, self.guests) = (0.0, 0, 0);
    }

    /// Ends the batch.
    pub(super) fn into_batch(mut self) -> Batch {
        let Batch { tenants, clusters, classes, causes, .. } = &mut self.batch;
        [tenants, clusters, classes, causes].into_iter().for_each(Sparse::end);
        self.batch
    }
}
