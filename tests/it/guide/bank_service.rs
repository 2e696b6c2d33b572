//! The bank of `examples/bank`, by real HTTP: tenants, keys of requests that come again, pages, jobs, and clients that hang up.

#[path = "../../../examples/bank/accounts.rs"]
mod accounts;
#[path = "../../../examples/bank/answer.rs"]
mod answer;
#[path = "../../../examples/bank/app.rs"]
mod app;
#[path = "bank_service/client.rs"]
mod client;
#[path = "bank_service/hang_ups.rs"]
mod hang_ups;
#[path = "../../../examples/bank/idempotency.rs"]
mod idempotency;
#[path = "../../../examples/bank/jobs.rs"]
mod jobs;
#[path = "../../../examples/bank/operations.rs"]
mod operations;
#[path = "../../../examples/bank/schema.rs"]
mod schema;
#[path = "bank_service/scraped.rs"]
mod scraped;

use std::{collections::HashSet, time::Instant};

use nestling::{Error, Manager, params, testing::assert_statements};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use self::{client::Client, jobs::Worker, schema::Entry};
use crate::{harness::Backend, support::waits::PATIENCE};

/// The service on a port of its own.
struct Bank {
    backend: Backend,
    objects: Manager,
    client: Client,
    worker: Option<Worker>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Bank {
    async fn open(backend: Backend) -> Self {
        schema::create(backend.url()).await.unwrap();
        let objects = Manager::new(schema::open(backend.url()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client { address: listener.local_addr().unwrap() };
        let worker = Worker::start(&objects);
        let (stop, stopped) = oneshot::channel::<()>();
        let recorder = operations::exporter().unwrap().build_recorder();
        let router =
            app::router(&objects, worker.queue()).merge(operations::router(objects.database(), recorder.handle()));
        let serve = axum::serve(listener, router).with_graceful_shutdown(async move { drop(stopped.await) });
        let server = tokio::spawn(async move { serve.await.unwrap() });
        Self { backend, objects, client, worker: Some(worker), stop, server }
    }

    /// Ends as the program does, and checks that nothing is left. Returns how many jobs were done.
    async fn close(self) -> u64 {
        let Self { backend, objects, client: _, worker, stop, server } = self;
        stop.send(()).unwrap();
        server.await.unwrap();
        let done = stopped(worker).await;
        backend.settled_with(objects.database()).await;
        objects.close().await;
        done
    }

    async fn account(&self, tenant: &str, balance: i64) -> i64 {
        let body = json!({ "owner": "somebody", "balance": balance });
        let (status, answer) = self.client.post("/accounts", tenant, None, &body).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_i64().unwrap()
    }

    async fn balance(&self, tenant: &str, id: i64) -> i64 {
        let (status, answer) = self.client.get(&format!("/accounts/{id}"), tenant).await;
        assert_eq!(status, 200, "{answer}");
        answer["balance"].as_i64().unwrap()
    }

    async fn transfer(&self, tenant: &str, key: Option<&str>, (from, to, amount): (i64, i64, i64)) -> (u16, Value) {
        let body = json!({ "from": from, "to": to, "amount": amount });
        self.client.post("/transfers", tenant, key, &body).await
    }

    /// How many rows a table has, seen from outside.
    async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        self.backend.observer().query_one(&sql, params![]).await.unwrap().get(0).unwrap()
    }
}

/// Stops a worker, and tells how many jobs it has done.
async fn stopped(worker: Option<Worker>) -> u64 {
    match worker {
        Some(worker) => worker.stop().await,
        None => 0,
    }
}

test_on! {
    [postgres sqlite];

    /// rules 13 and 14: what is answered with an error has done nothing
    async fn a_transfer_is_done_or_refused_as_a_whole(backend) {
        let bank = Bank::open(backend).await;
        let (ada, grace) = (bank.account("acme", 100).await, bank.account("acme", 0).await);
        assert_eq!(bank.transfer("acme", None, (ada, grace, 30)).await.0, 201);
        for (refused, status) in [((ada, grace, 71), 409), ((ada, 999, 1), 404), ((ada, ada, 1), 422), ((ada, grace, -1), 422)] {
            let (told, answer) = bank.transfer("acme", None, refused).await;
            assert_eq!(told, status, "{answer}");
        }
        assert_eq!((bank.balance("acme", ada).await, bank.balance("acme", grace).await), (70, 30));
        assert_eq!(bank.count("entry").await, 2);
        assert_eq!(bank.close().await, 1, "one letter, for the transfer that was done");
    }

    /// rule 55: no tenant sees another's accounts; on PostgreSQL, not even a query that forgets to ask for the tenant
    async fn tenants_are_kept_apart(backend) {
        let is_postgres = backend.is_postgres();
        let bank = Bank::open(backend).await;
        let (ours, theirs) = (bank.account("acme", 100).await, bank.account("globex", 100).await);
        assert_eq!(bank.client.get(&format!("/accounts/{theirs}"), "acme").await.0, 404);
        assert_eq!(bank.client.get(&format!("/accounts/{theirs}/entries"), "acme").await.0, 404);
        assert_eq!(bank.transfer("acme", None, (ours, theirs, 1)).await.0, 404);
        assert_eq!(bank.client.get(&format!("/accounts/{ours}"), "").await.0, 422, "whose request is it?");
        if is_postgres {
            let db = bank.objects.database();
            let all = async || db.query("select tenant from account", params![]).await.unwrap().len();
            assert_eq!(all().await, 0, "without a tenant there is nothing");
            assert_eq!(nestling::scope(all()).set_local("app.tenant", "globex").await, 1);
            let forged = db.execute("insert into account (tenant, owner, balance) values ('acme', 'eve', 1)", params![]);
            let forged = nestling::scope(forged).set_local("app.tenant", "globex").await;
            assert_eq!(forged.unwrap_err().code(), Some("42501"));
        }
        assert_eq!(bank.balance("globex", theirs).await, 100);
        bank.close().await;
    }

    /// rule 68: a request that comes again, at the same time or later, is carried out once, and answered alike
    async fn a_request_that_comes_again_is_carried_out_once(backend) {
        let bank = Bank::open(backend).await;
        let (ada, grace) = (bank.account("acme", 100).await, bank.account("acme", 0).await);
        let mut tasks = JoinSet::new();
        for _ in 0..12 {
            let client = bank.client;
            tasks.spawn(async move {
                let (start, body) = (Instant::now(), json!({ "from": ada, "to": grace, "amount": 10 }));
                loop {
                    let answer = client.post("/transfers", "acme", Some("once"), &body).await;
                    // A file may be locked for longer than the bank waits, and the bank says so.
                    if answer.0 != 503 || start.elapsed() > PATIENCE {
                        return answer;
                    }
                }
            });
        }
        let mut answers = HashSet::new();
        while let Some(answer) = tasks.join_next().await {
            let (status, answer) = answer.unwrap();
            answers.insert((status, answer.to_string()));
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers.iter().next().unwrap().0, 201);
        assert_eq!(bank.balance("acme", ada).await, 90);
        // A request that was refused has not used its key up.
        assert_eq!(bank.transfer("acme", Some("twice"), (ada, grace, 1000)).await.0, 409);
        assert_eq!(bank.transfer("acme", Some("twice"), (ada, grace, 1)).await.0, 201);
        assert_eq!(bank.balance("acme", ada).await, 89);
        assert_eq!(bank.close().await, 2);
    }

    /// A statement of account, page by page.
    async fn entries_come_in_pages(backend) {
        let bank = Bank::open(backend).await;
        let (ada, grace) = (bank.account("acme", 100).await, bank.account("acme", 0).await);
        for amount in 1..=7 {
            assert_eq!(bank.transfer("acme", None, (ada, grace, amount)).await.0, 201);
        }
        let (mut amounts, mut before) = (Vec::new(), String::new());
        loop {
            let (status, page) = bank.client.get(&format!("/accounts/{ada}/entries?limit=3{before}"), "acme").await;
            assert_eq!(status, 200, "{page}");
            amounts.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()));
            let Some(next) = page["next"].as_i64() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(amounts, [-7, -6, -5, -4, -3, -2, -1]);
        bank.close().await;
    }

    /// A page costs two statements, the account and its entries, however many entries there are.
    async fn a_page_of_entries_is_two_statements(backend) {
        let mut bank = Bank::open(backend).await;
        let (ada, grace) = (bank.account("acme", 100).await, bank.account("acme", 0).await);
        let writer = Manager::new(bank.backend.observer().clone());
        for amount in 1..=5 {
            let (account, at) = (Entry::ACCOUNT.set(ada), Entry::AT.set(chrono::Utc::now()));
            let values = [Entry::TENANT.set("acme"), account, Entry::OTHER.set(grace), Entry::AMOUNT.set(amount), at];
            writer.create::<Entry>(values).await.unwrap();
        }
        // It looks for jobs at its start, which would be counted.
        stopped(bank.worker.take()).await;
        let page = format!("/accounts/{ada}/entries");
        let (status, answer) = assert_statements(&bank.objects, 2, || bank.client.get(&page, "acme")).await;
        assert_eq!((status, answer["entries"].as_array().unwrap().len()), (200, 5));
        bank.close().await;
    }

    /// Who looks at the bank sees what is open, and the page itself opens nothing.
    async fn what_is_open_is_told(backend) {
        let mut bank = Bank::open(backend).await;
        stopped(bank.worker.take()).await;
        let page = async || bank.client.get("/open", "").await.1.as_str().unwrap().to_owned();
        assert_eq!(page().await, "");
        let db = bank.objects.database();
        db.build_transaction().name("audit").atomic(|| async {
            db.query("select count(*) from account", params![]).await?;
            let open = page().await;
            assert!(open.contains("\"audit\", opened at ") && open.contains("select count(*) from account"), "{open}");
            Ok::<_, Error>(())
        }).await.unwrap();
        assert_eq!(page().await, "");
        bank.close().await;
    }
}
