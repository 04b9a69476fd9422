//! Blast radius: what falls with one host, one management plane, one bad release, or with Underpin itself.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_model::id::{HostId, ManagementPlaneId};

use crate::compound::by_itself::{self, OwnHits};
use crate::marginal::mean_greatest;
use crate::portfolio::{Cause, Holding, HostClass, HostLine, Impact, Plane, Portfolio, Response};

/// What stands within reach of one thing, and what it costs when that falls.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Blast {
    /// Hosts within reach.
    pub hosts: u64,
    /// VMs on them.
    pub guests: u64,
    /// Tenants with VMs on them; VMs of no known tenant count as one.
    pub tenants: u64,
    /// The greatest loss: every host within reach falls.
    pub greatest_loss: f64,
    /// The mean loss, given that it falls (for a host: given that one of its holes is used or another cause hits it).
    pub mean_loss: f64,
    /// Probability within the horizon that it falls by its own causes: for a plane through its own holes and the hosts that it runs
    /// on, for a host without the planes above it. By the law of the portfolio: what is common to several ways is there once.
    pub probability: f64,
}

/// The blast radii of a fleet.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct BlastRadii {
    /// Each host, the greatest loss first.
    pub hosts: Vec<(HostId, Blast)>,
    /// Each management plane.
    pub planes: Vec<(ManagementPlaneId, Blast)>,
    /// Each bad release with its hardware class.
    pub releases: Vec<(Cause, Blast)>,
    /// Underpin itself, with the hosts that its credentials reach.
    pub underpin: Blast,
}

/// A sum over hosts.
#[derive(Default)]
struct Sum {
    blast: Blast,
    /// One bit a tenant.
    tenants: Vec<u64>,
}

impl Sum {
    /// One host, with what is lost of it at most and on average.
    fn add(&mut self, holdings: &[Holding], greatest: Impact, mean: Impact) {
        let loss = |impact| holdings.iter().map(|it| it.loss(impact)).sum::<f64>();
        self.blast.hosts += 1;
        self.blast.guests += holdings.iter().map(|it| u64::from(it.vms)).sum::<u64>();
        for tenant in holdings.iter().filter(|it| it.vms > 0).map(|it| it.tenant) {
            let (word, bit) = ((tenant / u64::BITS) as usize, 1 << (tenant % u64::BITS));
            if self.tenants.len() <= word {
                self.tenants.resize(word + 1, 0);
            }
            if let Some(word) = self.tenants.get_mut(word) {
                *word |= bit;
            }
        }
        self.blast.greatest_loss += loss(greatest);
        self.blast.mean_loss += loss(mean);
    }

    fn done(self, probability: f64) -> Blast {
        let tenants = self.tenants.iter().map(|it| u64::from(it.count_ones())).sum();
        Blast { tenants, probability, ..self.blast }
    }
}

/// The blast radii of every host, plane and bad release, and of Underpin.
#[must_use]
pub fn blast_radii(portfolio: &Portfolio) -> BlastRadii {
    let above = Above::of(portfolio);
    let hits = own_hits(portfolio, portfolio.hosts.iter());
    let lines = (0..).zip(portfolio.hosts.iter().zip(hits));
    let lines =
        lines.map(|(at, (host, hits))| (host.id.clone(), of_host(portfolio, &above, (at, host), hits)));
    let mut hosts: Vec<(HostId, Blast)> = lines.collect();
    hosts.sort_by(|a, b| b.1.greatest_loss.total_cmp(&a.1.greatest_loss).then_with(|| a.0.cmp(&b.0)));
    let is_release =
        |at: &usize| portfolio.shocks.get(*at).is_some_and(|it| matches!(it.cause, Cause::BadRelease { .. }));
    let releases: Vec<usize> = (0..portfolio.shocks.len()).filter(is_release).collect();
    let blasts = releases.iter().zip(of_shocks(portfolio, &releases));
    BlastRadii {
        hosts,
        planes: of_planes(portfolio),
        releases: blasts
            .filter_map(|(at, blast)| Some((portfolio.shocks.get(*at)?.cause.clone(), blast)))
            .collect(),
        underpin: portfolio
            .shocks
            .iter()
            .position(|it| it.cause == Cause::Underpin)
            .map_or_else(Blast::default, |at| of_shock(portfolio, at)),
    }
}

/// Probability within the horizon that each of some hosts is hit by its own causes, without the planes above it.
#[must_use]
pub fn falls_by_itself<'p>(portfolio: &'p Portfolio, hosts: impl Iterator<Item = &'p HostLine>) -> Vec<f64> {
    own_hits(portfolio, hosts).into_iter().map(|it| it.any).collect()
}

/// What hits each of some hosts by itself: worked out once for classes that share their answers.
fn own_hits<'p>(portfolio: &'p Portfolio, hosts: impl Iterator<Item = &'p HostLine>) -> Vec<OwnHits> {
    let mut places: FxHashMap<(usize, usize), usize> = FxHashMap::default();
    let mut lists: Vec<&[Response]> = Vec::new();
    let mut place = |host: &HostLine| {
        let list: &[Response] = portfolio.class_of(host.class).map_or(&[], |it| &it.responses);
        *places.entry((list.as_ptr().addr(), list.len())).or_insert_with(|| {
            lists.push(list);
            lists.len() - 1
        })
    };
    let place_of_host: Vec<usize> = hosts.map(&mut place).collect();
    let hits = by_itself::of_lists(portfolio, &lists);
    place_of_host.into_iter().map(|at| hits.get(at).copied().unwrap_or_default()).collect()
}

/// Which planes run on which hosts, and the hosts that they manage.
#[derive(Default)]
struct Above {
    /// Planes by the host that they run on.
    on_host: FxHashMap<u32, Vec<u32>>,
    /// Hosts by the plane, of planes that run on hosts.
    managed: FxHashMap<u32, Vec<u32>>,
}

impl Above {
    fn of(portfolio: &Portfolio) -> Self {
        let mut above = Self::default();
        for (at, plane) in (0..).zip(&portfolio.planes) {
            plane.runs_on.iter().for_each(|host| above.on_host.entry(*host).or_default().push(at));
        }
        if above.on_host.is_empty() {
            return above;
        }
        for (at, host) in (0..).zip(&portfolio.hosts) {
            for plane in portfolio.class_of(host.class).map_or(&[][..], |it| &it.planes) {
                above.managed.entry(*plane).or_default().push(at);
            }
        }
        above
    }
}

/// One host: what its guests would lose at worst, and on average over the causes that can hit it; with the hosts that the planes
/// manage which run on it.
fn of_host(portfolio: &Portfolio, above: &Above, (at, host): (u32, &HostLine), own: OwnHits) -> Blast {
    let given = |it: f64| if own.any > 0.0 { it / own.any } else { 0.0 };
    let mut sum = Sum::default();
    let down = if own.mean.host_down > 0.0 { 1.0 } else { 0.0 };
    let greatest = Impact { host_down: down, ..Impact::COMPROMISED };
    sum.add(portfolio.holdings_of(host), greatest, own.mean.times(given(1.0)));
    // What none of the planes takes, host by host.
    let mut spared: BTreeMap<u32, (Impact, f64)> = BTreeMap::new();
    for at_plane in above.on_host.get(&at).into_iter().flatten() {
        let Some(plane) = portfolio.planes.get(*at_plane as usize) else { continue };
        let takes = portfolio.takes_host(plane);
        for managed in above.managed.get(at_plane).into_iter().flatten().filter(|it| **it != at) {
            let (impact, left) = spared.entry(*managed).or_insert((Impact::default(), 1.0));
            *impact = impact.or(plane.impact);
            *left *= 1.0 - takes;
        }
    }
    for (managed, (impact, left)) in spared {
        if let Some(managed) = portfolio.hosts.get(managed as usize) {
            let taken = given(own.control) * (1.0 - left);
            sum.add(portfolio.holdings_of(managed), impact, impact.times(taken));
        }
    }
    sum.done(own.any)
}

/// Each management plane, in the portfolio's order: every host that it manages, each taken with
/// [`takes_host`](Portfolio::takes_host). One pass over the hosts, for there may be a plane per cluster.
#[must_use]
pub fn of_planes(portfolio: &Portfolio) -> Vec<(ManagementPlaneId, Blast)> {
    let mut sums: Vec<Sum> = portfolio.planes.iter().map(|_| Sum::default()).collect();
    for host in &portfolio.hosts {
        let managed_by = portfolio.class_of(host.class).map_or(&[][..], |it| &it.planes);
        for at in managed_by.iter().map(|it| *it as usize) {
            if let (Some(sum), Some(plane)) = (sums.get_mut(at), portfolio.planes.get(at)) {
                let mean = plane.impact.times(portfolio.takes_host(plane));
                sum.add(portfolio.holdings_of(host), plane.impact, mean);
            }
        }
    }
    let lines = portfolio.planes.iter().zip(sums).zip(by_itself::of_planes(portfolio));
    lines.map(|((plane, sum), falls)| (plane.id.clone(), sum.done(falls))).collect()
}

/// One shock, by its index: every host that answers to it, by itself or through a plane that does.
#[must_use]
pub fn of_shock(portfolio: &Portfolio, shock: usize) -> Blast {
    of_shocks(portfolio, &[shock]).pop().unwrap_or_default()
}

/// The same of many shocks: what each list of responses answers is read once for all of them.
#[must_use]
pub fn of_shocks(portfolio: &Portfolio, shocks: &[usize]) -> Vec<Blast> {
    let answers = Answers::of(portfolio);
    shocks.par_iter().map(|shock| answers.blast(portfolio, *shock)).collect()
}

/// How likely something falls if a shock happens, and what that takes.
type Answer = (f64, Impact);

/// Who answers to which shock.
struct Answers {
    /// For each class the list of responses that it shares with others.
    list_of_class: Vec<usize>,
    lists: usize,
    /// For each shock the lists that answer to it.
    by_lists: Vec<Vec<(usize, Answer)>>,
    /// For each shock the planes that answer to it.
    by_planes: Vec<Vec<(usize, Answer)>>,
    /// For the classes of hosts that planes run on the answers of the planes above, by shock, but for what is by the host itself.
    through: FxHashMap<u32, Vec<BTreeMap<u32, Answer>>>,
}

impl Answers {
    fn of(portfolio: &Portfolio) -> Self {
        let mut lists: Vec<&[Response]> = Vec::new();
        let mut places: FxHashMap<(usize, usize), usize> = FxHashMap::default();
        let list_of_class = portfolio.classes.iter().map(|class| {
            let list: &[Response] = &class.responses;
            *places.entry((list.as_ptr().addr(), list.len())).or_insert_with(|| {
                lists.push(list);
                lists.len() - 1
            })
        });
        let list_of_class = list_of_class.collect();
        let shocks = portfolio.shocks.len();
        let by_lists = by_shock(portfolio, shocks, &lists);
        let mut by_planes: Vec<Vec<(usize, Answer)>> = vec![Vec::new(); shocks];
        for (at, plane) in portfolio.planes.iter().enumerate() {
            for (shock, answer) in answers_of_plane(portfolio, plane, None) {
                if let Some(of_shock) = by_planes.get_mut(shock as usize) {
                    of_shock.push((at, answer));
                }
            }
        }
        let carries = portfolio.planes.iter().flat_map(|it| &it.runs_on);
        let class = |host: &u32| Some((portfolio.hosts.get(*host as usize)?.class, *host));
        let mut through: FxHashMap<u32, Vec<BTreeMap<u32, Answer>>> = FxHashMap::default();
        for (class, host) in carries.filter_map(class) {
            let planes = portfolio.class_of(class).map_or(&[][..], |it| &it.planes);
            let planes = planes.iter().filter_map(|it| portfolio.planes.get(*it as usize));
            let answers = || planes.map(|it| answers_of_plane(portfolio, it, Some(host))).collect();
            through.entry(class).or_insert_with(answers);
        }
        Self { list_of_class, lists: lists.len(), by_lists, by_planes, through }
    }

    fn blast(&self, portfolio: &Portfolio, shock: usize) -> Blast {
        let of_lists = dense(self.lists, self.by_lists.get(shock));
        let of_planes = dense(portfolio.planes.len(), self.by_planes.get(shock));
        let of_class = |((class, list), at): ((&HostClass, &usize), u32)| {
            let own = of_lists.get(*list).copied().flatten();
            let through: Vec<Answer> = match self.through.get(&at) {
                Some(planes) => planes.iter().filter_map(|it| it.get(&(shock as u32)).copied()).collect(),
                None => {
                    let planes = class.planes.iter().map(|it| of_planes.get(*it as usize));
                    planes.filter_map(|it| it.copied().flatten()).collect()
                }
            };
            let hits: Vec<Answer> = own.into_iter().chain(through).filter(|it| it.0 > 0.0).collect();
            let greatest = hits.iter().map(|it| it.1).reduce(Impact::or)?;
            Some((greatest, mean_greatest(&hits)))
        };
        let classes = portfolio.classes.iter().zip(&self.list_of_class).zip(0..);
        let answers: Vec<Option<(Impact, Impact)>> = classes.map(of_class).collect();
        let mut sum = Sum::default();
        for host in &portfolio.hosts {
            if let Some((greatest, mean)) = answers.get(host.class as usize).copied().flatten() {
                sum.add(portfolio.holdings_of(host), greatest, mean);
            }
        }
        sum.done(portfolio.shocks.get(shock).map_or(0.0, |it| it.probability))
    }
}

/// What of its hosts a plane takes by each shock that happens.
fn answers_of_plane(portfolio: &Portfolio, plane: &Plane, but: Option<u32>) -> BTreeMap<u32, Answer> {
    let mut stands: BTreeMap<u32, f64> = BTreeMap::new();
    for (response, control) in portfolio.ways_to_fall(plane, but) {
        *stands.entry(response.shock).or_insert(1.0) *= 1.0 - portfolio.given_shock(response) * control;
    }
    let takes = portfolio.takes_host(plane);
    stands.into_iter().map(|(shock, stands)| (shock, ((1.0 - stands) * takes, plane.impact))).collect()
}

/// For each shock the lists with a response to it, which is the first where there are several.
fn by_shock(portfolio: &Portfolio, shocks: usize, lists: &[&[Response]]) -> Vec<Vec<(usize, Answer)>> {
    let mut by_shock: Vec<Vec<(usize, Answer)>> = vec![Vec::new(); shocks];
    for (at, list) in lists.iter().enumerate() {
        for response in *list {
            let Some(of_shock) = by_shock.get_mut(response.shock as usize) else { continue };
            if of_shock.last().is_none_or(|it| it.0 != at) {
                of_shock.push((at, (portfolio.given_shock(response), response.impact)));
            }
        }
    }
    by_shock
}

/// So many places, of which some have an answer.
fn dense(count: usize, answers: Option<&Vec<(usize, Answer)>>) -> Vec<Option<Answer>> {
    let mut places = vec![None; count];
    for (at, answer) in answers.into_iter().flatten() {
        if let Some(place) = places.get_mut(*at) {
            *place = Some(*answer);
        }
    }
    places
}
