//! Blocks with a [`Propagation`]: where their body runs, and how it gets there (rules 28 to 30).

use std::sync::Arc;

use super::{Database, options::BlockOptions, propagation::Propagation};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Context, Frame, Scope},
    session::{DbSession, current},
};

/// Where a body runs.
enum Place {
    /// In a transaction that it begins.
    Root,
    /// In a savepoint of the transaction that is open.
    Savepoint,
    /// In the transaction that is open, without a savepoint.
    Joined(Arc<Frame<DbSession>>),
    /// Without a transaction.
    Bare,
}

/// The way of a body to its place.
struct Way {
    place: Place,
    /// The context for it, if the transaction that is open is suspended.
    around: Option<Context<DbSession>>,
}

impl Way {
    /// The way of a body that runs here.
    fn to(place: Place) -> Self {
        Self { place, around: None }
    }
}

impl Database {
    /// Finds the way of a body.
    ///
    /// # Errors
    /// The body cannot run: for its mode, or as the block around it has ended; or it has settings and no transaction.
    fn way(&self, propagation: Propagation, options: &BlockOptions) -> Result<Way, Error> {
        self.shared().counted(self.find_way(propagation, options))
    }

    fn find_way(&self, propagation: Propagation, options: &BlockOptions) -> Result<Way, Error> {
        use Propagation::{Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports};
        let open = self.frame().filter(|frame| frame.in_transaction());
        if let Some(frame) = &open {
            // Not even another transaction is begun behind the end of this one (rule 6).
            frame.check_open()?;
        }
        let suspending = |place| Way { place, around: Some(current().unwrap_or_default().suspending(self.id())) };
        let way = match (propagation, open) {
            (Required | Nested | RequiresNew, None) => Way::to(Place::Root),
            (Nested, Some(_)) => Way::to(Place::Savepoint),
            (RequiresNew, Some(_)) => suspending(Place::Root),
            (Required | Mandatory | Supports, Some(frame)) => Way::to(Place::Joined(frame)),
            (Mandatory, None) => {
                return Err(Error::new(ErrorKind::NoTransaction, "a mandatory transaction is not open"));
            }
            (Never | Supports | NotSupported, None) => Way::to(Place::Bare),
            (Never, Some(frame)) => {
                let text = format!("there must be no transaction here, and the block {} is open", frame.label());
                return Err(Error::new(ErrorKind::TransactionOpen, text));
            }
            (NotSupported, Some(_)) => suspending(Place::Bare),
        };
        if matches!(way.place, Place::Bare) && !options.settings.is_empty() {
            let text = "settings were asked for, and the body runs without a transaction that could have them";
            return Err(Error::new(ErrorKind::SettingsMismatch, text));
        }
        Ok(way)
    }

    /// Whether a block begins a transaction here, rather than being part of one, or of none.
    ///
    /// # Errors
    /// As [`way`](Self::way).
    pub(super) fn begins(&self, propagation: Propagation, options: &BlockOptions) -> Result<bool, Error> {
        self.way(propagation, options).map(|way| matches!(way.place, Place::Root))
    }

    /// Runs a body in the current task.
    pub(super) async fn atomic_by<F, Fut, T, E>(
        &self,
        propagation: Propagation,
        options: &BlockOptions,
        body: F,
    ) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error> + 'static,
    {
        let Way { place, around } = self.way(propagation, options)?;
        let work = async || match place {
            Place::Root | Place::Savepoint => self.run_block(options, body).await,
            Place::Joined(frame) => self.run_joined(&frame, options, body).await,
            Place::Bare => body().await,
        };
        match around {
            Some(around) => Scope::lazy(around, work).await,
            None => work().await,
        }
    }

    /// Runs a body in the current task, or in one of its own if it begins a transaction outside any scope.
    pub(super) async fn transaction_by<F, Fut, T, E>(
        &self,
        propagation: Propagation,
        options: BlockOptions,
        body: F,
    ) -> Result<T, E>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let way = self.way(propagation, &options)?;
        if matches!(way, Way { place: Place::Root, around: None }) {
            return self.run_transaction(options, body).await;
        }
        self.atomic_by(propagation, &options, body).await
    }
}
