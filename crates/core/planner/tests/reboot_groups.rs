//! Reboot groups against what the peer gives for its own files and flags.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly and read the reference data"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{planning, seen};
use underpin_planner::instances::ganeti;
use underpin_planner::waves::{FleetWaves, Options, plan_waves};

/// A cluster, read again from its text by other code.
struct Cluster<'t> {
    nodes: Vec<Vec<&'t str>>,
    instances: Vec<Vec<&'t str>>,
}

impl<'t> Cluster<'t> {
    fn new(text: &'t str) -> Self {
        let mut sections = text.split("\n\n").map(|section| {
            let lines = section.trim_matches('\n').lines();
            lines.map(|line| line.split('|').collect()).collect::<Vec<Vec<&str>>>()
        });
        sections.next();
        Self { nodes: sections.next().unwrap(), instances: sections.next().unwrap() }
    }

    fn node(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node[0] == name).unwrap()
    }

    /// Which nodes must be in some group.
    fn wanted(&self, flags: &[&str]) -> BTreeSet<usize> {
        let tags: Option<BTreeSet<&str>> =
            flags.iter().find_map(|it| it.strip_prefix("--node-tags=")).map(|it| it.split(',').collect());
        let off: BTreeSet<&str> =
            flags.windows(2).filter(|pair| pair[0] == "-O").map(|pair| pair[1]).collect();
        let tagged = |node: &Vec<&str>| {
            let own = node.get(10).copied().unwrap_or_default();
            tags.as_ref().is_none_or(|tags| own.split(',').any(|tag| tags.contains(tag)))
        };
        let alone = |name: &str| self.instances.iter().any(|it| it[7].is_empty() && it[6] == name);
        let skip = flags.contains(&"--skip-non-redundant");
        let open = |node: &Vec<&str>| {
            node[7] != "Y" && !off.contains(node[0]) && tagged(node) && !(skip && alone(node[0]))
        };
        (0..self.nodes.len()).filter(|at| open(&self.nodes[*at])).collect()
    }

    /// The rules for one group; `placement` tells where instances without a second copy are meanwhile.
    fn check(&self, group: &BTreeSet<usize>, placement: &[Option<usize>], flags: &[&str]) {
        let number = |field: &str| field.parse::<i64>().unwrap();
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        let free = |column: usize| self.nodes.iter().map(|node| number(node[column])).collect::<Vec<i64>>();
        let (mut memory, mut disk) = (free(3), free(5));
        for (at, instance) in self.instances.iter().enumerate() {
            let primary = self.node(instance[6]);
            if !group.contains(&primary) {
                assert_eq!(placement[at], Some(primary));
                continue;
            }
            if !instance[7].is_empty() {
                let secondary = self.node(instance[7]);
                assert!(!group.contains(&secondary), "{instance:?}");
                let first = shared.insert(secondary, primary);
                let offline = flags.contains(&"--offline-maintenance");
                assert!(offline || first.is_none_or(|it| it == primary), "two share {secondary}");
            } else if !flags.contains(&"--ignore-non-redundant") {
                let host = placement[at].unwrap();
                assert!(!group.contains(&host) && self.nodes[host][7] != "Y");
                memory[host] -= number(instance[1]);
                disk[host] -= number(instance[2]);
            }
        }
        assert!(memory.iter().chain(&disk).all(|it| *it >= 0), "{memory:?} {disk:?}");
    }
}

fn answer(text: &str, flags: &str) -> FleetWaves {
    plan_waves(&ganeti(text, "cluster", flags, seen()).unwrap(), &Options::default()).unwrap()
}

#[test]
fn never_more_groups_than_the_peer_and_each_group_keeps_its_rules() {
    let Some(folder) = planning("hroller") else { return };
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expectations.json")).unwrap()).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 17);
    for case in cases {
        let text = std::fs::read_to_string(folder.join(case["data"].as_str().unwrap())).unwrap();
        let flags: Vec<&str> =
            case["flags"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let answer = answer(&text, &flags.join(" "));
        let cluster = Cluster::new(&text);
        let groups: Vec<BTreeSet<usize>> =
            answer.schedule.iter().map(|wave| wave.hosts.iter().copied().collect()).collect();
        println!("{} {flags:?}: {groups:?} {:?}", case["data"], answer.infeasible);
        for (group, wave) in groups.iter().zip(&answer.schedule) {
            cluster.check(group, &wave.placement, &flags);
        }
        let Some(expected) = case["groups"].as_array() else {
            // The peer finds nothing: nothing to be worse than. All hosts skipped is the one that is proven.
            let proven = case["error"] == "Cannot create node graph";
            assert!(!proven || answer.infeasible.is_some());
            continue;
        };
        if flags.contains(&"--one-step-only") {
            // The peer prints one group, one node a line.
            assert!(groups.len() == 1 && groups[0].len() >= expected.len());
            continue;
        }
        assert!(groups.len() <= expected.len(), "{case}");
        assert_eq!(answer.waves, Some(groups.len()));
        let grouped: Vec<usize> = groups.iter().flatten().copied().collect();
        let wanted = cluster.wanted(&flags);
        assert_eq!(grouped.len(), wanted.len());
        assert_eq!(grouped.into_iter().collect::<BTreeSet<usize>>(), wanted);
        let master = cluster.nodes.iter().position(|node| node[7] == "M").unwrap();
        assert!(!wanted.contains(&master) || groups.last().unwrap().contains(&master), "{case}");
    }
}

/// Two nodes, each the other's second copy, and one beside them.
const SMALL: &str = "g|u|preferred||\n\na|100|0|50|100|50|4|M|u|1\nb|100|0|50|100|50|4|N|u|1\nc|100|0|50|100|50|4|N|u|1\n\n\
                     i|10|10|1|running|Y|a|b|drbd||1\ni|10|10|1|running|Y|b|a|drbd||1\n\n\np|1\n";

#[test]
fn conflicts_room_and_flags_decide_the_groups() {
    let groups = |text: &str, flags: &str| {
        answer(text, flags).schedule.into_iter().map(|wave| wave.hosts).collect::<Vec<_>>()
    };
    assert_eq!(groups(SMALL, ""), [vec![1], vec![0, 2]]);
    assert_eq!(groups(SMALL, "-O b"), [vec![0, 2]]);
    assert_eq!(groups(SMALL, "--one-step-only"), [vec![1]]);
    // Evacuated, each second copy needs a third node: none of two may be away with it.
    assert_eq!(groups(SMALL, "--full-evacuation").len(), 3);
    let alone = SMALL.replace("a|b|drbd", "a||plain").replace("b|a|drbd", "b||plain");
    assert_eq!(groups(&alone, "--skip-non-redundant"), [vec![2]]);
    assert_eq!(groups(&alone, "--ignore-non-redundant"), [vec![0, 1, 2]]);
    assert_eq!(groups(&alone, "").len(), 2);
    let full = alone.replace("|50|100|50|", "|10|100|10|");
    let why = answer(&full, "").infeasible.unwrap();
    assert!(why.reason.contains("fits on no other host"), "{}", why.reason);
}

#[test]
fn bad_clusters_name_the_line() {
    let wrong = [
        (SMALL.replace("|N|u|1\nc", "|Q|u|1\nc"), "", "line 4"),
        (SMALL.replace("|a|b|drbd", "|a|z|drbd"), "", "line 7"),
        (SMALL.replace("i|10|10|1|running|Y|b", "i|x|10|1|running|Y|b"), "", "line 8"),
        (SMALL.replace("b|100|0", "a|100|0"), "", "line 4"),
        (SMALL.replace("|M|u|1", "|M|v|1"), "", "line 3"),
        ("g|u".to_owned(), "", "the file"),
        (SMALL.to_owned(), "--colour", "the flags"),
        (SMALL.to_owned(), "-O", "the flags"),
        (SMALL.to_owned(), "-O z", "flag -O"),
    ];
    for (text, flags, place) in wrong {
        let error = ganeti(&text, "cluster", flags, seen()).unwrap_err();
        assert_eq!(error.place, place, "{error}");
    }
}
