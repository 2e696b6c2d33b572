//! What the guides say of values that another program has stored: read and compared in their form, or converted.

use chrono::{DateTime, SecondsFormat, Utc};
use nestling::{Database, Error, Model, params};
use uuid::Uuid;

#[derive(Debug, PartialEq, Model)]
struct Session {
    #[model(stored = "bytes")]
    id: Uuid,
    #[model(stored = "rfc3339")]
    started: DateTime<Utc>,
}

async fn since(db: &Database, moment: DateTime<Utc>) -> Result<Vec<Session>, Error> {
    Session::select().filter(Session::STARTED.ge(moment)).order_by(Session::STARTED.asc()).all(db).await
}

async fn started(db: &Database, id: Uuid) -> Result<DateTime<Utc>, Error> {
    db.query_one("select started from session where id = $1", params![id.as_bytes().as_slice()]).await?.get(0)
}

async fn delete_before(db: &Database, moment: DateTime<Utc>) -> Result<u64, Error> {
    let moment = moment.to_rfc3339_opts(SecondsFormat::AutoSi, false);
    db.execute("delete from session where started < $1", params![moment]).await
}

/// The statements of the guides that convert a table of SQLite.
const CONVERT: &str = "\
update session set id = lower(format('%s-%s-%s-%s-%s', substr(hex(id), 1, 8), substr(hex(id), 9, 4),
  substr(hex(id), 13, 4), substr(hex(id), 17, 4), substr(hex(id), 21))) where typeof(id) = 'blob';
update session set started = replace(replace(started, 'T', ' '), '+00:00', '');
";

/// The same table without the attributes.
#[derive(Debug, PartialEq, Model)]
#[model(table = "session")]
struct Converted {
    id: Uuid,
    started: DateTime<Utc>,
}

#[tokio::test]
async fn the_programs_about_stored_values_do_what_they_say() -> Result<(), Error> {
    let backend = crate::harness::Backend::sqlite().await;
    let db = &backend.db;
    // As sqlx and sea-orm make and fill it.
    db.batch("create table session (id blob primary key, started text not null)").await?;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(0xabcd_ef01_2345_6789_abcd_ef01_2345_6789));
    let moment = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
    let rows = [(first, "2024-05-06T07:08:09+00:00"), (second, "2024-05-06T07:08:09.000250+00:00")];
    for (id, at) in rows {
        db.execute("insert into session values ($1, $2)", params![id.as_bytes().as_slice(), at]).await?;
    }
    assert_eq!(
        since(db, moment("2024-05-06T07:08:09.000001Z")).await?,
        [Session { id: second, started: moment(rows[1].1) }]
    );
    assert_eq!(started(db, first).await?, moment(rows[0].1));
    for sql in CONVERT.split_inclusive(";\n") {
        db.execute(sql, params![]).await?;
    }
    for (id, at) in rows {
        let row = Converted::select().filter(Converted::ID.eq(id) & Converted::STARTED.eq(moment(at))).one(db).await?;
        assert_eq!(row, Converted { id, started: moment(at) });
    }
    assert!(super::read("docs/from-sqlx.md").contains(CONVERT.trim_end()));
    db.execute("update session set started = replace(started, ' ', 'T') || '+00:00'", params![]).await?;
    assert_eq!(delete_before(db, moment(rows[1].1)).await?, 1);
    Ok(())
}
