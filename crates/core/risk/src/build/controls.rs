//! Compensating controls: which stand where, and what they leave of a way.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use underpin_model::policy::{AttackPath, Control, Parameter, Policy};

use super::hole::Way;
use super::survey::{HostFacts, Survey, number};
use crate::portfolio::{Factor, Gate};
use crate::scope::Reader;

/// One control of the policy with its shocks.
#[derive(Debug)]
pub(super) struct Standing<'p> {
    pub(super) control: &'p Control,
    /// Index of the shock that it fails everywhere at once; `None`: it has no share that does.
    pub(super) fails: Option<u32>,
    /// Index of the shock that its own code is attacked.
    pub(super) attacked: Option<u32>,
}

/// The controls of a policy by id, and where they stand.
#[derive(Debug)]
pub(super) struct Controls<'p> {
    pub(super) list: Vec<Standing<'p>>,
    beta: f64,
    /// Distinct sets of controls, each sorted.
    sets: Vec<Vec<u32>>,
    /// Set of each host.
    pub(super) of_host: Vec<u32>,
    /// Set of each plane: before its own ways in.
    pub(super) of_plane: Vec<u32>,
    /// Set between each plane and its hosts: those before the plane, and those before all of its hosts.
    pub(super) under_plane: Vec<u32>,
}

impl<'p> Controls<'p> {
    pub(super) fn of(policy: &'p Policy, survey: &Survey<'_>) -> Self {
        let mut ordered: Vec<&Control> = policy.controls.iter().collect();
        ordered.sort_by(|a, b| a.id.cmp(&b.id));
        let readers: Vec<Reader<'_>> = ordered.iter().map(|it| Reader::new(&it.scope)).collect();
        let mut numbers: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut sets: Vec<Vec<u32>> = Vec::new();
        let mut intern = |set: Vec<u32>| {
            *numbers.entry(set).or_insert_with_key(|set| {
                sets.push(set.clone());
                number(sets.len() - 1)
            })
        };
        let covers = |reader: &Reader<'_>, host: &HostFacts<'_>| {
            reader.covers_host(host.place(), survey.tenants_on(host))
        };
        let pick = |test: &dyn Fn(&Reader<'_>) -> bool| -> Vec<u32> {
            let matching = readers.iter().enumerate().filter(|(_, reader)| test(reader));
            matching.map(|(at, _)| number(at)).collect()
        };
        let of_host = survey.hosts.iter().map(|host| intern(pick(&|reader| covers(reader, host)))).collect();
        let speaks_of = |reader: &Reader<'_>, at: usize| {
            survey
                .planes
                .get(at)
                .is_some_and(|plane| reader.covers_plane(plane, survey.clusters_of_plane(at)))
        };
        let planes = 0..survey.planes.len();
        let of_plane = planes.clone().map(|at| intern(pick(&|it| speaks_of(it, at)))).collect();
        let under = |at: usize| {
            let hosts = survey.hosts_at_stake(at);
            let may = |it: &Reader<'_>| survey.planes.get(at).is_some_and(|plane| it.may_cover(&plane.id));
            let all = |it: &Reader<'_>| !hosts.is_empty() && hosts.iter().all(|host| covers(it, host));
            intern(pick(&|it| speaks_of(it, at) || (may(it) && all(it))))
        };
        let under_plane = planes.map(under).collect();
        let list =
            ordered.into_iter().map(|control| Standing { control, fails: None, attacked: None }).collect();
        Self { list, beta: policy.parameters.get(Parameter::Beta), sets, of_host, of_plane, under_plane }
    }

    /// Controls that stand somewhere.
    pub(super) fn in_use(&self) -> Vec<bool> {
        let mut used = vec![false; self.list.len()];
        for at in self.sets.iter().flatten() {
            if let Some(used) = used.get_mut(*at as usize) {
                *used = true;
            }
        }
        used
    }

    pub(super) fn set(&self, number: u32) -> impl Iterator<Item = &Standing<'p>> {
        let set = self.sets.get(number as usize).map_or(&[][..], Vec::as_slice);
        set.iter().filter_map(|at| self.list.get(*at as usize))
    }

    /// Names of those before a plane, and of those under it that stand between it and its hosts.
    pub(super) fn at_plane(&self, set: u32, under: u32) -> Vec<String> {
        let between = self.on_path(under, AttackPath::ManagementPlane);
        let all = self.set(set).chain(between).map(|it| it.control.id.clone());
        all.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// What the controls of a set leave of a way: the gate of the strongest, whose failure everywhere at once matters most,
    /// and a factor for each of the others, which fail host by host. Marginally the way is multiplied by all of them.
    pub(super) fn leave(&self, set: u32, way: Way) -> (Option<Gate>, Vec<Factor>) {
        way.path().map_or_else(Default::default, |path| self.leave_of(set, path))
    }

    /// The same of a path, which may be that from a management plane to its hosts.
    pub(super) fn leave_of(&self, set: u32, path: AttackPath) -> (Option<Gate>, Vec<Factor>) {
        let mut standing = self.on_path(set, path);
        standing.sort_by(|a, b| {
            let strength = |it: &&Standing<'_>| it.control.fails.get();
            strength(a).total_cmp(&strength(b)).then_with(|| a.control.id.cmp(&b.control.id))
        });
        let gate = standing.first().and_then(|it| Some((it.fails?, it.control.fails.get())));
        let gate = gate.map(|(shock, fails)| Gate { shock, otherwise: otherwise(fails, self.beta) });
        let others = standing.iter().skip(usize::from(gate.is_some()));
        (gate, others.map(|it| factor(it.control)).collect())
    }

    /// The probability that all controls of a set on a way fail: what [`Controls::leave`] comes to, gate and factors together.
    pub(super) fn all_fail(&self, set: u32, way: Way) -> f64 {
        let Some(path) = way.path() else { return 1.0 };
        self.on_path(set, path).iter().map(|it| it.control.fails.get()).product()
    }

    /// The controls of a set on a path that close some of it.
    pub(super) fn on_path(&self, set: u32, path: AttackPath) -> Vec<&Standing<'p>> {
        let closing = |it: &&Standing<'_>| it.control.closes.contains(&path) && it.control.fails.get() < 1.0;
        self.set(set).filter(closing).collect()
    }

    /// A control fails everywhere at once with this probability, where it has such a share and closes a path.
    pub(super) fn common_failure(&self, control: &Control) -> Option<f64> {
        let fails = control.fails.get();
        (fails > 0.0 && fails < 1.0 && self.beta > 0.0).then_some(self.beta * fails)
    }
}

/// The factor that a control leaves.
pub(super) fn factor(control: &Control) -> Factor {
    let fails = control.fails.get();
    Factor {
        name: "control fails",
        value: fails,
        low: fails,
        high: fails,
        parameter: None,
        source: format!("control {}: {}", control.id, control.source).into(),
    }
}

/// Multiplier of a way while its control does not fail everywhere at once, so that the marginal stays `fails`:
/// `f (1 - beta) / (1 - beta f)`.
pub(super) fn otherwise(fails: f64, beta: f64) -> f64 {
    fails * (1.0 - beta) / (1.0 - beta * fails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marginal_of_a_gate_is_the_failure_of_its_control() {
        for (fails, beta) in [(0.1, 0.05), (0.9, 0.2), (1e-6, 0.01), (0.5, 1.0)] {
            let common = beta * fails;
            let marginal = common + (1.0 - common) * otherwise(fails, beta);
            assert!((marginal - fails).abs() < 1e-15, "{fails} {beta}: {marginal}");
        }
    }
}
