//! [`ExpectedColumns`]: the columns of a statement without a name, compared with those that its rows have.

use std::sync::Arc;

use super::{
    description::StatementDescription, result_meta::ResultMeta, statement_cache::PreparedStatement, types::Types,
};

/// The columns that a statement without a name had when it was described, and those that its rows turn out to have.
pub(super) struct ExpectedColumns {
    prepared: Arc<PreparedStatement>,
    types: Arc<Types>,
    hstore: bool,
    /// Whether rows are kept back whose types must be looked up first. A stream cannot wait for that.
    holds: bool,
    pub(super) found: Option<ChangedColumns>,
}

/// Other columns than were expected.
pub(super) struct ChangedColumns {
    pub(super) description: StatementDescription,
    pub(super) meta: Arc<ResultMeta>,
    pub(super) kept_back: Option<Vec<Vec<u8>>>,
}

impl ExpectedColumns {
    pub(super) fn new(prepared: Arc<PreparedStatement>, types: Arc<Types>, hstore: bool, holds: bool) -> Self {
        Self { prepared, types, hstore, holds, found: None }
    }

    pub(super) fn meta(&self) -> &Arc<ResultMeta> {
        self.found.as_ref().map_or(&self.prepared.meta, |found| &found.meta)
    }

    /// Takes what describes the rows that come. False if it is not understood.
    pub(super) fn compare(&mut self, tag: u8, body: &[u8]) -> bool {
        let body = if tag == b'T' { body } else { &[] };
        if self.prepared.row.as_deref() == Some(body) {
            return true;
        }
        let mut description = StatementDescription::default();
        let is_understood = body.is_empty() || description.read(tag, body);
        let is_unknown = self.types.look_up(description.oids()).is_some();
        let meta = Arc::new(ResultMeta::new(&description.typed_columns(&self.types), self.hstore));
        let kept_back = (is_unknown && self.holds).then(Vec::new);
        self.found = Some(ChangedColumns { description, meta, kept_back });
        is_understood
    }

    /// Keeps a row back if its types are not known yet.
    pub(super) fn keep_back(&mut self, row: &[u8]) -> bool {
        let Some(ChangedColumns { kept_back: Some(rows), .. }) = &mut self.found else { return false };
        rows.push(row.to_vec());
        true
    }
}
