//! BEGIN is lazy: what a block takes, and when. Section G, rule 56.

use nestling::{Error, ErrorKind, status::Status};

use crate::wire::{STATEMENT, Wire, statement};

test_on! {
    every_backend;

    /// rule 56: a block without statements borrows no connection
    async fn an_empty_block_takes_no_connection(backend) {
        let db = &backend.db;
        let body = || async {
            assert_eq!((db.depth(), db.status()), (1, Status::Open));
            db.atomic(|| async {
                assert_eq!(db.current_savepoint().as_deref(), Some("_n1"));
                Ok::<_, Error>(())
            })
            .await?;
            assert_eq!(db.stats().transactions, 0);
            Ok::<_, Error>(())
        };
        db.atomic(body).await.expect("an empty block");
        let other = db.clone();
        let alone = || async move {
            assert!(other.in_transaction());
            Ok::<_, Error>(())
        };
        db.transaction(alone).await.expect("an empty transaction");
        db.connection(|| async { Ok::<_, Error>(()) }).await.expect("an empty pin");
        db.build_transaction().read_only().atomic(|| async { Ok::<_, Error>(()) }).await.expect("an empty block");
        let refused = db.atomic(|| db.savepoint_named("", || async { Ok::<_, Error>(()) }));
        assert_eq!(refused.await.expect_err("no name").kind(), ErrorKind::Config);
        let stats = db.stats();
        assert_eq!((stats.connections, stats.statements, stats.flights, stats.steps_sent), (0, 0, 0, 0));
        assert_eq!(stats.steps_owed, stats.steps_cancelled);
        assert!(!db.is_connected());
        if backend.is_postgres() {
            assert_eq!(backend.sessions_at_server().await, 0);
        }
    }

    /// rule 56: not even where no connection can be had
    async fn an_empty_block_needs_no_server(backend) {
        let nowhere = backend.choose(
            "postgres://nobody@127.0.0.1:1/none",
            "mysql://nobody@127.0.0.1:1/none",
            "sqlite:///proc/none/none.db",
        );
        let db = nestling::Database::open(nowhere).expect("a valid URL");
        db.atomic(|| async { db.atomic(|| async { Ok::<_, Error>(()) }).await }).await.expect("nothing is sent");
        assert_eq!(db.stats().connections, 0);
        let error = db.atomic(|| statement(&db)).await.expect_err("no server");
        assert_eq!(error.kind(), ErrorKind::Connect);
        let eager = db.build_transaction().eager();
        let error = eager.atomic(|| async { panic!("the body must not run") as nestling::Result<()> }).await;
        assert_eq!(error.expect_err("no server").kind(), ErrorKind::Connect);
        assert_eq!(db.depth(), 0);
    }

    /// rule 56: an eager block has its transaction when its body begins. InnoDB shows none before it has touched a table,
    /// so for MySQL it is looked at on the wire.
    async fn an_eager_block_begins_at_once(backend) {
        let backend = backend.with_items().await;
        let (backend, proxy) = if backend.is_mysql() {
            let (backend, proxy) = backend.behind_proxy();
            (backend, Some(proxy))
        } else {
            (backend, None)
        };
        let db = &backend.db;
        let body = || async {
            match &proxy {
                Some(proxy) => assert_eq!(proxy.counts().sequence().last(), Some(&"START TRANSACTION")),
                None => assert_eq!(backend.open_at_server().await, 1),
            }
            let stats = db.stats();
            assert_eq!((stats.connections, stats.idle, stats.transactions), (1, 0, 1));
            Ok::<_, Error>(())
        };
        db.build_transaction().eager().atomic(body).await.expect("an eager block");
        backend.settled().await;
        let stats = db.stats();
        assert_eq!((stats.statements, stats.flights, stats.steps_sent), (0, 2, 2));
    }
}

/// rule 56
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_lazy_block_connects_with_its_first_statement() {
    let wire = Wire::open().await;
    let db = &wire.db;
    db.atomic(|| async {
        assert_eq!((wire.proxy.counts().total, db.stats().connections), (0, 0));
        statement(db).await?;
        assert_eq!((wire.proxy.counts().connections, db.stats().connections), (1, 1));
        assert_eq!((db.stats().idle, db.stats().transactions), (0, 1));
        Ok::<_, Error>(())
    })
    .await
    .expect("a block");
    assert_eq!(wire.proxy.counts().sequence(), ["BEGIN", STATEMENT, "COMMIT"]);
}

/// rule 56: BEGIN of an eager block, and SAVEPOINT of one inside, have a round trip of their own
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_eager_block_is_on_the_wire_before_its_body() {
    let wire = Wire::open().await;
    let db = &wire.db;
    statement(db).await.expect("a warm connection");
    wire.proxy.reset();
    db.build_transaction()
        .eager()
        .set_local("app.tenant", "7")
        .atomic(|| async {
            let begin = "BEGIN; SELECT set_config($1, $2, true)";
            assert_eq!((wire.proxy.counts().flights, wire.proxy.counts().sequence()), (1, vec![begin]));
            let inner = db.build_transaction().eager().atomic(|| async {
                assert_eq!(
                    (wire.proxy.counts().flights, wire.proxy.counts().queries()),
                    (2, vec![begin, "SAVEPOINT _n1"])
                );
                Ok::<_, Error>(())
            });
            inner.await?;
            statement(db).await
        })
        .await
        .expect("an eager block");
    let counts = wire.proxy.counts();
    assert_eq!(counts.flights, 4);
    assert_eq!(counts.sequence()[2..], ["RELEASE SAVEPOINT _n1", STATEMENT, "COMMIT"]);
}
