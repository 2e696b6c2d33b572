//! [`ForeignKey`]: the field that refers to a row of another model.

use std::{
    cmp::Ordering,
    fmt,
    future::Future,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{column_type::ColumnType, field::Field, key::Key, model::Model, table::Table};
use crate::{
    data::{
        cell::{Cell, FromCell, Mismatch},
        value::Value,
    },
    db::Database,
    error::Result,
};

/// A reference to a row of the model `M`, by its primary key.
///
/// A field of this type is a foreign key. The row itself is fetched by [`get`](Self::get), or for many rows at once by
/// a join or a prefetch.
///
/// It behaves as its key does: it is ordered, hashed and printed as the key is, and it is (de)serialized as the bare key.
///
/// # Examples
/// ```
/// # use nestling::{ForeignKey, Model};
/// # #[derive(Debug, Model)] struct Director { id: i64, name: String }
/// let director = ForeignKey::<Director>::new(7);
/// assert_eq!(director.to_string(), "7");
/// assert_eq!(serde_json::to_string(&director)?, "7");
/// assert!(serde_json::from_str::<ForeignKey<Director>>("8")? > director);
/// # Ok::<_, serde_json::Error>(())
/// ```
pub struct ForeignKey<M: Model>(M::Key);

impl<M: Model> ForeignKey<M> {
    /// A reference to the row with this key.
    pub fn new(key: M::Key) -> Self {
        Self(key)
    }

    /// A reference to this row.
    pub fn to(row: &M) -> Self {
        Self(row.key())
    }

    /// The key of the row.
    #[must_use]
    pub fn key(&self) -> &M::Key {
        &self.0
    }

    /// The key of the row, by value.
    #[must_use]
    pub fn into_key(self) -> M::Key {
        self.0
    }
}

impl<M: Model<Key: Field>> ForeignKey<M> {
    /// Fetches the row. For the rows of many at once see [`Manager::prefetch`](crate::Manager::prefetch) and joins.
    ///
    /// # Errors
    /// `NoRow` if there is no such row, which a foreign key constraint rules out; else as
    /// [`Database::execute`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ForeignKey, Manager, Model};
    /// # #[derive(Debug, Model)] struct Director { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Movie { id: i64, director: ForeignKey<Director> }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table director (id integer primary key, name text);
    /// #     create table movie (id integer primary key, director_id integer);
    /// #     insert into director values (1, 'Ann'); insert into movie values (1, 1)").await?;
    /// let movie = objects.get(Movie::by_key(1)).await?;
    /// assert_eq!(movie.director.get(objects.database()).await?.name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn get(&self, db: &Database) -> impl Future<Output = Result<M>> + Send {
        M::by_key(self.0.clone()).one(db)
    }
}

impl<M: Model> From<&M> for ForeignKey<M> {
    fn from(row: &M) -> Self {
        Self::to(row)
    }
}

impl<M: Model> Clone for ForeignKey<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Model<Key: Copy>> Copy for ForeignKey<M> {}

impl<M: Model> PartialEq for ForeignKey<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M: Model> Eq for ForeignKey<M> {}

impl<M: Model> Hash for ForeignKey<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<M: Model<Key: PartialOrd>> PartialOrd for ForeignKey<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl<M: Model<Key: Ord>> Ord for ForeignKey<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<M: Model<Key: fmt::Display>> fmt::Display for ForeignKey<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: Model<Key: Serialize>> Serialize for ForeignKey<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, M: Model<Key: Deserialize<'de>>> Deserialize<'de> for ForeignKey<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        M::Key::deserialize(deserializer).map(Self)
    }
}

/// As a parameter it is its key.
impl<M: Model<Key: Field>> From<ForeignKey<M>> for Value {
    fn from(reference: ForeignKey<M>) -> Self {
        reference.0.to_value()
    }
}

impl<M: Model> fmt::Debug for ForeignKey<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForeignKey").field(&self.0).finish()
    }
}

impl<'r, M: Model<Key: FromCell<'r>>> FromCell<'r> for ForeignKey<M> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        M::Key::from_cell(cell).map(Self)
    }
}

#[diagnostic::do_not_recommend]
impl<M: Model<Key: Field + Key>> Field for ForeignKey<M> {
    const TYPE: ColumnType = <M::Key as Field>::TYPE;
    const REFERENCES: Option<fn() -> &'static Table> = Some(|| M::TABLE);

    #[inline]
    fn to_value(&self) -> Value {
        self.0.to_value()
    }
}
