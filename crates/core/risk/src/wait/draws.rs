//! The draws of the parameters, made once for all decisions of a fleet: groups are compared under the same assumptions, and
//! what a draw says about a way into a machine is worked out once for all groups with such machines.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::values::{Assumptions, Span, Values, quantile, uniforms};
use crate::build::hole::Way;
use crate::build::hosts::Approach;
use crate::build::reach::{Machine, Rates, reach};

/// Draws of the parameters, and the reach of machines under each.
pub(super) struct Draws {
    spans: Vec<Span>,
    /// Per draw one uniform number for each span.
    uniforms: Vec<Vec<f64>>,
    values: Vec<Values>,
    rates: Vec<Rates>,
    reaches: FxHashMap<(Way, Machine), Box<[f64]>>,
}

impl Draws {
    /// So many draws from a seed, and the reach of every way into a machine that a group asks for.
    pub(super) fn of<'a>(
        assumptions: &Assumptions,
        (count, seed): (u32, u64),
        rates: Rates,
        approaches: impl Iterator<Item = &'a Approach>,
    ) -> Self {
        let uniforms = uniforms(assumptions.spans.len(), count, seed);
        let values: Vec<Values> = uniforms.iter().map(|it| assumptions.at(it)).collect();
        let rates: Vec<Rates> = values.iter().map(|it| rates.at(|parameter| it.get(parameter))).collect();
        let mut asked: Vec<(Way, Machine)> = approaches.map(|it| (it.way, it.machine)).collect();
        asked.sort_unstable();
        asked.dedup();
        let table = |(way, machine): (Way, Machine)| {
            let of: Box<[f64]> = rates.iter().map(|it| reach(way, &machine, it).value).collect();
            ((way, machine), of)
        };
        let reaches = asked.into_par_iter().map(table).collect::<Vec<_>>().into_iter().collect();
        Self { spans: assumptions.spans.clone(), uniforms, values, rates, reaches }
    }

    /// The draws under assumptions that differ in some spans: the same uniform numbers, other quantiles.
    pub(super) fn under<'d>(&'d self, assumptions: &'d Assumptions) -> impl Iterator<Item = Values> + 'd {
        let spans = self.spans.iter().zip(&assumptions.spans).enumerate();
        let learned: Vec<(usize, &Span)> =
            spans.filter(|(_, (a, b))| a != b).map(|(at, (_, span))| (at, span)).collect();
        let one = move |(values, uniforms): (&Values, &Vec<f64>)| {
            let mut values = *values;
            for (at, span) in &learned {
                values.set(span.parameter, quantile(span, uniforms.get(*at).copied().unwrap_or(0.5)));
            }
            values
        };
        self.values.iter().zip(&self.uniforms).map(one)
    }

    /// Per draw, [`Approach::hit`] of each approach, into one list that serves all draws. What is learned about a release does
    /// not move a reach.
    pub(super) fn hits<'d>(&'d self, approaches: &'d [Approach]) -> Hits<'d> {
        let known = approaches.iter().map(|it| (it, self.reaches.get(&(it.way, it.machine)).map(|it| &**it)));
        Hits { known: known.collect(), rates: &self.rates, list: Vec::with_capacity(approaches.len()) }
    }
}

/// How likely hosts are hit under each draw, given a campaign that tries this fleet.
pub(super) struct Hits<'d> {
    /// Each approach, with its reach under each draw.
    known: Vec<(&'d Approach, Option<&'d [f64]>)>,
    rates: &'d [Rates],
    list: Vec<f64>,
}

impl Hits<'_> {
    /// [`Approach::hit`] of each approach under one draw.
    pub(super) fn under(&mut self, draw: usize) -> &[f64] {
        let rates = self.rates.get(draw);
        let hit = |(it, reaches): &(&Approach, Option<&[f64]>)| match reaches.and_then(|it| it.get(draw)) {
            Some(reach) => (reach * it.controls_fail).clamp(0.0, 1.0),
            None => rates.map_or(0.0, |rates| it.hit(rates)),
        };
        self.list.clear();
        self.list.extend(self.known.iter().map(hit));
        &self.list
    }
}
