//! [`Types`]: the types of a database that are not built in: enums, domains, arrays of them, those of extensions. Used
//! when statements are prepared; it sends nothing.

use std::{
    collections::HashMap,
    str,
    sync::{Mutex, MutexGuard, PoisonError},
};

use postgres_types::{Kind, Oid, Type};

/// The types that a connection has looked up. A type that is created again has another OID.
#[derive(Debug, Default)]
pub(super) struct Types(Mutex<HashMap<Oid, Type>>);

/// A row of the catalogue.
struct Entry {
    oid: Oid,
    name: String,
    schema: String,
    /// `e` of an enum, `p` of a pseudo-type.
    kind: u8,
    /// What a domain is made of.
    base: Oid,
    /// What an array is made of.
    element: Oid,
    relation: Oid,
    range: Oid,
}

impl Types {
    fn known(&self) -> MutexGuard<'_, HashMap<Oid, Type>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The type of an OID, if it is known.
    pub(super) fn get(&self, oid: Oid) -> Option<Type> {
        Type::from_oid(oid).or_else(|| self.known().get(&oid).cloned())
    }

    /// The types of some OIDs, once they were looked up. A type that is missing in the catalogue is known by its OID
    /// alone.
    pub(super) fn of(&self, oids: &[Oid]) -> Vec<Type> {
        let unknown = |oid: Oid| Type::new("unknown".into(), oid, Kind::Simple, "pg_catalog".into());
        oids.iter().map(|oid| self.get(*oid).unwrap_or_else(|| unknown(*oid))).collect()
    }

    /// The statement that looks up the unknown types among some, and what they are made of; `None` if all are known.
    pub(super) fn look_up<'o>(&self, oids: impl Iterator<Item = &'o Oid>) -> Option<String> {
        let unknown: Vec<String> = oids.filter(|oid| self.get(**oid).is_none()).map(Oid::to_string).collect();
        if unknown.is_empty() {
            return None;
        }
        let unknown = unknown.join(",");
        Some(format!(
            "WITH RECURSIVE wanted(oid) AS (SELECT pg_catalog.unnest('{{{unknown}}}'::pg_catalog.oid[]) UNION \
                SELECT CASE WHEN t.typbasetype <> 0 THEN t.typbasetype ELSE t.typelem END \
                FROM wanted w JOIN pg_catalog.pg_type t ON t.oid = w.oid WHERE t.typbasetype <> 0 OR t.typelem <> 0) \
            SELECT t.oid, t.typname, n.nspname, t.typtype, t.typbasetype, t.typelem, t.typrelid, \
                coalesce(r.rngsubtype, 0) FROM wanted w JOIN pg_catalog.pg_type t ON t.oid = w.oid \
                JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
                LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid"
        ))
    }

    /// Takes the rows of that statement. False if one is not understood.
    pub(super) fn learn(&self, rows: &[Vec<u8>]) -> bool {
        let Some(entries) = rows.iter().map(|row| entry(row)).collect::<Option<Vec<_>>>() else { return false };
        let entries: HashMap<Oid, Entry> = entries.into_iter().map(|entry| (entry.oid, entry)).collect();
        for oid in entries.keys() {
            if let Some(ty) = self.make(*oid, &entries) {
                self.known().insert(*oid, ty);
            }
        }
        true
    }

    fn make(&self, oid: Oid, entries: &HashMap<Oid, Entry>) -> Option<Type> {
        if let Some(ty) = self.get(oid) {
            return Some(ty);
        }
        let entry = entries.get(&oid)?;
        let kind = match entry {
            // The labels are not looked up: values are sent as text.
            Entry { kind: b'e', .. } => Kind::Enum(Vec::new()),
            Entry { kind: b'p', .. } => Kind::Pseudo,
            Entry { base: base @ 1.., .. } => Kind::Domain(self.make(*base, entries)?),
            Entry { element: element @ 1.., .. } => Kind::Array(self.make(*element, entries)?),
            Entry { relation: 1.., .. } => Kind::Composite(Vec::new()),
            Entry { range: range @ 1.., .. } => Kind::Range(self.get(*range).unwrap_or(Type::ANY)),
            Entry { .. } => Kind::Simple,
        };
        Some(Type::new(entry.name.clone(), oid, kind, entry.schema.clone()))
    }
}

/// Reads a DataRow of eight texts.
fn entry(row: &[u8]) -> Option<Entry> {
    let mut rest = row.get(2..)?;
    let mut text = || {
        let (length, behind) = rest.split_first_chunk()?;
        let (text, next) = behind.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        rest = next;
        str::from_utf8(text).ok()
    };
    let (oid, name, schema, kind) = (text()?, text()?, text()?, text()?);
    let [base, element, relation, range] = [text()?, text()?, text()?, text()?].map(str::parse);
    let (name, schema) = (name.to_owned(), schema.to_owned());
    let kind = *kind.as_bytes().first()?;
    let [oid, base, element, relation, range] =
        [oid.parse().ok()?, base.ok()?, element.ok()?, relation.ok()?, range.ok()?];
    Some(Entry { oid, name, schema, kind, base, element, relation, range })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(texts: [&str; 8]) -> Vec<u8> {
        let mut row = vec![0, 8];
        for text in texts {
            row.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            row.extend(text.bytes());
        }
        row
    }

    #[test]
    fn types_are_made_of_what_they_are_made_of() {
        let types = Types::default();
        assert!(types.look_up([23, 25].iter()).is_none(), "built in");
        assert!(types.look_up([23, 90_001].iter()).unwrap().contains("'{90001}'"));
        let rows = [
            row(["90001", "_mood", "public", "b", "0", "90002", "0", "0"]),
            row(["90002", "mood", "public", "e", "0", "0", "0", "0"]),
            row(["90003", "short", "public", "d", "25", "0", "0", "0"]),
            row(["90004", "hstore", "public", "b", "0", "0", "0", "0"]),
        ];
        assert!(types.learn(&rows));
        let [array, domain, simple] = [90_001, 90_003, 90_004].map(|oid| types.get(oid).unwrap());
        assert!(matches!(array.kind(), Kind::Array(of) if matches!(of.kind(), Kind::Enum(_)) && of.name() == "mood"));
        assert_eq!(domain.kind(), &Kind::Domain(Type::TEXT));
        assert_eq!((simple.kind(), simple.name()), (&Kind::Simple, "hstore"));
        assert_eq!(types.of(&[90_004, 99_999]).iter().map(Type::oid).collect::<Vec<_>>(), [90_004, 99_999]);
        assert!(!types.learn(&[vec![0, 8, 0]]));
    }
}
