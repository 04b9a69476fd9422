//! Steps that two plans both have and do otherwise, field by field, so that no field is forgotten that a step gains later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use underpin_model::id::ElementId;
use underpin_model::plan::{Plan, Step, Wave};

/// Fields by which a step is known again; all others say how it is done.
const NAMES: [&str; 7] = ["kind", "vm", "host", "element", "cluster", "change", "unit"];
/// Examples in the line for people.
const EXAMPLES: usize = 3;

/// One thing that the new plan does otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Otherwise {
    /// The step, or the part of the plan.
    pub place: String,
    /// The field; `step`: only one of the plans has it.
    pub what: String,
    /// Its value in the old plan, as JSON.
    pub before: Option<Value>,
    /// Its value in the new plan, as JSON.
    pub now: Option<Value>,
}

/// Steps of a plan by what they are about.
struct Steps<'p> {
    plan: &'p Plan,
    /// First touch of each element, in seconds.
    first: BTreeMap<&'p ElementId, u32>,
    /// Name of each step, and its fields.
    named: Vec<(String, Map<String, Value>)>,
}

impl<'p> Steps<'p> {
    fn new(plan: &'p Plan) -> Self {
        let mut first = BTreeMap::new();
        for step in plan.steps.iter().filter(|it| it.kind.touches()) {
            let Some(element) = &step.subject else { continue };
            let start = first.entry(element).or_insert(step.start_s);
            *start = (*start).min(step.start_s);
        }
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        let named = plan.steps.iter().map(|step| {
            let fields = object(serde_json::to_value(&step.kind).ok());
            (numbered_name(name(step, &fields), &mut times), fields)
        });
        let named = named.collect();
        Self { plan, first, named }
    }

    /// What a step does, by field: those of its kind, when, and after what. Elements at another time are told as such: their steps
    /// are compared by when they start after the first, and not by their wave.
    fn fields(
        &self,
        at: usize,
        moved: &BTreeSet<&ElementId>,
        shared: &dyn Fn(&Step) -> bool,
    ) -> Map<String, Value> {
        let Some((step, named)) = self.plan.steps.get(at).zip(self.named.get(at)) else { return Map::new() };
        let mut fields = named.1.clone();
        let since = step.subject.as_ref().filter(|it| moved.contains(it)).and_then(|it| self.first.get(it));
        let start = match since {
            Some(&first) => i64::from(step.start_s) - i64::from(first),
            None => {
                fields.insert("wave".to_owned(), step.wave.into());
                self.plan.instant(step.start_s).as_second()
            }
        };
        let subject = step.subject.as_ref().map(|it| it.as_str());
        fields.insert("subject".to_owned(), subject.into());
        fields.insert("start".to_owned(), start.into());
        fields.insert("p50_s".to_owned(), step.p50_s.into());
        fields.insert("p95_s".to_owned(), step.p95_s.into());
        let after = step.after.iter().filter_map(|&id| Some((id as usize, self.plan.step(id)?)));
        let after = after.filter(|it| shared(it.1)).filter_map(|it| Some(self.named.get(it.0)?.0.as_str()));
        fields.insert("after".to_owned(), after.collect::<BTreeSet<&str>>().into_iter().collect());
        fields
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A name that comes for the second time and later says so.
fn numbered_name(name: String, times: &mut BTreeMap<String, usize>) -> String {
    let count = times.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name} ({count})") }
}

/// What a step is about, and for whose change it is done.
fn name(step: &Step, fields: &Map<String, Value>) -> String {
    let subject = step.subject.as_ref().map(|it| it.as_str());
    let named = NAMES.iter().filter_map(|it| fields.get(*it));
    let mut words: Vec<String> = named.map(word).collect();
    if let Some(subject) = subject.filter(|it| !words.iter().any(|word| word == it)) {
        words.push(format!("for {subject}"));
    }
    words.join(" ")
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the new plan does otherwise, beside elements that come or go and those that are `moved` in time (`told`: all of these): parts of
/// the plan as a whole, and steps of what both plans change.
pub(super) fn otherwise(
    old: &Plan,
    new: &Plan,
    both: &dyn Fn(&ElementId) -> bool,
    moved: &BTreeSet<&ElementId>,
    told: &BTreeSet<&ElementId>,
) -> Vec<Otherwise> {
    let mut all = Vec::new();
    let whole = |plan: &Plan| {
        let mut fields = Map::new();
        fields.insert("profile".to_owned(), serde_json::to_value(plan.profile).unwrap_or_default());
        fields.insert("placing".to_owned(), serde_json::to_value(plan.placing).unwrap_or_default());
        fields.insert("homing".to_owned(), serde_json::to_value(plan.homing).unwrap_or_default());
        fields
    };
    compare("plan", &whole(old), &whole(new), &mut all);
    rest(old, new, told, &mut all);
    let shared = |step: &Step| step.subject.as_ref().is_none_or(both);
    let (before, now) = (Steps::new(old), Steps::new(new));
    let places: BTreeMap<&str, usize> =
        before.named.iter().enumerate().map(|(at, it)| (it.0.as_str(), at)).collect();
    let mut met = vec![false; before.named.len()];
    for (at, (name, _)) in now.named.iter().enumerate() {
        if !new.steps.get(at).is_some_and(shared) {
            continue;
        }
        let fields = now.fields(at, moved, &shared);
        match places.get(name.as_str()) {
            Some(&other) => {
                met[other] = true;
                compare(name, &before.fields(other, moved, &shared), &fields, &mut all);
            }
            None => all.push(only(name, None, Some(fields))),
        }
    }
    for (at, (name, _)) in before.named.iter().enumerate().filter(|it| !met[it.0]) {
        if old.steps.get(at).is_some_and(shared) {
            all.push(only(name, Some(before.fields(at, moved, &shared)), None));
        }
    }
    all
}

/// Waves, soaks that began before and what is left out.
fn rest(old: &Plan, new: &Plan, told: &BTreeSet<&ElementId>, all: &mut Vec<Otherwise>) {
    let numbered = told.is_empty() && old.waves.len() == new.waves.len();
    let (before, now) = (waves(old, numbered), waves(new, numbered));
    // Waves of elements that come, go or are moved are told with these.
    let told = |it: &Wave| {
        !told.is_empty() && (it.elements.is_empty() || it.elements.iter().any(|it| told.contains(it)))
    };
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for name in names {
        match (before.get(name), now.get(name)) {
            (Some((_, one)), Some((_, two))) => compare(name, one, two, all),
            (Some((wave, fields)), None) if !told(wave) => all.push(only(name, Some(fields.clone()), None)),
            (None, Some((wave, fields))) if !told(wave) => all.push(only(name, None, Some(fields.clone()))),
            _ => {}
        }
    }
    let soaks = |plan: &Plan| {
        let of = plan.soaking.iter().map(|it| {
            let mut fields = object(serde_json::to_value(it).ok());
            fields.insert("until_s".to_owned(), plan.instant(it.until_s).as_second().into());
            (format!("soak of {} with {}", it.element, it.change), fields)
        });
        of.collect::<BTreeMap<String, Map<String, Value>>>()
    };
    let left = |plan: &Plan| {
        let of = plan.left_out.iter().map(|it| {
            (format!("{} without {}", it.element, it.change), object(serde_json::to_value(it).ok()))
        });
        of.collect::<BTreeMap<String, Map<String, Value>>>()
    };
    for (before, now) in [(soaks(old), soaks(new)), (left(old), left(new))] {
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        for name in names {
            match (before.get(name), now.get(name)) {
                (Some(one), Some(two)) => compare(name, one, two, all),
                (one, two) => all.push(only(name, one.cloned(), two.cloned())),
            }
        }
    }
}

/// Waves by the elements that they list; with number and times only where no element comes, goes or is moved.
fn waves(plan: &Plan, numbered: bool) -> BTreeMap<String, (&Wave, Map<String, Value>)> {
    let mut of: BTreeMap<String, (&Wave, Map<String, Value>)> = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for wave in &plan.waves {
        let mut fields = object(serde_json::to_value(wave).ok());
        fields.remove("elements");
        let soaks = wave.soak_until_s.saturating_sub(wave.end_s);
        fields.insert("soak_until_s".to_owned(), soaks.into());
        for (name, offset_s) in [("start_s", wave.start_s), ("end_s", wave.end_s)] {
            fields.insert(name.to_owned(), plan.instant(offset_s).as_second().into());
        }
        if !numbered {
            ["number", "start_s", "end_s"].iter().for_each(|it| drop(fields.remove(*it)));
        }
        let named: Vec<&str> = wave.elements.iter().map(|it| it.as_str()).collect();
        let name = format!("wave of {}", named.join(", "));
        of.insert(numbered_name(name, &mut times), (wave, fields));
    }
    of
}

fn only(place: &str, before: Option<Map<String, Value>>, now: Option<Map<String, Value>>) -> Otherwise {
    let what = "step".to_owned();
    Otherwise {
        place: place.to_owned(),
        what,
        before: before.map(Value::Object),
        now: now.map(Value::Object),
    }
}

fn compare(place: &str, before: &Map<String, Value>, now: &Map<String, Value>, all: &mut Vec<Otherwise>) {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for name in names.into_iter().filter(|it| before.get(*it) != now.get(*it)) {
        all.push(Otherwise {
            place: place.to_owned(),
            what: name.clone(),
            before: before.get(name).cloned(),
            now: now.get(name).cloned(),
        });
    }
}

/// All of it in one line: of how many places, what differs how often, and some examples.
pub(super) fn line(all: &[Otherwise]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for it in all {
        *counts.entry(it.what.as_str()).or_default() += 1;
    }
    let places: BTreeSet<&str> = all.iter().map(|it| it.place.as_str()).collect();
    // What differs seldom is what is looked for: times and waits follow from the rest.
    let follows = |it: &&Otherwise| {
        let it = it.what.as_str();
        (matches!(it, "start" | "after" | "wave" | "p50_s" | "p95_s"), counts.get(it).copied())
    };
    let mut shown: Vec<&Otherwise> = all.iter().collect();
    shown.sort_by_key(follows);
    let examples: Vec<String> = shown.iter().take(EXAMPLES).map(|it| it.to_string()).collect();
    let counts: Vec<String> = counts.iter().map(|(what, count)| told(what, *count)).collect();
    let more = if all.len() > EXAMPLES { "; ..." } else { "" };
    (!all.is_empty()).then(|| {
        format!("{} done otherwise ({}): {}{more}", places.len(), counts.join(", "), examples.join("; "))
    })
}

/// How many places differ in a field, in words.
fn told(what: &str, count: usize) -> String {
    let words = match what {
        "start" | "start_s" => "start earlier or later",
        "end_s" => "end earlier or later",
        "p50_s" | "p95_s" => "take longer or shorter",
        "soak_until_s" => "soak longer or shorter",
        "after" => "wait for other steps",
        "wave" => "in another wave",
        "number" => "with another number",
        "method" => "by another method",
        "profile" => "in another profile",
        "mbps" => "at another rate",
        "live" => "moved live, or not any more",
        "quick" => "rebooted with the firmware, or without it",
        "consent" => "by another consent",
        "step" => "in one of the plans only",
        other => return format!("{count} with another `{other}`"),
    };
    format!("{count} {words}")
}

impl std::fmt::Display for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |it: &Option<Value>| it.as_ref().map_or_else(|| "nothing".to_owned(), word);
        match (&self.before, &self.now) {
            (Some(_), None) if self.what == "step" => write!(f, "{}: is not in it any more", self.place),
            (None, Some(_)) if self.what == "step" => write!(f, "{}: comes in", self.place),
            (before, now) => {
                write!(f, "{}: {} {} instead of {}", self.place, self.what, side(now), side(before))
            }
        }
    }
}
