//! Texts whose quotes and comments the databases read differently: a control statement in them is seen by the rules of
//! the database at hand.

use nestling::ErrorKind;

use crate::harness::insert;

test_on! {
    every_backend;

    /// rule 23, fault 3.5: a lexer that is sure where it must doubt
    async fn a_commit_behind_what_is_a_quote_elsewhere_does_not_end_the_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let texts = [
            "select $$;commit;select $$",
            "select $a$;commit;select $a$",
            "select $a(');commit;select '$b'",
            "select 1 -- \r'\n;commit;select '",
            "select '\\';commit;select '",
            "select \"\\\";commit;select \"",
            "select 1 /*!99999 ' */;commit;select '",
            "select `;commit;select `",
            "select [;commit;select ]",
            "/* /* */;commit;/* */ */",
            "select 1 --'\n;commit;select '",
        ];
        for (id, sql) in (1..).zip(texts) {
            let block = db.atomic(|| async {
                insert(db, id, sql).await?;
                // Refused, wrong for the server, or harmless: whichever, it does not commit.
                let _ = db.batch(sql).await;
                Err::<(), _>(db.query_one("select 1 from item where id = 0", ()).await.expect_err("no row"))
            });
            block.await.expect_err("its own");
            assert!(backend.items().await.is_empty(), "{sql}");
        }
        let dollars = db.atomic(|| db.batch("select $$;commit;select $$")).await;
        assert_eq!(dollars.is_ok(), backend.is_postgres(), "a string on PostgreSQL alone: {dollars:?}");
        if let Err(error) = dollars {
            assert_eq!(error.kind(), ErrorKind::ControlStatement);
        }
        backend.settled().await;
    }
}
