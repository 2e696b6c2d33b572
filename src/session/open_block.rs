//! [`OpenBlock`]: what is open on a database now, as a program and its logs are told of it.

use std::{fmt, panic::Location, sync::Arc, time::Duration};

use super::{
    open_watch::OpenWatch,
    registry::{OpenSession, Registry},
    session::{DbSession, Shared},
};
use crate::{
    pool::Holders,
    runtime::{Label, Observed, Session as _},
};

/// What an open block does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockState {
    /// It has a connection, and nothing is under way on it.
    Idle,
    /// A statement, or the end of the block, is under way at the server. Whether the server makes it wait for a lock is not
    /// known here.
    InStatement,
    /// It waits for a connection of the pool.
    WaitingForConnection,
    /// A statement or a block waits for its turn, and no statement is under way: a stream of rows or a nested block has it.
    WaitingForTurn,
    /// A statement waits for the right to write (SQLite).
    WaitingForLock,
}

impl fmt::Display for BlockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::InStatement => "in a statement",
            Self::WaitingForConnection => "waiting for a connection",
            Self::WaitingForTurn => "waiting for a turn",
            Self::WaitingForLock => "waiting for a lock",
        })
    }
}

/// A transaction that is open, or a pinned connection: one that has a connection of the pool, or waits for one. From
/// [`Database::open_blocks`](crate::Database::open_blocks).
///
/// `Display` tells it in one line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenBlock {
    /// Its number, unique in this process. Errors of the kind [`TurnTimeout`](crate::ErrorKind::TurnTimeout) name it too.
    pub id: u64,
    /// The name of the database: that of [`DatabaseBuilder::name`](crate::DatabaseBuilder::name), or else that which the server knows
    /// it by, or its file's.
    pub database: String,
    /// The name of the outermost block that has one.
    pub name: Option<Arc<str>>,
    /// Where the program opened the outermost block; `None` for one that the crate opened by itself, for a statement whose
    /// scope has settings, or for a request.
    pub opened_at: Option<&'static Location<'static>>,
    /// Where the program opened the innermost block.
    pub innermost_opened_at: Option<&'static Location<'static>>,
    /// How long it has had its connection, or has waited for it. Before its first statement a block holds nothing.
    pub age: Duration,
    /// How many blocks deep it is: 1 for a transaction without savepoints, 0 for a pinned connection outside a transaction.
    pub depth: u32,
    /// What it does now.
    pub state: BlockState,
    /// How many statements it has sent so far.
    pub statements: u64,
    /// The beginning of the last statement's text, up to 200 characters, without its parameters.
    pub last_statement: Option<String>,
    /// How long ago the last statement was sent.
    pub last_statement_ago: Option<Duration>,
}

impl OpenBlock {
    pub(super) fn of(open: &OpenSession<DbSession>) -> Self {
        let session = open.outermost.session_state().session();
        let Observed { id, blocks, has_statement, waits_for_turn } = open.outermost.observe();
        let mut statements = (0, None);
        let lease = session.taken();
        if let Some(lease) = &lease {
            lease.with_recent(|recent| {
                statements = (recent.count(), recent.last().map(|(text, since)| (text.to_owned(), since.elapsed())));
            });
        }
        let state = if open.is_waiting {
            BlockState::WaitingForConnection
        } else if lease.as_ref().is_some_and(|lease| lease.connection().waits_for_lock()) {
            BlockState::WaitingForLock
        } else if has_statement || session.is_at_work() {
            BlockState::InStatement
        } else if waits_for_turn {
            BlockState::WaitingForTurn
        } else {
            BlockState::Idle
        };
        let (last_statement, last_statement_ago) = statements.1.unzip();
        let location = |label: &Label| label.opened_at.location();
        Self {
            id,
            database: session.labels().name().to_owned(),
            name: blocks.iter().find_map(|label| label.name.clone()),
            opened_at: blocks.iter().find_map(location),
            innermost_opened_at: blocks.iter().rev().find_map(location),
            age: open.since.elapsed(),
            depth: blocks.last().map_or(0, |label| label.depth),
            state,
            statements: statements.0,
            last_statement,
            last_statement_ago,
        }
    }

    /// Which one it is, where and when it was opened.
    fn write_origin(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        write!(f, "#{}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        if let Some(at) = self.opened_at {
            write!(f, ", opened at {}:{}", at.file(), at.line())?;
        }
        write!(f, ", {} ago", Rough(self.age))
    }

    /// Which statement it has sent last, and when.
    fn write_last(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match (&self.last_statement, self.last_statement_ago) {
            (Some(text), Some(ago)) => write!(f, ", last `{text}` {} ago", Rough(ago)),
            _ => Ok(()),
        }
    }

    /// The line without what changes from one moment to the next.
    fn brief(&self) -> String {
        let mut text = String::new();
        let written = self.write_origin(&mut text).and_then(|()| self.write_last(&mut text));
        debug_assert!(written.is_ok(), "a text takes all");
        text
    }
}

impl fmt::Display for OpenBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_origin(f)?;
        write!(f, ", depth {}", self.depth)?;
        if let Some(at) = self.innermost_opened_at.filter(|at| Some(*at) != self.opened_at) {
            write!(f, " (innermost opened at {}:{})", at.file(), at.line())?;
        }
        let plural = if self.statements == 1 { "" } else { "s" };
        write!(f, ", {}, {} statement{plural}", self.state, self.statements)?;
        self.write_last(f)
    }
}

/// A duration in words, as exact as a reader needs it.
struct Rough(Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            time if time < Duration::from_secs(1) => write!(f, "{} ms", time.as_millis()),
            time if time < Duration::from_secs(10) => write!(f, "{:.1} s", time.as_secs_f64()),
            time => write!(f, "{} s", time.as_secs()),
        }
    }
}

/// What the blocks of a database hold of its connections, for the errors of the pool.
pub(super) fn holders(registry: &Arc<Registry<DbSession>>) -> Holders {
    let oldest = registry.look().iter().find(|open| !open.is_waiting).map(|open| OpenBlock::of(open).brief());
    Holders { blocks: registry.count(), oldest }
}

impl Shared {
    /// Has the pool's errors tell what is open, and warns once of each block that is open for longer than a time, if one is given.
    #[must_use]
    pub(crate) fn seen(self, longest: Option<Duration>) -> Self {
        let registry = Arc::downgrade(&self.registry);
        self.pool.set_look(move || registry.upgrade().map(|registry| holders(&registry)).unwrap_or_default());
        Self { open_watch: longest.map(|longest| Arc::new(OpenWatch::new(longest))), ..self }
    }

    /// The time after which it warns of an open block.
    pub(crate) fn longest_open(&self) -> Option<Duration> {
        self.open_watch.as_ref().map(|watch| watch.longest())
    }

    /// A block has a connection: sees to it that it is watched, if that was asked for.
    #[inline]
    pub(super) fn watch_open(&self) {
        if let Some(watch) = &self.open_watch
            && !watch.is_running()
        {
            let registry = Arc::downgrade(&self.registry);
            watch.start(Arc::clone(&self.labels), move || {
                let seen = |open: &OpenSession<DbSession>| {
                    let block = OpenBlock::of(open);
                    (block.id, block.age, block)
                };
                Some(registry.upgrade()?.look().iter().map(seen).collect())
            });
        }
    }

    /// The transactions and pinned connections that are open now, the oldest first.
    pub(crate) fn open_blocks(&self) -> Vec<OpenBlock> {
        self.registry.look().iter().map(OpenBlock::of).collect()
    }
}
