//! Where confidentiality, integrity and availability stand, for people and spreadsheets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use underpin_model::fleet::Fleet;
use underpin_risk::standing::{Answer, Standing, Standings, Statement};

use super::clear::range;
use super::csv::{cause, harmless};
use crate::output::List;

/// Statements that are shown of each kind of element unless all are asked for.
const FIRST: usize = 30;

/// The standings of every element, by kind.
#[derive(Serialize)]
pub(crate) struct Answers {
    clusters: Vec<Standing>,
    tenants: Vec<Standing>,
    management_planes: Vec<Standing>,
    hosts: Vec<Standing>,
    vms: Vec<Standing>,
}

impl Answers {
    pub(crate) fn of(fleet: &Fleet, standings: &Standings<'_>) -> Self {
        Self {
            clusters: fleet.clusters.iter().filter_map(|it| standings.cluster(&it.id)).collect(),
            tenants: fleet.tenants.iter().filter_map(|it| standings.tenant(&it.id)).collect(),
            management_planes: fleet
                .management_planes
                .iter()
                .filter_map(|it| standings.plane(&it.id))
                .collect(),
            hosts: fleet.hosts.iter().filter_map(|it| standings.host(&it.id)).collect(),
            vms: fleet.vms.iter().filter_map(|it| standings.vm(&it.id)).collect(),
        }
    }

    fn kinds(&self) -> [(&'static str, &[Standing]); 5] {
        [
            ("cluster", &self.clusters),
            ("tenant", &self.tenants),
            ("management plane", &self.management_planes),
            ("host", &self.hosts),
            ("vm", &self.vms),
        ]
    }
}

/// The name of a value as JSON has it; of a topic with a path both, `controls guest`.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(parts)) => {
            ["about", "path"].iter().filter_map(|it| parts.get(*it)?.as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// First how much is unknown, then every statement about clusters, tenants and planes; hosts and VMs as counts, unless all
/// are asked for.
pub(crate) fn table(answers: &Answers, all: bool, width: Option<u16>) -> String {
    let mut text = counts(answers, width);
    for (kind, standings) in answers.kinds().into_iter().take(if all { 5 } else { 3 }) {
        if standings.is_empty() {
            continue;
        }
        let mut list =
            List::new(&["ANSWER", "OPEN", "PRICE", "TOPIC", kind.to_uppercase().as_str(), "WHY"], width);
        let statements = || standings.iter().flat_map(|of| of.statements.iter().map(move |it| (of, it)));
        let shown = if all { usize::MAX } else { FIRST };
        for (of, statement) in statements().take(shown) {
            list.row([
                name(&statement.answer),
                format!("{:.2} to {:.2}", statement.open.low, statement.open.high),
                price(statement),
                name(&statement.topic),
                of.element.clone(),
                why(statement),
            ]);
        }
        let _ = write!(text, "{list}");
        let total = statements().count();
        if total > shown {
            let _ = writeln!(text, "... and {} more (--all shows them)", total - shown);
        }
        text.push('\n');
    }
    text
}

/// What it costs over the horizon, where the compound model does not price it.
fn price(statement: &Statement) -> String {
    statement.price.map_or_else(String::new, range)
}

fn why(statement: &Statement) -> String {
    if statement.missing.is_empty() {
        statement.text.clone()
    } else {
        format!("{} (missing: {})", statement.text, statement.missing.join(", "))
    }
}

/// How many elements of each kind have which answer, by topic.
fn counts(answers: &Answers, width: Option<u16>) -> String {
    let mut list = List::new(&["UNKNOWN", "NO", "PARTLY", "YES", "OF", "TOPIC"], width);
    let mut silent = String::new();
    for (kind, standings) in answers.kinds() {
        let mut topics: BTreeMap<String, BTreeMap<Answer, u64>> = BTreeMap::new();
        for statement in standings.iter().flat_map(|it| &it.statements) {
            *topics.entry(name(&statement.topic)).or_default().entry(statement.answer).or_default() += 1;
        }
        for (topic, by_answer) in topics {
            let count = |answer| by_answer.get(&answer).copied().unwrap_or(0).to_string();
            let of: u64 = by_answer.values().sum();
            list.row([
                count(Answer::Unknown),
                count(Answer::No),
                count(Answer::Partly),
                count(Answer::Yes),
                format!("{of} {kind}(s)"),
                topic,
            ]);
        }
        silent += &without_row(kind, standings);
    }
    format!("{list}{silent}\n")
}

/// Names of those without a row that are told.
const NAMED: usize = 3;

/// Elements of which nothing is stated, which no row counts: a tenant of which no VM is listed.
fn without_row(kind: &str, standings: &[Standing]) -> String {
    let silent = || standings.iter().filter(|it| it.statements.is_empty());
    let names: Vec<&str> = silent().take(NAMED).map(|it| it.element.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    let more = match silent().count() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = if kind == "tenant" { ": no VM of theirs is listed" } else { "" };
    format!("without a row, because nothing is stated of them: {kind}(s) {}{more}{why}\n", names.join(", "))
}

/// One row a statement.
pub(crate) fn csv(answers: &Answers, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    rows.write_record([
        "kind",
        "element",
        "topic",
        "answer",
        "open_low",
        "open_high",
        "price_low",
        "price_high",
        "why",
        "missing",
        "evidence",
    ])
    .map_err(cause)?;
    for (kind, standings) in answers.kinds() {
        for (of, it) in standings.iter().flat_map(|of| of.statements.iter().map(move |it| (of, it))) {
            let evidence: Vec<String> =
                it.evidence.iter().map(|it| format!("{}={}", it.path, it.value)).collect();
            rows.write_record([
                kind.to_owned(),
                harmless(&of.element),
                name(&it.topic),
                name(&it.answer),
                it.open.low.to_string(),
                it.open.high.to_string(),
                it.price.map_or_else(String::new, |it| it.low.to_string()),
                it.price.map_or_else(String::new, |it| it.high.to_string()),
                harmless(&it.text),
                harmless(&it.missing.join("; ")),
                harmless(&evidence.join("; ")),
            ])
            .map_err(cause)?;
        }
    }
    rows.flush()
}
