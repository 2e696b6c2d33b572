//! Savepoints that were asked for as such, with a name of the caller's or without.

use super::{Database, options::BlockOptions};
use crate::{
    error::{Error, ErrorKind},
    runtime::Block,
    session::{DbSession, current},
};

impl Database {
    pub(super) async fn open_savepoint(&self, options: &BlockOptions) -> Result<Block<DbSession>, Error> {
        let Some(frame) = self.frame().filter(|frame| frame.in_transaction()) else {
            return Err(Error::new(ErrorKind::NoTransaction, "a savepoint needs a transaction around it"));
        };
        if let Some(name) = options.name.as_deref() {
            self.shared().dialect.check_name(name)?;
            if !self.shared().dialect.keeps_apart(name, frame.savepoint_names()) {
                let text = format!(
                    "a savepoint \"{name}\" is open already, or may be generated, and this server cannot have two of a name"
                );
                return Err(Error::new(ErrorKind::Config, text));
            }
        }
        let context = current().unwrap_or_default();
        Block::savepoint(&context, &frame, options.name.clone(), options.at.into())?.block().await
    }
}
