//! Names of savepoints: how they are generated, and which of them a server might take for one name. The dialects quote them.

use std::{fmt, sync::Arc};

/// What generated names begin with: no person writes it, and every server takes it without quotes.
pub(crate) const PREFIX: &str = "_n";

/// The name of a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Generated: [`PREFIX`] and the level (rule 22).
    Level(u32),
    /// Chosen by the caller; it may be the name of an open savepoint too, which is then hidden by the inner one.
    Given(Arc<str>),
}

impl Name {
    /// Whether some server might take the two for one name: SQLite does not tell `A` from `a`, and nothing keeps a
    /// caller from choosing a name that begins with [`PREFIX`].
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Level(one), Self::Level(other)) => one == other,
            (Self::Given(one), Self::Given(other)) => may_be_one(one, other),
            (Self::Given(text), level @ Self::Level(_)) | (level @ Self::Level(_), Self::Given(text)) => {
                is_reserved(text) && may_be_one(text, &level.to_string())
            }
        }
    }
}

/// Whether some server might take this for a generated name.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.trim_end_matches(' ');
    let Some((at, _)) = name.char_indices().nth(PREFIX.len()) else { return false };
    // The underscore has one variant, of full width.
    name.starts_with(['_', '\u{ff3f}'])
        && may_be_one(&name[..at], PREFIX)
        && name[at..].chars().all(|c| c.is_ascii_digit() || varies(c))
}

/// Whether some server might take two names for one. MySQL compares them by a collation that knows neither case nor
/// accents, maps one character to one, and does not see blanks at the end.
pub(crate) fn may_be_one(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|name| name.trim_end_matches(' '));
    let lower = |c: char| c.to_lowercase().next();
    one.chars().count() == other.chars().count()
        && one.chars().zip(other.chars()).all(|(one, other)| lower(one) == lower(other) || varies(one) || varies(other))
}

/// Characters that have variants: Latin, Greek, Cyrillic and their neighbours, and the forms at the end of the plane.
fn varies(c: char) -> bool {
    matches!(u32::from(c), 0x80..0x600 | 0x1d00..0x2200 | 0x2460..0x2500 | 0xff00..0x1_0000)
}

/// The name as it stands, neither quoted nor escaped.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(f, "{PREFIX}{level}"),
            Self::Given(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    /// rule 22
    #[test]
    fn chosen_names_do_not_meet_generated_ones() {
        // Benchmarks are built with this file, and have no tests.
        use super::{Name, is_reserved};
        let generated = |level| Name::Level(level);
        assert_eq!(generated(12).to_string(), "_n12");
        for chosen in ["s1", "S2", "n1", "_n", "_nx", "_n 1", "sp1", "n\u{e9}", "", "_", "\u{3a3}\u{3ae}\u{3bc}"] {
            assert!(!is_reserved(chosen), "{chosen}");
            assert!((0..20).all(|level| !Name::Given(chosen.into()).clashes(&generated(level))), "{chosen}");
        }
        for met in ["_n1", "_N1", "_n1  ", "_\u{f1}1", "_n\u{ff11}", "\u{ff3f}n1"] {
            assert!(is_reserved(met), "{met}");
            assert!(Name::Given(met.into()).clashes(&generated(1)), "{met}");
        }
        assert!(!Name::Given("_n1".into()).clashes(&generated(2)));
    }
}
