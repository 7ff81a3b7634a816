//! What requests are refused with, for the document: one type for each set of statuses that
//! goes together. Handlers answer with a [`Problem`]; nothing here is ever made.
#![expect(
    dead_code,
    reason = "these types describe answers, they are not the answers"
)]

use utoipa::IntoResponses;

use super::problem::Problem;

/// No token, or not from here.
#[derive(IntoResponses)]
pub(super) enum Guarded {
    #[response(status = 401, content_type = "application/problem+json")]
    NoToken(Problem),
    #[response(status = 403, content_type = "application/problem+json")]
    NotFromHere(Problem),
}

/// What every request that needs the store can meet.
#[derive(IntoResponses)]
pub(super) enum Usual {
    #[response(status = 401, content_type = "application/problem+json")]
    NoToken(Problem),
    #[response(status = 403, content_type = "application/problem+json")]
    NotFromHere(Problem),
    #[response(status = 503, content_type = "application/problem+json")]
    NoStore(Problem),
}

/// Something in the request cannot be meant.
#[derive(IntoResponses)]
#[response(status = 400, content_type = "application/problem+json")]
pub(super) struct BadRequest(Problem);

/// There is no such thing.
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(super) struct NoSuch(Problem);

/// Not in the state it is in.
#[derive(IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(super) struct WrongMoment(Problem);

/// A body that cannot be taken.
#[derive(IntoResponses)]
pub(super) enum BadBody {
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    #[response(status = 422, content_type = "application/problem+json")]
    NotMeant(Problem),
}
