//! How a statement is prepared: its text is sent under a name, and what the server says of it is read; types that are not
//! built in are looked up. Used by the connection for statements that it does not have yet.

use std::sync::Arc;

use postgres_types::{Oid, Type};

use super::{cache::Prepared, connection::PostgresConnection, limits, message};
use crate::{
    driver::Query,
    fault::{Fault, Verdict},
    owed::Flight,
};

/// What the server says of a statement.
#[derive(Debug, Default)]
struct Described {
    params: Vec<Oid>,
    columns: Vec<(String, Oid)>,
}

impl PostgresConnection {
    /// Prepares a statement, behind the owed steps, and keeps it.
    pub(super) async fn prepare(&self, owing: &dyn Flight, query: Query<'_>) -> Result<Arc<Prepared>, Fault> {
        limits::check_text(query.sql)?;
        let name = self.wire.names.name();
        let mut request = self.scratch.take();
        message::parse(&name.text(), query.sql, &mut request);
        message::describe(&name.text(), &mut request);
        message::sync(&mut request);
        let flight = self.wire.depart(owing, &request).map_err(untouched)?;
        self.scratch.put(request);
        let mut described = Described::default();
        let landed = self.wire.land(flight, query.sql, |tag, body| described.read(tag, body)).await;
        landed.map_err(|stopped| untouched(stopped.fault))?;
        let Described { params, columns } = described;
        let oids = || params.iter().chain(columns.iter().map(|(_, oid)| oid));
        if let Some(text) = self.types.look_up(oids()) {
            Box::pin(self.look_up(owing, &text)).await.map_err(untouched)?;
        }
        let types = self.types.of(&columns.iter().map(|(_, oid)| *oid).collect::<Vec<_>>());
        let columns: Vec<(String, Type)> = columns.into_iter().map(|(name, _)| name).zip(types).collect();
        let prepared = Prepared::new(name, self.types.of(&params), &columns, query.sql, self.hstore);
        let prepared = Arc::new(prepared);
        self.cache.put(query.sql, Arc::clone(&prepared));
        Ok(prepared)
    }

    async fn look_up(&self, owing: &dyn Flight, text: &str) -> Result<(), Fault> {
        let mut rows = Vec::new();
        let read = |tag, body: &[u8]| {
            if tag == b'D' {
                rows.push(body.to_vec());
            }
            matches!(tag, b'T' | b'D' | b'C')
        };
        self.simple(owing, text, read).await?;
        // What is not understood is a type that is known by its number alone.
        self.types.learn(&rows);
        Ok(())
    }
}

/// Steps at most have run, and nothing of the statement.
fn untouched(fault: Fault) -> Fault {
    match fault.verdict {
        Verdict::Lost if fault.error.is_connection_lost() => Fault { verdict: Verdict::Unsent, ..fault },
        _ => fault,
    }
}

impl Described {
    /// Reads what describes parameters or columns. False if it is not understood.
    fn read(&mut self, tag: u8, body: &[u8]) -> bool {
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

    /// Each column has a name, the number of its table, its own, its type's, and three more that are of no use here.
    fn read_columns(&mut self, body: &[u8]) -> Option<()> {
        let mut rest = body.get(2..)?;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            let (numbers, next) = rest[end + 1..].split_at_checked(18)?;
            let oid = numbers.get(6..)?.first_chunk()?;
            self.columns.push((name, Oid::from_be_bytes(*oid)));
            rest = next;
        }
        Some(())
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
        let mut described = Described::default();
        assert!(described.read(b'T', &body) && described.read(b't', &[0, 1, 0, 0, 0, 20]) && described.read(b'n', b""));
        assert_eq!(described.columns, [("id".to_owned(), 23), (String::new(), 25)]);
        assert_eq!(described.params, [20]);
        assert!(!described.read(b'T', &body[..body.len() - 1]) && !described.read(b'G', b""));
    }
}
