//! The inputs of a row, by type, and the outputs of a formula.

use serde_json::{Map, Value};
use underpin_model::quantity::{InvalidArgument, InvalidQuantity, Probability};

/// Why a row cannot be computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BadRow(pub(crate) String);

impl From<InvalidArgument> for BadRow {
    fn from(error: InvalidArgument) -> Self {
        Self(error.to_string())
    }
}

/// A value that a formula gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Got {
    /// A number.
    Number(f64),
    /// Numbers in order.
    List(Vec<f64>),
    /// A word.
    Text(&'static str),
    /// Yes or no.
    Truth(bool),
    /// No value: the formula has none here.
    Nothing,
}

impl Got {
    /// How many values it is.
    pub(crate) fn values(&self) -> usize {
        if let Self::List(list) = self { list.len() } else { 1 }
    }

    /// For the report. A number that JSON has no place for is a text, never null.
    pub(crate) fn to_json(&self) -> Value {
        let number = |it: f64| {
            serde_json::Number::from_f64(it).map_or_else(|| Value::String(it.to_string()), Value::Number)
        };
        match self {
            Self::Number(it) => number(*it),
            Self::List(list) => list.iter().map(|it| number(*it)).collect(),
            Self::Text(it) => Value::String((*it).to_owned()),
            Self::Truth(it) => Value::Bool(*it),
            Self::Nothing => Value::Null,
        }
    }
}

impl From<Probability> for Got {
    fn from(it: Probability) -> Self {
        Self::Number(it.get())
    }
}

impl From<f64> for Got {
    fn from(it: f64) -> Self {
        Self::Number(it)
    }
}

/// A row of the file.
pub(crate) struct Row<'a>(pub(crate) &'a Map<String, Value>);

impl Row<'_> {
    fn value(&self, name: &str) -> Result<&Value, BadRow> {
        self.0.get(name).ok_or_else(|| BadRow(format!("input {name} is missing")))
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Result<f64, BadRow> {
        let value = self.value(name)?;
        value.as_f64().ok_or_else(|| wrong(name, value, "a number"))
    }

    /// A quantity: a number that its type accepts.
    pub(crate) fn quantity<T: TryFrom<f64, Error = InvalidQuantity>>(&self, name: &str) -> Result<T, BadRow> {
        T::try_from(self.number(name)?).map_err(|error| BadRow(format!("input {name}: {error}")))
    }

    /// A probability.
    pub(crate) fn probability(&self, name: &str) -> Result<Probability, BadRow> {
        self.quantity(name)
    }

    /// A whole number, not negative.
    pub(crate) fn count(&self, name: &str) -> Result<u64, BadRow> {
        let value = self.value(name)?;
        value.as_u64().ok_or_else(|| wrong(name, value, "a whole number, not negative"))
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<&str, BadRow> {
        let value = self.value(name)?;
        value.as_str().ok_or_else(|| wrong(name, value, "a text"))
    }

    /// A list, each element read by a function that may refuse it.
    pub(crate) fn list<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, BadRow> {
        let value = self.value(name)?;
        let list = value.as_array().and_then(|list| list.iter().map(read).collect());
        list.ok_or_else(|| wrong(name, value, "a list of such values"))
    }

    /// A list of numbers.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, BadRow> {
        self.list(name, Value::as_f64)
    }

    /// A list of probabilities.
    pub(crate) fn probabilities(&self, name: &str) -> Result<Vec<Probability>, BadRow> {
        let checked = self.numbers(name)?.into_iter().map(Probability::new).collect::<Result<_, _>>();
        checked.map_err(|error| BadRow(format!("input {name}: {error}")))
    }
}

/// An input that is of the wrong kind.
pub(crate) fn wrong(name: &str, found: &Value, expected: &str) -> BadRow {
    BadRow(format!("input {name}: found {found}, expected {expected}"))
}
