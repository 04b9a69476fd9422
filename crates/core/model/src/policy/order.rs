//! Parameters of which one can never be above another.

use std::collections::BTreeMap;

use super::meaning::short;
use super::parameter::{Parameter, Parameters, Setting};
use super::read::Mistakes;

/// Pairs, the one that is at most the other first, and why: what the Internet reaches is no harder to get to than what only the inside
/// reaches.
const ORDERED: [(Parameter, Parameter, &str); 1] = [(
    Parameter::ReachInternal,
    Parameter::ReachExposed,
    "what the public Internet reaches is no harder to get to than what only an internal network does",
)];

/// What a policy wrote of a parameter: its value, and the ends of its range where it has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated {
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

/// Refuses what contradicts another statement. A default contradicts nobody: it follows the statement, and its source says so.
pub(super) fn settle(
    stated: &BTreeMap<Parameter, Stated>,
    parameters: &mut Parameters,
    mistakes: &mut Mistakes,
) {
    for (least, most, why) in ORDERED {
        match (stated.get(&least), stated.get(&most)) {
            (Some(of_least), Some(of_most)) => {
                let ends = [
                    ("", Some(of_least.value), Some(of_most.value)),
                    (".low", of_least.low, of_most.low),
                    (".high", of_least.high, of_most.high),
                ];
                for (key, least_is, most_is) in ends {
                    let Some((least_is, most_is)) = least_is.zip(most_is).filter(|(a, b)| a > b) else {
                        continue;
                    };
                    let other = most.fact().name;
                    let expected = format!(
                        "at most {other}{key} = {}: {why}; lower it, or raise {other}{key}",
                        short(most_is)
                    );
                    mistakes.add(format!("parameters.{}{key}", least.fact().name), short(least_is), expected);
                }
            }
            (Some(of_least), None) => follow(parameters, most, |it| it.max(of_least.value), least),
            (None, Some(of_most)) => follow(parameters, least, |it| it.min(of_most.value), most),
            (None, None) => {}
        }
    }
}

/// Moves a default as far as a statement asks.
fn follow(parameters: &mut Parameters, default: Parameter, moved: impl Fn(f64) -> f64, stated: Parameter) {
    let was = parameters.setting(default);
    let value = moved(was.value);
    if value == was.value || !default.fact().unit.accepts(value) {
        return;
    }
    let source = format!(
        "the policy's {}: the default of {} would contradict it; {}",
        stated.fact().name,
        short(was.value),
        was.source
    );
    let (low, high) = (was.low.min(value), was.high.max(value));
    parameters.state(default, Setting { value, low, high, source, ..was });
}

#[cfg(test)]
mod tests {
    use crate::policy::read::read;
    use crate::policy::{Parameter, Policy};

    fn with(parameters: &str) -> Result<Policy, Vec<String>> {
        let words = |it: Vec<_>| it.iter().map(ToString::to_string).collect();
        read(&format!("[parameters]\n{parameters}")).map_err(words)
    }

    #[test]
    fn what_is_inside_is_not_easier_to_get_to_than_what_the_internet_reaches() {
        let said = with("reach_exposed = 0.1\nreach_internal = 0.2\nrho = 2.0").unwrap_err();
        assert_eq!(said.len(), 2, "all mistakes at once: {said:?}");
        assert!(said.iter().any(|it| it.starts_with("parameters.rho")), "{said:?}");
        let own = said.iter().find(|it| it.starts_with("parameters.reach_internal (line 3): found 0.2,"));
        let own = own.unwrap_or_else(|| panic!("{said:?}"));
        assert!(own.contains("expected at most reach_exposed = 0.1: ") && own.contains("or raise"), "{own}");
        let ends = "reach_exposed = { value = 0.3, low = 0.1, high = 0.3 }\n\
                    reach_internal = { value = 0.3, low = 0.2, high = 0.4 }";
        let said = with(ends).unwrap_err();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("parameters.reach_internal.low (line 3): found 0.2,"), "{said:?}");
        assert!(said[1].starts_with("parameters.reach_internal.high (line 3): found 0.4,"), "{said:?}");
        assert!(with("reach_exposed = 0.2\nreach_internal = 0.2").is_ok());
    }

    #[test]
    fn a_default_follows_what_is_stated_and_says_so() {
        let raised = with("reach_internal = 0.95").unwrap().parameters.setting(Parameter::ReachExposed);
        assert_eq!((raised.value, raised.high, raised.stated), (0.95, 0.95, false));
        assert!(raised.source.starts_with("the policy's reach_internal: the default of 0.5"), "{raised:?}");
        let lowered = with("reach_exposed = 0.01").unwrap().parameters.setting(Parameter::ReachInternal);
        assert_eq!((lowered.value, lowered.low), (0.01, 0.005));
        let kept = with("reach_exposed = 0.4\naimed = 0.1").unwrap().parameters;
        assert_eq!(
            kept.setting(Parameter::ReachInternal),
            Policy::default().parameters.setting(Parameter::ReachInternal)
        );
    }
}
