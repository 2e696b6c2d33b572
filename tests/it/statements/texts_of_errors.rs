//! What the texts of errors name: the model, the column and the statement of a row that cannot be read, the first error of an
//! aborted block, and how parameters are written.

use nestling::{Database, Error, ErrorKind, FromRow, Model, params, raw};

use crate::harness::Backend;

#[derive(Debug, Model)]
#[model(table = "reader")]
struct Reader {
    id: i64,
    age: i64,
}

#[derive(Debug, FromRow)]
struct Line {
    #[expect(dead_code, reason = "it is read to see that it cannot be")]
    age: i64,
}

test_on! { every_backend;

/// rule 53
async fn a_row_that_cannot_be_read_names_its_model_its_column_and_its_statement(backend) {
    let db = &backend.db;
    db.batch("create table reader (id integer primary key, age varchar(9)); insert into reader values (1, 'old')").await.unwrap();
    let select = Reader::select;
    let mut errors = vec![
        select().all(db).await.unwrap_err(),
        select().first(db).await.unwrap_err(),
        select().one(db).await.unwrap_err(),
        select().stream(db).await.unwrap().next().await.unwrap().unwrap_err(),
        raw::<Reader>("select id, age from reader", ()).all(db).await.unwrap_err(),
        select().into::<Reader>().union(select().into()).all(db).await.unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Decode);
        let text = error.to_string();
        assert!(text.starts_with("a row could not be read as Reader: column \"age\" of type "), "{text}");
        assert!(!text.contains("old"), "never the value: {text}");
    }
    errors.push(raw::<Line>("select age from reader", ()).one(db).await.unwrap_err());
    errors.push(select().columns((Reader::ID, Reader::AGE)).all(db).await.unwrap_err());
    assert!(errors[6].to_string().starts_with("a row could not be read as Line: column \"age\""), "{}", errors[6]);
    assert!(errors[7].to_string().starts_with("a row could not be read as (i64, i64): column \"age\""), "{}", errors[7]);
    for error in errors {
        let statement = error.statement().unwrap();
        assert!(statement.to_lowercase().starts_with("select") && statement.contains("age"), "{statement}");
    }
}

}

/// rule 31
#[tokio::test]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn what_follows_an_aborted_statement_names_the_first_error() {
    let db = Backend::postgres().await.db;
    let block = db.atomic(|| async {
        let first = db.execute("insert into nowhere values (1)", params![]).await.unwrap_err();
        let later = db.execute("select 1", params![]).await.unwrap_err();
        assert_eq!(later.kind(), ErrorKind::Aborted);
        assert_eq!(later.to_string(), format!("the block was aborted by an earlier error: {first}"));
        assert!(later.to_string().contains("nowhere"), "{later}");
        Err::<(), _>(later)
    });
    assert_eq!(block.await.unwrap_err().kind(), ErrorKind::Aborted);
}

/// rule 53
#[tokio::test]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn placeholders_of_other_databases_get_a_hint() {
    let db = Backend::postgres().await.db;
    let failure = async |db: &Database, sql: &str| -> Error { db.query(sql, params![1]).await.unwrap_err() };
    let hint = "parameters are $1, $2 and so on, not ?";
    for sql in ["select 1 where 1 = ?", "select * from pg_class where oid = ? and relname = ?"] {
        let error = failure(&db, sql).await;
        assert_eq!(error.code(), Some("42601"));
        assert!(error.to_string().ends_with(hint), "{error}");
        assert_eq!(error.hint(), Some(hint));
    }
    for sql in ["select '?' where 1 == = $1", "select 1 where = $1 -- ?", "select $1::int as \"?\" wher"] {
        let error = failure(&db, sql).await;
        assert_eq!(error.code(), Some("42601"), "{error}");
        assert!(!error.to_string().contains(hint), "{error}");
    }
}
