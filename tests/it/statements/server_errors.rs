//! What an error tells of the server's refusal, and what it keeps to itself.

use nestling::{Error, ErrorKind, params};

test_on! {
    every_backend;

    /// rule 53. MySQL names the table with a key, MariaDB does not; neither does with a column.
    async fn violations_are_told_apart_with_what_they_hit(backend) {
        let db = &backend.db;
        db.batch(
            "create table person (id integer primary key, email varchar(100) not null, age integer,
                constraint person_email_key unique (email), constraint grown_up check (age >= 18));
             create table pet (id integer primary key, owner integer not null, foreign key (owner) references person (id));
             insert into person values (1, 'ada@example.org', 36)",
        )
        .await
        .unwrap();
        let pg = backend.is_postgres();
        let sql = "insert into person values ($1, $2, $3)";
        let unique = db.execute(sql, params![2, "ada@example.org", 20]).await.unwrap_err();
        assert!(unique.is_unique_violation() && !unique.is_check_violation());
        assert_eq!(unique.code(), Some(backend.choose("23505", "1062", "2067")));
        assert_eq!(unique.constraint(), Some(backend.choose("person_email_key", "person_email_key", "person.email")));
        let mariadb = backend.is_mysql() && backend.is_mariadb().await;
        assert_eq!(unique.table(), if mariadb { None } else { Some("person") });
        let check = db.execute(sql, params![2, "bob@example.org", 4]).await.unwrap_err();
        assert!(check.is_check_violation());
        assert_eq!(check.constraint(), Some("grown_up"));
        let null = db.execute(sql, params![2, None::<&str>, 20]).await.unwrap_err();
        assert!(null.is_not_null_violation());
        let table = backend.choose(Some("person"), None, Some("person"));
        assert_eq!((null.table(), null.column()), (table, Some("email")));
        let foreign = db.execute("insert into pet values (1, $1)", params![99]).await.unwrap_err();
        assert!(foreign.is_foreign_key_violation());
        let key = db.execute(sql, params![1, "eve@example.org", 20]).await.unwrap_err();
        assert!(key.is_unique_violation(), "a primary key is one too");
        for error in [&unique, &check, &null, &key] {
            assert_eq!((error.kind(), error.statement()), (ErrorKind::Server, Some(sql)));
            assert!(!error.is_retryable() && !error.is_connection_lost() && !error.is_timeout());
            for form in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
                assert!(!form.contains("example.org"), "a value is told: {form}");
            }
        }
        // All of it is still there once the error has been wrapped by the end of a block.
        let block = db.atomic(|| async {
            db.execute(sql, params![2, "ada@example.org", 20]).await.unwrap_err();
            db.execute("select 1", ()).await.map(|_| ())
        });
        if let Err(error) = block.await {
            assert_eq!(error.kind(), ErrorKind::Aborted);
            assert_eq!((error.constraint(), error.statement()), (Some("person_email_key"), Some(sql)));
        } else {
            assert!(!pg, "rule 32: only PostgreSQL aborts the block");
        }
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 53
    async fn broken_sql_is_an_error_with_its_text(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for sql in ["selec 1", "select * from nowhere", "select nothing from item", "select 'open"] {
            let error = db.query(sql, ()).await.expect_err(sql);
            assert_eq!((error.kind(), error.statement()), (ErrorKind::Server, Some(sql)));
            assert!(error.code().is_some());
        }
        backend.settled().await;
    }
}

/// rule 53
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn postgres_tells_detail_and_hint() {
    let backend = crate::harness::Backend::postgres().await;
    let db = &backend.db;
    db.batch(
        "create table booking (id integer primary key, room text);
         create function refuse() returns trigger language plpgsql as $$ begin
            raise exception 'the room % is closed', 7 using
                errcode = 'NS001', hint = 'try the room next door', detail = 'it has been raining', column = 'room',
                constraint = 'open_rooms', table = 'booking';
         end $$;
         create trigger refuse before insert on booking for each row execute function refuse()",
    )
    .await
    .unwrap();
    let sql = "insert into booking values ($1, $2)";
    let check = |error: &Error| {
        assert_eq!(error.code(), Some("NS001"));
        assert_eq!(error.hint(), Some("try the room next door"));
        assert_eq!(error.detail(), Some("it has been raining"));
        assert_eq!((error.table(), error.column()), (Some("booking"), Some("room")));
        assert_eq!((error.constraint(), error.statement()), (Some("open_rooms"), Some(sql)));
        assert!(
            !format!("{error} {error:?}").contains("raining"),
            "detail may hold values: it is asked for, not printed"
        );
    };
    let error = db.execute(sql, params![1, "seven"]).await.unwrap_err();
    assert_eq!(error.to_string(), "the room 7 is closed");
    check(&error);
    let block = db.atomic(|| async {
        db.execute(sql, params![1, "seven"]).await.unwrap_err();
        Ok::<_, Error>(())
    });
    let error = block.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    check(&error);
    backend.settled().await;
}

/// rule 53
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn postgres_classes_what_may_be_tried_again() {
    let backend = crate::harness::Backend::postgres().await;
    let db = &backend.db;
    for (code, retryable, lock) in
        [("40001", true, false), ("40P01", true, false), ("55P03", false, true), ("22012", false, false)]
    {
        let sql = format!("do $$ begin raise sqlstate '{code}'; end $$");
        let error = db.execute(&sql, ()).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!((error.is_retryable(), error.is_timeout()), (retryable, lock), "{code}");
        assert_eq!(error.is_serialization_failure(), code == "40001");
        assert_eq!(error.is_deadlock(), code == "40P01");
    }
    backend.settled().await;
}
