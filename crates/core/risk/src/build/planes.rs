//! Management planes: what opens them, and what their fall takes.

use underpin_model::policy::{AttackPath, Parameter};

use super::UnknownAs;
use super::classes::{Answering, Passages, certain, push};
use super::derivation::PlaneDerivation;
use super::hole::Way;
use super::reach::Machine;
use super::shocks::from_parameter;
use crate::portfolio::{Factor, Impact, Plane, Response};
use crate::span::Span;
use crate::ways::{Door, PublicReach, Ways};

impl Answering<'_> {
    pub(super) fn planes(
        &self,
        reach: &PublicReach<'_>,
        unknown: UnknownAs,
    ) -> (Vec<Plane>, Vec<PlaneDerivation>) {
        (0..self.survey.planes.len()).filter_map(|at| self.plane(at, reach, unknown)).unzip()
    }

    fn plane(
        &self,
        at: usize,
        reach: &PublicReach<'_>,
        unknown: UnknownAs,
    ) -> Option<(Plane, PlaneDerivation)> {
        let plane = self.survey.planes.get(at)?;
        let set = self.controls.of_plane.get(at).copied()?;
        let under = self.controls.under_plane.get(at).copied()?;
        let interfaces = &plane.management_interfaces;
        let ways = |door| {
            let ways = Ways::of(interfaces, door, reach);
            if unknown == UnknownAs::BaseRate { ways.at_worst() } else { ways }
        };
        let machine =
            Machine { software: ways(Door::Software), controller: ways(Door::Controller), guests: None };
        let (responses, without_control) = self.responses_of_plane(at, set, &machine);
        let parameters = &self.policy.parameters;
        let mut takes_host =
            vec![from_parameter("its fall takes a host", Parameter::PlaneTakesHost, parameters)];
        // The controls before its hosts are one piece of code or configuration: what fails lets the plane at all of them.
        let (gate, others) = self.controls.leave_of(under, AttackPath::ManagementPlane);
        takes_host.extend(others);
        let derivation = PlaneDerivation {
            id: plane.id.clone(),
            hosts: self.survey.hosts_of_plane.get(at).map_or(0, Vec::len) as u64,
            ways: machine.software.words(),
            controls: self.controls.at_plane(set, under),
            without_control,
            impact: Impact::COMPROMISED,
            takes_host,
        };
        let plane = Plane {
            id: plane.id.clone(),
            responses,
            takes_host: derivation.takes_host.iter().map(|it| it.value).product(),
            gate,
            impact: Impact::COMPROMISED,
            runs_on: self.survey.runs_on.get(at).cloned().unwrap_or_default(),
        };
        Some((plane, derivation))
    }

    fn responses_of_plane(&self, at: usize, set: u32, machine: &Machine) -> (Vec<Response>, u64) {
        let mut passages = Passages::new(machine, set, self.controls, &self.policy.parameters);
        let mut responses = Vec::new();
        let mut without_control = 0;
        let open = self.open.of_plane.get(at).copied().flatten();
        let holes = open.and_then(|it| self.open.sets.get(it as usize)).map_or(&[][..], |it| &it.holes);
        for hole in holes {
            if hole.control.high <= 0.0 {
                without_control += 1;
                continue;
            }
            // A plane has no guests: what is local there needs an account, and controls before guests do not stand there.
            let way = if hole.way == Way::Guest { Way::Account } else { hole.way };
            let passage = passages.get(way).times(gives_control(hole.control));
            push(&mut responses, hole.shock, &passage, Impact::COMPROMISED);
        }
        if let Some(shock) = self.shocks.unlisted_of_plane.get(at).copied().flatten() {
            push(&mut responses, shock, passages.get(Way::Unknown), Impact::COMPROMISED);
        }
        for standing in self.controls.set(set) {
            if let Some(shock) = standing.attacked {
                push(&mut responses, shock, &certain(&standing.control.id), Impact::COMPROMISED);
            }
        }
        responses.sort_by_key(|it| it.shock);
        (responses, without_control)
    }
}

fn gives_control(span: Span) -> Factor {
    Factor {
        name: "gives control",
        value: span.value,
        low: span.low,
        high: span.high,
        parameter: None,
        source: "integrity impact of the CVSS vector; half of confidentiality's: a judgement".into(),
    }
}
