//! Savepoints that were asked for as such, with a name of the caller's or without.

use super::{Database, blocks::run};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Block, CallSite},
    session::{DbSession, current},
};

impl Database {
    pub(super) async fn run_savepoint<F, Fut, T, E>(&self, name: Option<&str>, at: CallSite, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let block = self.shared().counted(self.open_savepoint(name, at).await)?;
        run(self.shared(), block, body).await
    }

    pub(super) async fn open_savepoint(&self, name: Option<&str>, at: CallSite) -> Result<Block<DbSession>, Error> {
        let Some(frame) = self.frame().filter(|frame| frame.in_transaction()) else {
            return Err(Error::new(ErrorKind::NoTransaction, "a savepoint needs a transaction around it"));
        };
        if let Some(name) = name {
            self.shared().dialect.check_name(name)?;
            if !self.shared().dialect.keeps_apart(name, frame.savepoint_names()) {
                let text = format!(
                    "a savepoint \"{name}\" is open already, or may be generated, and this server cannot have two of a name"
                );
                return Err(Error::new(ErrorKind::Config, text));
            }
        }
        let context = current().unwrap_or_default();
        Block::savepoint(&context, &frame, name.map(Into::into), at.into())?.block().await
    }
}
