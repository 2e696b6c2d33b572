//! [`ResultMeta`]: the names and types of the columns of a statement's rows.

use postgres_types::Type;

use super::decode;
use crate::data::row::Columns;

/// What all rows of a statement have in common.
#[derive(Debug)]
pub(super) struct ResultMeta {
    pub(super) columns: Columns,
    pub(super) types: Box<[Type]>,
}

impl ResultMeta {
    /// `hstore` tells whether the columns of that type are read.
    pub(super) fn new(columns: &[(String, Type)], hstore: bool) -> Self {
        let types = columns.iter().map(|(_, ty)| ty.clone()).collect();
        Self { columns: decode::columns(columns, hstore), types }
    }
}
