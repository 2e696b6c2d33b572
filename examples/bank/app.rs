//! The service: what is answered to which request, and the transaction that each request runs in.
//!
//! Two layers do that. [`ScopeLayer`] gives each request a scope, which on PostgreSQL carries the tenant; [`AtomicLayer`] runs it in a
//! transaction, which is committed before the response goes out, if its status is below 400.

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use nestling::{
    Dialect, Manager,
    blocks::ScopeSettings,
    tower::{AtomicLayer, ScopeLayer},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    accounts,
    answer::Refusal,
    idempotency::{self, Turn},
    jobs::Queue,
    schema::{Account, Entry},
};

#[derive(Debug, Clone)]
struct App {
    objects: Manager,
    queue: Queue,
}

/// The routes of the bank, with a transaction around each request.
pub(crate) fn router(objects: &Manager, queue: Queue) -> Router {
    let db = objects.database().clone();
    let carries_tenant = db.dialect() == Dialect::Postgres;
    let settings = move |request: &Request<axum::body::Body>| match tenant_of(request.headers()) {
        Some(tenant) if carries_tenant => ScopeSettings::new().set_local("app.tenant", tenant),
        _ => ScopeSettings::new(),
    };
    Router::new()
        .route("/accounts", post(open_account))
        .route("/accounts/{id}", get(account))
        .route("/accounts/{id}/entries", get(entries))
        .route("/transfers", post(transfer))
        .with_state(App { objects: objects.clone(), queue })
        .layer(AtomicLayer::new(db))
        .layer(ScopeLayer::new().settings(settings))
}

fn tenant_of(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-tenant")?.to_str().ok().filter(|tenant| !tenant.is_empty() && tenant.len() <= 64)
}

/// Whose request it is.
struct Tenant(String);

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let tenant = tenant_of(&parts.headers).ok_or(Refusal::Invalid("the header x-tenant is missing"))?;
        Ok(Self(tenant.to_owned()))
    }
}

/// The key of a request that may come again.
struct Key(Option<String>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let key = parts.headers.get("idempotency-key").map(|key| key.to_str().map(str::to_owned));
        key.transpose().map(Self).map_err(|_| Refusal::Invalid("an idempotency-key is plain text"))
    }
}

#[derive(Debug, Deserialize)]
struct NewAccount {
    owner: String,
    balance: i64,
}

async fn open_account(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Json(new): Json<NewAccount>,
) -> Result<Response, Refusal> {
    let account = accounts::open(&app.objects, &tenant, &new.owner, new.balance).await?;
    Ok((StatusCode::CREATED, Json(shown(&account))).into_response())
}

async fn account(State(app): State<App>, Tenant(tenant): Tenant, Path(id): Path<i64>) -> Result<Json<Value>, Refusal> {
    Ok(Json(shown(&accounts::get(&app.objects, &tenant, id).await?)))
}

#[derive(Debug, Deserialize)]
struct NewTransfer {
    from: i64,
    to: i64,
    amount: i64,
}

async fn transfer(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Key(key): Key,
    Json(NewTransfer { from, to, amount }): Json<NewTransfer>,
) -> Result<Response, Refusal> {
    let first = match key {
        None => None,
        Some(key) => match idempotency::take(&app.objects, &tenant, &key).await? {
            Turn::First(request) => Some(request),
            Turn::Again { status, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok((status, [(CONTENT_TYPE, "application/json")], body).into_response());
            }
        },
    };
    accounts::transfer(&app.objects, &app.queue, &tenant, (from, to, amount)).await?;
    let body = json!({ "from": from, "to": to, "amount": amount }).to_string();
    if let Some(request) = first {
        idempotency::keep(&app.objects, &request, StatusCode::CREATED.as_u16(), &body).await?;
    }
    Ok((StatusCode::CREATED, [(CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Debug, Deserialize)]
struct Page {
    before: Option<i64>,
    limit: Option<u64>,
}

async fn entries(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(id): Path<i64>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refusal> {
    let entries = accounts::entries(&app.objects, &tenant, id, page.before, page.limit.unwrap_or(20)).await?;
    // Where the next page begins.
    let next = entries.last().map(|entry| entry.id);
    Ok(Json(json!({ "entries": entries.iter().map(shown_entry).collect::<Vec<_>>(), "next": next })))
}

fn shown(account: &Account) -> Value {
    json!({ "id": account.id, "owner": account.owner, "balance": account.balance })
}

fn shown_entry(entry: &Entry) -> Value {
    json!({ "id": entry.id, "other": entry.other, "amount": entry.amount, "at": entry.at.to_rfc3339() })
}
