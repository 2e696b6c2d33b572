//! Statements that the server has prepared: their rows at once, or one by one.

use mysql_async::{
    BinaryProtocol, Error as Native, QueryResult, Statement, TextProtocol, Value,
    prelude::{Protocol, Queryable as _},
};

use super::{classify, known::Known, placeholders::Text, rows::Gatherer, wire::Wire};
use crate::{
    driver::{Answer, Want, chunks::Chunks, wrong_count},
    error::{Error, ErrorKind},
    fault::Fault,
    row::Row,
};

impl Wire {
    /// Runs a statement as a prepared one.
    pub(super) async fn prepared(&mut self, text: &Text, params: Vec<Value>, want: Want) -> Result<Answer, Fault> {
        let sql = &*text.sql;
        let was_open = self.note(&[])?;
        self.refuse_to_write(was_open, sql)?;
        let Some(statement) = self.prepare(sql, params.len(), was_open).await? else {
            return self.unprepared(text, was_open, want).await;
        };
        let mut result = match self.conn.exec_iter(&statement, params).await {
            Ok(result) => result,
            Err(error) => return Err(self.judge(error, sql, was_open).await),
        };
        let read = read::<BinaryProtocol>(&mut result, text, want).await;
        drop(result);
        self.answer(read, sql, was_open).await
    }

    /// Runs a statement that the server cannot prepare.
    async fn unprepared(&mut self, text: &Text, was_open: bool, want: Want) -> Result<Answer, Fault> {
        let sql = &*text.sql;
        let mut result = match self.conn.query_iter(sql).await {
            Ok(result) => result,
            Err(error) => return Err(self.judge(error, sql, was_open).await),
        };
        let read = read::<TextProtocol>(&mut result, text, want).await;
        drop(result);
        self.answer(read, sql, was_open).await
    }

    async fn answer(&mut self, read: Result<Vec<Row>, Native>, sql: &str, was_open: bool) -> Result<Answer, Fault> {
        match read {
            Ok(rows) => {
                self.conclude(was_open, sql)?;
                let affected =
                    if rows.is_empty() { self.conn.affected_rows() } else { rows.len().try_into().unwrap_or(u64::MAX) };
                let last_insert_id = self.conn.last_insert_id().and_then(|id| i64::try_from(id).ok());
                Ok(Answer { last_insert_id, ..Answer::rows(rows, affected) })
            }
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }

    async fn prepare(&mut self, sql: &str, given: usize, was_open: bool) -> Result<Option<Statement>, Fault> {
        match self.conn.prep(sql).await {
            Ok(statement) if usize::from(statement.num_params()) == given => Ok(Some(statement)),
            Ok(statement) => {
                let error = wrong_count(given, statement.num_params().into()).with_statement(sql);
                self.shown.set(if was_open { Known::Transaction } else { Known::Idle });
                Err(Fault::kept(error))
            }
            Err(error) if given == 0 && classify::is_not_preparable(&error) => Ok(None),
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }

    /// Runs a statement, and sends its rows for as long as somebody takes them; the rest is read and thrown away.
    pub(super) async fn stream(&mut self, text: &Text, params: Vec<Value>, mut rows: Chunks) -> Result<(), Fault> {
        let sql = &*text.sql;
        let was_open = self.note(&[])?;
        self.refuse_to_write(was_open, sql)?;
        let Some(statement) = self.prepare(sql, params.len(), was_open).await? else {
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
                Ok(None) => break Ok(()),
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
            Ok(()) => self.conclude(was_open, sql),
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }
}

/// Reads the rows of a result, and throws further results away.
async fn read<P: Protocol>(
    result: &mut QueryResult<'_, 'static, P>,
    text: &Text,
    want: Want,
) -> Result<Vec<Row>, Native> {
    let mut rows = Vec::new();
    if want == Want::Rows {
        let mut gathered = Gatherer::new(text.shape.of(result.columns()));
        result.for_each(|row| gathered.push(row)).await?;
        rows = gathered.take();
    }
    while !result.is_empty() {
        result.for_each(drop).await?;
    }
    Ok(rows)
}
