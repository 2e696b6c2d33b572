//! [`Dialect`]: the text of control steps, and which names and settings a database accepts. Other differences are in
//! `capabilities.rs`. Used by the drivers and where SQL is rendered; it sends nothing.

use std::{borrow::Cow, fmt};

use super::times::{IDLE_TIME, STATEMENT_TIME, millis};
use crate::{
    error::{Error, ErrorKind},
    sql::tokens::Syntax,
    transaction::control::{Control, Isolation, Locals, Name, PREFIX, Settings, is_reserved, may_be_one},
};

/// The SQL dialect of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        })
    }
}

macro_rules! levels {
    ($command:literal: $($level:literal)*) => { [$(concat!($command, " _n", $level)),*] };
}

/// The texts of the first levels: more are seldom open.
const SAVEPOINTS: [&str; 6] = levels!("SAVEPOINT": 0 1 2 3 4 5);
const RELEASES: [&str; 6] = levels!("RELEASE SAVEPOINT": 0 1 2 3 4 5);

impl Dialect {
    /// The syntax of its statements.
    pub(crate) fn syntax(self) -> Syntax {
        match self {
            Self::Postgres => Syntax::Postgres,
            Self::Mysql => Syntax::Mysql,
            Self::Sqlite => Syntax::Sqlite,
        }
    }

    /// The length of a name as the server counts it: in bytes, or in characters.
    fn length(self, name: &str) -> usize {
        if self.capabilities().measures_characters { name.chars().count() } else { name.len() }
    }

    /// Whether the server keeps a name unchanged, rather than refusing or truncating it.
    pub(crate) fn keeps_whole(self, name: &str) -> bool {
        self.length(name) <= self.capabilities().longest_name
    }

    /// Whether a savepoint of this name leaves the open savepoints in place, `open` and those with generated names. On
    /// some servers a savepoint silently replaces one of the same name.
    pub(crate) fn keeps_apart<'n>(self, name: &str, mut open: impl Iterator<Item = &'n str>) -> bool {
        self.capabilities().nests_names || !(is_reserved(name) || open.any(|open| may_be_one(open, name)))
    }

    /// Whether several statements may be in flight on one connection.
    pub(crate) fn pipelines(self) -> bool {
        self.capabilities().pipelines
    }

    /// Checks the name of a savepoint (rule 21).
    pub(crate) fn check_name(self, name: &str) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Config, format!("the name of a savepoint {what}")));
        let can = self.capabilities();
        if name.is_empty() {
            wrong("must not be empty".into())
        } else if name.contains('\0') {
            wrong("must not contain a NUL character".into())
        } else if !self.keeps_whole(name) {
            let measure = if can.measures_characters { "characters" } else { "bytes" };
            wrong(format!("may be {} {measure} long on {self}, this one has {}", can.longest_name, self.length(name)))
        } else if !can.all_of_unicode && name.chars().any(|c| u32::from(c) > 0xffff) {
            wrong(format!("can only hold characters of Unicode's basic plane on {self}"))
        } else {
            Ok(())
        }
    }

    /// Checks the settings of a transaction.
    pub(crate) fn check_settings(self, settings: &Settings) -> Result<(), Error> {
        let locals = settings.locals();
        if !self.capabilities().local_settings && !locals.is_empty() {
            let text = format!("{} has no settings that are local to a transaction", self.capabilities().name);
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let is_name = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if self == Self::Mysql
            && !locals
                .iter()
                .all(|(key, _)| !key.is_empty() && (is_name(key) || [STATEMENT_TIME, IDLE_TIME].contains(&&**key)))
        {
            let text = "the name of a session variable of MySQL has letters, digits and underscores only";
            return Err(Error::new(ErrorKind::Config, text));
        }
        if self == Self::Mysql && locals.iter().any(|(key, _)| is_kept(key)) {
            let text = "this variable is how the driver speaks with MySQL and cannot be set for a transaction";
            return Err(Error::new(ErrorKind::Config, text));
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
            Control::Begin(settings) if settings.is_empty() => self.plain_begin().into(),
            Control::Commit => "COMMIT".into(),
            Control::Rollback => "ROLLBACK".into(),
            Control::Savepoint(Name::Level(at @ 0..=5)) => SAVEPOINTS[*at as usize].into(),
            Control::Release(Name::Level(at @ 0..=5)) => RELEASES[*at as usize].into(),
            _ => {
                let mut text = String::with_capacity(USUAL);
                self.write(step, &mut text);
                text.into()
            }
        }
    }

    /// The text of several steps, as one message.
    #[cfg(any(feature = "mysql", feature = "postgres", test))]
    pub(crate) fn render_all(self, steps: &[Control]) -> Cow<'static, str> {
        if let [step] = steps {
            return self.render(step);
        }
        let mut text = String::with_capacity(steps.len() * USUAL);
        for step in steps {
            if !text.is_empty() {
                text.push_str("; ");
            }
            self.write(step, &mut text);
        }
        text.into()
    }

    /// Appends the text of a step. Every nested block has some, so nothing is allocated on the way.
    fn write(self, step: &Control, text: &mut String) {
        match step {
            Control::Begin(settings) if settings.is_empty() => text.push_str(self.plain_begin()),
            Control::Begin(settings) => text.push_str(&self.begin(settings).join("; ")),
            Control::Savepoint(name) => self.write_with(name, "SAVEPOINT ", text),
            Control::Set(locals) => text.push_str(&self.set(locals)),
            Control::Restore(locals) => text.push_str(&self.restore(locals)),
            Control::Release(name) => self.write_with(name, "RELEASE SAVEPOINT ", text),
            Control::RollbackTo(name) => self.write_with(name, "ROLLBACK TO SAVEPOINT ", text),
            Control::Limit(left) => text.push_str(&format!("SET LOCAL statement_timeout = {}", millis(*left))),
            Control::Commit => text.push_str("COMMIT"),
            Control::Rollback => text.push_str("ROLLBACK"),
        }
    }

    /// Appends a command and a quoted name; generated names need no quotes.
    fn write_with(self, name: &Name, command: &str, text: &mut String) {
        text.push_str(command);
        match name {
            Name::Level(level) => {
                text.push_str(PREFIX);
                match u8::try_from(*level) {
                    Ok(digit @ 0..10) => text.push(char::from(b'0' + digit)),
                    _ => text.push_str(&level.to_string()),
                }
            }
            Name::Given(name) => {
                let quote = self.capabilities().quote;
                let name = self.safe_name(name);
                text.push(quote);
                for part in name.split_inclusive(quote) {
                    text.push_str(part);
                    if part.ends_with(quote) {
                        text.push(quote);
                    }
                }
                text.push(quote);
            }
        }
    }

    /// The statement that applies the settings of a nested block and saves the previous values. On PostgreSQL the
    /// rollback to the savepoint undoes both.
    fn set(self, Locals { depth, settings }: &Locals) -> String {
        let parts = settings.locals().iter().enumerate().map(|(at, (key, value))| {
            if self == Self::Mysql {
                return format!("@nestling_{depth}_{at} = @@SESSION.{key}, SESSION {key} = {}", mysql_literal(value));
            }
            let (key, value) = (literal(key), literal(value));
            format!(
                "set_config('nestling.saved_{depth}_{at}', current_setting({key}, true), true), \
                 set_config({key}, {value}, true)"
            )
        });
        let verb = if self == Self::Mysql { "SET " } else { "SELECT " };
        [verb, &parts.collect::<Vec<_>>().join(", ")].concat()
    }

    /// The statement that restores the values from before a nested block.
    fn restore(self, Locals { depth, settings }: &Locals) -> String {
        let parts = settings.locals().iter().enumerate().map(|(at, (key, _))| {
            if self == Self::Mysql {
                return format!("SESSION {key} = @nestling_{depth}_{at}");
            }
            format!("set_config({}, current_setting('nestling.saved_{depth}_{at}', true), true)", literal(key))
        });
        let verb = if self == Self::Mysql { "SET " } else { "SELECT " };
        [verb, &parts.collect::<Vec<_>>().join(", ")].concat()
    }

    /// Whether a rollback to a savepoint undoes later changes of settings.
    pub(crate) fn undoes_settings(self) -> bool {
        self.capabilities().undoes_settings
    }

    /// A name that is the same in every character set of a session. If a statement has changed the character set, bytes
    /// of a letter may be taken for half of a quote: so MySQL gets a number of fixed length in place of a name that is
    /// not ASCII.
    fn safe_name(self, name: &str) -> Cow<'_, str> {
        if self != Self::Mysql || name.is_ascii() {
            return name.into();
        }
        // FNV-1a, of 128 bits: the names that are open at the same time are few.
        let number = name.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |number, byte| {
            (number ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
        });
        format!("nestling_{number:032x}").into()
    }

    /// The number of statements in the text of a step.
    #[cfg(feature = "mysql")]
    pub(crate) fn statements(self, step: &Control) -> usize {
        match step {
            Control::Begin(settings) if !settings.is_empty() => self.begin(settings).len(),
            _ => 1,
        }
    }

    /// The statements that begin a transaction.
    fn begin(self, settings: &Settings) -> Vec<Cow<'static, str>> {
        match self {
            Self::Postgres => postgres_begin(settings),
            Self::Mysql => mysql_begin(settings),
            Self::Sqlite if settings.read_only() == Some(true) => vec!["BEGIN DEFERRED".into()],
            Self::Sqlite => vec![self.plain_begin().into()],
        }
    }

    /// The statement that begins a transaction of PostgreSQL with an isolation level and an access mode.
    pub(crate) fn begin_with(self, settings: &Settings) -> String {
        let deferrable = settings.deferrable().map(|yes| if yes { "DEFERRABLE" } else { "NOT DEFERRABLE" });
        let modes =
            settings.isolation().map(level).into_iter().chain(settings.read_only().map(access)).chain(deferrable);
        let modes: Vec<_> = modes.collect();
        [self.plain_begin(), &modes.join(", ")].join(" ").trim_end().to_owned()
    }

    /// The statement that begins a transaction without settings.
    fn plain_begin(self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN",
            Self::Mysql => "START TRANSACTION",
            // A transaction that reads first cannot get the write lock once another connection has written.
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }
}

/// The usual length of a step's text.
const USUAL: usize = 32;

/// Variables of MySQL that a transaction may not set: rows are read as UTF-8, and blocks begin and end transactions.
fn is_kept(key: &str) -> bool {
    const KEPT: [&str; 7] = [
        "autocommit",
        "completion_type",
        "transaction_isolation",
        "transaction_read_only",
        "tx_isolation",
        "tx_read_only",
        "character_set_",
    ];
    let key = key.to_ascii_lowercase();
    KEPT.iter().any(|kept| if kept.ends_with('_') { key.starts_with(kept) } else { key == *kept })
}

fn level(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
        Isolation::ReadCommitted => "ISOLATION LEVEL READ COMMITTED",
        Isolation::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
        Isolation::Serializable => "ISOLATION LEVEL SERIALIZABLE",
    }
}

fn access(read_only: bool) -> &'static str {
    if read_only { "READ ONLY" } else { "READ WRITE" }
}

/// Settings follow BEGIN, as they are local to the transaction. The driver sends them as parameters instead.
fn postgres_begin(settings: &Settings) -> Vec<Cow<'static, str>> {
    let mut statements = vec![Dialect::Postgres.begin_with(settings).into()];
    for (key, value) in settings.locals() {
        statements.push(format!("SELECT set_config({}, {}, true)", literal(key), literal(value)).into());
    }
    statements
}

/// Settings precede BEGIN, as MySQL requires. A statement that fails keeps those behind it from running.
fn mysql_begin(settings: &Settings) -> Vec<Cow<'static, str>> {
    let mut statements: Vec<Cow<'static, str>> = Vec::new();
    for (key, value) in settings.locals() {
        statements.push(format!("SET SESSION {key} = {}", mysql_literal(value)).into());
    }
    // Behind the settings, as they may fail: the level is that of the next transaction, whichever that is.
    if let Some(isolation) = settings.isolation() {
        statements.push(format!("SET TRANSACTION {}", level(isolation)).into());
    }
    statements.push(match settings.read_only() {
        Some(read_only) => format!("START TRANSACTION {}", access(read_only)).into(),
        None => Dialect::Mysql.plain_begin().into(),
    });
    statements
}

/// A value as a literal of MySQL that has the same meaning in every `sql_mode`: a number, or text by its bytes.
fn mysql_literal(value: &str) -> String {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())) {
        return value.to_owned();
    }
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "''".into() } else { format!("CONVERT(x'{hex}' USING utf8mb4)") }
}

/// A string literal of PostgreSQL that has the same meaning whatever `standard_conforming_strings` and
/// `client_encoding` are.
fn literal(text: &str) -> String {
    if !text.is_ascii() {
        // In some encodings a byte of a letter may be taken for half of a character together with a backslash.
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("pg_catalog.convert_from(pg_catalog.decode('{hex}', 'hex'), 'UTF8')");
    }
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_never_cut_rule_21() {
        let given = |name: &str| Control::Savepoint(Name::Given(name.into()));
        assert_eq!(Dialect::Postgres.render(&given("a\"; DROP TABLE x; --")), "SAVEPOINT \"a\"\"; DROP TABLE x; --\"");
        for level in 0..12 {
            let [open, keep] = [Control::Savepoint, Control::Release].map(|step| step(Name::Level(level)));
            assert_eq!(Dialect::Sqlite.render(&open), format!("SAVEPOINT {PREFIX}{level}"));
            assert_eq!(Dialect::Sqlite.render(&keep), format!("RELEASE SAVEPOINT {PREFIX}{level}"));
        }
        let release = Control::Release(Name::Given("a`\"`".into()));
        assert_eq!(Dialect::Mysql.render(&release), "RELEASE SAVEPOINT `a``\"```");
        let undo = Control::RollbackTo(Name::Level(10));
        assert_eq!(
            Dialect::Mysql.render_all(&[undo, release]),
            "ROLLBACK TO SAVEPOINT _n10; RELEASE SAVEPOINT `a``\"```"
        );
        assert_eq!([31, 32].map(|length| Dialect::Postgres.check_name(&"ü".repeat(length)).is_ok()), [true, false]);
        assert_eq!(["", "a\0b"].map(|name| Dialect::Sqlite.check_name(name).is_ok()), [false; 2]);
    }

    #[test]
    fn settings_stand_behind_begin_rule_55() {
        let settings = Settings::default()
            .with_isolation(Isolation::Serializable)
            .with_read_only(true)
            .with_local("app.tenant", "o'neill\\");
        assert_eq!(
            Dialect::Postgres.render(&Control::Begin(settings.clone())),
            "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY; \
             SELECT set_config(E'app.tenant', E'o''neill\\\\', true)"
        );
        let foreign = Settings::default().with_local("app.tenant", "日\\'");
        assert!(Dialect::Postgres.render(&Control::Begin(foreign)).is_ascii(), "whatever the encoding of the session");
        assert!(Dialect::Sqlite.check_settings(&settings).is_err());
        assert!(Dialect::Mysql.check_settings(&settings).is_err(), "a dot in the name of a variable");
        assert_eq!(Dialect::Sqlite.render(&Control::Begin(settings)), "BEGIN DEFERRED");
    }
}
