//! Which risk is asked for: the words of an address, read.

use serde::{Deserialize, Serialize};
use underpin_risk::report::GroupBy;
use utoipa::IntoParams;

use crate::problem::{Code, Problem};

/// Which risk.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RiskQuery {
    /// `true`: the naive figure, every host on its own.
    pub(crate) independent: Option<String>,
    /// What hosts are grouped by: `decision`, `cluster`, `platform`, `release`, `hardware`, `ring`.
    pub(crate) group_by: Option<String>,
}

/// What is asked for, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) independent: bool,
    pub(crate) group_by: GroupBy,
}

impl Default for Asked {
    fn default() -> Self {
        Self { independent: false, group_by: GroupBy::Decision }
    }
}

impl RiskQuery {
    pub(crate) fn read(&self) -> Result<Asked, Problem> {
        let independent = match self.independent.as_deref().map(str::trim) {
            None | Some("" | "false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(Code::BadQuery.with(format!("independent is {other:?}; give true or false")));
            }
        };
        let group_by = match self.group_by.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
            None => GroupBy::Decision,
            Some(text) => GroupBy::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
                let names = GroupBy::ALL.map(GroupBy::name).join(", ");
                Code::BadQuery.with(format!("group_by is {text:?}; give one of {names}"))
            })?,
        };
        Ok(Asked { independent, group_by })
    }
}
