//! Blocking transactions: they nest, join, abort and unwind as the asynchronous ones do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nestling::{Error, ErrorKind, Isolation, params, status::Status, sync::SyncDatabase};

fn insert(db: &SyncDatabase, id: i64, name: &str) -> Result<u64, Error> {
    db.execute("insert into item values ($1, $2)", params![id, name])
}

/// An error of the caller's own.
#[derive(Debug, PartialEq)]
enum Mine {
    Changed(&'static str),
    Theirs(ErrorKind),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Theirs(error.kind())
    }
}

test_on! {
    every_backend;

    /// rules 12, 13 and 14
    async fn blocks_nest_and_roll_back_on_their_own(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let value = db.atomic(|| {
            insert(&db, 1, "kept")?;
            let lost: Result<(), Mine> = db.atomic(|| {
                insert(&db, 2, "lost")?;
                assert_eq!((db.depth(), db.current_savepoint().as_deref()), (2, Some("_n1")));
                db.savepoint_named("by name", || {
                    insert(&db, 3, "lost with it")?;
                    assert_eq!((db.depth(), db.current_savepoint().as_deref()), (3, Some("by name")));
                    Ok::<_, Error>(())
                })?;
                Err(Mine::Changed("my mind"))
            });
            assert_eq!(lost, Err(Mine::Changed("my mind")));
            db.savepoint(|| insert(&db, 4, "kept too"))?;
            assert_eq!((db.depth(), db.status(), db.in_transaction()), (1, Status::Open, true));
            let seen = db.query("select name from item", params![])?.len();
            Ok::<_, Error>(seen)
        });
        assert_eq!(value.unwrap(), 2);
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        assert_eq!((db.depth(), db.status(), db.current_savepoint()), (0, Status::None, None));
        let outside = db.savepoint(|| Ok::<_, Error>(())).unwrap_err();
        assert_eq!(outside.kind(), ErrorKind::NoTransaction);
        assert_eq!(db.set_rollback_only().unwrap_err().kind(), ErrorKind::NoTransaction);
    }
}

test_on! {
    every_backend;

    /// rule 26 and 27: a transaction in a transaction joins
    async fn a_joined_transaction_that_fails_marks_the_whole(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let whole = db.transaction(|| {
            insert(&db, 1, "one")?;
            db.transaction(|| {
                assert_eq!(db.depth(), 1);
                insert(&db, 2, "two")
            })?;
            let _ = db.transaction(|| Err::<(), _>(Mine::Changed("no")));
            assert_eq!(db.status(), Status::RollbackOnly);
            assert_eq!(insert(&db, 3, "three").unwrap_err().kind(), ErrorKind::RollbackOnly);
            Ok::<_, Error>(())
        });
        assert_eq!(whole.unwrap_err().kind(), ErrorKind::UnexpectedRollback);
        let marked = db.atomic(|| {
            insert(&db, 1, "one")?;
            db.set_rollback_only()?;
            Ok::<_, Error>(7)
        });
        assert_eq!(marked.unwrap(), 7, "rule 20");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            db.transaction(|| {
                insert(&db, 1, "one")?;
                let joined = catch_unwind(AssertUnwindSafe(|| db.transaction(|| -> Result<(), Error> { panic!("joined") })));
                assert!(joined.is_err());
                Ok::<_, Error>(())
            })
        }));
        assert_eq!(panicked.expect("it was caught inside").unwrap_err().kind(), ErrorKind::UnexpectedRollback);
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rule 41
    async fn a_panic_rolls_back_and_goes_on_unwinding(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let outer = db.atomic(|| {
            insert(&db, 1, "kept")?;
            let inner = catch_unwind(AssertUnwindSafe(|| {
                db.atomic(|| {
                    insert(&db, 2, "lost")?;
                    if db.depth() == 2 {
                        panic!("of the body's own");
                    }
                    Ok::<_, Error>(())
                })
            }));
            let panic = inner.expect_err("it goes on");
            assert_eq!(panic.downcast_ref(), Some(&"of the body's own"));
            assert_eq!(db.depth(), 1);
            insert(&db, 3, "kept too")
        });
        assert_eq!(outer.unwrap(), 1);
        let whole = catch_unwind(AssertUnwindSafe(|| {
            db.atomic(|| -> Result<(), Error> {
                insert(&db, 4, "lost")?;
                panic!("of the whole")
            })
        }));
        assert!(whole.is_err());
        assert_eq!(db.depth(), 0);
        assert_eq!(insert(&db, 4, "afterwards").unwrap(), 1, "what was rolled back holds no lock");
        assert_eq!(backend.items().await, ["afterwards", "kept", "kept too"]);
    }
}

test_on! {
    every_backend;

    /// rules 17, 31 and 32: a statement's error that was swallowed
    async fn a_swallowed_error_does_not_commit_in_silence(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let block = db.atomic(|| {
            insert(&db, 1, "one")?;
            assert!(insert(&db, 1, "again").unwrap_err().is_unique_violation());
            let status = db.status();
            assert_eq!(status, if backend.is_postgres() { Status::Aborted } else { Status::Open });
            Ok::<_, Error>(())
        });
        if backend.is_postgres() {
            assert_eq!(block.unwrap_err().kind(), ErrorKind::RolledBack);
            assert!(backend.items().await.is_empty());
        } else {
            block.unwrap();
            assert_eq!(backend.items().await, ["one"]);
        }
    }
}

test_on! {
    every_backend;

    /// rules 25, 30 and 55
    async fn options_are_those_of_the_asynchronous_blocks(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let read_only = || db.build_transaction().isolation(Isolation::Serializable).read_only().name("report");
        let read = read_only().eager().atomic(|| db.query_one("select count(*) from item", params![])?.get::<i64>(0));
        assert_eq!(read.unwrap(), 0);
        if !backend.is_postgres() && !backend.is_mysql() {
            // SQLite does not hold a reader to reading.
        } else {
            assert!(read_only().atomic(|| insert(&db, 1, "never")).is_err());
        }
        let nested = db.atomic(|| {
            let durable = db.build_transaction().durable().transaction(|| Ok::<_, Error>(()));
            assert_eq!(durable.unwrap_err().kind(), ErrorKind::NotDurable);
            let other = read_only().atomic(|| Ok::<_, Error>(()));
            assert_eq!(other.unwrap_err().kind(), ErrorKind::SettingsMismatch);
            db.build_transaction().durable().read_write().atomic(|| insert(&db, 1, "never"))
        });
        assert_eq!(nested.unwrap_err().kind(), ErrorKind::NotDurable);
        let whole = db.build_transaction().durable().read_write().transaction(|| insert(&db, 1, "one"));
        assert_eq!(whole.unwrap(), 1);
        assert_eq!(backend.items().await, ["one"]);
    }
}

test_on! {
    every_backend;

    /// rule 3: by whatever handle, at whatever depth
    async fn every_query_of_the_thread_takes_part(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        fn deep(db: &nestling::Database, id: i64) -> Result<u64, Error> {
            let own = db.sync();
            assert_eq!(own.depth(), 1);
            insert(&own, id, &format!("{id}"))
        }
        let undone = db.sync().atomic(|| {
            deep(&db, 1)?;
            deep(&db, 2)?;
            // A thread of its own has no part in it.
            let other = std::thread::scope(|scope| scope.spawn(|| db.sync().depth()).join());
            assert_eq!(other.expect("no panic"), 0);
            let seen = db.sync().query("select 1 from item", params![])?.len();
            Err::<(), _>(Mine::Changed(if seen == 2 { "seen" } else { "not seen" }))
        });
        assert_eq!(undone, Err(Mine::Changed("seen")));
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// As `Database::connection`: temporary tables need one connection.
    async fn a_connection_can_be_pinned(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let found = db.connection(|| {
            assert!(!db.in_transaction());
            db.batch("create temporary table seen (id integer)")?;
            db.atomic(|| db.execute("insert into seen values ($1)", params![7]))?;
            db.connection(|| db.query_one("select id from seen", params![])?.get::<i64>(0))
        });
        assert_eq!(found.unwrap(), 7);
    }
}
