//! Many elements as one: the worst of each topic, with how many say what.

use std::collections::BTreeMap;

use super::statement::{Answer, Statement, Topic};

/// Facts that are shown per answer of a topic; the rest is counted.
const SHOWN: usize = 3;

#[derive(Default)]
struct Sum {
    counts: BTreeMap<Answer, u64>,
    statement: Option<Statement>,
    shown: BTreeMap<Answer, usize>,
}

/// Statements of several elements, one per topic. What is open is the worst of all, end by end: the weakest element decides. Prices sum up.
pub(super) fn roll_up(elements: impl Iterator<Item = Vec<Statement>>, what: &str) -> Vec<Statement> {
    let mut sums: BTreeMap<Topic, Sum> = BTreeMap::new();
    for statement in elements.flatten() {
        let sum = sums.entry(statement.topic).or_default();
        *sum.counts.entry(statement.answer).or_default() += 1;
        let shown = sum.shown.entry(statement.answer).or_default();
        let room = SHOWN.saturating_sub(*shown);
        *shown += 1;
        let Some(whole) = &mut sum.statement else {
            let mut first = statement;
            first.evidence.truncate(SHOWN);
            first.missing.truncate(SHOWN);
            sum.statement = Some(first);
            continue;
        };
        whole.open = whole.open.worse(statement.open);
        whole.price = match (whole.price, statement.price) {
            (Some(sum), Some(one)) => Some(sum.with(one, |a, b| a + b)),
            (sum, one) => sum.or(one),
        };
        for evidence in statement.evidence.into_iter().take(room) {
            if !whole.evidence.contains(&evidence) {
                whole.evidence.push(evidence);
            }
        }
        for missing in statement.missing.into_iter().take(room) {
            if !whole.missing.contains(&missing) {
                whole.missing.push(missing);
            }
        }
    }
    sums.into_values().filter_map(|sum| sum.done(what)).collect()
}

impl Sum {
    fn done(self, what: &str) -> Option<Statement> {
        let mut statement = self.statement?;
        let total: u64 = self.counts.values().sum();
        let of = |answer| self.counts.get(&answer).copied().unwrap_or(0);
        statement.answer = if of(Answer::Yes) == total {
            Answer::Yes
        } else if of(Answer::No) == total {
            Answer::No
        } else if of(Answer::Unknown) > 0 && of(Answer::No) + of(Answer::Partly) == 0 {
            Answer::Unknown
        } else {
            Answer::Partly
        };
        let words = [
            (Answer::Yes, "yes"),
            (Answer::Partly, "partly"),
            (Answer::No, "no"),
            (Answer::Unknown, "unknown"),
        ];
        let parts: Vec<String> = words
            .iter()
            .filter(|(answer, _)| of(*answer) > 0)
            .map(|(answer, word)| format!("{word} on {}", of(*answer)))
            .collect();
        statement.text = format!("{} of {total} {what}", parts.join(", "));
        Some(statement)
    }
}
