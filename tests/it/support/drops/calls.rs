//! The public calls, in tables: each writes the row that it is told to.
//!
//! Used by the tests that drop them. It must not know where they are dropped.

use futures_util::future::LocalBoxFuture;
use nestling::{
    Context, Database, Dialect, Error,
    blocks::{Propagation, Retry},
    params,
};
#[cfg(feature = "full")]
use nestling::{
    native::mysql_async::prelude::Queryable as _,
    query::sea_query::{Alias, Query},
};

use super::{fresh, insert};

/// A call that writes the item of this name.
pub(crate) type Call = (&'static str, fn(Database, String) -> LocalBoxFuture<'static, Result<(), Error>>);

/// A statement that writes an item and returns a row.
fn returning(db: &Database) -> &'static str {
    match db.dialect() {
        Dialect::Mysql => "select put($1, $2)",
        _ => "insert into item values ($1, $2) returning id",
    }
}

/// The calls that run one statement.
pub(crate) fn statements() -> Vec<Call> {
    let mut calls: Vec<Call> = vec![
        ("execute", |db, name| Box::pin(async move { insert(&db, &name).await })),
        ("query", |db, name| {
            Box::pin(async move {
                db.query(returning(&db), params![fresh(), name]).await.map(|rows| assert_eq!(rows.len(), 1))
            })
        }),
        ("query_one", |db, name| {
            Box::pin(async move { db.query_one(returning(&db), params![fresh(), name]).await.map(|_| ()) })
        }),
        ("query_opt", |db, name| {
            Box::pin(async move {
                db.query_opt(returning(&db), params![fresh(), name]).await.map(|row| assert!(row.is_some()))
            })
        }),
        ("stream", |db, name| {
            Box::pin(async move {
                let mut rows = db.stream(returning(&db), params![fresh(), name]).await?;
                while let Some(row) = rows.next().await {
                    row?;
                }
                Ok(())
            })
        }),
        ("batch", |db, name| {
            Box::pin(
                async move { db.batch(&format!("insert into item values ({}, '{name}'); select 1", fresh())).await },
            )
        }),
    ];
    calls.extend(query_of_another_crate());
    calls
}

#[cfg(not(feature = "full"))]
fn query_of_another_crate() -> Option<Call> {
    None
}

#[cfg(feature = "full")]
fn query_of_another_crate() -> Option<Call> {
    Some(("run", |db, name| {
        Box::pin(async move {
            let mut statement = Query::insert();
            statement.into_table(Alias::new("item")).columns([Alias::new("id"), Alias::new("name")]);
            statement.values_panic([fresh().into(), name.into()]);
            db.run(&statement).await.map(|_| ())
        })
    }))
}

/// The call that lends the native client.
#[cfg_attr(not(feature = "full"), allow(unused_variables, reason = "there is one native client"))]
pub(crate) fn native(dialect: Dialect) -> Call {
    #[cfg(feature = "full")]
    if dialect == Dialect::Mysql {
        return ("with_mysql", |db, name| {
            Box::pin(async move {
                db.with_mysql(|mut client| async move {
                    let done = client.exec_drop("insert into item values (?, ?)", (fresh(), name)).await;
                    done.expect("the native client inserts");
                    Ok(())
                })
                .await
            })
        });
    }
    #[cfg(feature = "full")]
    if dialect == Dialect::Postgres {
        return ("with_postgres", |db, name| {
            Box::pin(async move {
                db.with_postgres(|client| async move {
                    let id = i32::try_from(fresh()).expect("a small id");
                    let done = client.execute("insert into item values ($1, $2)", &[&id, &name]).await;
                    done.expect("the native client inserts");
                    Ok(())
                })
                .await
            })
        });
    }
    ("with_sqlite", |db, name| {
        Box::pin(async move {
            db.with_sqlite(move |sqlite| {
                match sqlite.execute("insert into item values (?1, ?2)", (fresh(), name)) {
                    Ok(_) => Ok(()),
                    // The caller was dropped meanwhile, and nobody reads this.
                    Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                        Ok(())
                    }
                    Err(error) => panic!("the native connection inserts: {error}"),
                }
            })
            .await
        })
    })
}

/// The calls that run a block; each writes the item and a second one, named so with an apostrophe.
pub(crate) fn blocks() -> Vec<Call> {
    plain_blocks().into_iter().chain(blocks_with_more()).collect()
}

/// Blocks with tasks, retries and modes of propagation.
fn blocks_with_more() -> Vec<Call> {
    vec![
        ("tasks of a set", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    let mut tasks = nestling::join_set();
                    let (one, other, name) = (db.clone(), db.clone(), [name.clone(), name.clone()]);
                    let [first, second] = name;
                    tasks.spawn(async move { insert(&one, &first).await });
                    tasks.spawn(async move { other.atomic(|| insert_second(&other, &second)).await });
                    while let Some(ended) = tasks.join_next().await {
                        ended.expect("the task ends")?;
                    }
                    Ok(())
                })
                .await
            })
        }),
        ("a retry", |db, name| {
            Box::pin(
                async move { db.build_transaction().retry(Retry::serialization()).atomic(|| two(&db, &name)).await },
            )
        }),
        ("a mode of propagation", |db, name| {
            Box::pin(async move {
                let nested = || db.build_transaction().propagation(Propagation::Nested);
                nested()
                    .atomic(|| async {
                        insert(&db, &name).await?;
                        nested().retry(Retry::serialization()).atomic(|| insert_second(&db, &name)).await
                    })
                    .await
            })
        }),
    ]
}

fn plain_blocks() -> Vec<Call> {
    vec![
        ("atomic", |db, name| Box::pin(async move { db.atomic(|| two(&db, &name)).await })),
        ("atomic with an empty one inside", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    db.atomic(|| async { Ok::<_, Error>(()) }).await?;
                    two(&db, &name).await
                })
                .await
            })
        }),
        ("nested atomic", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    db.atomic(|| insert_second(&db, &name)).await
                })
                .await
            })
        }),
        ("three levels", |db, name| {
            Box::pin(async move {
                db.atomic(|| {
                    db.atomic(|| async {
                        insert(&db, &name).await?;
                        db.atomic(|| insert_second(&db, &name)).await
                    })
                })
                .await
            })
        }),
        ("eager", |db, name| {
            Box::pin(async move { db.build_transaction().eager().name("eager").atomic(|| two(&db, &name)).await })
        }),
        ("savepoint", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    db.savepoint(|| insert_second(&db, &name)).await
                })
                .await
            })
        }),
        ("savepoint_named", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    db.savepoint_named("a \"name\"", || insert_second(&db, &name)).await
                })
                .await
            })
        }),
        ("statements that are joined", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    let (one, other) = tokio::join!(insert(&db, &name), insert_second(&db, &name));
                    one.and(other)
                })
                .await
            })
        }),
        ("a context that is entered", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    let (context, inner, name) = (Context::current(), db.clone(), name.clone());
                    let child = tokio::spawn(context.enter(async move { insert_second(&inner, &name).await }));
                    child.await.expect("the child ends")
                })
                .await
            })
        }),
        ("connection", |db, name| {
            Box::pin(async move {
                db.connection(|| async {
                    db.query("select 1", params![]).await?;
                    db.atomic(|| two(&db, &name)).await
                })
                .await
            })
        }),
    ]
}

/// The calls that run a transaction, which cannot be undone within another one; each writes the same two items.
pub(crate) fn transactions() -> Vec<Call> {
    vec![
        ("transaction in a task", |db, name| {
            Box::pin(async move {
                let inner = db.clone();
                db.transaction(|| async move { two(&inner, &name).await }).await
            })
        }),
        ("builder's transaction", |db, name| {
            Box::pin(async move {
                let inner = db.clone();
                db.build_transaction().eager().transaction(|| async move { two(&inner, &name).await }).await
            })
        }),
        ("transaction of a retry", |db, name| {
            Box::pin(async move {
                let inner = db.clone();
                let builder = db.build_transaction().propagation(Propagation::Required).retry(Retry::serialization());
                builder
                    .transaction(move || {
                        let (db, name) = (inner.clone(), name.clone());
                        async move { two(&db, &name).await }
                    })
                    .await
            })
        }),
        ("joined by a mode of propagation", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    let joined = db.build_transaction().propagation(Propagation::Mandatory);
                    joined.atomic(|| insert_second(&db, &name)).await
                })
                .await
            })
        }),
        ("transaction in a scope", |db, name| {
            Box::pin(nestling::scope(async move {
                let inner = db.clone();
                db.transaction(|| async move { two(&inner, &name).await }).await
            }))
        }),
        ("joined transaction", |db, name| {
            Box::pin(async move {
                db.atomic(|| async {
                    insert(&db, &name).await?;
                    let (inner, name) = (db.clone(), name.clone());
                    db.transaction(|| async move { insert_second(&inner, &name).await }).await
                })
                .await
            })
        }),
    ]
}

async fn two(db: &Database, name: &str) -> Result<(), Error> {
    insert(db, name).await?;
    insert_second(db, name).await
}

async fn insert_second(db: &Database, name: &str) -> Result<(), Error> {
    insert(db, &format!("{name}'")).await
}
