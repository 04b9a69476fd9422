//! Rules that contradict each other: dependency cycles, and affinities that no placement can satisfy.

use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::{Findings, quoted};
use super::{Affinity, AffinityKind, Application, FleetError, Strength};

/// Longest cycle that is written out.
const SHOWN_CYCLE: usize = 12;

/// Reports each cycle of `depends_on` that a walk through the applications closes.
pub(super) fn dependency_cycles(applications: &[Application], findings: &mut Findings) {
    let index: FxHashMap<&str, usize> =
        applications.iter().enumerate().map(|(at, it)| (it.id.as_str(), at)).collect();
    let next: Vec<Vec<usize>> = applications
        .iter()
        .map(|it| it.depends_on.iter().filter_map(|id| index.get(id.as_str()).copied()).collect())
        .collect();
    cycles(&next, |members, to| {
        let last = members.last().copied().unwrap_or(to);
        let found = cycle_text(members, to, |at| applications.get(at).map_or("", |it| it.id.as_str()));
        findings.error(|| {
            FleetError::new(
                format!("/applications/{last}/depends_on"),
                found,
                "applications that do not depend on themselves",
            )
            .with_help("remove the dependency that is not needed to start")
        });
    });
}

/// Calls back for each cycle that a walk along `next` closes: with its members in order, and the member that it returns to.
pub(super) fn cycles(next: &[Vec<usize>], mut found: impl FnMut(&[usize], usize)) {
    // Position in the current walk plus one; 0: not in it. What is done is never walked again. The walk keeps a stack of
    // its own: a chain of 100,000 dependencies must not overflow the thread's.
    let mut in_walk = vec![0usize; next.len()];
    let mut done = vec![false; next.len()];
    for start in 0..next.len() {
        let mut walk: Vec<(usize, usize)> = if done[start] { vec![] } else { vec![(start, 0)] };
        in_walk[start] = walk.len();
        while let Some((at, edge)) = walk.last_mut() {
            let here = *at;
            let Some(&to) = next[here].get(*edge) else {
                done[here] = true;
                in_walk[here] = 0;
                walk.pop();
                continue;
            };
            *edge += 1;
            if in_walk[to] > 0 {
                let members: Vec<usize> = walk[in_walk[to] - 1..].iter().map(|it| it.0).collect();
                found(&members, to);
            } else if !done[to] {
                walk.push((to, 0));
                in_walk[to] = walk.len();
            }
        }
    }
}

/// A cycle in words, shortened to what a line can hold.
pub(super) fn cycle_text<'n>(members: &[usize], to: usize, name: impl Fn(usize) -> &'n str) -> String {
    let mut names: Vec<String> = members.iter().take(SHOWN_CYCLE).map(|at| quoted(name(*at))).collect();
    if members.len() > SHOWN_CYCLE {
        names.push(format!("{} more", members.len() - SHOWN_CYCLE));
    }
    names.push(quoted(name(to)));
    format!("a cycle: {}", names.join(" -> "))
}

/// Groups of VMs that must be together.
#[derive(Default)]
struct Groups<'a> {
    parent: FxHashMap<&'a str, &'a str>,
}

impl<'a> Groups<'a> {
    fn of(&mut self, vm: &'a str) -> &'a str {
        let mut root = vm;
        while let Some(up) = self.parent.get(root).copied() {
            root = up;
        }
        let mut at = vm;
        while let Some(up) = self.parent.get(at).copied() {
            self.parent.insert(at, root);
            at = up;
        }
        root
    }

    fn join(&mut self, left: &'a str, right: &'a str) {
        let (left, right) = (self.of(left), self.of(right));
        if left != right {
            self.parent.insert(right, left);
        }
    }
}

/// Finds rules that say nothing and must-rules that exclude each other. A plan leaves the guests of these where they stand: they are no
/// reason to refuse all others.
pub(super) fn affinities(rules: &[Affinity], findings: &mut Findings) {
    for (at, rule) in rules.iter().enumerate() {
        empty_rule(at, rule, findings);
        repeated(at, rule, findings);
    }
    let musts = || rules.iter().enumerate().filter(|(_, it)| it.strength == Strength::Must);
    let mut groups = Groups::default();
    for (_, rule) in musts().filter(|(_, it)| it.kind == AffinityKind::Together) {
        for pair in rule.vms.windows(2) {
            if let [left, right] = pair {
                groups.join(left.as_str(), right.as_str());
            }
        }
    }
    for (at, rule) in musts().filter(|(_, it)| it.kind == AffinityKind::Apart) {
        let mut seen: FxHashMap<&str, &str> = FxHashMap::default();
        for vm in &rule.vms {
            let vm = vm.as_str();
            let other = seen.insert(groups.of(vm), vm);
            if let Some(other) = other.filter(|it| *it != vm) {
                findings.warning(|| {
                    FleetError::new(
                        format!("/affinities/{at}/vms"),
                        format!("{} and {} apart", quoted(other), quoted(vm)),
                        "no must-rule that keeps the same VMs together",
                    )
                    .with_help("remove one of the rules or make it `should`")
                });
            }
        }
    }
    common_hosts(musts().filter(|(_, it)| it.kind == AffinityKind::OnHosts), &mut groups, findings);
}

/// VMs that must be together need a host that all their host rules allow.
fn common_hosts<'a>(
    rules: impl Iterator<Item = (usize, &'a Affinity)>,
    groups: &mut Groups<'a>,
    findings: &mut Findings,
) {
    let mut allowed: FxHashMap<&str, FxHashSet<&str>> = FxHashMap::default();
    for (at, rule) in rules.filter(|(_, it)| !it.hosts.is_empty()) {
        let hosts: FxHashSet<&str> = rule.hosts.iter().map(AsRef::as_ref).collect();
        for vm in &rule.vms {
            let group = groups.of(vm.as_str());
            let left = allowed.entry(group).or_insert_with(|| hosts.clone());
            let had = left.len();
            left.retain(|host| hosts.contains(host));
            if had > 0 && left.is_empty() {
                findings.warning(|| {
                    FleetError::new(
                        format!("/affinities/{at}/hosts"),
                        format!("no host left for {}", quoted(vm.as_str())),
                        "a host that all must-rules for this VM and those it must be with allow",
                    )
                    .with_help("widen `hosts` or make one of the rules `should`")
                });
            }
        }
    }
}

/// A VM that a rule names again is perhaps another one that was meant: the rule binds it once.
fn repeated(at: usize, rule: &Affinity, findings: &mut Findings) {
    let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
    for (place, vm) in rule.vms.iter().enumerate() {
        if let Some(first) = seen.insert(vm.as_str(), place) {
            findings.warning(|| {
                let found = format!("{}, which is /affinities/{at}/vms/{first} too", quoted(vm.as_str()));
                FleetError::new(format!("/affinities/{at}/vms/{place}"), found, "each VM once")
                    .with_help("remove it, or name the VM that was meant")
            });
        }
    }
}

fn empty_rule(at: usize, rule: &Affinity, findings: &mut Findings) {
    let (field, found, expected) = match rule.kind {
        AffinityKind::OnHosts if rule.hosts.is_empty() => ("hosts", "no host", "at least one host"),
        AffinityKind::OnHosts if rule.vms.is_empty() => ("vms", "no VM", "at least one VM"),
        AffinityKind::Together | AffinityKind::Apart
            if rule.vms.iter().all(|it| rule.vms.first() == Some(it)) =>
        {
            ("vms", "fewer than two VMs", "at least two VMs")
        }
        AffinityKind::Together | AffinityKind::Apart if !rule.hosts.is_empty() => {
            ("hosts", "hosts that this kind of rule ignores", "hosts only in a rule of kind on-hosts")
        }
        _ => return,
    };
    findings.warning(|| FleetError::new(format!("/affinities/{at}/{field}"), found, expected));
}
