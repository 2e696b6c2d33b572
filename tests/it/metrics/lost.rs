//! Transactions whose connection breaks, and operations that are dropped.

use nestling::{Error, ErrorKind};

use super::{Seen, recorder};
use crate::{
    dialects::endless,
    harness::{Backend, insert},
};

const DURATION: &str = "db.client.operation.duration";

fn ended(seen: &Seen, outcome: &str) -> u64 {
    seen.count("nestling.transaction.ended", &[("nestling.transaction.outcome", outcome)])
}

test_on! {
    every_server_on_one_thread;

    /// rule 77
    async fn a_transaction_whose_connection_breaks_is_lost(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        let lost = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            proxy.cut();
            insert(db, 2, "lost, too").await
        });
        assert!(lost.await.unwrap_err().is_connection_lost());
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        assert_eq!((stats.committed, stats.rolled_back, stats.unknown, stats.lost), (0, 0, 0, 1));
        assert_eq!((ended(&seen, "lost"), seen.count("nestling.transaction.ended", &[])), (1, 1));
        assert_eq!(seen.count("nestling.errors", &[("nestling.error.kind", "ConnectionLost")]), 1);
        assert_eq!((stats.transactions, stats.errors), (0, 1));
        // The pool is whole, and the next one is as any other.
        db.atomic(|| insert(db, 3, "kept")).await.unwrap();
        assert_eq!((db.stats().committed, db.stats().created.count), (1, 2));
    }

    /// rule 77
    async fn a_transaction_whose_commit_is_not_answered_is_unknown(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        let result = {
            let block = db.atomic(|| async {
                insert(db, 1, "who knows").await?;
                proxy.stall_at(1);
                Ok::<_, Error>(())
            });
            tokio::pin!(block);
            tokio::select! {
                biased;
                _ = proxy.stalled() => {}
                out = &mut block => panic!("the COMMIT is held: {out:?}"),
            }
            proxy.cut();
            block.await
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::CommitUnknown);
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        assert_eq!((stats.committed, stats.rolled_back, stats.unknown, stats.lost), (0, 0, 1, 0));
        assert_eq!((ended(&seen, "unknown"), seen.count("nestling.transaction.ended", &[])), (1, 1));
        let labels = [("db.operation.name", "COMMIT"), ("error.type", "CommitUnknown")];
        assert_eq!(seen.times(DURATION, &labels).len(), 1);
        assert_eq!((stats.errors, seen.count("nestling.errors", &[("nestling.error.kind", "CommitUnknown")])), (1, 1));
    }

    /// rule 77
    async fn a_statement_that_is_dropped_is_an_operation_that_was_cancelled(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        {
            let mut dropped = Box::pin(db.query(endless(db.dialect()), ()));
            tokio::select! {
                biased;
                _ = &mut dropped => panic!("it does not end"),
                () = begun(&backend) => {}
            }
        }
        let seen = Seen::of(recorder, db);
        assert_eq!(seen.times(DURATION, &[("error.type", "Cancelled")]).len(), 1);
        assert_eq!(db.stats().statements, 1);
        assert_eq!(db.stats().errors, 0, "nobody was told of one");
    }
}

/// Waits until a statement is sent.
async fn begun(backend: &Backend) {
    wait_while!(backend.db.stats().statements == 0, by yielding);
}
