//! [`Reading`]: rows that are decoded into values while the statement is still running, and the call that runs it. The decoder
//! is a parameter; it knows no models.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Database;
use crate::{
    data::{
        params::Params,
        row::{NativeRows, Row},
    },
    driver::{Query, Reader, Want},
    error::{Error, Result},
};

/// The values that were read so far.
struct Reading<R> {
    read: fn(&Row) -> Result<R>,
    done: Mutex<Done<R>>,
}

struct Done<R> {
    values: Vec<R>,
    /// What the first row that could not be read has failed with. Those behind it are let go.
    failure: Option<Failure>,
}

enum Failure {
    Error(Error),
    /// It goes on where the statement is awaited: a driver is not to be torn up by it.
    Panic(Box<dyn Any + Send>),
}

impl<R> Reading<R> {
    fn new(read: fn(&Row) -> Result<R>) -> Self {
        Self { read, done: Mutex::new(Done { values: Vec::new(), failure: None }) }
    }

    fn done(&self) -> MutexGuard<'_, Done<R>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All values: those that were read, and those of the rows that came last.
    fn finish(&self, last: &[Row]) -> Result<Vec<R>> {
        let Done { mut values, failure } = mem::replace(&mut *self.done(), Done { values: Vec::new(), failure: None });
        match failure {
            None => {
                values.reserve(last.len());
                for row in last {
                    values.push((self.read)(row)?);
                }
                Ok(values)
            }
            Some(Failure::Error(error)) => Err(error),
            Some(Failure::Panic(panic)) => resume_unwind(panic),
        }
    }
}

impl<R: Send> Reader for Reading<R> {
    fn begin(&self) {
        let mut done = self.done();
        done.values.clear();
        done.failure = None;
    }

    fn read(&self, together: Arc<dyn NativeRows>, count: usize) {
        let mut done = self.done();
        let Done { values, failure } = &mut *done;
        if failure.is_some() {
            return;
        }
        values.reserve(count);
        let read = |row: &Row| (self.read)(row).map(|value| values.push(value));
        *failure = match catch_unwind(AssertUnwindSafe(|| Row::each(together, count, read))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Failure::Error(error)),
            Err(panic) => Some(Failure::Panic(panic)),
        };
    }
}

impl Database {
    /// Runs a text that was built here, and reads each row as it comes.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); and what `read` fails with first, if the statement succeeds.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        sql: &str,
        params: &Params,
        read: fn(&Row) -> Result<R>,
    ) -> Result<Vec<R>> {
        let reading = Arc::new(Reading::new(read));
        let reader: Arc<dyn Reader> = Arc::<Reading<R>>::clone(&reading);
        let query = Query { reader: Some(&reader), ..Query::new(sql, params.as_slice()) };
        let answer = self.dispatch(&query, Want::Rows).await?;
        reading.finish(&answer.rows).map_err(|error| error.in_row_of::<R>(sql))
    }
}
