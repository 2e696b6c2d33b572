//! [`Peer`]: what can be measured: a library with a pool of its own, and how its users would write each workload.

use std::{fmt, pin::Pin};

use anyhow::Result;

use crate::{ACCOUNTS, Setup, Wide};

/// For functions that call themselves.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One operation: whose it is, and what it works on.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The task that does it, from 0.
    pub task: usize,
    /// A key of `account`.
    pub key: i64,
}

impl Job {
    /// Another key of `account`.
    pub fn key_after(self, steps: i64) -> i64 {
        (self.key + steps - 1) % ACCOUNTS + 1
    }

    /// Four keys of `account`.
    pub fn four_keys(self) -> [i64; 4] {
        [0, 1, 2, 3].map(|steps| self.key_after(steps))
    }
}

/// Why the innermost block of [`Peer::caught`] fails.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused, as the workload wants it")
    }
}

impl std::error::Error for Refused {}

/// A library with a pool, and the workloads as its documentation recommends them to be written.
///
/// An insert is into `entry (account, amount, note)`, with the job's key, its task and a short text. What is read is
/// returned, so that it can be checked.
pub trait Peer: Sized + Send + Sync + 'static {
    /// Opens the pool. Connections may come later.
    fn open(setup: &Setup) -> impl Future<Output = Result<Self>> + Send;

    /// A: the balance of an account.
    fn select(&self, job: Job) -> impl Future<Output = Result<i64>> + Send;

    /// B: one insert in a transaction.
    fn insert(&self, job: Job) -> impl Future<Output = Result<()>> + Send;

    /// C: the balances of `key` and the next key; one added to the balance of `key`; an insert; in a transaction.
    fn mixed(&self, job: Job) -> impl Future<Output = Result<[i64; 2]>> + Send;

    /// D: so many savepoints inside one another in one transaction, with an insert in each.
    fn nested(&self, job: Job, depth: u32) -> impl Future<Output = Result<()>> + Send;

    /// E: so many savepoints side by side in one transaction, with an insert in each.
    fn siblings(&self, job: Job, count: u32) -> impl Future<Output = Result<()>> + Send;

    /// F: a transaction with so many blocks inside one another and no statement.
    fn empty(&self, job: Job, depth: u32) -> impl Future<Output = Result<()>> + Send;

    /// G: the balances of four accounts in one transaction, at once where the library can.
    fn joined(&self, job: Job) -> impl Future<Output = Result<[i64; 4]>> + Send;

    /// H: an insert in a transaction, one in a savepoint, one in a savepoint of that; the innermost fails with
    /// [`Refused`], which is caught by the one around it.
    fn caught(&self, job: Job) -> impl Future<Output = Result<()>> + Send;

    /// R: the first rows of `wide` in the order of their keys.
    fn read(&self, job: Job, rows: i64) -> impl Future<Output = Result<Vec<Wide>>> + Send;
}
