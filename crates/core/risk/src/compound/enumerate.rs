//! How many are hit at once, exactly, under the common causes: every state of the shocks and planes that act on a set of hosts,
//! quadrature over `Z`, and given these the law of hosts on their own.

use rayon::prelude::*;

use super::counts::{Known, Member, Question};
use super::exact::ClassLaw;
use super::prepared::{ClassSources, Gated, Prepared, Source, multiplier};
use super::result::Thresholds;
use super::shape::Table;
use super::union::either;

/// Most shocks that may or may not happen, planes included, that are enumerated.
const MOST_UNCERTAIN: usize = 12;

/// Most multiplications spent on one set.
const MOST_WORK: f64 = 4e8;

/// The same where each host answers on its own: an upper bound that is rarely near.
const MOST_WORK_ALONE: f64 = 1.6e9;

/// Most multiplications spent on all parts of one kind.
const MOST_WORK_OF_PARTS: f64 = 1e9;

/// Most hosts of a part: more need more places of the factor, and all parts share one table of these.
const MOST_HOSTS_OF_PART: usize = 4_096;

/// What hosts have in common.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dependence<'a> {
    /// Nothing: each is hit on its own as often as its class is.
    None(&'a [ClassLaw]),
    /// The shocks, the planes and the factor.
    Common,
}

/// Of the whole fleet.
pub(super) fn fleet(prepared: &Prepared, how: Dependence<'_>, asked: &Thresholds) -> Known {
    let mut members: Vec<Member> = Vec::with_capacity(prepared.hosts.len());
    for (class, sources) in (0..).zip(&prepared.classes) {
        let hosts = sources.hosts.clone().zip(&prepared.hosts[sources.hosts.clone()]);
        members.extend(hosts.map(|(at, host)| (at as u32, class, host.guests)));
    }
    let limits = Limits { work: MOST_WORK, hosts: usize::MAX };
    let ask = Ask { prepared, how, asked, whole: true, limits };
    ask.answers(std::slice::from_ref(&members)).pop().unwrap_or_default()
}

/// Of each cluster.
pub(super) fn clusters(prepared: &Prepared, how: Dependence<'_>, asked: &Thresholds) -> Vec<Known> {
    let mut members: Vec<Vec<Member>> = vec![Vec::new(); prepared.clusters];
    for (class, sources) in (0..).zip(&prepared.classes) {
        for at in sources.hosts.clone() {
            let host = &prepared.hosts[at];
            members[host.cluster as usize].push((at as u32, class, host.guests));
        }
    }
    parts(prepared, how, &members, asked, true)
}

/// Of the hosts of each tenant, and its guests on them.
pub(super) fn tenants(prepared: &Prepared, how: Dependence<'_>, asked: &Thresholds) -> Vec<Known> {
    let mut members: Vec<Vec<Member>> = vec![Vec::new(); prepared.tenants];
    for (class, sources) in (0..).zip(&prepared.classes) {
        for at in sources.hosts.clone() {
            for holding in prepared.holdings_of(&prepared.hosts[at]).iter().filter(|it| it.vms > 0) {
                members[holding.tenant as usize].push((at as u32, class, holding.vms));
            }
        }
    }
    parts(prepared, how, &members, asked, false)
}

fn parts(
    prepared: &Prepared,
    how: Dependence<'_>,
    members: &[Vec<Member>],
    asked: &Thresholds,
    whole: bool,
) -> Vec<Known> {
    let work = MOST_WORK.min(MOST_WORK_OF_PARTS / members.len().max(1) as f64);
    let limits = Limits { work, hosts: MOST_HOSTS_OF_PART };
    Ask { prepared, how, asked, whole, limits }.answers(members)
}

/// How much work one set may be, and how many hosts it may have.
#[derive(Debug, Clone, Copy)]
struct Limits {
    work: f64,
    hosts: usize,
}

/// The same question about many sets of hosts.
#[derive(Clone, Copy)]
struct Ask<'a> {
    prepared: &'a Prepared,
    how: Dependence<'a>,
    asked: &'a Thresholds,
    whole: bool,
    limits: Limits,
}

impl Ask<'_> {
    /// For each set; nothing where it is too large or too much acts on it.
    fn answers(&self, sets: &[Vec<Member>]) -> Vec<Known> {
        match self.how {
            Dependence::None(laws) => sets.par_iter().map(|set| self.alone(set, laws)).collect(),
            Dependence::Common => {
                // Before anything is counted: on most sets of a great fleet too much acts.
                let scope = |set: &Vec<Member>| {
                    let few = set.len() <= self.limits.hosts;
                    if few { Scope::of(self.prepared, set) } else { None }
                };
                let scopes: Vec<Option<Scope>> = sets.par_iter().map(scope).collect();
                let sizes =
                    sets.iter().zip(&scopes).filter(|(_, scope)| scope.is_some()).map(|it| it.0.len());
                let Some(most) = sizes.max() else { return vec![Known::default(); sets.len()] };
                let table = Table::new(self.prepared, 0.125, most);
                let both = sets.par_iter().zip(scopes);
                both.map(|(set, scope)| scope.map_or_else(Known::default, |it| self.common(set, it, &table)))
                    .collect()
            }
        }
    }

    fn question(&self, set: &[Member]) -> Question<'_> {
        Question::new(self.prepared, set, self.asked, self.whole)
    }

    fn alone(&self, set: &[Member], laws: &[ClassLaw]) -> Known {
        let mut question = self.question(set);
        let hit: Vec<f64> = question.classes.iter().map(|&class| laws[class as usize].hit).collect();
        question.only(|work| work < self.limits.work * MOST_WORK_ALONE / MOST_WORK, Some(&hit));
        Question::known(question.answer(&hit))
    }

    fn common(&self, set: &[Member], scope: Scope, table: &Table<'_>) -> Known {
        let mut question = self.question(set);
        Enumeration { prepared: self.prepared, table, scope }.answer(&mut question, self.limits.work)
    }
}

/// What acts on a set of hosts and may or may not.
#[derive(Debug)]
struct Scope {
    uncertain: Vec<u32>,
    planes: Vec<u32>,
    falls: Vec<u32>,
    /// Falls by a host of which not every hit takes its planes: they have one way more to come.
    in_two_ways: usize,
}

impl Scope {
    /// `None`: too much to enumerate.
    fn of(prepared: &Prepared, set: &[Member]) -> Option<Self> {
        let mut scope = Self { uncertain: Vec::new(), planes: Vec::new(), falls: Vec::new(), in_two_ways: 0 };
        for alike in set.chunk_by(|a, b| a.1 == b.1) {
            let class = &prepared.classes[alike[0].1 as usize];
            for &plane in &class.planes {
                let sources = &prepared.planes[plane as usize];
                if sources.acts() && !scope.planes.contains(&plane) {
                    scope.planes.push(plane);
                    scope.gate(prepared, sources.gate)?;
                    sources.falls.iter().try_for_each(|&it| scope.fall(prepared, it))?;
                }
            }
            class.falls.iter().try_for_each(|&it| scope.fall(prepared, it))?;
            scope.sources(prepared, &class.sources)?;
        }
        scope.uncertain.sort_unstable();
        scope.planes.sort_unstable();
        Some(scope)
    }

    fn fall(&mut self, prepared: &Prepared, fall: u32) -> Option<()> {
        if self.falls.contains(&fall) {
            return Some(());
        }
        self.falls.push(fall);
        let fall = &prepared.falls[fall as usize];
        self.in_two_ways += usize::from(fall.by_host.as_ref().is_some_and(|it| it.control < 1.0));
        self.sources(prepared, &fall.sources)
    }

    fn sources(&mut self, prepared: &Prepared, sources: &[Source]) -> Option<()> {
        for source in sources.iter().filter(|source| prepared.shocks[source.shock as usize] > 0.0) {
            self.shock(prepared, source.shock)?;
            self.gate(prepared, source.gate)?;
        }
        Some(())
    }

    fn gate(&mut self, prepared: &Prepared, gate: Option<Gated>) -> Option<()> {
        gate.map_or(Some(()), |gate| self.shock(prepared, gate.shock))
    }

    fn shock(&mut self, prepared: &Prepared, shock: u32) -> Option<()> {
        let probability = prepared.shocks[shock as usize];
        if probability > 0.0 && probability < 1.0 && !self.uncertain.contains(&shock) {
            self.uncertain.push(shock);
        }
        (self.bits() <= MOST_UNCERTAIN).then_some(())
    }

    fn bits(&self) -> usize {
        self.uncertain.len() + self.falls.len() + self.in_two_ways
    }
}

fn add(sums: &mut [Vec<f64>; 3], part: &[Vec<f64>; 3], weight: f64) {
    for (sums, part) in sums.iter_mut().zip(part) {
        sums.resize(part.len(), 0.0);
        for (sum, one) in sums.iter_mut().zip(part) {
            *sum += weight * one;
        }
    }
}

/// One way in which a fall comes or not.
struct Way {
    weight: f64,
    /// Planes fall.
    planes: bool,
    /// The class of the host that is hit.
    host: Option<u32>,
}

struct Enumeration<'a> {
    prepared: &'a Prepared,
    table: &'a Table<'a>,
    scope: Scope,
}

impl Enumeration<'_> {
    fn answer(&self, question: &mut Question<'_>, most_work: f64) -> Known {
        let sources = question.classes.iter().map(|&it| self.prepared.classes[it as usize].sources.len());
        let hits = sources.sum::<usize>() as f64;
        let states = (self.scope.bits() as f64).exp2() * self.table.nodes.len() as f64;
        question.only(|work| states * (work + hits) < most_work, None);
        if !question.is_asked() {
            return Known::default();
        }
        let question = &*question;
        let nodes = (0..self.table.nodes.len()).into_par_iter();
        let given: Vec<[Vec<f64>; 3]> = nodes.map(|node| self.at(node, question)).collect();
        let mut sums = <[Vec<f64>; 3]>::default();
        for one in &given {
            add(&mut sums, one, 1.0);
        }
        Question::known(sums)
    }

    /// All states of shocks and planes at one node.
    fn at(&self, node: usize, question: &Question<'_>) -> [Vec<f64>; 3] {
        let mut sums = <[Vec<f64>; 3]>::default();
        let shocks = &self.prepared.shocks;
        let mut happens: Vec<bool> = shocks.iter().map(|&probability| probability >= 1.0).collect();
        for state in 0u32..1 << self.scope.uncertain.len() {
            let mut weight = self.table.nodes[node].1;
            for (bit, &shock) in self.scope.uncertain.iter().enumerate() {
                happens[shock as usize] = state >> bit & 1 == 1;
                let probability = shocks[shock as usize];
                weight *= if happens[shock as usize] { probability } else { 1.0 - probability };
            }
            self.planes_given(node, &happens, weight, question, &mut sums);
        }
        sums
    }

    fn planes_given(
        &self,
        node: usize,
        happens: &[bool],
        weight: f64,
        question: &Question<'_>,
        sums: &mut [Vec<f64>; 3],
    ) {
        let classes = || question.classes.iter().map(|&class| &self.prepared.classes[class as usize]);
        let takes = |&plane: &u32| self.prepared.planes[plane as usize].takes(happens);
        let takes: Vec<f64> = self.scope.planes.iter().map(takes).collect();
        let direct: Vec<f64> = classes().map(|class| self.struck(node, &class.sources, happens)).collect();
        let ways: Vec<Vec<Way>> =
            self.scope.falls.iter().map(|&fall| self.ways(node, fall, happens, question)).collect();
        let mut places = vec![0; ways.len()];
        let mut fallen = vec![false; self.scope.planes.len()];
        loop {
            let state = || ways.iter().zip(&places).map(|(ways, &place)| &ways[place]);
            let of_falls: f64 = state().map(|it| it.weight).product();
            fallen.fill(false);
            for (_, &fall) in state().zip(&self.scope.falls).filter(|(way, _)| way.planes) {
                let planes = &self.prepared.falls[fall as usize].planes;
                let places = planes.iter().filter_map(|it| self.scope.planes.binary_search(it).ok());
                places.for_each(|it| fallen[it] = true);
            }
            let hit = |((class, own), direct): ((&ClassSources, &u32), &f64)| {
                if state().any(|way| way.host == Some(*own)) {
                    return 1.0;
                }
                let places = class.planes.iter().filter_map(|it| self.scope.planes.binary_search(it).ok());
                places.filter(|&it| fallen[it]).fold(*direct, |hit, it| either(hit, takes[it]))
            };
            let hit: Vec<f64> = classes().zip(&question.classes).zip(&direct).map(hit).collect();
            add(sums, &question.answer(&hit), weight * of_falls);
            // The next one, counting with the first fall as the lowest digit.
            let Some(turn) = places.iter().zip(&ways).position(|(&place, ways)| place + 1 < ways.len())
            else {
                return;
            };
            places[..turn].fill(0);
            places[turn] += 1;
        }
    }

    /// In which ways a fall may come or not, given shocks and factor.
    fn ways(&self, node: usize, fall: u32, happens: &[bool], question: &Question<'_>) -> Vec<Way> {
        let fall = &self.prepared.falls[fall as usize];
        let any = self.struck(node, &fall.sources, happens);
        let ways = match &fall.by_host {
            None => [(any, true, None), (1.0 - any, false, None), (0.0, false, None)],
            Some(host) => {
                let control = self.struck(node, &host.controlling, happens);
                if question.classes.contains(&host.class) {
                    let class = Some(host.class);
                    [(control, true, class), (any - control, false, class), (1.0 - any, false, None)]
                } else {
                    [(control, true, None), (1.0 - control, false, None), (0.0, false, None)]
                }
            }
        };
        let possible = ways.into_iter().filter(|it| it.0 > 0.0);
        possible.map(|(weight, planes, host)| Way { weight, planes, host }).collect()
    }

    /// Probability that any of the sources hits, given shocks and factor.
    fn struck(&self, node: usize, sources: &[Source], happens: &[bool]) -> f64 {
        let happened = sources.iter().filter(|source| happens[source.shock as usize]);
        happened.fold(0.0, |hit, source| either(hit, self.hit(node, source, happens)))
    }

    fn hit(&self, node: usize, source: &Source, happens: &[bool]) -> f64 {
        multiplier(source.gate, happens) * self.table.at(node, source.answer)
    }
}
