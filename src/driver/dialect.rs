//! How the databases differ in their text: control steps, names and limits, as values of a table. Used by the drivers and
//! by whoever renders SQL; it sends nothing.

use std::{borrow::Cow, fmt};

use crate::{
    control::{Control, Isolation, Name, Settings},
    error::{Error, ErrorKind},
};

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        })
    }
}

impl Dialect {
    /// The longest name that the server keeps whole, in bytes.
    fn longest_name(self) -> usize {
        match self {
            Self::Postgres => 63,
            Self::Sqlite => usize::MAX,
        }
    }

    /// Whether a savepoint may be called so (rule 21).
    pub(crate) fn check_name(self, name: &str) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Config, format!("the name of a savepoint {what}")));
        let longest = self.longest_name();
        if name.is_empty() {
            wrong("must not be empty".into())
        } else if name.contains('\0') {
            wrong("must not contain a NUL character".into())
        } else if name.len() > longest {
            wrong(format!("may be {longest} bytes long on {self}, this one has {}", name.len()))
        } else {
            Ok(())
        }
    }

    /// Whether a transaction can have these settings here.
    pub(crate) fn check_settings(self, settings: &Settings) -> Result<(), Error> {
        let locals = settings.locals();
        if self == Self::Sqlite && !locals.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "SQLite has no settings that are local to a transaction"));
        }
        if locals.iter().any(|(key, value)| key.is_empty() || key.contains('\0') || value.contains('\0')) {
            let text = "a setting needs a name, and neither its name nor its value may contain a NUL character";
            return Err(Error::new(ErrorKind::Config, text));
        }
        Ok(())
    }

    /// The text of one control step.
    pub(crate) fn render(self, step: &Control) -> Cow<'static, str> {
        match step {
            Control::Begin(settings) => self.begin(settings),
            Control::Savepoint(name) => format!("SAVEPOINT {}", quoted(name)).into(),
            Control::Release(name) => format!("RELEASE SAVEPOINT {}", quoted(name)).into(),
            Control::RollbackTo(name) => format!("ROLLBACK TO SAVEPOINT {}", quoted(name)).into(),
            Control::Commit => "COMMIT".into(),
            Control::Rollback => "ROLLBACK".into(),
        }
    }

    /// The text of several steps, as one message.
    #[cfg(feature = "postgres")]
    pub(crate) fn render_all(self, steps: &[Control]) -> Cow<'static, str> {
        match steps {
            [step] => self.render(step),
            _ => steps.iter().map(|step| self.render(step)).collect::<Vec<_>>().join("; ").into(),
        }
    }

    fn begin(self, settings: &Settings) -> Cow<'static, str> {
        match self {
            // A failed BEGIN would let the statement behind it commit on its own, so nothing that can fail is part of
            // it: settings stand behind it, where a failure leaves the transaction open and aborted.
            Self::Postgres => postgres_begin(settings),
            // A transaction that reads first and writes then cannot get the write lock once somebody else wrote.
            Self::Sqlite if settings.read_only() == Some(true) => "BEGIN DEFERRED".into(),
            Self::Sqlite => "BEGIN IMMEDIATE".into(),
        }
    }
}

fn postgres_begin(settings: &Settings) -> Cow<'static, str> {
    let mut modes = Vec::new();
    if let Some(isolation) = settings.isolation() {
        modes.push(match isolation {
            Isolation::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
            Isolation::ReadCommitted => "ISOLATION LEVEL READ COMMITTED",
            Isolation::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => "ISOLATION LEVEL SERIALIZABLE",
        });
    }
    modes.extend(settings.read_only().map(|yes| if yes { "READ ONLY" } else { "READ WRITE" }));
    modes.extend(settings.deferrable().map(|yes| if yes { "DEFERRABLE" } else { "NOT DEFERRABLE" }));
    if modes.is_empty() && settings.locals().is_empty() {
        return "BEGIN".into();
    }
    let mut text = String::from("BEGIN");
    if !modes.is_empty() {
        text.push_str("; SET TRANSACTION ");
        text.push_str(&modes.join(", "));
    }
    for (key, value) in settings.locals() {
        text.push_str(&format!("; SELECT set_config({}, {}, true)", literal(key), literal(value)));
    }
    text.into()
}

/// A name between double quotes, which both dialects take; generated names need none.
fn quoted(name: &Name) -> Cow<'static, str> {
    match name {
        Name::Level(level) => format!("s{level}").into(),
        Name::Given(name) => format!("\"{}\"", name.replace('"', "\"\"")).into(),
    }
}

/// A string literal of PostgreSQL that means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_never_cut_rule_21() {
        let given = |name: &str| Control::Savepoint(Name::Given(name.into()));
        assert_eq!(Dialect::Postgres.render(&given("a\"; DROP TABLE x; --")), "SAVEPOINT \"a\"\"; DROP TABLE x; --\"");
        assert_eq!(Dialect::Sqlite.render(&Control::Savepoint(Name::Level(3))), "SAVEPOINT s3");
        assert!(Dialect::Postgres.check_name(&"ü".repeat(31)).is_ok());
        assert!(Dialect::Postgres.check_name(&"ü".repeat(32)).is_err());
        assert!(Dialect::Sqlite.check_name("").is_err());
        assert!(Dialect::Sqlite.check_name("a\0b").is_err());
    }

    #[test]
    fn settings_stand_behind_begin_rule_55() {
        let settings = Settings::default()
            .with_isolation(Isolation::Serializable)
            .with_read_only(true)
            .with_local("app.tenant", "o'neill\\");
        assert_eq!(
            Dialect::Postgres.render(&Control::Begin(settings.clone())),
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY; \
             SELECT set_config(E'app.tenant', E'o''neill\\\\', true)"
        );
        assert!(Dialect::Sqlite.check_settings(&settings).is_err());
        assert_eq!(Dialect::Sqlite.render(&Control::Begin(settings)), "BEGIN DEFERRED");
    }
}
