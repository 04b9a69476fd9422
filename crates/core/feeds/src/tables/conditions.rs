//! Conditions: workarounds, settings that a fix needs, guests that must be cold-started for it.
//!
//! CSV: `vulnerability,family,train,setting,value,effect,source,published,reviewed_by,reviewed_on`.
//!
//! `effect` is `closes`, `needed-with-fix` or `cold-start-guests`. The first two name a setting with its value; the
//! third names none and may leave `family` empty, which means any. An empty `train` means any train. `reviewed_by` and
//! `reviewed_on` say who compared the row with its source, and stand together or not at all. The table promises
//! no coverage: that a vulnerability is not in it means nothing.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use underpin_model::facts::{Condition, Document, Effect, Family, Format, Review, SettingValue};

use super::rows::{self, Cell, Row, Wrong, read_csv};
use crate::Defect;

const FORMAT: Format = Format::Conditions;
const COLUMNS: [&str; 10] = [
    "vulnerability",
    "family",
    "train",
    "setting",
    "value",
    "effect",
    "source",
    "published",
    "reviewed_by",
    "reviewed_on",
];

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut document = Document::new(FORMAT.name(), FORMAT);
    let mut seen: FxHashSet<Condition> = FxHashSet::default();
    read_csv(bytes, FORMAT, &COLUMNS, |row| {
        let condition = condition(row)?;
        // The same row with another source or review is the same row: one of them would be overlooked.
        let key = Condition {
            source: "".into(),
            published: jiff::civil::Date::ZERO,
            reviewed: None,
            ..condition.clone()
        };
        if !seen.insert(key) {
            let expected = "one row per vulnerability, family, train, setting, value and effect";
            return Err(Wrong::new("vulnerability", condition.vulnerability.as_str(), expected));
        }
        document.conditions.push(condition);
        Ok(())
    })?;
    let days = document.conditions.iter().map(|one| {
        let reviewed = one.reviewed.as_ref().map(|review| review.on);
        reviewed.map_or(one.published, |on| on.max(one.published))
    });
    document.updated = days.max().and_then(rows::midnight);
    Ok(document)
}

fn condition(row: &Row<'_>) -> Cell<Condition> {
    let effect = effect(row)?;
    let family = match (row.text("family"), &effect) {
        ("", Effect::ColdStartGuests) => None,
        ("", _) => return Err(Wrong::new("family", "", "a product line such as esxi")),
        (name, _) => Some(Family::from_name(&rows::name("family", name)?)),
    };
    let train = optional("train", row.text("train"))?;
    if let (Some(train), None) = (&train, &family) {
        return Err(Wrong::new("train", train, "no train where no family is named"));
    }
    let published = rows::date("published", row.text("published"))?;
    let reviewed = match (optional("reviewed_by", row.text("reviewed_by"))?, row.text("reviewed_on")) {
        (None, "") => None,
        (Some(by), on) => {
            let on_day = rows::date("reviewed_on", on)?;
            if on_day < published {
                return Err(Wrong::new("reviewed_on", on, "a day on or after the one in published"));
            }
            Some(Review { by, on: on_day })
        }
        (None, _) => {
            return Err(Wrong::new("reviewed_by", "", "who reviewed the row on the day in reviewed_on"));
        }
    };
    Ok(Condition {
        vulnerability: rows::vulnerability("vulnerability", row.text("vulnerability"))?,
        family,
        train,
        effect,
        source: rows::name("source", row.text("source"))?,
        published,
        reviewed,
    })
}

fn effect(row: &Row<'_>) -> Cell<Effect> {
    let setting = || -> Cell<SettingValue> {
        let setting = rows::name("setting", row.text("setting"))?;
        Ok(SettingValue { setting, value: rows::name("value", row.text("value"))? })
    };
    match row.text("effect") {
        "closes" => Ok(Effect::Closes(setting()?)),
        "needed-with-fix" => Ok(Effect::NeededWithFix(setting()?)),
        "cold-start-guests" => {
            for column in ["setting", "value"] {
                let text = row.text(column);
                if !text.is_empty() {
                    return Err(Wrong::new(
                        column,
                        text,
                        "nothing, as cold-start-guests is about no setting",
                    ));
                }
            }
            Ok(Effect::ColdStartGuests)
        }
        other => Err(Wrong::new("effect", other, "closes, needed-with-fix or cold-start-guests")),
    }
}

fn optional(column: &str, value: &str) -> Cell<Option<Arc<str>>> {
    if value.is_empty() { Ok(None) } else { rows::name(column, value).map(Some) }
}
