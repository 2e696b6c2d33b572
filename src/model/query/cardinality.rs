//! [`Cardinality`]: how many rows an insert returns, as types: [`One`], [`Maybe`], [`Many`].

use crate::error::{Error, ErrorKind, Result};

/// How many rows an insert returns.
pub trait Cardinality: Send + Sync + 'static {
    /// The output of an insert that returns a `T` for each row.
    type Output<T: Send>: Send;
    /// The cardinality where conflicting rows are left out.
    type Ignoring: Cardinality;

    /// Collects the returned rows.
    #[doc(hidden)]
    fn collect<T: Send>(rows: impl Iterator<Item = Result<T>>) -> Result<Self::Output<T>>;
}

/// One row: the output is that of the row.
#[derive(Debug)]
pub enum One {}

/// One row or none: the output is an `Option`.
#[derive(Debug)]
pub enum Maybe {}

/// Any number of rows: the output is a `Vec`.
#[derive(Debug)]
pub enum Many {}

impl Cardinality for One {
    type Output<T: Send> = T;
    type Ignoring = Maybe;

    fn collect<T: Send>(mut rows: impl Iterator<Item = Result<T>>) -> Result<T> {
        rows.next().unwrap_or_else(|| Err(Error::new(ErrorKind::NoRow, "the row was not inserted")))
    }
}

impl Cardinality for Maybe {
    type Output<T: Send> = Option<T>;
    type Ignoring = Self;

    fn collect<T: Send>(mut rows: impl Iterator<Item = Result<T>>) -> Result<Option<T>> {
        rows.next().transpose()
    }
}

impl Cardinality for Many {
    type Output<T: Send> = Vec<T>;
    type Ignoring = Self;

    fn collect<T: Send>(rows: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
        rows.collect()
    }
}
