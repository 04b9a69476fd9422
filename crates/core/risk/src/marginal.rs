//! Probabilities of single responses, and the mean loss of one host from its own responses.

use crate::portfolio::{Gate, HostClass, Impact, Plane, Portfolio, Response};

impl Portfolio {
    /// Probability that a response hits, given its shock and nothing else: its own, times what its gate leaves on average.
    #[must_use]
    pub fn given_shock(&self, response: &Response) -> f64 {
        response.probability * self.left_by(response.gate)
    }

    /// Probability that the fall of a plane takes one given host, given nothing else.
    #[must_use]
    pub fn takes_host(&self, plane: &Plane) -> f64 {
        plane.takes_host * self.left_by(plane.gate)
    }

    /// All that makes a plane fall, each with the share of its hits that does: its own responses, and those of the hosts that it runs
    /// on, `but` one.
    pub fn ways_to_fall<'a>(
        &'a self,
        plane: &'a Plane,
        but: Option<u32>,
    ) -> impl Iterator<Item = (&'a Response, f64)> {
        let hosts = plane.runs_on.iter().filter(move |it| Some(**it) != but);
        let hosts = hosts.filter_map(|it| self.hosts.get(*it as usize));
        let responses = hosts.flat_map(|it| self.class_of(it.class).map_or(&[][..], |it| &it.responses));
        let by_hosts = responses.map(|it| (it, it.impact.control())).filter(|it| it.1 > 0.0);
        plane.responses.iter().map(|it| (it, 1.0)).chain(by_hosts)
    }

    /// What a gate leaves on average of what is behind it.
    fn left_by(&self, gate: Option<Gate>) -> f64 {
        gate.map_or(1.0, |gate| {
            let common = self.shock_probability(gate.shock);
            common + (1.0 - common) * gate.otherwise
        })
    }

    /// Probability that a response hits within the horizon.
    #[must_use]
    pub fn marginal(&self, response: &Response) -> f64 {
        self.shock_probability(response.shock) * self.given_shock(response)
    }

    /// Probability of a shock within the horizon; 0 for an index that does not exist.
    #[must_use]
    pub fn shock_probability(&self, shock: u32) -> f64 {
        self.shocks.get(shock as usize).map_or(0.0, |it| it.probability)
    }

    /// The class of a host.
    #[must_use]
    pub fn class_of(&self, class: u32) -> Option<&HostClass> {
        self.classes.get(class as usize)
    }
}

/// Mean of the greatest impact, dimension by dimension, when hits are independent: a host loses the greatest impact among
/// its hits. Hits that go together overlap more, so that this is an upper bound under the model's dependence.
#[must_use]
pub fn mean_greatest(hits: &[(f64, Impact)]) -> Impact {
    Impact {
        confidentiality: greatest(hits, |it| it.confidentiality),
        integrity: greatest(hits, |it| it.integrity),
        availability: greatest(hits, |it| it.availability),
        host_down: greatest(hits, |it| it.host_down),
    }
}

/// From the greatest impact down: a level counts where no greater one hit.
fn greatest(hits: &[(f64, Impact)], dimension: impl Fn(&Impact) -> f64) -> f64 {
    let mut levels: Vec<(f64, f64)> = hits.iter().map(|(p, impact)| (dimension(impact), *p)).collect();
    levels.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut mean, mut none_greater) = (0.0, 1.0);
    for (level, probability) in levels {
        mean += level * probability * none_greater;
        none_greater *= 1.0 - probability;
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_the_greatest_of_its_hits() {
        let impact = |availability| Impact { availability, ..Impact::default() };
        // 1 with 0.1, else 0.5 with 0.2: 0.1 + 0.5 * 0.2 * 0.9.
        let mean = mean_greatest(&[(0.2, impact(0.5)), (0.1, impact(1.0))]);
        assert!((mean.availability - 0.19).abs() < 1e-15);
        assert_eq!(mean.integrity, 0.0);
        assert_eq!(mean_greatest(&[]), Impact::default());
    }
}
