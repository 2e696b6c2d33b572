//! Statements that the server has prepared: their rows at once, or one by one.

use mysql_async::{
    BinaryProtocol, Error as Native, QueryResult, Row as MysqlNativeRow, Statement, TextProtocol, Value,
    prelude::{Protocol, Queryable as _},
};

use super::{
    classify,
    known::Known,
    values::{MysqlRow, Shape},
    wire::Wire,
};
use crate::{
    driver::{Answer, Want, chunks::Chunks, wrong_count},
    error::{Error, ErrorKind},
    fault::Fault,
    row::Row,
};

/// How many rows of a stream travel together at most.
const ROWS_PER_CHUNK: usize = 128;

impl Wire {
    /// Runs a statement as a prepared one.
    pub(super) async fn prepared(&mut self, sql: &str, params: Vec<Value>, want: Want) -> Result<Answer, Fault> {
        let was_open = self.note(&[])?;
        self.refuse_to_write(was_open, sql)?;
        let Some(statement) = self.prepare(sql, params.len(), was_open).await? else {
            return self.unprepared(sql, was_open, want).await;
        };
        let mut result = match self.conn.exec_iter(&statement, params).await {
            Ok(result) => result,
            Err(error) => return Err(self.judge(error, sql, was_open).await),
        };
        let read = read::<BinaryProtocol>(&mut result, want).await;
        drop(result);
        self.answer(read, sql, was_open).await
    }

    /// Runs a statement that the server cannot prepare.
    async fn unprepared(&mut self, sql: &str, was_open: bool, want: Want) -> Result<Answer, Fault> {
        let mut result = match self.conn.query_iter(sql).await {
            Ok(result) => result,
            Err(error) => return Err(self.judge(error, sql, was_open).await),
        };
        let read = read::<TextProtocol>(&mut result, want).await;
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
    pub(super) async fn stream(&mut self, sql: &str, params: Vec<Value>, mut rows: Chunks) -> Result<(), Fault> {
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
        let shape = Shape::new(result.columns_ref());
        let mut gathered = Vec::new();
        let sent = loop {
            if rows.is_unwanted() {
                break result.drop_result().await;
            }
            match result.next().await {
                Ok(Some(row)) => {
                    gathered.push(Row::new(MysqlRow::new(row, &shape)));
                    if gathered.len() == ROWS_PER_CHUNK || rows.is_due() {
                        rows.send(std::mem::take(&mut gathered)).await;
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
        rows.send(gathered).await;
        drop(rows);
        match sent {
            Ok(()) => self.conclude(was_open, sql),
            Err(error) => Err(self.judge(error, sql, was_open).await),
        }
    }
}

/// Reads the rows of a result, and throws further results away.
async fn read<P: Protocol>(result: &mut QueryResult<'_, 'static, P>, want: Want) -> Result<Vec<Row>, Native> {
    if want != Want::Rows {
        while !result.is_empty() {
            result.for_each(drop).await?;
        }
        return Ok(Vec::new());
    }
    let shape = Shape::new(result.columns_ref());
    let mut rows = Vec::new();
    result.for_each(|row: MysqlNativeRow| rows.push(Row::new(MysqlRow::new(row, &shape)))).await?;
    while !result.is_empty() {
        result.for_each(drop).await?;
    }
    Ok(rows)
}
