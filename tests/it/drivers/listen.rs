//! LISTEN and NOTIFY of PostgreSQL, and what becomes of a listener whose connection is lost or whose database is closed.

use std::time::Duration;

use nestling::{
    Database, Error, ErrorKind,
    listen::{ListenEvent, Listener},
    params,
};
use tokio::time::timeout;

use crate::harness::{Backend, poll_once};

/// Time enough for whatever comes at once.
const SOON: Duration = Duration::from_secs(30);

/// The payload of the next notification, or what else there is.
async fn heard(listener: &mut Listener) -> String {
    match timeout(SOON, listener.next()).await.expect("it comes soon") {
        Some(ListenEvent::Notification(notification)) => notification.payload,
        Some(other) => format!("{other:?}"),
        None => "the end".into(),
    }
}

/// A channel of the test's own: channels are those of a whole server's database.
fn channel(backend: &Backend) -> String {
    format!("{}_news", backend.name())
}

/// Waits until so many sessions listen to the channel.
async fn until_sessions(backend: &Backend, wanted: i64) {
    let sql = "select count(*) from pg_stat_activity where query = 'LISTEN \"' || $1 || '\"'";
    let start = std::time::Instant::now();
    loop {
        let row = backend.observer().query_one(sql, params![channel(backend)]).await.expect("a count");
        let count: i64 = row.get(0).expect("a count");
        if count == wanted {
            return;
        }
        assert!(start.elapsed() < SOON, "{count} sessions listen instead of {wanted}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the one session that listens to the channel. One that was ended before may take a while to go.
async fn kill_listener(backend: &Backend) {
    until_sessions(backend, 1).await;
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'LISTEN \"' || $1 || '\"'";
    let killed = backend.observer().query(sql, params![channel(backend)]).await.expect("an administrator may");
    assert_eq!(killed.len(), 1);
}

test_on! {
    [postgres postgres_without_names];

    /// rules 14, 78
    async fn a_notification_is_part_of_its_block(backend) {
        let (db, news) = (&backend.db, channel(&backend));
        let mut listener = db.listen([&news]).await.unwrap();
        db.notify(&news, "alone").await.unwrap();
        assert_eq!(heard(&mut listener).await, "alone");
        let block = db.atomic(|| async {
            db.notify(&news, "committed").await?;
            let undone = db.atomic(|| async {
                db.notify(&news, "undone by the inner block").await?;
                Err::<(), _>(Error::other("no"))
            });
            assert_eq!(undone.await.unwrap_err().kind(), ErrorKind::Other);
            backend.observer().notify(&news, "meanwhile").await?;
            assert_eq!(heard(&mut listener).await, "meanwhile", "nothing is sent ahead of the COMMIT");
            Ok::<_, Error>(())
        });
        block.await.unwrap();
        assert_eq!(heard(&mut listener).await, "committed");
        let sandboxed = db.sandbox(|| async { db.atomic(|| db.notify(&news, "never")).await });
        sandboxed.await.unwrap();
        db.notify(&news, "").await.unwrap();
        let Some(ListenEvent::Notification(last)) = futures_util::StreamExt::next(&mut listener).await else { panic!("it is open") };
        assert_eq!((last.channel, last.payload.as_str()), (news, ""));
        assert!(last.process_id > 0);
        drop(listener);
        until_sessions(&backend, 0).await;
        backend.settled().await;
    }

    /// rule 78
    async fn a_lost_connection_is_made_anew_and_told(backend) {
        let (db, news) = (&backend.db, channel(&backend));
        let mut listener = db.listen([&news]).await.unwrap();
        for round in ["first", "second"] {
            kill_listener(&backend).await;
            assert_eq!(heard(&mut listener).await, "Reconnected");
            db.notify(&news, round).await.unwrap();
            assert_eq!(heard(&mut listener).await, round);
        }
    }

    /// rule 78
    async fn a_listener_ends_with_its_database(backend) {
        let (db, news) = (&backend.db, channel(&backend));
        let mut listener = db.listen([&news]).await.unwrap();
        until_sessions(&backend, 1).await;
        // Nobody polls it, and the close does not wait for that.
        timeout(SOON, db.close()).await.expect("it closes");
        until_sessions(&backend, 0).await;
        assert_eq!(heard(&mut listener).await, "the end");
        assert_eq!(db.listen([&news]).await.unwrap_err().kind(), ErrorKind::Closed);

        let other = Database::open(backend.url()).unwrap();
        let mut listener = other.listen([&news]).await.unwrap();
        drop(other);
        assert_eq!(heard(&mut listener).await, "the end", "its last handle is gone");
        until_sessions(&backend, 0).await;
    }

    /// rule 78
    async fn a_listener_that_nobody_polls_loses_nothing(backend) {
        let (db, news) = (&backend.db, channel(&backend));
        let mut listener = db.listen([&news]).await.unwrap();
        let sql = "select pg_notify($1, n::text) from generate_series(1, 5000) n";
        db.query(sql, params![news.as_str()]).await.unwrap();
        for number in 1..=5000 {
            assert_eq!(heard(&mut listener).await, number.to_string());
        }
    }

    /// rule 78
    async fn a_listen_that_is_dropped_leaves_no_session(backend) {
        let news = channel(&backend);
        for polls in 1..20 {
            let mut listening = Box::pin(backend.db.listen([&news]));
            for _ in 0..polls {
                if poll_once(listening.as_mut()).await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        until_sessions(&backend, 0).await;
        backend.settled().await;
    }

    /// rule 78
    async fn channels_are_taken_as_they_are_named(backend) {
        let db = &backend.db;
        let odd = format!("{} \"Ünter\"; select 1", backend.name());
        let mut listener = db.listen([odd.as_str(), "other"]).await.unwrap();
        db.notify(&odd, "heard").await.unwrap();
        assert_eq!(heard(&mut listener).await, "heard");
        for bad in [vec![], vec![""], vec!["good", "x\0"], vec![&"x".repeat(64)]] {
            assert_eq!(db.listen(&bad).await.unwrap_err().kind(), ErrorKind::Config, "{bad:?}");
        }
    }

    /// rules 14, 17
    async fn what_the_server_would_refuse_is_not_sent(backend) {
        let db = &backend.db;
        let (longest, large) = (format!("{:é<62}x", backend.name()).chars().take(31).collect::<String>(), "x".repeat(7_999));
        let mut listener = db.listen([&longest]).await.unwrap();
        let block = db.atomic(|| async {
            let (too_long, too_large) = ("x".repeat(64), "x".repeat(8_000));
            for (channel, payload) in [("", "x"), (&too_long, "x"), ("a\0b", "x"), ("news", "a\0b"), ("news", &*too_large)] {
                assert_eq!(db.notify(channel, payload).await.unwrap_err().kind(), ErrorKind::Parameter, "{channel:?}");
            }
            db.notify(&longest, &large).await
        });
        block.await.expect("the block is whole");
        assert_eq!(heard(&mut listener).await, large);
    }
}

test_on! {
    [mariadb mysql9 sqlite];

    /// rule 78
    async fn other_databases_have_no_notifications(backend) {
        assert_eq!(backend.db.listen(["news"]).await.unwrap_err().kind(), ErrorKind::Unsupported);
        let block = backend.db.atomic(|| async {
            assert_eq!(backend.db.notify("news", "x").await.unwrap_err().kind(), ErrorKind::Unsupported);
            backend.db.query("select 1", ()).await
        });
        assert_eq!(block.await.unwrap().len(), 1, "nothing was sent, and the block goes on");
    }
}

/// rule 78: behind a pooler that gives each transaction another session
#[tokio::test]
async fn behind_a_pooler_there_is_no_listening() {
    let backend = Backend::postgres().await;
    let url = format!("{}{}pgbouncer=true", backend.url(), if backend.url().contains('?') { '&' } else { '?' });
    let db = Database::open(&url).unwrap();
    assert_eq!(db.listen(["news"]).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
