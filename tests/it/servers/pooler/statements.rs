//! Statements in and outside blocks, each of which may be in another server session than the one before it: rules 2, 3, 8,
//! 13, 55 and 73.

use nestling::{Database, Error, params, types::HStore};

use super::through_every_pooler;

/// A nested block with statements, settings, and a part of it that is undone.
async fn block(db: &Database, round: i32) -> Result<i64, Error> {
    db.build_transaction()
        .set_local("nestling.test", "kept")
        .atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![round, format!("item {round}")]).await?;
            let undone: Result<(), Error> = db
                .atomic(|| async {
                    db.execute("delete from item", ()).await?;
                    db.query_one("select 1 / $1", params![0]).await.map(drop)
                })
                .await;
            assert_eq!(undone.expect_err("a division by zero").code(), Some("22012"));
            let (kept, count) = tokio::try_join!(
                db.query_one("select current_setting('nestling.test')", ()),
                db.atomic(|| db.query_one("select count(*) from item", ())),
            )?;
            assert_eq!(kept.get::<String>(0)?, "kept");
            count.get(0)
        })
        .await
}

through_every_pooler! {
    /// rules 2 and 3
    async fn statements_run_in_whichever_session_is_free(pooled) {
        let pooled = super::super::Pooled { backend: pooled.backend.with_items().await, ..pooled };
        let db = &pooled.backend.db;
        pooled
            .in_each_session(async |round| {
                let round = i32::try_from(round).expect("a small number");
                assert_eq!(block(db, round).await.expect("a block"), i64::from(round) + 1);
                let row = db.query_one("select name from item where id = $1", params![round]).await.expect("a row");
                assert_eq!(row.get::<String>(0).unwrap(), format!("item {round}"));
                let update = "update item set name = name || '!' where id = $1";
                let eager = db.build_transaction().eager().atomic(|| db.execute(update, params![round]));
                assert_eq!(eager.await.expect("a block"), 1);
                let mut rows = db.stream("select generate_series(1, $1::int4)", params![300]).await.expect("a stream");
                let mut count = 0;
                while let Some(row) = rows.next().await {
                    count += row.expect("a row").get::<i32>(0).unwrap();
                }
                assert_eq!(count, 300 * 301 / 2);
                let (first, second) = (round + 100, round + 200);
                let insert = format!("insert into item values ({first}, 'a{first}'); insert into item values ({second}, 'b{second}')");
                db.batch(&insert).await.expect("several statements");
                let batch = db.atomic(|| async {
                    db.batch(&format!("delete from item where id = {first}")).await?;
                    db.batch(&format!("delete from item where id = {second}")).await
                });
                batch.await.expect("several statements in a block");
            })
            .await;
        assert_eq!(pooled.backend.items().await.len(), 8);
        pooled.backend.settled().await;
    }

    /// rule 73: types that are looked up
    async fn types_of_the_database_are_known_in_every_session(pooled) {
        let schema = "create type mood as enum ('sad', 'happy'); create domain short as varchar(5);
                      create extension hstore;
                      create table thing (mood mood, moods mood[], short short, map hstore, document jsonb)";
        pooled.backend.observer().batch(schema).await.expect("a table");
        let db = &pooled.backend.db;
        let map: HStore = [("a", Some("1")), ("b", None)].into_iter().collect();
        pooled
            .in_each_session(async |round| {
                let insert = "insert into thing values ($1, $2, $3, $4, $5) returning *";
                let document = serde_json::json!({ "round": round });
                let moods = vec!["sad".to_owned(), "happy".to_owned()];
                let values = params!["happy", moods.clone(), "short", map.clone(), document.clone()];
                let row = if round % 2 == 0 {
                    db.query_one(insert, values).await
                } else {
                    db.atomic(|| db.query_one(insert, values)).await
                };
                let row = row.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                assert_eq!(row.get::<String>(0).unwrap(), "happy");
                assert_eq!(row.get::<Vec<String>>(1).unwrap(), moods);
                assert_eq!(row.get::<String>(2).unwrap(), "short");
                assert_eq!(row.get::<HStore>(3).unwrap(), map);
                assert_eq!(row.get::<serde_json::Value>(4).unwrap(), document);
            })
            .await;
    }

    /// rules 2 and 31: a pooler that keeps statements gives out the same one for the same text
    async fn a_changed_table_is_not_noticed_in_any_session(pooled) {
        let pooled = super::super::Pooled { backend: pooled.backend.with_items().await, ..pooled };
        let db = &pooled.backend.db;
        db.execute("insert into item values (1, 'one')", ()).await.expect("a row");
        let read = || async { Ok::<_, Error>(db.query_one("select * from item", ()).await?.len()) };
        assert_eq!(read().await.expect("a row"), 2);
        for (added, column) in ["a", "b", "c"].into_iter().enumerate() {
            let change = format!("alter table item add column {column} int4 default 5");
            pooled.backend.observer().batch(&change).await.expect("another column");
            let occupied = pooled.occupy(added % 2).await;
            let width = if added == 0 { db.atomic(read).await } else { read().await };
            assert_eq!(width.expect(column), 3 + added);
            assert_eq!(db.atomic(|| db.atomic(read)).await.expect(column), 3 + added);
            occupied.release().await;
        }
    }

    /// rule 36: nothing of ours is left at the server where statements have no names
    async fn no_statement_is_left_at_the_server(pooled) {
        let db = &pooled.backend.db;
        let prepared = "select count(*) from pg_prepared_statements where name not like 'PGBOUNCER%'";
        // It is prepared under a name, as it is learnt from that whether names are kept, and closed by the next request.
        db.query_one("select 1", ()).await.expect("a row");
        let mut most = 0;
        pooled
            .in_each_session(async |_| {
                for number in 0..10 {
                    db.query_one(&format!("select {number} + $1::int4"), params![1]).await.expect("a row");
                    let sql = format!("select {number}");
                    db.atomic(|| db.query_one(&sql, ())).await.expect("a row");
                }
                most = most.max(db.query_one(prepared, ()).await.expect("a row").get::<i64>(0).unwrap());
            })
            .await;
        assert_eq!(most, 0, "statements are prepared");
    }
}
