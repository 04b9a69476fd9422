//! When a computed value is the expected one.

use serde_json::Value;

use super::row::Got;

/// Relative error of the numbers; 0 for texts, booleans and nulls that are the same; `None` where the two are no values
/// of one kind, or differ without a measure.
pub(crate) fn difference(expected: &Value, got: &Got) -> Option<f64> {
    match (expected, got) {
        (Value::Number(expected), Got::Number(got)) => relative(expected.as_f64()?, *got),
        (Value::Array(expected), Got::List(got)) if expected.len() == got.len() => {
            expected.iter().zip(got).try_fold(0.0, |largest: f64, (expected, got)| {
                Some(largest.max(relative(expected.as_f64()?, *got)?))
            })
        }
        (Value::String(expected), Got::Text(got)) if expected == got => Some(0.0),
        (Value::Bool(expected), Got::Truth(got)) if expected == got => Some(0.0),
        (Value::Null, Got::Nothing) => Some(0.0),
        _ => None,
    }
}

/// `None` where it is infinite or no number: then the two differ, whatever the tolerance. An expected 0 is met by 0 alone.
fn relative(expected: f64, got: f64) -> Option<f64> {
    if expected == got {
        return Some(0.0);
    }
    Some(((got - expected) / expected).abs()).filter(|it| it.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_by_relative_error_and_all_else_exactly() {
        assert_eq!(difference(&json!(2), &Got::Number(2.0)), Some(0.0));
        assert_eq!(difference(&json!(2.0), &Got::Number(1.5)), Some(0.25));
        assert_eq!(difference(&json!(0.0), &Got::Number(0.0)), Some(0.0));
        assert_eq!(difference(&json!(0.0), &Got::Number(1e-300)), None);
        assert_eq!(difference(&json!(1.0), &Got::Number(f64::NAN)), None);
        assert_eq!(difference(&json!(1.0), &Got::Number(f64::INFINITY)), None);
        assert_eq!(difference(&json!([1.0, 4.0]), &Got::List(vec![1.0, 3.0])), Some(0.25));
        assert_eq!(difference(&json!([1.0]), &Got::List(vec![1.0, 3.0])), None);
        assert_eq!(difference(&json!(["1"]), &Got::List(vec![1.0])), None);
        assert_eq!(difference(&json!("never"), &Got::Text("never")), Some(0.0));
        assert_eq!(difference(&json!("never"), &Got::Number(1.0)), None);
        assert_eq!(difference(&json!(true), &Got::Truth(true)), Some(0.0));
        assert_eq!(difference(&json!(true), &Got::Truth(false)), None);
        assert_eq!(difference(&json!(1), &Got::Truth(true)), None);
        assert_eq!(difference(&json!(null), &Got::Nothing), Some(0.0));
        assert_eq!(difference(&json!(null), &Got::Number(0.0)), None);
    }
}
