//! Entering and leaving blocks: section B of the specification.

use nestling::{Error, ErrorKind, params};

test_on! {
    every_backend;

    /// rule 14
    async fn ok_commits_and_err_rolls_back_with_its_own_type(backend) {
        #[derive(Debug, PartialEq)]
        enum Mine { Db(String), No(u8) }
        impl From<Error> for Mine {
            fn from(error: Error) -> Self {
                Self::Db(error.to_string())
            }
        }
        let backend = backend.with_items().await;
        let db = &backend.db;
        let kept = db.atomic(|| async {
            db.execute("insert into item values (1, $1)", params!["kept"]).await?;
            Ok::<_, Mine>(7)
        });
        assert_eq!(kept.await, Ok(7));
        let lost = db.atomic(|| async {
            db.execute("insert into item values (2, $1)", params!["lost"]).await?;
            Err::<(), _>(Mine::No(3))
        });
        assert_eq!(lost.await, Err(Mine::No(3)));
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 17 and 31: a swallowed error never commits silently
    async fn a_swallowed_statement_error_is_told(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            db.execute("insert into item values (1, $1)", params!["first"]).await?;
            let again = db.execute("insert into item values (2, $1)", params!["first"]).await;
            assert!(again.expect_err("the name is taken").is_unique_violation());
            Ok::<_, Error>(())
        });
        let result = result.await;
        if backend.is_postgres() {
            let error = result.expect_err("the server has rolled back");
            assert_eq!(error.kind(), ErrorKind::RolledBack);
            assert!(error.is_unique_violation(), "the first error is the source");
            assert!(backend.items().await.is_empty());
        } else {
            result.expect("rule 32: the statement alone failed");
            assert_eq!(backend.items().await, ["first"]);
        }
        backend.settled().await;
    }
}
