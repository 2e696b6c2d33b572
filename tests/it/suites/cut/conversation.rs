//! The conversation that is cut: always the same one, so that a byte's place says what it belongs to.

use futures_util::FutureExt as _;
use nestling::{Database, Error, ErrorKind, params};

/// What the conversation does, step by step. The number is the one that its rows have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Connect,
    /// A root with blocks in it, of which one fails, by `atomic`.
    Nested,
    /// A statement outside any block.
    Alone,
    /// A root by `transaction`, in a task of its own, of statements that are prepared already.
    Again,
    /// A root of one text without parameters.
    Batch,
    Read,
}

const STEPS: [Step; 6] = [Step::Connect, Step::Nested, Step::Alone, Step::Again, Step::Batch, Step::Read];

impl Step {
    /// The parts that are there once it is done.
    pub(super) fn parts(self) -> &'static [i64] {
        match self {
            Self::Connect | Self::Read => &[],
            Self::Nested => &[1, 2, 3, 5],
            Self::Alone => &[1],
            Self::Again => &[1, 2],
            Self::Batch => &[1, 2],
        }
    }
}

/// What the program was told of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Done,
    Unknown,
    /// It has failed, as the connection was lost, or could not be made.
    Failed(ErrorKind),
    /// It was chosen to end a deadlock with another conversation, as may happen on MySQL and MariaDB.
    Deadlocked,
    /// It has failed in a way that a cut does not explain, or has read what is not so.
    Wrong(String),
}

impl From<Result<(), Wrong>> for Said {
    fn from(result: Result<(), Wrong>) -> Self {
        let error = match result {
            Ok(()) => return Self::Done,
            Err(Wrong::Db(error)) => error,
            Err(Wrong::OnPurpose) => return Self::Wrong("an error was not caught".to_owned()),
            Err(Wrong::Value(found)) => return Self::Wrong(format!("{found} was read")),
        };
        match error.kind() {
            ErrorKind::CommitUnknown => Self::Unknown,
            ErrorKind::Connect => Self::Failed(ErrorKind::Connect),
            kind if error.is_connection_lost() => Self::Failed(kind),
            _ if error.is_deadlock() => Self::Deadlocked,
            _ => Self::Wrong(format!("{error:?}")),
        }
    }
}

#[derive(Debug)]
enum Wrong {
    Db(Error),
    OnPurpose,
    Value(i64),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

pub(super) struct Conversation {
    pub(super) db: Database,
    pub(super) number: i64,
}

impl Conversation {
    /// Carries out all steps, whatever comes of each.
    pub(super) async fn hold(&self) -> Vec<(Step, Said)> {
        let mut said = Vec::new();
        for step in STEPS {
            let result = match step {
                Step::Connect => self.db.connect().await.map_err(Wrong::Db),
                Step::Nested => self.nested().boxed().await,
                Step::Alone => self.put(step, 1).await,
                Step::Again => self.again().boxed().await,
                Step::Batch => self.batch().await,
                Step::Read => self.read().await,
            };
            said.push((step, result.into()));
        }
        said
    }

    async fn put(&self, step: Step, part: i64) -> Result<(), Wrong> {
        put(&self.db, self.number, step, part).await
    }

    async fn nested(&self) -> Result<(), Wrong> {
        let db = &self.db;
        let put = |part| self.put(Step::Nested, part);
        db.atomic(|| async {
            put(1).await?;
            db.atomic(|| put(2)).await?;
            let failed = db.savepoint(|| async {
                put(4).await?;
                Err::<(), _>(Wrong::OnPurpose)
            });
            match failed.await {
                Err(Wrong::OnPurpose) => {}
                other => other?,
            }
            db.savepoint(|| async {
                db.atomic(|| put(3)).await?;
                self.count(Step::Nested, 3).await
            })
            .await?;
            put(5).await
        })
        .await
    }

    async fn again(&self) -> Result<(), Wrong> {
        let (db, number) = (self.db.clone(), self.number);
        let body = async move {
            put(&db, number, Step::Again, 1).await?;
            db.atomic(|| put(&db, number, Step::Again, 2)).await
        };
        self.db.transaction(|| body).await
    }

    async fn batch(&self) -> Result<(), Wrong> {
        let (number, step) = (self.number, Step::Batch as i64);
        let sql =
            format!("insert into entry values ({number}, {step}, 1); insert into entry values ({number}, {step}, 2)");
        self.db.atomic(|| self.db.batch(&sql)).await.map_err(Wrong::Db)
    }

    async fn read(&self) -> Result<(), Wrong> {
        let row = self.db.query_one("select $1 + 0", params![self.number]).await?;
        same(row.get(0)?, self.number)
    }

    async fn count(&self, step: Step, wanted: i64) -> Result<(), Wrong> {
        let sql = "select count(*) from entry where conversation = $1 and step = $2";
        let row = self.db.query_one(sql, params![self.number, step as i64]).await?;
        same(row.get(0)?, wanted)
    }
}

async fn put(db: &Database, number: i64, step: Step, part: i64) -> Result<(), Wrong> {
    let count = db.execute("insert into entry values ($1, $2, $3)", params![number, step as i64, part]).await?;
    same(count as i64, 1)
}

fn same(found: i64, wanted: i64) -> Result<(), Wrong> {
    if found == wanted { Ok(()) } else { Err(Wrong::Value(found)) }
}
