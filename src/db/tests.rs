//! When a connection that was lost is replaced under the statements of a block, and when not: rules 6, 33 and 60.

use std::{sync::Arc, time::Duration};

use super::Database;
use crate::{
    driver::Driver,
    error::{Error, ErrorKind},
    pool::tests::fake::{FakeDriver, options},
    runtime::Frame,
    session::{DbSession, Lease, Shared},
    transaction::control::Settings,
};

const WRITE: &str = "insert into item values (1)";

/// A database of up to so many connections of a fake driver, and that driver.
fn database(max_connections: u32) -> (Database, Arc<FakeDriver>) {
    let driver = Arc::new(FakeDriver::default());
    let shared: Arc<dyn Driver> = Arc::clone(&driver) as _;
    let wait = Duration::from_secs(30);
    (Database::new(Shared::new(shared, options(max_connections, 0), wait, wait, Settings::default(), None)), driver)
}

/// The frame of the block that is open, and its connection, over which nothing was sent.
async fn leased(db: &Database) -> (Arc<Frame<DbSession>>, Arc<Lease>) {
    let frame = db.frame().expect("a block is open");
    let lease = frame.session_state().session().lease(&frame).await.expect("a connection");
    (frame, lease)
}

fn replaces(frame: &Frame<DbSession>, lease: &Arc<Lease>) -> bool {
    frame.session_state().session().replaces(lease, frame.session_state())
}

/// rule 60: nothing of the block has been seen, and all that it owed is owed to the next connection
#[tokio::test]
async fn a_connection_without_answers_is_replaced() {
    let (db, driver) = database(4);
    let block = db.atomic(|| async {
        let (frame, lost) = leased(&db).await;
        assert!(replaces(&frame, &lost));
        assert!(frame.session_state().session().taken().is_none());
        assert!(replaces(&frame, &lost), "another statement of the same flight was faster");
        let (_, next) = leased(&db).await;
        assert_ne!((next.epoch(), driver.made()), (lost.epoch(), 1));
        assert!(replaces(&frame, &lost), "and the connection that has taken its place is there");
        let still = frame.session_state().session().taken().expect("it stays");
        assert!(Arc::ptr_eq(&still, &next));
        db.execute(WRITE, ()).await
    });
    assert_eq!(block.await.unwrap(), 1);
    assert!(driver.session(0).take_asked().is_empty());
    assert_eq!(driver.session(1).take_asked(), ["BEGIN", WRITE, "COMMIT"]);
    assert_eq!((db.stats().connections, db.stats().transactions), (1, 0), "the lost one was thrown away");
}

/// rule 33: what was answered is work that is lost
#[tokio::test]
async fn a_connection_with_an_answer_is_not_replaced() {
    let (db, driver) = database(4);
    let block = db.atomic(|| async {
        db.execute(WRITE, ()).await?;
        let (frame, lease) = leased(&db).await;
        assert!(!replaces(&frame, &lease));
        assert!(frame.session_state().session().taken().is_some());
        driver.session(0).break_unseen();
        db.execute(WRITE, ()).await
    });
    assert_eq!(block.await.expect_err("its transaction is lost").kind(), ErrorKind::ConnectionLost);
    assert_eq!((driver.made(), db.stats().connections), (1, 0));
}

/// rule 6: a block that has ended gets no connection any more
#[tokio::test]
async fn a_connection_of_a_block_that_has_ended_is_not_replaced() {
    let (db, driver) = database(4);
    let block = db.atomic(|| async { Ok::<_, Error>(leased(&db).await) });
    let (frame, lease) = block.await.unwrap();
    assert!(!replaces(&frame, &lease));
    assert_eq!((driver.made(), db.stats().idle), (1, 1), "it was given back as it came");
}

/// rule 60: statements that were lost together move together, and the transaction is begun once
#[tokio::test]
async fn joined_statements_move_to_one_connection() {
    let (db, driver) = database(4);
    db.execute("select 1", ()).await.unwrap();
    driver.session(0).break_unseen();
    let block = db.atomic(|| async {
        let write = || db.execute(WRITE, ());
        futures_util::future::try_join3(write(), write(), write()).await
    });
    assert_eq!(block.await.unwrap(), (1, 1, 1));
    assert_eq!(driver.session(0).take_asked(), ["select 1", "BEGIN", WRITE, WRITE, WRITE]);
    assert_eq!(driver.session(1).take_asked(), ["BEGIN", WRITE, WRITE, WRITE, "COMMIT"]);
    assert_eq!((driver.made(), db.stats().connections), (2, 1));
}

/// rule 60: the others are asked before they take the place of one that was lost
#[tokio::test]
async fn what_takes_the_place_of_a_lost_connection_has_answered() {
    let (db, driver) = database(2);
    let both = db.atomic(|| async {
        db.execute(WRITE, ()).await?;
        crate::scope(db.execute("select 1", ())).await
    });
    both.await.unwrap();
    assert_eq!((driver.made(), db.stats().idle), (2, 2));
    for number in 0..2 {
        driver.session(number).take_asked();
        driver.session(number).break_unseen();
    }
    db.atomic(|| db.execute(WRITE, ())).await.expect("nobody sees it");
    let mut asked = [driver.session(0).take_asked(), driver.session(1).take_asked()];
    asked.sort_unstable();
    assert_eq!(asked, [vec!["BEGIN".to_owned(), WRITE.to_owned()], vec!["SELECT 1".to_owned()]]);
    assert_eq!(driver.session(2).take_asked(), ["BEGIN", WRITE, "COMMIT"]);
}
