//! Each wave of hosts is opened by a gate: whoever watches says go there, hold or halt, and nothing in it is touched before.

use std::collections::BTreeMap;

use underpin_model::plan::Rule;

use super::{Told, Waits};
use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{Locus, NONE, World, ix};

/// Waves that touch hosts have one gate, for which everything in them waits. Returns the gates by wave.
pub(super) fn check(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    first: &[Vec<u32>],
    waits: &mut Waits,
    log: &mut Log<'_>,
) -> BTreeMap<u32, u32> {
    let mut gates: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (act, step) in timeline.acts.iter().zip(0u32..).filter(|it| matches!(it.0.doing, Doing::Gate)) {
        gates.entry(act.wave).or_default().push(step);
    }
    // Of each wave what touches hosts first, and one of these hosts.
    let mut waves: BTreeMap<u32, (Vec<u32>, u32)> = BTreeMap::new();
    for (path, first) in timeline.paths.iter().zip(first).filter(|it| it.0.from != NONE) {
        if let Some(host) = path.element.host() {
            waves.entry(path.wave).or_insert((Vec::new(), host)).0.extend(first);
        }
    }
    for (wave, (steps, host)) in waves {
        log.compared_many(Rule::Order, steps.len() as u64 + 1);
        let locus = world.locus(host);
        match gates.get(&wave).map_or(&[][..], Vec::as_slice) {
            &[gate] => {
                let mut told = None;
                for step in steps {
                    Told::add(&mut told, step, &waits.missing(step, &[gate]));
                }
                if let Some(told) = told {
                    let at = moment(timeline, told.step);
                    log.error(Rule::Order, at, &locus, || told.say(timeline.plan, format!("wave {wave}")));
                }
            }
            [] => lacks(timeline, wave, steps.iter().min().copied(), &locus, log),
            [_, again, ..] => log.error(Rule::Order, moment(timeline, *again), &locus, || {
                (format!("wave {wave}"), format!("step {again} is another gate"), "one gate".into())
            }),
        }
    }
    gates.into_iter().filter_map(|(wave, steps)| Some((wave, *steps.first()?))).collect()
}

fn lacks(timeline: &Timeline<'_>, wave: u32, first: Option<u32>, locus: &Locus, log: &mut Log<'_>) {
    let at = first.map_or(At::NONE, |it| moment(timeline, it));
    log.error(Rule::Order, at, locus, || {
        let found = "it touches hosts, and has no gate";
        (format!("wave {wave}"), found.into(), "a gate that all of it waits for".into())
    });
}

fn moment(timeline: &Timeline<'_>, step: u32) -> At {
    At::step(step, timeline.acts.get(ix(step)).map_or(0, |it| it.start))
}
