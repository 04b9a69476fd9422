//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::analyst;

/// What went wrong, for people (`title`, `detail`) and for machines (`code`, `errors`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:underpin:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and the way out.
    pub detail: String,
    /// Stable code, `UP0401`...
    #[schema(value_type = String)]
    pub code: &'static str,
    /// Single errors with their place, all in one go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<analyst::Problem>,
}

/// The kinds of problems with code, status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    NoSuchRoute,
    NotFound,
    BadQuery,
    BadBody,
    TooLarge,
    TooSlow,
    WrongHost,
    CrossSite,
    BadFleet,
    NothingReadable,
    KeyReused,
    NoFleet,
    NoPromise,
    Method,
    BadPolicy,
    BadEvidence,
    BadScores,
    NothingToJudge,
    NoRisk,
    Settled,
    NotOver,
    Internal,
}

impl Code {
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoSuchRoute => ("UP0401", StatusCode::NOT_FOUND, "No such route"),
            Self::NotFound => ("UP0402", StatusCode::NOT_FOUND, "Not found"),
            Self::BadQuery => ("UP0403", StatusCode::BAD_REQUEST, "A query parameter is not valid"),
            Self::BadBody => ("UP0404", StatusCode::BAD_REQUEST, "The request body cannot be read"),
            Self::TooLarge => ("UP0405", StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large"),
            Self::TooSlow => ("UP0406", StatusCode::SERVICE_UNAVAILABLE, "The request took too long"),
            Self::WrongHost => ("UP0407", StatusCode::MISDIRECTED_REQUEST, "This host name is not served"),
            Self::CrossSite => ("UP0408", StatusCode::FORBIDDEN, "A request from another site was refused"),
            Self::BadFleet => ("UP0409", StatusCode::UNPROCESSABLE_ENTITY, "The fleet is not valid"),
            Self::NothingReadable => {
                ("UP0410", StatusCode::UNPROCESSABLE_ENTITY, "Nothing in the upload could be read")
            }
            Self::KeyReused => (
                "UP0411",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used for another request",
            ),
            Self::NoFleet => ("UP0412", StatusCode::CONFLICT, "There is no fleet yet"),
            Self::NoPromise => ("UP0417", StatusCode::CONFLICT, "The policy promises nothing"),
            Self::Method => ("UP0413", StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here"),
            Self::BadPolicy => ("UP0414", StatusCode::UNPROCESSABLE_ENTITY, "The policy is not valid"),
            Self::BadEvidence => ("UP0418", StatusCode::UNPROCESSABLE_ENTITY, "The evidence is not valid"),
            Self::BadScores => {
                ("UP0419", StatusCode::UNPROCESSABLE_ENTITY, "These are no EPSS scores of a day")
            }
            Self::NothingToJudge => ("UP0420", StatusCode::CONFLICT, "There is nothing to judge"),
            Self::NoRisk => ("UP0415", StatusCode::CONFLICT, "The risk cannot be worked out"),
            Self::Settled => ("UP0416", StatusCode::CONFLICT, "The outcome is known already"),
            Self::NotOver => ("UP0421", StatusCode::CONFLICT, "The span of the prediction is not over"),
            Self::Internal => ("UP0500", StatusCode::INTERNAL_SERVER_ERROR, "The server failed"),
        }
    }

    pub(crate) fn with(self, detail: impl Into<String>) -> Problem {
        let (code, status, title) = self.parts();
        Problem {
            kind: format!("urn:underpin:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        }
    }
}

impl Problem {
    pub(crate) fn with_errors(mut self, errors: Vec<analyst::Problem>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<underpin_store::Error> for Problem {
    fn from(error: underpin_store::Error) -> Self {
        if matches!(error, underpin_store::Error::KeyReused) {
            return Code::KeyReused.with(error.to_string());
        }
        // The store's message has paths of the machine: they belong in its log, not in an answer.
        tracing::error!(%error, "the store failed");
        Code::Internal.with("The store cannot answer; the server's log has the cause.")
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!(%error, "work stopped before it was done");
        Code::Internal.with("The work stopped before it was done; nothing was changed. Try again.")
    }
}
