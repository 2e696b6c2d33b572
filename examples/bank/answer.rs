//! What requests are answered with when they fail.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request itself is wrong.
    Invalid(&'static str),
    NotFound,
    /// There is not enough money in the account.
    NotCovered,
    /// The same key was used for another request that is under way.
    UnderWay,
    Database(nestling::Error),
}

impl From<nestling::Error> for Refusal {
    fn from(error: nestling::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match &self {
            Self::Invalid(text) => (StatusCode::UNPROCESSABLE_ENTITY, *text),
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such account"),
            Self::NotCovered => (StatusCode::CONFLICT, "there is not enough money in the account"),
            Self::UnderWay => (StatusCode::CONFLICT, "a request with this key is under way"),
            Self::Database(error) if error.is_check_violation() => (StatusCode::CONFLICT, "there is not enough money"),
            Self::Database(error) if error.is_retryable() || error.is_timeout() => {
                (StatusCode::SERVICE_UNAVAILABLE, "please try again")
            }
            Self::Database(error) => {
                eprintln!("bank: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")
            }
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}
