//! Query parameters that a route does not have are refused: a misspelt one would look like an answer to what was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::problem::{Code, Problem};

/// Names of the query parameters, by path and method, as the description of the API has them.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, BTreeMap<&'static str, Vec<String>>>);

impl Known {
    pub(super) fn of(description: &OpenApi) -> Arc<Self> {
        let mut known = Self::default();
        for (path, item) in &description.paths.paths {
            let methods = [
                ("GET", &item.get),
                ("HEAD", &item.get),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("DELETE", &item.delete),
            ];
            let of_path = known.0.entry(path.clone()).or_default();
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    of_path.insert(method, names(operation));
                }
            }
        }
        Arc::new(known)
    }

    /// What is wrong with a request; nothing for paths that are not described.
    fn problem(&self, request: &Request) -> Option<Problem> {
        let path = request.extensions().get::<MatchedPath>()?.as_str();
        let names = self.0.get(path)?.get(request.method().as_str())?;
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
        let (unknown, _) = query.into_iter().find(|(name, _)| !names.contains(name))?;
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let detail = format!("There is no parameter {unknown:?} here; known are: {known}.");
        Some(Code::BadQuery.with(detail))
    }
}

fn names(operation: &Operation) -> Vec<String> {
    let all = operation.parameters.iter().flatten();
    // Each parameter is written where it is taken: the description has no shared ones to refer to.
    let written = all.filter_map(|it| match it {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let of_query = written.filter(|it| it.parameter_in == ParameterIn::Query);
    of_query.map(|it| it.name.clone()).collect()
}

/// Answers a request with an unknown query parameter, and lets all others pass.
pub(super) async fn refuse_unknown(
    State(known): State<Arc<Known>>,
    request: Request,
    next: Next,
) -> Response {
    match known.problem(&request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}
