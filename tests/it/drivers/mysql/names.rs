//! Names of savepoints on MySQL, which knows neither case nor accents in them, and keeps one of a name only.

use nestling::{Error, ErrorKind, params};

test_on! {
    mysql_and_mariadb;

    /// rule 21
    async fn names_are_quoted_and_measured_in_characters(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        let long = "ü".repeat(64);
        let fine = ["plain", "select", "a`b", "``", "x; drop table item; -- ", "with space", "Σήμα", long.as_str(), "1", "'\"\\"];
        for (id, name) in (1_i64..).zip(fine) {
            let kept = db.atomic(|| async {
                let undone = db.savepoint_named(name, || async {
                    db.execute("insert into item values ($1, $2)", params![100 + id, "undone"]).await?;
                    Err::<(), _>(db.query_one("select 1 from item where id = 0", params![]).await.expect_err("no row"))
                });
                assert_eq!(undone.await.expect_err("its own").kind(), ErrorKind::NoRow, "{name}");
                db.savepoint_named(name, || db.execute("insert into item values ($1, $2)", params![id, name])).await
            });
            kept.await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        let mut wanted: Vec<_> = fine.map(String::from).into();
        let mut items = backend.items().await;
        wanted.sort();
        items.sort();
        assert_eq!(items, wanted);
        assert!(proxy.counts().queries().iter().any(|text| text.contains("SAVEPOINT `a``b`")));
        proxy.reset();
        let too_long = "ü".repeat(65);
        for name in [too_long.as_str(), "", "a\0b", "emoji 😀"] {
            let refused = db.atomic(|| db.savepoint_named(name, || async { Ok::<_, Error>(()) })).await;
            assert_eq!(refused.expect_err("it is no name").kind(), ErrorKind::Config, "{name}");
        }
        assert_eq!(proxy.counts().flights, 0, "nothing was sent");
        backend.settled().await;
    }

    /// rule 21: the server would let the outer one go in silence
    async fn a_name_that_is_open_already_is_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let taken = [("mine", "mine"), ("mine", "MINE"), ("é", "e"), ("straße", "STRASE"), ("mine", "mine "), ("Ä", "a")];
        for (outer, inner) in taken {
            let result = db.atomic(|| async {
                db.savepoint_named(outer, || async {
                    db.savepoint_named(inner, || async { Ok::<_, Error>(()) }).await
                })
                .await
            });
            assert_eq!(result.await.expect_err("it is open").kind(), ErrorKind::Config, "{outer} and {inner}");
        }
        for name in ["_n1", "_N2", "_n99", "_n3 ", "_\u{f1}1"] {
            let result = db.atomic(|| db.savepoint_named(name, || async { Ok::<_, Error>(()) })).await;
            assert_eq!(result.expect_err("it may be generated").kind(), ErrorKind::Config, "{name}");
        }
        let different = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "outer"]).await?;
            db.savepoint_named("日本", || async {
                db.savepoint_named("中国", || db.execute("insert into item values ($1, $2)", params![2, "inner"])).await?;
                db.savepoint_named("s", || db.execute("insert into item values ($1, $2)", params![3, "third"])).await
            })
            .await
        });
        different.await.expect("different names");
        assert_eq!(backend.items().await, ["inner", "outer", "third"]);
        backend.settled().await;
    }

    /// rule 21: what the server itself takes for one name is what is refused
    async fn the_server_takes_no_two_names_for_one_that_are_let_through(backend) {
        let db = backend.observer();
        let letters = ["a", "z", "s", "n", "\u{ff41}", "ß", "ñ", "é", "α", "ά", "д", "ж", "日", "本", "한", "אָ", "ﬁ", "ı", "İ", "\u{2c65}", "\u{a7b5}"];
        for one in letters {
            for other in letters.into_iter().filter(|other| *other != one) {
                use nestling::native::mysql_async::prelude::Queryable as _;
                let same = db.with_mysql(|mut client| async move {
                    let text = format!("begin; savepoint `{one}`; savepoint `{other}`; release savepoint `{other}`");
                    client.query_drop(text).await.expect("savepoints");
                    let gone = client.query_drop(format!("release savepoint `{one}`")).await.is_err();
                    client.query_drop("rollback").await.expect("the end");
                    Ok::<_, Error>(gone)
                });
                if !same.await.expect("the server answers") {
                    continue;
                }
                let refused = db.atomic(|| {
                    db.savepoint_named(one, || db.savepoint_named(other, || async { Ok::<_, Error>(()) }))
                });
                assert!(refused.await.is_err(), "the server takes {one} and {other} for one name");
            }
        }
    }
}
