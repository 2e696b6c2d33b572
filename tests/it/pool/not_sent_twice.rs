//! Work that a connection has died under, and that must not be done a second time and be told as `Ok`: the first flight of a
//! transaction is sent again only where its transaction takes back all that it did. Fault kind: "nothing can have been
//! committed" for tables without transactions, procedures that commit, and functions that call out.

use nestling::{Database, Error, ErrorKind, params, scope};

use crate::{
    harness::Backend,
    proxy::{Proxy, Side, StepKind},
};

/// Cuts all connections when the server answers a text with `part` in it: the server has done it. What is to be cut is sent
/// when this has returned.
fn cut_at_the_answer_to(proxy: &Proxy, part: &'static str) -> impl Future<Output = ()> {
    let mut asked = false;
    proxy.stall_when(move |message| match message.from {
        Side::Client => {
            asked |= message.text.contains(part) && message.tag != 'P';
            false
        }
        Side::Server => asked && is_answer(&message.text),
    });
    async {
        proxy.stalled().await;
        proxy.cut();
    }
}

/// Whether the server says with this that it has done something of its own, and not that it has begun or ended a block.
fn is_answer(text: &str) -> bool {
    !text.is_empty() && !["BEGIN", "SAVEPOINT", "RELEASE", "SET", "SELECT", "PREPARE"].contains(&text)
}

/// A database behind a proxy whose one connection has been idle, and knows the statements that are given.
async fn at_rest(backend: Backend, statements: &[&str]) -> (Backend, Proxy) {
    let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1));
    for sql in statements {
        backend.db.execute(sql, ()).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    backend.db.query("select 1", ()).await.expect("a connection");
    backend.settled().await;
    (backend, proxy)
}

async fn lost(db: &Database, proxy: &Proxy, sql: &'static str, batch: bool) {
    let cut = cut_at_the_answer_to(proxy, sql);
    let work = db.atomic(|| async { if batch { db.batch(sql).await } else { db.execute(sql, ()).await.map(drop) } });
    let (result, ()) = tokio::join!(work, cut);
    let error = result.expect_err("whether it took effect is not known");
    assert!(error.is_connection_lost(), "{sql}: {error:?}");
}

/// How many rows were written by transactions of their own.
async fn notes(backend: &Backend) -> i64 {
    let row = backend.observer().query_one("select count(*) from note", ()).await.expect("the notes");
    row.get(0).expect("a count")
}

/// rule 60: CALL, DO, DDL, and functions that may do anything
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_what_may_reach_beyond_its_transaction_is_not_sent_again() {
    let statements = [
        "call leave_note()",
        "do $$ begin perform nextval('calls'); end $$",
        "create table if not exists made (id integer)",
        "update note set text = 'x' where leave_call() > 0",
        "insert into note select 'n' from item where leave_call() > 0",
    ];
    for sql in statements {
        for batch in [false, true] {
            let backend = Backend::postgres().await.with_items().await;
            let schema = "create table note (text text); create sequence calls; insert into item values (1, 'x');
                          insert into note values ('first');
                          create procedure leave_note() language sql as $$ select nextval('calls') $$;
                          create function leave_call() returns bigint language sql as $$ select nextval('calls') $$";
            backend.observer().batch(schema).await.expect("the schema");
            let (backend, proxy) = at_rest(backend, &[]).await;
            lost(&backend.db, &proxy, sql, batch).await;
            let calls =
                backend.observer().query_one("select last_value, is_called from calls", ()).await.expect("calls");
            assert_eq!(calls.get::<i64>(0).expect("a number"), 1, "{sql}: it was done once");
            let counts = proxy.counts();
            let sent = counts.queries().into_iter().chain(counts.executed()).filter(|text| *text == sql).count();
            assert_eq!(sent, 1, "{sql}");
            assert_eq!(notes(&backend).await, 1, "{sql}");
            backend.db.query("select 1", ()).await.expect("the next one works");
            backend.settled().await;
        }
    }
}

/// rule 60: plain DML and queries are, on a connection that was idle; that is what it is for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_rows_are_written_again_unseen_on_another_connection() {
    for sql in [
        "insert into item values (1, 'once')",
        "with x as (select 1 as id) insert into item (id, name) select id, 'once' from x",
    ] {
        for batch in [false, true] {
            let backend = Backend::postgres().await.with_items().await;
            let (backend, proxy) = at_rest(backend, &[]).await;
            let db = &backend.db;
            let work =
                db.atomic(|| async { if batch { db.batch(sql).await } else { db.execute(sql, ()).await.map(drop) } });
            let cut = cut_at_the_answer_to(&proxy, sql);
            let (result, ()) = tokio::join!(work, cut);
            result.expect("its transaction was taken back");
            assert_eq!(backend.items().await, ["once"]);
            backend.settled().await;
        }
    }
}

/// rule 60: a connection that was made for the block has not been idle
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_nothing_is_sent_again_for_a_connection_that_was_just_made() {
    let sql = "insert into item values (1, 'once')";
    let (backend, proxy) = Backend::postgres().await.with_items().await.behind_proxy();
    let db = &backend.db;
    // The one that was idle is in use, so that the block has another one made.
    let pinned = db.connection(|| async {
        db.query("select 1", ()).await?;
        scope(lost(db, &proxy, sql, true)).await;
        Ok::<_, Error>(())
    });
    pinned.await.expect("its last answer had come");
    assert!(backend.items().await.is_empty());
    // The one that was in use is cut too, and may not have seen it yet.
    db.ping().await.expect("the server is there");
    backend.db.batch(sql).await.expect("the next one works");
    assert_eq!(backend.items().await, ["once"]);
}

/// rule 60: of joined statements, one that may not be sent again is not, though another one may
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_call_that_was_answered_is_not_sent_again_with_its_neighbour() {
    let backend = Backend::postgres().await.with_items().await;
    let schema = "create sequence calls;
                  create procedure leave_call() language sql as $$ select nextval('calls') $$";
    backend.observer().batch(schema).await.expect("the schema");
    let (insert, call) = ("insert into item values (1, 'once')", "call leave_call()");
    let (backend, proxy) = at_rest(backend, &["delete from item", call]).await;
    let db = &backend.db;
    let calls = async || {
        let row = backend.observer().query_one("select last_value from calls", ()).await.expect("calls");
        row.get::<i64>(0).expect("a number")
    };
    // Both are prepared in the block, and whichever is ready first goes first: the order is not ours to say.
    for _ in 0..100 {
        db.query("select 1", ()).await.expect("a connection");
        backend.settled().await;
        backend.observer().batch("delete from item").await.expect("the table is free");
        proxy.reset();
        let (before, cut) = (calls().await, cut_at_the_answer_to(&proxy, insert));
        let work = db.atomic(|| async { tokio::try_join!(db.execute(call, ()), db.execute(insert, ())) });
        let (result, ()) = tokio::join!(work, cut);
        let counts = proxy.counts();
        let executed = |sql| counts.steps.iter().position(|step| step.kind == StepKind::Execute && step.text == sql);
        let is_called_first = executed(call).is_some_and(|call| Some(call) < executed(insert));
        if is_called_first {
            assert!(result.expect_err("nobody knows").is_connection_lost());
            assert_eq!(calls().await, before + 1, "once in the block");
            assert!(backend.items().await.is_empty());
            return;
        }
    }
    panic!("the call never went first");
}

test_on! {
    mysql_and_mariadb;

    /// rule 60: a table without transactions keeps what was written
    async fn a_table_without_transactions_is_written_once(backend) {
        let schema = "create table note (text varchar(20)) engine = myisam;
                      create procedure leave_note() begin insert into note values ('n'); commit; end";
        backend.observer().batch(schema).await.expect("the schema");
        let (backend, proxy) = at_rest(backend, &[]).await;
        let db = &backend.db;
        let mut written = 0;
        for sql in ["insert into note values ('n')", "call leave_note()"] {
            for with_params in [false, true] {
                for batch in [false, true] {
                    db.query("select 1", ()).await.expect("a connection");
                    let mut asked = false;
                    proxy.stall_when(move |message| match message.from {
                        Side::Client => {
                            asked |= message.tag != 'P' && ["insert", "call"].iter().any(|word| message.text.contains(word));
                            false
                        }
                        // The last answer of the message, or that of the statement.
                        Side::Server => asked,
                    });
                    let before = count(&backend).await;
                    let work = db.atomic(|| async {
                        match (batch, with_params) {
                            (true, _) => db.batch(sql).await,
                            (false, true) if sql.starts_with("insert") => {
                                db.execute("insert into note values ($1)", params!["n"]).await.map(drop)
                            }
                            _ => db.execute(sql, ()).await.map(drop),
                        }
                    });
                    let cut = async {
                        proxy.stalled().await;
                        // The server goes on while its answer is held.
                        wait_while!(count(&backend).await == before, by yielding);
                        proxy.cut();
                    };
                    let (result, ()) = tokio::join!(work, cut);
                    let error = result.expect_err("whether it took effect is not known");
                    assert!(error.is_connection_lost(), "{sql}: {error:?}");
                    written += 1;
                    assert_eq!(count(&backend).await, written, "{sql}, parameters {with_params}, batch {batch}");
                }
            }
        }
    }

    /// rule 60: a BEGIN that dies by itself, on a connection that has long been idle, is begun anew, whatever stands behind it
    async fn a_block_without_parameters_sees_nothing_of_a_connection_that_died_idle(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.query("select 1", ()).await.expect("a connection");
        backend.observer().batch(&format!("kill {}", session(db).await)).await.expect("the session ends");
        backend.sessions_come_to(0).await;
        // Longer than a connection is trusted that lies idle.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        db.atomic(|| db.execute("insert into item values (1, 'once')", ())).await.expect("nobody sees it");
        assert_eq!(backend.items().await, ["once"]);
    }
}

async fn session(db: &Database) -> u64 {
    db.query_one("select connection_id()", ()).await.expect("a session").get(0).expect("a number")
}

async fn count(backend: &Backend) -> i64 {
    let row = backend.observer().query_one("select count(*) from note", ()).await;
    row.map_err(|error: Error| assert_eq!(error.kind(), ErrorKind::Server)).expect("the notes").get(0).expect("a count")
}
