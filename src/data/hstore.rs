//! [`HStore`]: a map of text to text or NULL, as PostgreSQL's extension of that name has it.
//!
//! Used by callers, as a parameter and as the type to read. It knows no driver: on the way in it becomes a
//! [`Value`](crate::Value), on the way out it is read from a [`Cell`].

use std::collections::{BTreeMap, HashMap, btree_map};

use crate::data::cell::{Cell, FromCell, Mismatch};

/// A map of text to text or NULL, kept in the order of its keys: the type `hstore` of PostgreSQL.
///
/// It is read and written on every PostgreSQL database, unless
/// [`register_hstore(false)`](crate::DatabaseBuilder::register_hstore) was said. Nothing is asked of the server when a
/// connection is made: the type is known by its name once a statement uses it, so the extension may be missing, or be
/// created later. On other databases a parameter of this type is `Unsupported`.
///
/// # Examples
/// ```
/// use nestling::types::HStore;
///
/// let mut film = HStore::from([("title", "Ran"), ("country", "Japan")]);
/// film.insert("remake", None::<String>);
/// assert_eq!(film.get("title"), Some(Some("Ran")));
/// assert_eq!(film.get("remake"), Some(None));                 // the key is there, its value is NULL
/// assert_eq!(film.get("budget"), None);
/// assert_eq!(film.keys().collect::<Vec<_>>(), ["country", "remake", "title"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct HStore(BTreeMap<String, Option<String>>);

/// What can be the value of a key in an [`HStore`]: text, or an `Option` of it.
pub trait HStoreText: sealed::Sealed {
    /// The text; `None` for NULL.
    #[doc(hidden)]
    fn into_text(self) -> Option<String>;
}

mod sealed {
    /// Keeps [`HStoreText`](super::HStoreText) to the types of this file.
    pub trait Sealed {}
}

/// `HStoreText` for types that are or may be text.
macro_rules! texts {
    ($($type:ty => |$value:ident| $text:expr;)+) => {$(
        impl sealed::Sealed for $type {}

        impl HStoreText for $type {
            fn into_text(self) -> Option<String> {
                let $value = self;
                $text
            }
        }
    )+};
}

texts! {
    String => |text| Some(text);
    &String => |text| Some(text.clone());
    &str => |text| Some(text.to_owned());
    Option<String> => |text| text;
    Option<&str> => |text| text.map(str::to_owned);
}

impl HStore {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key: `None` if the key is not there, `Some(None)` if its value is NULL.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<&str>> {
        self.0.get(key).map(Option::as_deref)
    }

    /// Gives a key a value, and returns the one that it had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl HStoreText) -> Option<Option<String>> {
        self.0.insert(key.into(), value.into_text())
    }

    /// Removes a key, and returns the value that it had.
    pub fn remove(&mut self, key: &str) -> Option<Option<String>> {
        self.0.remove(key)
    }

    /// Whether the key is there, be its value NULL or not.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys with their values, in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.0.keys().map(String::as_str)
    }

    /// Whether a text in it has a character that PostgreSQL cannot keep.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "serves a driver that is not built"))]
    pub(crate) fn has_nul(&self) -> bool {
        self.iter().any(|(key, value)| key.contains('\0') || value.is_some_and(|value| value.contains('\0')))
    }
}

impl<K: Into<String>, V: HStoreText> FromIterator<(K, V)> for HStore {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into_text())).collect())
    }
}

impl<K: Into<String>, V: HStoreText> Extend<(K, V)> for HStore {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        self.0.extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into_text())));
    }
}

impl<K: Into<String>, V: HStoreText, const N: usize> From<[(K, V); N]> for HStore {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<V: HStoreText> From<BTreeMap<String, V>> for HStore {
    fn from(map: BTreeMap<String, V>) -> Self {
        map.into_iter().collect()
    }
}

impl<V: HStoreText, S> From<HashMap<String, V, S>> for HStore {
    fn from(map: HashMap<String, V, S>) -> Self {
        map.into_iter().collect()
    }
}

impl From<HStore> for BTreeMap<String, Option<String>> {
    fn from(HStore(map): HStore) -> Self {
        map
    }
}

impl IntoIterator for HStore {
    type Item = (String, Option<String>);
    type IntoIter = btree_map::IntoIter<String, Option<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'r> FromCell<'r> for HStore {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::HStore(pairs) => pairs.collect(),
            // The bytes of a type that this connection is not to know.
            Cell::Other(_) => Err(Mismatch::new("either it is no hstore, or register_hstore(false) was said")),
            other => Err(other.mismatch()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cell::Pairs;

    #[test]
    fn a_key_without_value_is_there() {
        let map = HStore::from([("a", Some("1")), ("b", None), ("a", Some("2"))]);
        assert_eq!(map.iter().collect::<Vec<_>>(), [("a", Some("2")), ("b", None)]);
        assert!(map.contains_key("b") && map.get("b") == Some(None) && map.get("c").is_none());
        let back: BTreeMap<_, _> = map.clone().into();
        assert_eq!(HStore::from(back), map);
    }

    #[test]
    fn a_nul_character_is_found_in_keys_and_values() {
        assert!(HStore::from([("a\0", "")]).has_nul() && HStore::from([("", "\0")]).has_nul());
        assert!(!HStore::from([("\\0", Some("\"")), ("b", None)]).has_nul());
    }

    #[test]
    fn bytes_that_are_cut_off_are_a_mismatch() {
        let whole = [0, 0, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 2, b'1', b'2'];
        let read = |raw| HStore::from_cell(Cell::HStore(Pairs::new(raw)?));
        assert_eq!(read(&whole).unwrap(), HStore::from([("a", "12")]));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
