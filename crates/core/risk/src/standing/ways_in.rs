//! Ways in to management: how many, from which networks, how one proves who one is.

use serde_json::{Value, json};
use underpin_model::fleet::{Host, ManagementInterface, ManagementPlane};

use super::Standings;
use super::statement::{Answer, Evidence, Facts, Source, Statement, Topic};
use crate::build::reach::Rates;
use crate::ways::{Door, Ways, takes_second_factor};

/// Ways to prove who one is that ask a directory.
const DIRECTORY: [&str; 2] = ["directory", "federation"];

/// The interfaces of one machine, with where they are told.
#[derive(Clone, Copy)]
struct Told<'s> {
    /// JSON pointer of the machine.
    base: &'s str,
    interfaces: &'s [ManagementInterface],
    source: Source<'s>,
}

impl Told<'_> {
    /// Those that are not known to be off, with their pointers.
    fn open(&self) -> impl Iterator<Item = (String, &ManagementInterface)> {
        let places = self.interfaces.iter().enumerate().filter(|(_, it)| it.enabled != Some(false));
        places.map(|(at, it)| (format!("{}/management_interfaces/{at}", self.base), it))
    }
}

impl Standings<'_> {
    pub(super) fn ways_of_host(&self, at: usize, host: &Host) -> Vec<Statement> {
        let base = format!("/hosts/{at}");
        let source = Source::of(host, host.seen.as_deref(), &self.fleet.seen, "management_interfaces");
        let told = Told { base: &base, interfaces: &host.management_interfaces, source };
        let cluster = host.cluster.as_ref().and_then(|id| self.clusters.get(id)).map(|it| it.1);
        let planes: Vec<(String, &ManagementPlane)> = cluster
            .iter()
            .flat_map(|it| &it.managed_by)
            .filter_map(|id| self.planes.get(id))
            .map(|(at, plane)| (format!("/management_planes/{at}"), *plane))
            .collect();
        let above: Vec<Told<'_>> = planes
            .iter()
            .map(|(base, plane)| Told {
                base,
                interfaces: &plane.management_interfaces,
                source: Source::of(*plane, plane.seen.as_deref(), &self.fleet.seen, "management_interfaces"),
            })
            .collect();
        vec![self.ways_in(told), second_factor(told), split_brain(told, &above)]
    }

    pub(super) fn ways_of_plane(&self, at: usize, plane: &ManagementPlane) -> Vec<Statement> {
        let base = format!("/management_planes/{at}");
        let source = Source::of(plane, plane.seen.as_deref(), &self.fleet.seen, "management_interfaces");
        let told = Told { base: &base, interfaces: &plane.management_interfaces, source };
        vec![self.ways_in(told), second_factor(told), split_brain(told, &[])]
    }

    /// Yes: all are known to be reached from inside only. What is left open is the probability that a campaign gets to one,
    /// the same that the risk model uses.
    fn ways_in(&self, told: Told<'_>) -> Statement {
        let software = Ways::of(told.interfaces, Door::Software, &self.reach);
        let controller = Ways::of(told.interfaces, Door::Controller, &self.reach);
        let parameters = &self.policy.parameters;
        let exposed = software.on[0] + software.perhaps[0] + controller.on[0] + controller.perhaps[0];
        let unknown = [software, controller].iter().any(|it| it.on[2] + it.perhaps.iter().sum::<u32>() > 0);
        let answer = if exposed > 0 {
            Answer::No
        } else if unknown || software.open() + software.off == 0 {
            Answer::Unknown
        } else {
            Answer::Yes
        };
        let methods: usize = told.open().map(|(_, it)| it.authentication.len()).sum();
        let text = format!(
            "{}; management controller: {}; {methods} ways to authenticate",
            software.words(),
            controller.words()
        );
        let mut statement = Statement::new(Topic::WaysIn, answer, text);
        let rates = Rates::of(parameters);
        let span = software.reach(&rates);
        statement.open = if controller.open() > 0 { span.or(controller.reach(&rates)) } else { span };
        if told.interfaces.is_empty() {
            statement.missing.push(format!("{}/management_interfaces", told.base));
        }
        for (path, interface) in told.open() {
            if self.reach.of_interface(interface).is_none() {
                statement.missing.push(format!("{path}/networks (with publicly_exposed)"));
            }
            if interface.enabled.is_none() {
                statement.missing.push(format!("{path}/enabled"));
            }
            statement.evidence.push(told.source.evidence(path, describe(interface)));
        }
        statement
    }
}

fn describe(interface: &ManagementInterface) -> Value {
    let networks: Vec<&str> = interface.networks.iter().map(|it| it.as_str()).collect();
    let methods: Vec<&str> = interface.authentication.iter().map(|it| it.method.as_str()).collect();
    json!({ "kind": interface.kind, "networks": networks, "authentication": methods })
}

fn second_factor(told: Told<'_>) -> Statement {
    let mut facts = Facts::default();
    if told.interfaces.is_empty() {
        facts.missing.push(format!("{}/management_interfaces", told.base));
    }
    for (path, interface) in told.open() {
        if interface.authentication.is_empty() {
            facts.missing.push(format!("{path}/authentication"));
        }
        for (at, way) in interface.authentication.iter().enumerate() {
            let path = format!("{path}/authentication/{at}/second_factor");
            facts.add(path, takes_second_factor(way), told.source);
        }
    }
    facts.statement(Topic::SecondFactor, "second factor demanded")
}

/// Local password accounts beside a directory, on the machine itself or on the planes above it: who is struck off the
/// directory can still come in.
fn split_brain(told: Told<'_>, above: &[Told<'_>]) -> Statement {
    let topic = Topic::SplitBrainAccounts;
    let (mut passwords, mut directory, mut missing): (Vec<Evidence>, Vec<Evidence>, Vec<String>) =
        Default::default();
    if told.interfaces.is_empty() {
        missing.push(format!("{}/management_interfaces", told.base));
    }
    for (own, one) in std::iter::once((true, &told)).chain(above.iter().map(|it| (false, it))) {
        for (path, interface) in one.open() {
            if interface.authentication.is_empty() {
                missing.push(format!("{path}/authentication"));
            }
            for (at, way) in interface.authentication.iter().enumerate() {
                let fact = || {
                    let path = format!("{path}/authentication/{at}/method");
                    one.source.evidence(path, way.method.as_str().into())
                };
                if way.method == "password" && own {
                    passwords.push(fact());
                } else if DIRECTORY.contains(&way.method.as_str()) {
                    directory.push(fact());
                }
            }
        }
    }
    let split = !passwords.is_empty() && !directory.is_empty();
    let (answer, text) = if split {
        (Answer::No, format!("{} ways in by local password beside a directory", passwords.len()))
    } else if !missing.is_empty() {
        (Answer::Unknown, "whether there are local accounts beside a directory is not known".to_owned())
    } else if passwords.is_empty() {
        (Answer::Yes, "no way in by local password".to_owned())
    } else {
        (Answer::Yes, "local passwords only, no directory beside them".to_owned())
    };
    passwords.extend(directory);
    Statement { evidence: passwords, missing, ..Statement::new(topic, answer, text) }
}
