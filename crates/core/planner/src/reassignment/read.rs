//! Readers of the challenge's two files: numbers between white space, whose meaning is their order.
//!
//! Counts in a file are promises of strangers: nothing is allocated for them, elements are pushed as they come.

use super::instance::{
    Assignment, Balance, Instance, MAX_NUMBER, Machine, MoveWeights, Process, Resource, Service,
};
use crate::instances::{InstanceError, MAX_ELEMENTS};

/// Most resources, and most balances: sums over them stay within `i128`. The challenge allows 20 and 10.
const MAX_KINDS: usize = 1_024;

/// Reads a model.
///
/// # Errors
/// The place (line, and what the number there means) of the first thing that is not as the format says.
pub fn read_model(text: &str) -> Result<Instance, InstanceError> {
    let mut numbers = Numbers::new(text);
    let count = numbers.count("the number of resources", MAX_KINDS)?;
    let mut resources = Vec::new();
    for at in 0..count {
        let transient = numbers.below(2, || format!("resource {at}: whether it is transient"))? == 1;
        let load_weight = numbers.next(|| format!("resource {at}: its load weight"))?;
        resources.push(Resource { transient, load_weight });
    }
    let machines = machines(&mut numbers, resources.len())?;
    let services = services(&mut numbers)?;
    let processes = processes(&mut numbers, services.len(), resources.len())?;
    let balances = balances(&mut numbers, resources.len())?;
    let move_weights = MoveWeights {
        process: numbers.next("the weight of process move costs")?,
        service: numbers.next("the weight of the service move cost")?,
        machine: numbers.next("the weight of machine move costs")?,
    };
    numbers.end()?;
    Ok(Instance { resources, machines, services, processes, balances, move_weights })
}

/// Reads an assignment for an instance: the initial one or a solution.
///
/// # Errors
/// The place (line and process) of the first thing that is not as the format says; too few or too many numbers.
pub fn read_assignment(text: &str, instance: &Instance) -> Result<Assignment, InstanceError> {
    let mut numbers = Numbers::new(text);
    let mut assignment = Vec::new();
    for at in 0..instance.processes.len() {
        assignment.push(numbers.below(instance.machines.len(), || format!("the machine of process {at}"))?);
    }
    numbers.end()?;
    Ok(assignment)
}

/// An assignment in the challenge's form, which [`read_assignment`] reads.
#[must_use]
pub fn write_assignment(assignment: &[u32]) -> String {
    let words: Vec<String> = assignment.iter().map(u32::to_string).collect();
    words.join(" ") + "\n"
}

fn machines(numbers: &mut Numbers<'_>, resources: usize) -> Result<Vec<Machine>, InstanceError> {
    let count = numbers.count("the number of machines", MAX_ELEMENTS)?;
    let mut machines = Vec::new();
    for at in 0..count {
        let neighbourhood = numbers.index(|| format!("machine {at}: its neighbourhood"))?;
        let location = numbers.index(|| format!("machine {at}: its location"))?;
        let mut amounts = |what: &str| -> Result<Vec<i64>, InstanceError> {
            (0..resources)
                .map(|resource| numbers.next(|| format!("machine {at}: its {what} of resource {resource}")))
                .collect()
        };
        let capacity = amounts("capacity")?;
        let safety_capacity = amounts("safety capacity")?;
        let mut move_cost = Vec::new();
        for to in 0..count {
            move_cost.push(numbers.index(|| format!("machine {at}: the cost of a move to machine {to}"))?);
        }
        machines.push(Machine { neighbourhood, location, capacity, safety_capacity, move_cost });
    }
    Ok(machines)
}

fn services(numbers: &mut Numbers<'_>) -> Result<Vec<Service>, InstanceError> {
    let count = numbers.count("the number of services", MAX_ELEMENTS)?;
    let mut services = Vec::new();
    for at in 0..count {
        let spread_min = numbers.index(|| format!("service {at}: its least number of locations"))?;
        let dependencies = numbers.next(|| format!("service {at}: its number of dependencies"))?;
        let mut depends_on = Vec::new();
        for number in 0..dependencies {
            depends_on.push(numbers.below(count, || format!("service {at}: its dependency {number}"))?);
        }
        services.push(Service { spread_min, depends_on });
    }
    Ok(services)
}

fn processes(
    numbers: &mut Numbers<'_>,
    services: usize,
    resources: usize,
) -> Result<Vec<Process>, InstanceError> {
    let count = numbers.count("the number of processes", MAX_ELEMENTS)?;
    let mut processes = Vec::new();
    for at in 0..count {
        let service = numbers.below(services, || format!("process {at}: its service"))?;
        let requirement = (0..resources)
            .map(|resource| numbers.next(|| format!("process {at}: its requirement of resource {resource}")))
            .collect::<Result<_, _>>()?;
        let move_cost = numbers.next(|| format!("process {at}: its move cost"))?;
        processes.push(Process { service, requirement, move_cost });
    }
    Ok(processes)
}

fn balances(numbers: &mut Numbers<'_>, resources: usize) -> Result<Vec<Balance>, InstanceError> {
    let count = numbers.count("the number of balances", MAX_KINDS)?;
    let mut balances = Vec::new();
    for at in 0..count {
        balances.push(Balance {
            first: numbers.below(resources, || format!("balance {at}: its first resource"))?,
            second: numbers.below(resources, || format!("balance {at}: its second resource"))?,
            target: numbers.next(|| format!("balance {at}: its target"))?,
            weight: numbers.next(|| format!("balance {at}: its weight"))?,
        });
    }
    Ok(balances)
}

/// What a number means: words, or what makes them once they are needed.
trait Meaning {
    fn words(self) -> String;
}

impl Meaning for &str {
    fn words(self) -> String {
        self.to_owned()
    }
}

impl<F: FnOnce() -> String> Meaning for F {
    fn words(self) -> String {
        self()
    }
}

/// The numbers of a text, with the line that each is on.
struct Numbers<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    words: std::str::SplitAsciiWhitespace<'a>,
    line: usize,
}

impl<'a> Numbers<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate(), words: "".split_ascii_whitespace(), line: 1 }
    }

    fn word(&mut self) -> Option<&'a str> {
        loop {
            if let Some(word) = self.words.next() {
                return Some(word);
            }
            let (at, text) = self.lines.next()?;
            (self.line, self.words) = (at + 1, text.split_ascii_whitespace());
        }
    }

    fn wrong(&self, meaning: impl Meaning, found: &str, expected: impl Into<String>) -> InstanceError {
        InstanceError::new(format!("line {}, {}", self.line, meaning.words()), found, expected)
    }

    fn next(&mut self, meaning: impl Meaning) -> Result<i64, InstanceError> {
        let expected = || format!("a whole number from 0 to {MAX_NUMBER}");
        let Some(word) = self.word() else {
            return Err(self.wrong(meaning, "the end of the file", expected()));
        };
        let number = word.parse().ok().filter(|it| (0..=MAX_NUMBER).contains(it));
        number.ok_or_else(|| self.wrong(meaning, word, expected()))
    }

    fn count(&mut self, meaning: &str, most: usize) -> Result<usize, InstanceError> {
        let number = self.next(meaning)?;
        match usize::try_from(number).ok().filter(|it| *it <= most) {
            Some(count) => Ok(count),
            None => Err(self.wrong(meaning, &number.to_string(), format!("at most {most}"))),
        }
    }

    /// A number as wide as an index.
    fn index(&mut self, meaning: impl Meaning) -> Result<u32, InstanceError> {
        self.next(meaning).map(|it| u32::try_from(it).unwrap_or(u32::MAX))
    }

    fn below(&mut self, limit: usize, meaning: impl Fn() -> String) -> Result<u32, InstanceError> {
        let number = self.index(&meaning)?;
        if (number as usize) < limit {
            return Ok(number);
        }
        Err(self.wrong(meaning, &number.to_string(), format!("a whole number below {limit}")))
    }

    fn end(&mut self) -> Result<(), InstanceError> {
        match self.word() {
            None => Ok(()),
            Some(word) => Err(self.wrong("after the last number", word, "the end of the file")),
        }
    }
}
