//! Names of savepoints: how they are made, and which of them a server might take for one. Used by the ledger, and by
//! whoever opens a savepoint. It quotes nothing: that is the dialects' affair.

use std::{fmt, sync::Arc};

/// The name of a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Made by us: `s<level>` (rule 22).
    Level(u32),
    /// Chosen by the caller; it may be the name of an open savepoint too, which is then hidden by the inner one.
    Given(Arc<str>),
}

impl Name {
    /// Whether some server might take the two for one name: SQLite does not tell `A` from `a`, and nothing keeps a
    /// caller from choosing `s2`.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Level(one), Self::Level(other)) => one == other,
            (Self::Given(one), Self::Given(other)) => may_be_one(one, other),
            (Self::Given(text), Self::Level(level)) | (Self::Level(level), Self::Given(text)) => {
                text.strip_prefix(['s', 'S']).and_then(|digits| digits.parse().ok()) == Some(*level)
            }
        }
    }
}

/// Whether some server might take two names for one. MySQL compares them by a collation that knows neither case nor
/// accents, maps one character to one, and does not see blanks at the end.
pub(crate) fn may_be_one(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|name| name.trim_end_matches(' '));
    let lower = |c: char| c.to_lowercase().next();
    // Letters that have variants: Latin, Greek, Cyrillic and their neighbours, and the forms at the end of the plane.
    let varies = |c: char| matches!(u32::from(c), 0x80..0x600 | 0x1d00..0x2200 | 0x2460..0x2500 | 0xff00..0x1_0000);
    one.chars().count() == other.chars().count()
        && one.chars().zip(other.chars()).all(|(one, other)| lower(one) == lower(other) || varies(one) || varies(other))
}

/// The name as it stands, neither quoted nor escaped.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(f, "s{level}"),
            Self::Given(name) => f.write_str(name),
        }
    }
}
