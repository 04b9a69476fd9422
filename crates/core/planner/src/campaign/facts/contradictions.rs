//! Rules about affinity that must hold and cannot: guests that must be together and apart, or on hosts that are not the same.

use std::collections::BTreeMap;

use underpin_model::fleet::AffinityKind;

use super::Facts;

/// A rule that counts: its position in the fleet, its kind, its guests, the hosts that it names.
type Counts = (u32, AffinityKind, Vec<u32>, Vec<u32>);

/// Rules that contradict each other, with the guests that they leave no place.
#[derive(Debug, Clone)]
pub(in super::super) struct Contradiction {
    /// Positions among the fleet's affinities.
    pub(in super::super) affinities: Vec<u32>,
    pub(in super::super) guests: Vec<u32>,
}

impl Facts<'_> {
    /// Finds them among the rules that count.
    pub(super) fn contradictions(&mut self, rules: &[Counts]) {
        let mut groups: Vec<u32> = (0..self.guests.len() as u32).collect();
        for (_, _, members, _) in rules.iter().filter(|it| it.1 == AffinityKind::Together) {
            for pair in members.windows(2) {
                if let &[one, other] = pair {
                    let (one, other) = (root(&mut groups, one), root(&mut groups, other));
                    let (low, high) = (one.min(other), one.max(other));
                    groups[high as usize] = low;
                }
            }
        }
        // Of each group what it cannot obey.
        let mut broken: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (at, _, members, _) in rules.iter().filter(|it| it.1 == AffinityKind::Apart) {
            let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
            for &guest in members {
                let group = root(&mut groups, guest);
                if seen.insert(group, guest).is_some_and(|other| other != guest) {
                    broken.entry(group).or_default().push(*at);
                }
            }
        }
        let mut left: BTreeMap<u32, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for (at, _, members, hosts) in rules.iter().filter(|it| it.1 == AffinityKind::OnHosts) {
            for &guest in members {
                let group = root(&mut groups, guest);
                let (left, by) = left.entry(group).or_insert_with(|| (hosts.clone(), Vec::new()));
                left.retain(|it| hosts.contains(it));
                by.push(*at);
                if left.is_empty() && by.iter().any(|it| it != at) {
                    broken.entry(group).or_default().extend(by.iter());
                }
            }
        }
        for (group, mut affinities) in broken {
            let guests: Vec<u32> =
                (0..self.guests.len() as u32).filter(|&it| root(&mut groups, it) == group).collect();
            let ties = rules.iter().filter(|it| it.1 == AffinityKind::Together);
            affinities.extend(ties.filter(|it| it.2.iter().any(|it| guests.contains(it))).map(|it| it.0));
            affinities.sort_unstable();
            affinities.dedup();
            let number = self.contradictions.len() as u32;
            guests.iter().for_each(|&it| self.guests[it as usize].contradiction = Some(number));
            self.contradictions.push(Contradiction { affinities, guests });
        }
    }
}

/// The first guest of those that one must be with.
fn root(groups: &mut [u32], guest: u32) -> u32 {
    let mut at = guest;
    while groups[at as usize] != at {
        let up = groups[groups[at as usize] as usize];
        groups[at as usize] = up;
        at = up;
    }
    at
}
