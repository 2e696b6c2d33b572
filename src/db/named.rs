//! Constructors under the names that peewee-async has for them. They know no options.

use super::{Database, DatabaseBuilder};
use crate::error::{Error, ErrorKind};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $family:literal, [$($scheme:literal),+]) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl $name {
            /// Opens the database, as [`Database::open`] does.
            ///
            /// # Errors
            /// `Config` if the URL is not valid, or names another sort of database.
            pub fn open(url: &str) -> Result<Database, Error> {
                Self::builder(url)?.build()
            }

            /// Opens the database with options, as [`Database::builder`] does.
            ///
            /// # Errors
            /// `Config` if the URL names another sort of database.
            pub fn builder(url: &str) -> Result<DatabaseBuilder, Error> {
                if ![$($scheme),+].iter().any(|scheme| url.starts_with(scheme)) {
                    let schemes = [$($scheme),+].join(" or ");
                    let text = format!(concat!("the URL of a ", $family, " database begins with {}"), schemes);
                    return Err(Error::new(ErrorKind::Config, text));
                }
                Ok(Database::builder(url))
            }
        }
    };
}

named! {
    /// A PostgreSQL database.
    PostgresqlDatabase, "PostgreSQL", ["postgres:", "postgresql:"]
}

named! {
    /// A PostgreSQL database with its extended types: JSON, arrays and [`HStore`](crate::types::HStore).
    ///
    /// They are read and written by every PostgreSQL database of this crate, so that this is another name of
    /// [`PostgresqlDatabase`]. HStore is on by default, and off by
    /// [`register_hstore(false)`](DatabaseBuilder::register_hstore); the extension itself may be missing, or be created
    /// later.
    PostgresqlExtDatabase, "PostgreSQL", ["postgres:", "postgresql:"]
}

named! {
    /// A MySQL or MariaDB database.
    MySQLDatabase, "MySQL", ["mysql:", "mariadb:"]
}

named! {
    /// A SQLite database, in a file or in memory.
    SqliteDatabase, "SQLite", ["sqlite:"]
}
