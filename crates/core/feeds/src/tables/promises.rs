//! What a table covers, computed from its own rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::facts::{Coverage, Family, Period, Subject};

type Line = (Family, Option<Arc<str>>, Option<Arc<str>>);

/// First and last day of each product line that the rows speak of. Nothing is promised beyond the last row: after it
/// the table's silence means that nobody looked.
#[derive(Default)]
pub(super) struct Promises(BTreeMap<Line, Period>);

impl Promises {
    /// A row of this line on this day.
    pub(super) fn seen(
        &mut self,
        family: &Family,
        train: Option<&Arc<str>>,
        component: Option<&Arc<str>>,
        date: Date,
    ) {
        self.0
            .entry((family.clone(), train.cloned(), component.cloned()))
            .and_modify(|period| {
                period.from = period.from.min(date);
                period.to = period.to.max(date);
            })
            .or_insert(Period { from: date, to: date });
    }

    pub(super) fn into_coverage(self) -> Vec<Coverage> {
        self.0
            .into_iter()
            .map(|((family, train, component), period)| Coverage {
                of: Subject::Vulnerabilities,
                family,
                train,
                component,
                period,
            })
            .collect()
    }
}
