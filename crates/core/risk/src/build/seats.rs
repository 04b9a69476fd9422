//! Management planes that run on hosts: a host that falls takes the planes on it, and they what they manage.
//!
//! In the portfolio hosts answer to planes, so that planes cannot answer to hosts. The circle is cut one step deep: a plane answers
//! to the causes of its hosts as they do, and what takes a host through another plane is not followed. A host must not be
//! taken once more by what it answers to by itself: where a plane manages hosts that it runs on, each of them is under a
//! plane of its own, alike but for that host.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::classes::Classes;
use super::survey::Survey;
use crate::portfolio::{Factor, Gate, Impact, Plane, Response, Shock};

/// Of at most so many hosts each is told apart from the others; beyond, they are under the plane like all that it manages, and
/// what they answer to by themselves counts in it among that of many.
pub(super) const MOST_APART: usize = 4;

/// Makes the planes of a survey answer to their hosts too, and adds those that hosts are under which they run on.
pub(super) fn fall_with_hosts(
    survey: &Survey<'_>,
    classes: &Classes,
    shocks: &[Shock],
    planes: &mut Vec<Plane>,
) {
    let seats = Seats { survey, classes, shocks };
    // By their own holes alone, whatever is added to others.
    let own: Vec<Arc<[Response]>> = planes.iter().map(|it| it.responses.clone().into()).collect();
    let with = |at: u32, plane: &Plane, without: Option<u32>| {
        let hosts = survey.runs_on.get(at as usize).map_or(&[][..], |it| it);
        let responses = own.get(at as usize).map_or(&[][..], |it| it);
        let others: Vec<u32> = hosts.iter().copied().filter(|it| Some(*it) != without).collect();
        Plane { responses: seats.joined(responses, &others), runs_on: hosts.to_vec(), ..plane.clone() }
    };
    let apart: Vec<Plane> = survey
        .apart
        .iter()
        .filter_map(|(at, host)| Some(with(*at, planes.get(*at as usize)?, Some(*host))))
        .collect();
    for (at, plane) in (0..).zip(planes.iter_mut()).filter(|(at, _)| survey.runs_on_any(*at)) {
        *plane = with(at, plane, None);
    }
    planes.extend(apart);
}

/// The hosts that planes run on.
struct Seats<'a> {
    survey: &'a Survey<'a>,
    classes: &'a Classes,
    shocks: &'a [Shock],
}

impl Seats<'_> {
    /// The responses of a plane and those of hosts that it runs on, one a shock.
    fn joined(&self, own: &[Response], hosts: &[u32]) -> Vec<Response> {
        let mut by_shock: BTreeMap<u32, Vec<Response>> = BTreeMap::new();
        for response in own {
            by_shock.entry(response.shock).or_default().push(response.clone());
        }
        for host in hosts {
            let class = self.classes.of_host.get(*host as usize).copied().unwrap_or(u32::MAX);
            let responses = self.classes.list.get(class as usize).map_or(&[][..], |it| &it.responses);
            let id = self.survey.hosts.get(*host as usize).map_or("?", |it| it.host.id.as_str());
            for response in responses.iter().filter_map(|it| through(it, id)) {
                by_shock.entry(response.shock).or_default().push(response);
            }
        }
        by_shock.into_values().filter_map(|ways| self.any_of(ways)).collect()
    }

    /// Several ways of one shock as one. Given the shock they are taken as independent, those behind one control too: the most
    /// that it can be under what the model lets them have in common. One way is exact.
    fn any_of(&self, mut ways: Vec<Response>) -> Option<Response> {
        if ways.len() < 2 {
            return ways.pop();
        }
        let left = |gate: Option<Gate>| {
            gate.map_or(1.0, |it| {
                let common = self.shocks.get(it.shock as usize).map_or(0.0, |it| it.probability);
                common + (1.0 - common) * it.otherwise
            })
        };
        let any = |of: &dyn Fn(&Response) -> f64| {
            1.0 - ways.iter().map(|it| 1.0 - (of(it) * left(it.gate)).clamp(0.0, 1.0)).product::<f64>()
        };
        let product = |it: &Response, end: fn(&Factor) -> f64| it.factors.iter().map(end).product::<f64>();
        let probability = any(&|it| it.probability);
        let factor = Factor {
            name: "any of its ways",
            value: probability,
            low: any(&|it| product(it, |it| it.low)).min(probability),
            high: any(&|it| product(it, |it| it.high)).max(probability),
            parameter: None,
            source: format!("{} ways: its own holes and those of hosts that it runs on", ways.len()).into(),
        };
        let shock = ways.first()?.shock;
        Some(Response {
            shock,
            probability,
            left: 1.0,
            gate: None,
            impact: Impact::COMPROMISED,
            factors: [factor].into(),
        })
    }
}

/// How a plane answers to what hits a host that it runs on.
fn through(response: &Response, host: &str) -> Option<Response> {
    let control = control_of(response.impact);
    let factor = Factor {
        name: "gives control of a plane on the host",
        value: control,
        low: control,
        high: control,
        parameter: None,
        source: format!(
            "it runs on host {host}: integrity lost there, or half of confidentiality: a judgement"
        )
        .into(),
    };
    (control > 0.0).then(|| Response {
        probability: response.probability * control,
        impact: Impact::COMPROMISED,
        factors: response.factors.iter().cloned().chain([factor]).collect(),
        ..response.clone()
    })
}

/// How far a hit on a host gives control of what runs on it, as for a hole in a plane: as integrity is lost, half as much where only
/// confidentiality is.
pub(crate) fn control_of(impact: Impact) -> f64 {
    impact.integrity.max(0.5 * impact.confidentiality)
}

/// Puts hosts under planes of their own where they are managed by what runs on them: the planes with their hosts, in the order
/// of the portfolio's planes after those of the fleet.
pub(super) fn tell_apart(survey: &mut Survey<'_>) {
    let count = survey.planes.len();
    let mut apart: Vec<(u32, u32)> = Vec::new();
    for (at, hosts) in (0..).zip(&survey.runs_on).filter(|(_, it)| it.len() <= MOST_APART) {
        let managed: FxHashSet<u32> =
            survey.hosts_of_plane.get(at as usize).into_iter().flatten().copied().collect();
        apart.extend(hosts.iter().filter(|it| managed.contains(it)).map(|host| (at, *host)));
    }
    for (nth, (plane, host)) in apart.iter().enumerate() {
        let planes = survey.hosts.get_mut(*host as usize).map(|it| &mut it.planes);
        for it in planes.into_iter().flatten().filter(|it| *it == plane) {
            *it = super::survey::number(count + nth);
        }
    }
    survey.apart = apart;
}
