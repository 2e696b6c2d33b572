//! A driver without a server: its connections keep what they were asked, and fail where a test says so.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, Either, ready};

use super::super::{PoolOptions, SessionOptions};
use crate::{
    driver::{Answer, Connection, Dialect, Driver, Query, Running, SessionToken, State, Want},
    error::{Error, ErrorKind},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError, Impact},
        owed::Flight,
    },
};

/// One session: what was asked of it, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
    asked: Mutex<Vec<String>>,
    /// It is lost as soon as it is used.
    dies: AtomicBool,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it was asked so far, steps and statements.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked())
    }

    /// The client has seen that the connection is lost.
    pub(crate) fn break_seen(&self) {
        *self.state() = State::Broken;
    }

    /// The connection is lost, which is found out by its next use.
    pub(crate) fn break_unseen(&self) {
        self.dies.store(true, Ordering::Release);
    }

    fn ask(&self, flight: &dyn Flight, steps: &[Control], sql: &str) -> Result<(), DriverError> {
        let lost = |impact| DriverError::new(impact, Error::new(ErrorKind::ConnectionLost, "the connection was lost"));
        if *self.state() == State::Broken {
            return Err(lost(Impact::NotSent));
        }
        let owed = flight.take().map_err(DriverError::harmless)?;
        for step in owed.iter().chain(steps) {
            self.asked().push(Dialect::Postgres.render(step).into_owned());
            match step {
                Control::Begin(_) => *self.state() = State::Transaction,
                Control::Commit | Control::Rollback => *self.state() = State::Idle,
                _ => {}
            }
        }
        if !sql.is_empty() {
            self.asked().push(sql.to_owned());
        }
        if self.dies.load(Ordering::Acquire) {
            return Err(lost(Impact::Connection));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FakeConnection(Arc<Session>);

impl Connection for FakeConnection {
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, _: Want) -> Running<'a, Answer> {
        Either::Right(Box::pin(async move {
            let outcome = self.0.ask(flight, &[], query.sql);
            // All that are joined are sent before the first is answered.
            tokio::task::yield_now().await;
            if outcome.as_ref().is_err_and(|fault| fault.impact == Impact::Connection) {
                self.0.break_seen();
            }
            outcome.map(|()| Answer::count(1))
        }))
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()> {
        Either::Left(ready(self.0.ask(flight, steps, "")))
    }

    fn cancel(&self, _: CancelScope) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn state(&self) -> State {
        *self.0.state()
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// Makes sessions, and knows them all.
#[derive(Debug, Default)]
pub(crate) struct FakeDriver {
    sessions: Mutex<Vec<Arc<Session>>>,
}

impl FakeDriver {
    fn sessions(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this number, from 0.
    pub(crate) fn session(&self, number: usize) -> Arc<Session> {
        Arc::clone(&self.sessions()[number])
    }

    /// How many sessions were made.
    pub(crate) fn made(&self) -> usize {
        self.sessions().len()
    }
}

impl Driver for FakeDriver {
    fn connect(&self, _: Duration, _: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async {
            let mut sessions = self.sessions();
            let (state, asked, dies) = (Mutex::new(State::Idle), Mutex::default(), AtomicBool::new(false));
            let session = Arc::new(Session { state, asked, dies });
            sessions.push(Arc::clone(&session));
            Ok(Box::new(FakeConnection(session)) as Box<dyn Connection>)
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}

/// Options for up to so many connections.
pub(crate) fn options(max_connections: u32, min_connections: u32) -> PoolOptions {
    let wait = Duration::from_secs(30);
    PoolOptions {
        max_connections,
        min_connections,
        acquire_timeout: wait,
        connect_timeout: wait,
        idle_timeout: None,
        max_lifetime: None,
        autoconnect: None,
        session: SessionOptions::default(),
        name: None,
    }
}
