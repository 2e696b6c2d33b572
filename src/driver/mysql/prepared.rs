//! Statements that the server has prepared: their rows at once, or one by one.

use std::sync::Arc;

use mysql_async::{
    BinaryProtocol, Conn, Error as Native, QueryResult, Statement, TextProtocol, Value,
    prelude::{Protocol, Queryable as _},
};

use super::{classify, known::Known, placeholders::Text, values::Gatherer, wire::Wire};
use crate::{
    driver::{Answer, Reader, Want, chunks::Chunks, wrong_count},
    error::{Error, ErrorKind},
    fault::Fault,
    row::Row,
};

impl Wire {
    /// Runs a statement as a prepared one.
    pub(super) async fn prepared(&mut self, text: &Text, params: Vec<Value>, wanted: Wanted) -> Result<Answer, Fault> {
        let sql = &*text.sql;
        let was_open = self.note_text(text).await?;
        let Some(statement) = self.prepare(text, params.len(), was_open).await? else {
            return Box::pin(self.unprepared(text, was_open, wanted)).await;
        };
        let conn = &mut self.conn;
        let read = async move {
            let rows = read::<BinaryProtocol>(&mut conn.exec_iter(&statement, params).await?, text, wanted).await?;
            no_error_behind(conn).await.map(|()| rows)
        };
        // Apart, as a command is to have little with it while it waits for its rows.
        let error = match read.await {
            Ok(rows) => return self.answer(rows, sql, was_open),
            Err(error) => error,
        };
        Err(self.judge(error, sql, was_open).await)
    }

    /// Looks at a statement before it is sent on its own: whether a transaction is open.
    async fn note_text(&mut self, text: &Text) -> Result<bool, Fault> {
        let was_open = self.note(&[])?;
        self.refuse_to_write(was_open, &text.sql)?;
        self.shown.mark().note(text.effect);
        if was_open && text.is_opaque {
            Box::pin(self.mark(&text.sql)).await?;
        }
        Ok(was_open)
    }

    /// Runs a statement that the server cannot prepare.
    async fn unprepared(&mut self, text: &Text, was_open: bool, wanted: Wanted) -> Result<Answer, Fault> {
        let sql = &*text.sql;
        let conn = &mut self.conn;
        let read = async move {
            let rows = read::<TextProtocol>(&mut conn.query_iter(sql).await?, text, wanted).await?;
            no_error_behind(conn).await.map(|()| rows)
        };
        match read.await {
            Ok(rows) => self.answer(rows, sql, was_open),
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }

    /// What came of a statement that has succeeded.
    fn answer(&mut self, (rows, returned): (Vec<Row>, u64), sql: &str, was_open: bool) -> Result<Answer, Fault> {
        self.conclude(was_open, || sql)?;
        let affected = if returned == 0 { self.conn.affected_rows() } else { returned };
        let last_insert_id = self.conn.last_insert_id().and_then(|id| i64::try_from(id).ok());
        Ok(Answer { last_insert_id, ..Answer::rows(rows, affected) })
    }

    async fn prepare(&mut self, text: &Text, given: usize, was_open: bool) -> Result<Option<Statement>, Fault> {
        let sql = &*text.sql;
        let statement = match text.handle.get(&self.asked) {
            Some(statement) => statement,
            None => {
                self.asked.one_more();
                match self.conn.prep(sql).await {
                    Ok(statement) => {
                        text.handle.keep(&statement, &self.asked);
                        statement
                    }
                    Err(error) if given == 0 && classify::is_not_preparable(&error) => return Ok(None),
                    Err(error) => return Err(self.judge(error, sql, was_open).await),
                }
            }
        };
        let takes = usize::from(statement.num_params());
        if takes == given {
            return Ok(Some(statement));
        }
        self.shown.set(if was_open { Known::Transaction } else { Known::Idle });
        Err(Fault::kept(wrong_count(given, takes).with_statement(sql)))
    }

    /// Runs a statement, and sends its rows for as long as somebody takes them; the rest is read and thrown away.
    pub(super) async fn stream(&mut self, text: &Text, params: Vec<Value>, mut rows: Chunks) -> Result<(), Fault> {
        let sql = &*text.sql;
        let was_open = self.note_text(text).await?;
        let Some(statement) = self.prepare(text, params.len(), was_open).await? else {
            let text = "this statement cannot be streamed, as the server does not prepare it";
            self.shown.set(if was_open { Known::Transaction } else { Known::Idle });
            return Err(Fault::kept(Error::new(ErrorKind::Unsupported, text).with_statement(sql)));
        };
        let mut result = match self.conn.exec_iter(&statement, params).await {
            Ok(result) => result,
            Err(error) => return Err(self.judge(error, sql, was_open).await),
        };
        let mut gathered = Gatherer::new(text.shape.of(result.columns()));
        let sent = loop {
            if rows.is_unwanted() {
                break result.drop_result().await;
            }
            match result.next().await {
                Ok(Some(row)) => {
                    gathered.push(row);
                    if gathered.is_full() || rows.is_due() {
                        rows.send(gathered.take()).await;
                    }
                }
                // There may be further results, and an error behind them.
                Ok(None) => break result.drop_result().await,
                Err(error) => {
                    drop(result);
                    break Err(error);
                }
            }
        };
        // The rows ahead of an error come first.
        rows.send(gathered.take()).await;
        drop(rows);
        match sent {
            Ok(()) => self.conclude(was_open, || sql),
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }
}

/// An error behind the first result, as a procedure may end with: the driver keeps it, and would tell it to whoever is next.
async fn no_error_behind(conn: &mut Conn) -> Result<(), Native> {
    if conn.last_ok_packet().is_some() {
        return Ok(());
    }
    Box::pin(QueryResult::<'_, '_, TextProtocol>::new(conn).drop_result()).await
}

/// What is wanted of a statement, and who reads its rows as they come.
pub(super) struct Wanted {
    pub(super) want: Want,
    pub(super) reader: Option<Arc<dyn Reader>>,
}

/// Reads the rows of a result, if they are wanted, and throws further results away. What no reader has taken is returned,
/// and how many rows were wanted in all.
async fn read<P: Protocol>(
    result: &mut QueryResult<'_, 'static, P>,
    text: &Text,
    Wanted { want, reader }: Wanted,
) -> Result<(Vec<Row>, u64), Native> {
    let mut gathered = (want == Want::Rows).then(|| Gatherer::new(text.shape.of(result.columns())));
    if let Some(reader) = &reader {
        reader.begin();
    }
    let (mut rows, mut returned) = (Vec::new(), 0);
    while !result.is_empty() {
        while let Some(row) = result.next().await? {
            let Some(gathered) = &mut gathered else { continue };
            gathered.push(row);
            returned += 1;
            if let Some(reader) = reader.as_ref().filter(|_| gathered.is_full()) {
                gathered.read_by(&**reader);
            }
        }
        if let Some(mut gathered) = gathered.take() {
            rows = gathered.take();
        }
    }
    Ok((rows, returned))
}
