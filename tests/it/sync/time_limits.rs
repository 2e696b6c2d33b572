//! The times of blocking blocks and statements. Rule 54.

use std::time::Duration;

use nestling::{Error, ErrorKind, params};

use crate::dialects::endless;

/// A time that is over soon.
const SOON: Duration = Duration::from_millis(100);

/// A time that is over after every test.
const LONG: Duration = Duration::from_secs(600);

test_on! {
    every_backend;

    /// rule 54: the statements of a body that is called end at its deadline, and nothing is kept
    async fn a_blocking_block_has_its_time(backend) {
        let backend = backend.with_items().await;
        let (sync, endless) = (backend.db.sync(), endless(backend.db.dialect()));
        let insert = |id: i64| sync.execute("insert into item values ($1, 'x')", params![id]);
        let at_work = sync.build_transaction().timeout(SOON).atomic(|| sync.query(endless, params![]));
        assert_eq!(at_work.expect_err("late").kind(), ErrorKind::Timeout);
        let too_late = sync.build_transaction().timeout(SOON).atomic(|| {
            // Nothing but its end looks at the clock.
            std::thread::sleep(SOON * 2);
            Ok::<_, Error>(())
        });
        assert_eq!(too_late.expect_err("late").kind(), ErrorKind::Timeout);
        let nested = sync.atomic(|| {
            insert(1)?;
            let inner = sync.build_transaction().timeout(SOON).atomic(|| sync.query(endless, params![]));
            assert_eq!(inner.expect_err("late").kind(), ErrorKind::Timeout);
            let joined = sync.build_transaction().timeout(LONG).transaction(|| Ok::<_, Error>(()));
            assert_eq!(joined.expect_err("it cannot be ended").kind(), ErrorKind::SettingsMismatch);
            Ok::<_, Error>(())
        });
        nested.expect("the outer block goes on");
        let late = sync.build_transaction().statement_timeout(SOON).atomic(|| sync.query(endless, params![]));
        assert_eq!(late.expect_err("late").kind(), ErrorKind::StatementTimeout);
        sync.build_transaction().timeout(LONG).atomic(|| sync.execute("delete from item", params![])).expect("in time");
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 54: the defaults of a database are those of its blocking handle too
    async fn a_blocking_statement_has_the_time_of_its_database(backend) {
        let backend = backend.with_items().await.with(|b| b.statement_timeout(SOON));
        let late = backend.db.sync().query(endless(backend.db.dialect()), params![]);
        assert_eq!(late.expect_err("late").kind(), ErrorKind::StatementTimeout);
        backend.settled().await;
    }
}
