//! Requests that may come again: a client that has not seen the answer sends the same key, and gets the same answer, for one
//! transfer in all.

use nestling::{Manager, Model as _};

use super::{answer::Refusal, schema::Request};

/// What a request with a key does.
pub(crate) enum Turn {
    /// It is the first: it is carried out, and its answer [kept](keep).
    First(Request),
    /// It was answered so.
    Again { status: u16, body: String },
}

/// Takes the key for this request. Another request that has it and is not committed yet is waited for.
///
/// # Errors
/// `UnderWay`; else those of the database.
pub(crate) async fn take(objects: &Manager, tenant: &str, key: &str) -> Result<Turn, Refusal> {
    if key.is_empty() || key.chars().count() > 255 {
        return Err(Refusal::Invalid("a key has up to 255 characters"));
    }
    // Race-safe, and in a savepoint: the request goes on if the key is taken.
    let found = objects.create_or_get::<Request>([Request::TENANT.set(tenant), Request::KEY.set(key)]).await?;
    match found {
        (request, true) => Ok(Turn::First(request)),
        (Request { status: Some(status), body: Some(body), .. }, false) => {
            Ok(Turn::Again { status: u16::try_from(status).unwrap_or(500), body })
        }
        _ => Err(Refusal::UnderWay),
    }
}

/// Keeps the answer, in the transaction of the request: it is there if, and only if, what the request did is.
///
/// # Errors
/// Those of the database.
pub(crate) async fn keep(objects: &Manager, request: &Request, status: u16, body: &str) -> Result<(), Refusal> {
    let answer = [Request::STATUS.set(Some(i64::from(status))), Request::BODY.set(Some(body.to_owned()))];
    objects.execute(Request::update(answer).filter(Request::ID.eq(request.id))).await?;
    Ok(())
}
