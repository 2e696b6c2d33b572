//! [`StatementDescription`]: the types of a statement's parameters and columns, as the server describes them.

use postgres_types::{Oid, Type};

use super::types::Types;

/// The server's description of a statement.
#[derive(Debug, Default)]
pub(super) struct StatementDescription {
    pub(super) params: Vec<Oid>,
    pub(super) columns: Vec<(String, Oid)>,
    /// The body of the RowDescription, as it is sent for rows in binary; empty if there are no columns.
    pub(super) row: Vec<u8>,
}

/// The bytes that describe a column behind its name.
const COLUMN: usize = 18;

impl StatementDescription {
    /// Reads a description of parameters or columns. False if it is not understood.
    pub(super) fn read(&mut self, tag: u8, body: &[u8]) -> bool {
        match tag {
            b't' => self.read_params(body).is_some(),
            b'T' => self.read_columns(body).is_some(),
            _ => tag == b'n',
        }
    }

    fn read_params(&mut self, body: &[u8]) -> Option<()> {
        let (oids, rest) = body.get(2..)?.as_chunks::<4>();
        self.params = oids.iter().map(|oid| Oid::from_be_bytes(*oid)).collect();
        rest.is_empty().then_some(())
    }

    /// Each column has a name, the OID of its table, its number, the OID of its type, and three more fields, the last
    /// of which is the format of its values.
    fn read_columns(&mut self, body: &[u8]) -> Option<()> {
        self.row = body.to_vec();
        let mut at = 2;
        body.get(..at)?;
        while at < body.len() {
            let end = at + body[at..].iter().position(|byte| *byte == 0)?;
            let name = String::from_utf8_lossy(&body[at..end]).into_owned();
            let numbers = body.get(end + 1..=end + COLUMN)?;
            let oid = numbers.get(6..)?.first_chunk()?;
            self.columns.push((name, Oid::from_be_bytes(*oid)));
            at = end + 1 + COLUMN;
            // A statement that is not bound has no formats yet, and is described with the text format.
            self.row[at - 1] = 1;
        }
        Some(())
    }

    /// The OIDs of all types.
    pub(super) fn oids(&self) -> impl Iterator<Item = &Oid> {
        self.params.iter().chain(self.columns.iter().map(|(_, oid)| oid))
    }

    /// The columns with their types, once these were looked up.
    pub(super) fn typed_columns(&self, types: &Types) -> Vec<(String, Type)> {
        let oids: Vec<Oid> = self.columns.iter().map(|(_, oid)| *oid).collect();
        self.columns.iter().map(|(name, _)| name.clone()).zip(types.of(&oids)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_or_refused() {
        let mut body = vec![0, 2];
        for (name, oid) in [("id", 23_u32), ("", 25)] {
            body.extend(name.bytes().chain([0]));
            body.extend([0; 6]);
            body.extend(oid.to_be_bytes());
            body.extend([0; 8]);
        }
        let mut description = StatementDescription::default();
        assert!(
            description.read(b'T', &body)
                && description.read(b't', &[0, 1, 0, 0, 0, 20])
                && description.read(b'n', b"")
        );
        assert_eq!(description.columns, [("id".to_owned(), 23), (String::new(), 25)]);
        assert_eq!(description.params, [20]);
        let mut cut = StatementDescription::default();
        assert!(!cut.read(b'T', &body[..body.len() - 1]) && !cut.read(b'G', b""));
        // The description of a bound statement is compared with this.
        let formats: Vec<usize> =
            description.row.iter().zip(&body).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
        assert_eq!(formats, [body.len() - 20, body.len() - 1]);
    }
}
