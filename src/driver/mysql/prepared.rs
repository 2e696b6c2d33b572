//! Prepared statements: their rows all at once, or as a stream.

use std::{mem, sync::Arc};

use mysql_async::{
    BinaryProtocol, Conn, Error as Native, QueryResult, Statement, TextProtocol, Value,
    prelude::{Protocol, Queryable as _},
};

use super::{classify, session_status::SessionStatus, statement::StatementText, values::RowCollector, wire::Wire};
use crate::{
    data::row::Row,
    driver::{Answer, Reader, Want, chunks::ChunkSender, wrong_count},
    error::{Error, ErrorKind},
    transaction::impact::DriverError,
};

impl Wire {
    /// Runs a statement as a prepared one.
    ///
    /// Large parameters are borrowed, as a future keeps a copy of each value that is moved into it.
    pub(super) async fn prepared(
        &mut self,
        text: &StatementText,
        params: &mut Vec<Value>,
        wanted: &Wanted,
    ) -> Result<Answer, DriverError> {
        let sql = &*text.sql;
        let was_open = self.begin_statement(text).await?;
        let Some(statement) = self.prepare(text, params.len(), was_open).await? else {
            return Box::pin(self.unprepared(text, was_open, wanted)).await;
        };
        let (conn, statement) = (&mut self.conn, &statement);
        let read = async {
            let mut result = conn.exec_iter(statement, mem::take(params)).await?;
            let rows = read::<BinaryProtocol>(&mut result, text, wanted).await?;
            drop(result);
            no_error_behind(conn).await.map(|()| rows)
        };
        // Outside the future above, so that the command is small while it waits for its rows.
        let result = match read.await {
            Ok(rows) => self.answer(rows, sql, was_open),
            Err(error) => Err(self.classify_error(error, sql, was_open).await),
        };
        self.close_unless_cached(text).await;
        result
    }

    /// Closes a statement that has run, if it is not cached.
    async fn close_unless_cached(&mut self, text: &StatementText) {
        if !text.is_cached {
            // Boxed, as it is seldom.
            Box::pin(self.close(text.handle.take())).await;
        }
    }

    async fn close(&mut self, statements: impl IntoIterator<Item = Statement>) {
        for statement in statements {
            // A close has no answer. If it cannot be sent, the connection is broken.
            if !matches!(self.status.get(), SessionStatus::Lost) && self.conn.close(statement).await.is_err() {
                self.status.set(SessionStatus::Lost);
            }
        }
    }

    /// Prepares the status for a statement that is sent alone: returns whether a transaction is open.
    async fn begin_statement(&mut self, text: &StatementText) -> Result<bool, DriverError> {
        let was_open = self.begin_command(&[])?;
        self.refuse_to_write(was_open, &text.sql)?;
        self.status.mark().note(text.effect);
        if was_open && text.is_opaque {
            Box::pin(self.mark(&text.sql)).await?;
        }
        Ok(was_open)
    }

    /// Runs a statement that the server cannot prepare.
    async fn unprepared(
        &mut self,
        text: &StatementText,
        was_open: bool,
        wanted: &Wanted,
    ) -> Result<Answer, DriverError> {
        let sql = &*text.sql;
        let conn = &mut self.conn;
        let read = async move {
            let rows = read::<TextProtocol>(&mut conn.query_iter(sql).await?, text, wanted).await?;
            no_error_behind(conn).await.map(|()| rows)
        };
        match read.await {
            Ok(rows) => self.answer(rows, sql, was_open),
            Err(error) => Err(self.classify_error(error, sql, was_open).await),
        }
    }

    /// The answer to a statement that has succeeded.
    fn answer(&mut self, read: Read, sql: &str, was_open: bool) -> Result<Answer, DriverError> {
        let Read { rows, returned, has_more } = read;
        self.check_success(was_open, || sql)?;
        if has_more {
            return Err(several_results(sql));
        }
        let affected = if returned == 0 { self.conn.affected_rows() } else { returned };
        let last_insert_id = self.conn.last_insert_id().and_then(|id| i64::try_from(id).ok());
        Ok(Answer { last_insert_id, ..Answer::rows(rows, affected) })
    }

    async fn prepare(
        &mut self,
        text: &StatementText,
        given: usize,
        was_open: bool,
    ) -> Result<Option<Statement>, DriverError> {
        let sql = &*text.sql;
        let statement = match text.handle.get() {
            Some(statement) => statement,
            None => {
                let left = self.statements.take_evicted();
                if !left.is_empty() {
                    Box::pin(self.close(left)).await;
                }
                match self.conn.prep(sql).await {
                    Ok(statement) => {
                        text.handle.keep(&statement);
                        statement
                    }
                    Err(error) if given == 0 && classify::is_not_preparable(&error) => return Ok(None),
                    Err(error) => return Err(self.classify_error(error, sql, was_open).await),
                }
            }
        };
        let takes = usize::from(statement.num_params());
        if takes == given {
            return Ok(Some(statement));
        }
        self.status.set(if was_open { SessionStatus::Transaction } else { SessionStatus::Idle });
        self.close_unless_cached(text).await;
        Err(DriverError::harmless(wrong_count(given, takes).with_statement(sql)))
    }

    /// Runs a statement, and sends its rows until the stream is dropped; the rest is read and discarded.
    pub(super) async fn stream(
        &mut self,
        text: &StatementText,
        params: Vec<Value>,
        rows: ChunkSender,
    ) -> Result<(), DriverError> {
        let sql = &*text.sql;
        let was_open = self.begin_statement(text).await?;
        let Some(statement) = self.prepare(text, params.len(), was_open).await? else {
            let text = "this statement cannot be streamed, as the server does not prepare it";
            self.status.set(if was_open { SessionStatus::Transaction } else { SessionStatus::Idle });
            return Err(DriverError::harmless(Error::new(ErrorKind::Unsupported, text).with_statement(sql)));
        };
        let result = self.send_rows(text, &statement, params, rows, was_open).await;
        self.close_unless_cached(text).await;
        result
    }

    async fn send_rows(
        &mut self,
        text: &StatementText,
        statement: &Statement,
        params: Vec<Value>,
        mut rows: ChunkSender,
        was_open: bool,
    ) -> Result<(), DriverError> {
        let sql = &*text.sql;
        let mut result = match self.conn.exec_iter(statement, params).await {
            Ok(result) => result,
            Err(error) => return Err(self.classify_error(error, sql, was_open).await),
        };
        let mut has_rows = !result.columns_ref().is_empty();
        let mut collector = RowCollector::new(text.meta.of(result.columns()));
        let sent = loop {
            if rows.is_closed() {
                break result.drop_result().await.map(|()| false);
            }
            match result.next().await {
                Ok(Some(row)) => {
                    collector.push(row);
                    if collector.is_full() || rows.is_due() {
                        rows.send(collector.take()).await;
                    }
                }
                // There may be further results, and an error behind them.
                Ok(None) if has_rows || result.is_empty() => break rest(result).await,
                Ok(None) => {
                    has_rows = !result.columns_ref().is_empty();
                    collector = RowCollector::new(text.meta.of(result.columns()));
                }
                Err(error) => {
                    drop(result);
                    break Err(error);
                }
            }
        };
        // The rows ahead of an error come first.
        rows.send(collector.take()).await;
        drop(rows);
        match sent {
            Ok(has_more) => {
                self.check_success(was_open, || sql)?;
                if has_more { Err(several_results(sql)) } else { Ok(()) }
            }
            Err(error) => Err(self.classify_error(error, sql, was_open).await),
        }
    }
}

/// Checks for an error behind the first result, as a procedure may end with. mysql_async keeps it, and would return it
/// to the next command.
async fn no_error_behind(conn: &mut Conn) -> Result<(), Native> {
    if conn.last_ok_packet().is_some() {
        return Ok(());
    }
    Box::pin(QueryResult::<'_, '_, TextProtocol>::new(conn).drop_result()).await
}

/// The result that the caller wants, and what reads the rows as they come.
pub(super) struct Wanted {
    pub(super) want: Want,
    pub(super) reader: Option<Arc<dyn Reader>>,
}

/// The results of a statement.
struct Read {
    /// The rows that no reader has taken.
    rows: Vec<Row>,
    /// The number of rows of the wanted result.
    returned: u64,
    /// Whether there was a further result with rows.
    has_more: bool,
}

/// Reads the rows of the first result that has any, if they are wanted. All other rows are read and discarded.
async fn read<P: Protocol>(
    result: &mut QueryResult<'_, 'static, P>,
    text: &StatementText,
    Wanted { want, reader }: &Wanted,
) -> Result<Read, Native> {
    let mut read = Read { rows: Vec::new(), returned: 0, has_more: false };
    let mut is_wanted = *want == Want::Rows;
    if let Some(reader) = reader {
        reader.begin();
    }
    while !result.is_empty() {
        let has_rows = !result.columns_ref().is_empty();
        read.has_more |= *want == Want::Rows && has_rows && !is_wanted;
        // Boxed, so that the future of a statement stays below the size for which allocators are slow.
        let mut collector =
            (is_wanted && has_rows).then(|| Box::new(RowCollector::new(text.meta.of(result.columns()))));
        is_wanted &= !has_rows;
        while let Some(row) = result.next().await? {
            let Some(collector) = &mut collector else { continue };
            collector.push(row);
            read.returned += 1;
            if let Some(reader) = reader.as_ref().filter(|_| collector.is_full()) {
                collector.read_by(&**reader);
            }
        }
        if let Some(mut collector) = collector {
            read.rows = collector.take();
        }
    }
    Ok(read)
}

/// Reads what follows on the rows of a stream: returns whether there were further rows.
async fn rest<P: Protocol>(mut result: QueryResult<'_, 'static, P>) -> Result<bool, Native> {
    let mut has_rows = false;
    while !result.is_empty() {
        has_rows |= !result.columns_ref().is_empty();
        while result.next().await?.is_some() {}
    }
    // An error behind them comes here.
    result.drop_result().await.map(|()| has_rows)
}

/// The error of a query with several results, none of which is the wanted one.
fn several_results(sql: &str) -> DriverError {
    let text = "the statement has run and returned the rows of several results, of which a query takes one; read them \
                by `with_mysql`";
    DriverError::harmless(Error::new(ErrorKind::Unsupported, text).with_statement(sql))
}
