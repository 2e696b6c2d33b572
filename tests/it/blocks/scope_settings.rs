//! Settings that a scope gives to all its transactions: a tenant for row-level security. Rules 7 and 55, section G.

use nestling::{Context, Database, Error, ErrorKind, blocks::ScopeSettings, params};

use crate::{
    drops::{all_is_well, drop_at_every_await, drop_at_every_message, fresh, native, statements},
    harness::{Backend, insert},
    wire::{Wire, statement, steps_in},
};

/// A setting that each kind of server knows, and how it is read.
fn setting(backend: &Backend) -> (&'static str, &'static str) {
    backend.choose(
        ("app.tenant", "select coalesce(current_setting('app.tenant', true), '')"),
        ("lock_wait_timeout", "select cast(@@session.lock_wait_timeout as char)"),
        ("app.tenant", "select 1"),
    )
}

async fn value(db: &Database, sql: &str) -> Result<String, Error> {
    db.query_one(sql, params![]).await?.get(0)
}

/// A table of items in which nothing can be written without the setting `11`.
async fn guarded(backend: Backend) -> Backend {
    let backend = backend.with_items().await.with_put().await;
    let guard = backend.choose(
        "create function guard() returns trigger language plpgsql as $$ begin
             if current_setting('app.tenant', true) is distinct from '11' then raise 'no tenant'; end if;
             return new; end $$;
         create trigger guarded before insert on item for each row execute function guard()",
        "create trigger guarded before insert on item for each row begin
             if @@session.lock_wait_timeout <> 11 then signal sqlstate '45000' set message_text = 'no tenant'; end if;
         end",
        "",
    );
    backend.observer().batch(guard).await.expect("the guard of the test");
    backend
}

test_on! {
    every_server;

    /// rule 55: whatever opens the transaction, it has the setting, and nobody behind it has
    async fn each_transaction_of_a_scope_carries_its_setting(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let before = value(db, sql).await.unwrap();
        let expect = async || { assert_eq!(value(db, sql).await?, "11"); Ok::<_, Error>(()) };
        nestling::scope(async {
            expect().await.expect("a statement on its own");
            db.atomic(expect).await.expect("a root");
            db.atomic(|| db.atomic(|| db.savepoint(expect))).await.expect("below savepoints");
            db.build_transaction().eager().atomic(expect).await.expect("eager");
            let own = db.clone();
            let sql = sql.to_owned();
            let here = db.transaction(move || async move { value(&own, &sql).await });
            assert_eq!(here.await.expect("a transaction in place"), "11");
            db.connection(|| async {
                expect().await?;
                db.atomic(expect).await?;
                expect().await
            })
            .await
            .expect("a pinned connection");
            let undone = db.atomic(|| async { expect().await?; db.query_one("select 1 where 1 = 0", ()).await.map(drop) });
            assert_eq!(undone.await.expect_err("no row").kind(), ErrorKind::NoRow);
            expect().await.expect("behind a rollback");
        })
        .set_local(key, "11")
        .await;
        assert_eq!(value(db, sql).await.unwrap(), before, "a statement behind the scope");
        assert_eq!(db.atomic(|| value(db, sql)).await.unwrap(), before, "a block behind the scope");
        backend.settled().await;
    }

    /// rules 30 and 55: what a block asks for itself comes first, and a transaction that joins finds what the scope has set
    async fn a_block_may_have_a_value_of_its_own(backend) {
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let with = |value: &'static str| db.build_transaction().set_local(key, value);
        nestling::scope(async {
            assert_eq!(with("22").atomic(|| value(db, sql)).await?, "22");
            let nested = db.atomic(|| async {
                assert_eq!(with("33").atomic(|| value(db, sql)).await?, "33");
                let own = db.clone();
                let joins = with("11").transaction(move || async move { value(&own, sql).await });
                assert_eq!(joins.await?, "11", "the value that the scope has set is there to be joined");
                let never = || async { panic!("the body must not run") as nestling::Result<()> };
                let mismatch = with("44").transaction(never).await.expect_err("another value");
                assert_eq!(mismatch.kind(), ErrorKind::SettingsMismatch);
                assert!(!format!("{mismatch} {mismatch:?}").contains("11"), "values are secrets: {mismatch:?}");
                value(db, sql).await
            });
            assert_eq!(nested.await?, "11");
            Ok::<_, Error>(())
        })
        .set_local(key, "11")
        .await
        .unwrap();
        backend.settled().await;
    }

    /// rules 5, 7 and 55: a scope inside inherits, a captured context has it too, and a task that is spawned has not
    async fn a_setting_is_not_lost_by_a_scope_inside(backend) {
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let before = value(db, sql).await.unwrap();
        let outside = nestling::scope(async { Context::current() }).await;
        let settings = ScopeSettings::new().set_local(key, "22").set_local(key, "11");
        nestling::scope(async {
            assert_eq!(nestling::scope(value(db, sql)).await?, "11", "inherited");
            assert_eq!(nestling::scope(db.atomic(|| value(db, sql))).await?, "11", "inherited by a block");
            let other = nestling::scope(async {
                Ok::<_, Error>((value(db, sql).await?, nestling::scope(value(db, sql)).await?))
            });
            assert_eq!(other.set_local(key, "33").await?, ("33".into(), "33".into()), "overridden");
            assert_eq!(value(db, sql).await?, "11");
            let (one, other) = (db.clone(), db.clone());
            let captured = tokio::spawn(Context::current().enter(async move { value(&one, sql).await }));
            assert_eq!(captured.await.expect("no panic")?, "11", "a captured context carries it");
            let spawned = nestling::spawn(async move { value(&other, sql).await });
            assert_eq!(spawned.await.expect("no panic")?, before, "a spawned task has none");
            assert_eq!(outside.clone().enter(value(db, sql)).await?, before, "the context from outside has none");
            db.atomic(|| async {
                let inside = nestling::scope(db.atomic(|| value(db, sql)));
                assert_eq!(inside.await?, "11", "inherited within a block");
                value(db, sql).await
            })
            .await
        })
        .settings(&settings)
        .await
        .unwrap();
        backend.settled().await;
    }

    /// rule 55: no call on a database runs without the setting, and each leaves the connection without it
    async fn a_statement_on_its_own_carries_the_setting(backend) {
        let backend = guarded(backend.with(|options| options.max_connections(1))).await;
        let db = &backend.db;
        let (key, _) = setting(&backend);
        for (what, call) in statements().into_iter().chain([native(db.dialect())]) {
            let refused = call(db.clone(), format!("{what} outside"));
            if !what.starts_with("with_") {
                refused.await.expect_err("there is no tenant outside the scope");
            }
            let scope = nestling::scope(async {
                call(db.clone(), what.to_owned()).await?;
                db.connection(|| call(db.clone(), format!("{what} pinned"))).await
            });
            scope.set_local(key, "11").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            backend.settled().await;
            let items = backend.items().await;
            assert!(items.contains(&what.to_owned()) && items.contains(&format!("{what} pinned")), "{what}: {items:?}");
            insert(db, fresh(), &format!("{what} behind")).await.expect_err("nor behind the scope");
        }
    }

    /// rules 37, 38 and 55: such a statement is kept or not, but leaves no trace, wherever it is dropped
    async fn a_statement_with_a_transaction_of_its_own_can_be_dropped_at_every_await(backend) {
        let backend = guarded(backend.with(|options| options.max_connections(1))).await;
        let (key, _) = setting(&backend);
        for (what, call) in statements().into_iter().chain([native(backend.db.dialect())]) {
            let name = |point: usize| format!("{what} {point}");
            drop_at_every_await(
                |point| nestling::scope(call(backend.db.clone(), name(point))).set_local(key, "11"),
                async |point, out| {
                    all_is_well(&backend, &name(point)).await;
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(backend.items().await.contains(&name(point)), "{what} ran to its end");
                    }
                    insert(&backend.db, fresh(), "behind").await.expect_err("the setting went with its transaction");
                },
            )
            .await;
        }
    }

    /// rules 37, 38, 40 and 55
    async fn a_statement_with_a_transaction_of_its_own_can_be_dropped_at_every_message(backend) {
        let (backend, proxy) = guarded(backend).await.behind_proxy_with(|options| options.max_connections(1));
        let (key, _) = setting(&backend);
        for (what, call) in statements().into_iter().chain([native(backend.db.dialect())]) {
            let name = |message: usize| format!("{what} {message}");
            let warm = nestling::scope(call(backend.db.clone(), format!("{what} warm"))).set_local(key, "11");
            warm.await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            backend.settled().await;
            drop_at_every_message(
                &proxy,
                |message| nestling::scope(call(backend.db.clone(), name(message))).set_local(key, "11"),
                async |message, out| {
                    backend.settled().await;
                    let committing = proxy.counts().queries().iter().any(|sql| sql.contains("COMMIT"));
                    let is_kept = backend.items().await.contains(&name(message));
                    assert!(!is_kept || committing, "{}: kept without a COMMIT", name(message));
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(is_kept, "{what} has committed");
                    }
                    all_is_well(&backend, &name(message)).await;
                },
            )
            .await;
        }
    }

    /// rule 55: the rows that were read count when the stream has come to its end
    async fn a_stream_on_its_own_is_committed_behind_its_last_row(backend) {
        let backend = guarded(backend.with(|options| options.max_connections(1))).await;
        let db = &backend.db;
        let (key, _) = setting(&backend);
        let sql = backend.choose("insert into item values (1, 'streamed') returning id", "select put(1, 'streamed')", "");
        nestling::scope(async {
            let mut half = db.stream(sql, params![]).await?;
            assert!(half.next().await.transpose()?.is_some());
            drop(half);
            assert!(db.query("select * from item", params![]).await?.is_empty(), "dropped half-way it is rolled back");
            let mut rows = db.stream(sql, params![]).await?;
            assert!(rows.next().await.transpose()?.is_some());
            assert!(backend.items().await.is_empty(), "its end was not seen");
            assert!(rows.next().await.is_none());
            assert_eq!(backend.items().await, ["streamed"]);
            assert!(rows.next().await.is_none(), "and no more");
            let mut twice = db.stream(sql, params![]).await?;
            let error = loop {
                match twice.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Ok(error),
                    None => break Err("the key is taken"),
                }
            };
            assert!(error.expect("an error").is_unique_violation());
            Ok::<_, Error>(())
        })
        .set_local(key, "11")
        .await
        .or_else(|error| if error.is_unique_violation() { Ok(()) } else { Err(error) })
        .unwrap();
        backend.settled().await;
    }

    /// rules 53 and 55: a key that the server refuses fails the call, and nothing of it has run
    async fn a_key_that_the_server_refuses_fails_closed(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let key = backend.choose("no_such_setting", "no_such_setting", "");
        nestling::scope(async {
            let alone = insert(db, 1, "leaked").await.expect_err("no such setting");
            assert_eq!(alone.kind(), ErrorKind::Server, "{alone:?}");
            let block = db.atomic(|| insert(db, 1, "leaked")).await.expect_err("no such setting");
            assert_eq!(block.code(), alone.code());
            assert!(!format!("{alone:?} {block:?}").contains("mystery"), "values are secrets");
        })
        .set_local(key, "mystery")
        .await;
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 55: what a database cannot have is refused at the call, before anything is sent
    async fn settings_that_cannot_be_are_refused_first(backend) {
        let db = &backend.db;
        let never = || async { panic!("the body must not run") as nestling::Result<()> };
        let cases = [("", "x"), ("app.a\0b", "x"), ("app.a", "x\0y"), ("app.a", "x")];
        // A dot is in no name of a variable of MySQL; SQLite has no settings.
        let bad = if backend.is_postgres() { &cases[..3] } else { &cases[..] };
        let kind = backend.choose(ErrorKind::Config, ErrorKind::Config, ErrorKind::Unsupported);
        for (key, value) in bad {
            nestling::scope(async {
                let mut refused = vec![
                    db.atomic(never).await.expect_err("refused"),
                    db.build_transaction().eager().atomic(never).await.expect_err("refused"),
                    db.transaction(never).await.expect_err("refused"),
                    db.connection(|| db.atomic(never)).await.expect_err("refused"),
                    db.connection(|| db.batch("select 1")).await.expect_err("refused"),
                    db.stream("select 1", params![]).await.map(drop).expect_err("refused"),
                ];
                for (_, call) in statements().into_iter().chain([native(db.dialect())]) {
                    refused.push(call(db.clone(), "refused".into()).await.expect_err("refused"));
                }
                for error in refused {
                    assert_eq!(error.kind(), kind, "{error:?}");
                }
            })
            .set_local(key, value)
            .await;
        }
        assert_eq!((db.stats().connections, db.stats().steps_sent), (0, 0));
    }
}

/// rule 55
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_setting_of_the_scope_adds_no_round_trip_to_a_block() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let block = async || {
        db.atomic(|| async {
            statement(db).await?;
            statement(db).await
        })
        .await
        .expect("it commits");
    };
    let (_, plain) = wire.warm(block).await;
    let (counts, with) = wire.warm(async || nestling::scope(block()).set_local("app.tenant", "7").await).await;
    assert_eq!((with.flights, with.sent), (plain.flights, plain.sent));
    assert_eq!(counts.flights, 3, "BEGIN with the setting and a statement; a statement; COMMIT");
    let alone = async || statement(db).await.expect("it runs");
    let (counts, _) = wire.warm(async || nestling::scope(alone()).set_local("app.tenant", "7").await).await;
    assert_eq!((counts.flights, steps_in(&counts)), (2, vec!["BEGIN".to_owned(), "COMMIT".to_owned()]));
    let (counts, _) = wire.warm(async || nestling::scope(alone()).await).await;
    assert_eq!((counts.flights, counts.queries().len()), (1, 0), "without settings nothing is added");
    let (counts, _) = wire.warm(async || nestling::scope(async {}).set_local("app.tenant", "7").await).await;
    assert_eq!(counts.flights, 0);
}

/// rule 55: what it is for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn row_level_security_shows_each_scope_its_own_rows() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(3));
    let (db, role) = (&backend.db, backend.name());
    let schema = format!(
        "create role {role};
         create table note (tenant text not null default current_setting('app.tenant'), text text);
         alter table note enable row level security;
         create policy own on note using (tenant = current_setting('app.tenant', true));
         grant usage on schema {role} to {role};
         grant all on note to {role}"
    );
    backend.observer().batch(&schema).await.expect("the schema of the test");
    let of = |tenant: usize| ScopeSettings::new().set_local("role", role).set_local("app.tenant", &tenant.to_string());
    let texts = async || {
        let rows = db.query("select text from note order by text", params![]).await?;
        rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, Error>>()
    };
    let work = async |tenant: usize| {
        let write = async |text: &str| db.execute("insert into note (text) values ($1)", params![text]).await;
        write(&format!("{tenant} alone")).await?;
        db.atomic(|| async { write(&format!("{tenant} in a block")).await }).await?;
        let own = [format!("{tenant} alone"), format!("{tenant} in a block")];
        assert_eq!(texts().await?, own);
        let mut rows = db.stream("select tenant from note", params![]).await?;
        while let Some(row) = rows.next().await {
            assert_eq!(row?.get::<String>(0)?, tenant.to_string());
        }
        assert_eq!(db.atomic(|| db.atomic(&texts)).await?, own);
        Ok::<_, Error>(())
    };
    let all = futures_util::future::join_all((0..24).map(|tenant| nestling::scope(work(tenant)).settings(&of(tenant))));
    for outcome in all.await {
        outcome.expect("each tenant works");
    }
    let without = nestling::scope(texts()).set_local("role", role).await.expect("a query without a tenant");
    assert!(without.is_empty(), "{without:?}");
    backend.settled().await;
    let gone = format!("drop owned by {role}; drop role {role}");
    backend.observer().batch(&gone).await.expect("the role goes");
}

test_on! {
    every_server;

    /// rules 55 and 62: a blocking call within the scope carries the setting as well
    async fn a_blocking_call_in_the_scope_carries_the_setting(backend) {
        let backend = guarded(backend).await;
        let (key, sql) = setting(&backend);
        let sync = backend.db.sync();
        nestling::scope(async {
            sync.execute("insert into item values (1, 'alone')", params![])?;
            sync.atomic(|| sync.execute("insert into item values (2, 'in a block')", params![]))?;
            assert_eq!(sync.query_one(sql, params![])?.get::<String>(0)?, "11");
            let rows: Vec<_> = sync.stream(sql, params![])?.collect::<Result<_, Error>>()?;
            assert_eq!(rows[0].get::<String>(0)?, "11");
            Ok::<_, Error>(())
        })
        .set_local(key, "11")
        .await
        .unwrap();
        sync.execute("insert into item values (3, 'outside')", params![]).expect_err("no tenant");
        assert_eq!(backend.items().await, ["alone", "in a block"]);
    }
}

/// rule 55: nothing is allocated for a scope without settings, and its future is as it was
#[test]
fn a_scope_without_settings_is_the_future_and_a_context() {
    let scope = nestling::scope(std::future::ready(7));
    assert!(size_of_val(&scope) <= size_of::<[usize; 8]>(), "{}", size_of_val(&scope));
    assert_eq!(format!("{scope:?} {:?}", ScopeSettings::new().set_local("key", "secret")).find("secret"), None);
}
