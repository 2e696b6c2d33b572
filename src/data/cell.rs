//! [`Cell`]: one value of a row as the driver hands it out, and [`FromCell`]: how a Rust type is made of it.
//!
//! Drivers make cells, borrowed from their row; `from_cell.rs` holds the implementations for the types of Rust. It
//! knows no driver, and no column: what went wrong is a [`Mismatch`], to which the [`Row`](crate::Row) adds the names.

use std::{borrow::Cow, error::Error as StdError, fmt, net::IpAddr};

use crate::data::crates::{DateTime, Decimal, NaiveDate, NaiveDateTime, NaiveTime, Utc, Uuid};

/// One value of a row, borrowed from it, in the form that the database sent.
///
/// It is what [`FromCell`] is implemented on. Back ends differ in what they send for the same thing (SQLite has no
/// booleans, dates or UUIDs of its own), so an implementation is best written on top of one that exists.
///
/// Its `Debug` tells the type and never the value.
#[derive(Clone)]
#[non_exhaustive]
pub enum Cell<'r> {
    /// NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any size.
    I64(i64),
    /// An integer that may be greater than an `i64` holds.
    U64(u64),
    /// A number of single precision.
    F32(f32),
    /// A number of double precision.
    F64(f64),
    /// A decimal number with its scale.
    Decimal(Decimal),
    /// Text, and labels of enums.
    Text(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
    /// A date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A date and a time of day, of no time zone.
    DateTime(NaiveDateTime),
    /// A moment.
    DateTimeUtc(DateTime<Utc>),
    /// A date and a time of day that are of no time zone or in UTC, whichever is asked for: MySQL's DATETIME, which keeps
    /// both.
    DateTimeOrUtc(NaiveDateTime),
    /// A UUID.
    Uuid(Uuid),
    /// The text of a JSON document.
    Json(&'r str),
    /// A span of time: `interval` of PostgreSQL.
    Interval {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Microseconds.
        microseconds: i64,
    },
    /// An address with its network: `inet` and `cidr` of PostgreSQL.
    Network {
        /// The address.
        address: IpAddr,
        /// How many of its bits are the network.
        prefix: u8,
    },
    /// `infinity` or `-infinity` of a day, a moment or an interval on PostgreSQL.
    Infinity {
        /// Whether it is `-infinity`.
        is_negative: bool,
    },
    /// An array with one dimension.
    Array(Elements<'r>),
    /// A map of text to text or NULL: hstore of PostgreSQL.
    HStore(Pairs<'r>),
    /// The bytes of a value whose type this crate cannot read, as the server sent them.
    Other(&'r [u8]),
}

impl Cell<'_> {
    /// The mismatch that says that this cell is not of the type that was asked for, or is NULL.
    ///
    /// The last arm of most implementations of [`FromCell`].
    #[must_use]
    pub fn mismatch(&self) -> Mismatch {
        Mismatch(match self {
            Self::Null => Reason::Null,
            Self::Other(_) => Reason::Unreadable,
            Self::Infinity { .. } => Reason::Fit,
            _ => Reason::Type,
        })
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "bool",
            Self::I64(_) => "i64",
            Self::U64(_) => "u64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Decimal(_) => "Decimal",
            Self::Text(_) => "str",
            Self::Bytes(_) => "[u8]",
            Self::Date(_) => "NaiveDate",
            Self::Time(_) => "NaiveTime",
            Self::DateTime(_) => "NaiveDateTime",
            Self::DateTimeUtc(_) => "DateTime<Utc>",
            Self::DateTimeOrUtc(_) => "NaiveDateTime or DateTime<Utc>",
            Self::Uuid(_) => "Uuid",
            Self::Json(_) => "Json",
            Self::Interval { .. } => "Interval",
            Self::Network { .. } => "Network",
            Self::Infinity { .. } => "infinity",
            Self::Array(_) => "an array",
            Self::HStore(_) => "HStore",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({})", self.type_name())
    }
}

/// How a driver reads the bytes of one element that is not NULL.
pub(crate) type ReadElement = for<'r> fn(&'r [u8]) -> Result<Cell<'r>, Mismatch>;

/// The elements of an array, read one by one as the iterator gets to them.
#[derive(Clone)]
pub struct Elements<'r> {
    /// Each element is its length in four bytes, most significant first and negative for NULL, then its bytes.
    raw: &'r [u8],
    left: usize,
    read: ReadElement,
}

impl<'r> Elements<'r> {
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "serves a driver that is not built"))]
    pub(crate) fn new(raw: &'r [u8], count: usize, read: ReadElement) -> Self {
        Self { raw, left: count, read }
    }

    fn take(&mut self) -> Result<Cell<'r>, Mismatch> {
        let (length, rest) = self.raw.split_first_chunk().ok_or_else(Mismatch::invalid)?;
        self.raw = rest;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            return Ok(Cell::Null);
        };
        let (element, rest) = rest.split_at_checked(length).ok_or_else(Mismatch::invalid)?;
        self.raw = rest;
        (self.read)(element)
    }
}

impl<'r> Iterator for Elements<'r> {
    type Item = Result<Cell<'r>, Mismatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An element takes four bytes at least: a server that lies about the count cannot make us allocate for it.
        (self.left.min(self.raw.len() / 4), Some(self.left))
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { raw: _, left, read: _ } = self;
        f.debug_struct("Elements").field("left", left).finish_non_exhaustive()
    }
}

/// The keys and values of an hstore, read one by one as the iterator gets to them.
#[derive(Clone)]
pub struct Pairs<'r> {
    /// Keys and values in turn, each as an element of an array is.
    texts: Elements<'r>,
}

impl<'r> Pairs<'r> {
    /// `raw` is the number of the pairs in four bytes, and the pairs.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "serves a driver that is not built"))]
    pub(crate) fn new(raw: &'r [u8]) -> Result<Self, Mismatch> {
        fn text(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
            std::str::from_utf8(raw).map(Cell::Text).map_err(|_| Mismatch::invalid())
        }
        let (count, raw) = raw.split_first_chunk().ok_or_else(Mismatch::invalid)?;
        let count = usize::try_from(i32::from_be_bytes(*count)).map_err(|_| Mismatch::invalid())?;
        Ok(Self { texts: Elements::new(raw, count.saturating_mul(2), text) })
    }
}

impl<'r> Iterator for Pairs<'r> {
    type Item = Result<(&'r str, Option<&'r str>), Mismatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = (self.texts.next()?, self.texts.next()?);
        Some(match (key, value) {
            (Ok(Cell::Text(key)), Ok(Cell::Text(value))) => Ok((key, Some(value))),
            (Ok(Cell::Text(key)), Ok(Cell::Null)) => Ok((key, None)),
            _ => Err(Mismatch::invalid()),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.texts.size_hint();
        (least / 2, most.map(|most| most / 2))
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { texts } = self;
        f.debug_struct("Pairs").field("left", &(texts.left / 2)).finish_non_exhaustive()
    }
}

/// A type that can be read from a column.
///
/// Reading widens and never narrows silently: an integer is read as any integer type that the value fits into, a
/// number as a float only if it is exact there, except that of a decimal the nearest `f64` is read. What SQLite stores as text (dates, UUIDs, JSON, decimals) is parsed.
///
/// # Examples
///
/// ```
/// use nestling::types::{Cell, FromCell, Mismatch};
///
/// enum Status { Open, Done }
///
/// impl<'r> FromCell<'r> for Status {
///     fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
///         match <&str>::from_cell(cell)? {
///             "open" => Ok(Self::Open),
///             "done" => Ok(Self::Done),
///             _ => Err(Mismatch::new("the status is unknown")),
///         }
///     }
/// }
///
/// assert!(matches!(Status::from_cell(Cell::Text("done")), Ok(Status::Done)));
/// ```
#[diagnostic::on_unimplemented(
    message = "a column cannot be read as `{Self}`",
    note = "implement `FromCell` for it, or read it as `Json<{Self}>` if serde knows it",
    note = "if it is `!` or `()`, the type is told nowhere: tell it, as in `row.get::<i64>(0)?`"
)]
pub trait FromCell<'r>: Sized {
    /// Makes the value of a cell.
    ///
    /// # Errors
    ///
    /// If the cell is of another type, or its value does not fit.
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch>;

    /// Makes a vector of a cell. Only `u8` differs: bytes are no array in any database.
    #[doc(hidden)]
    fn from_array(cell: Cell<'r>) -> Result<Vec<Self>, Mismatch> {
        let Cell::Array(elements) = cell else {
            return Err(cell.mismatch());
        };
        let read = |element: Result<_, _>| {
            Self::from_cell(element?).map_err(|Mismatch(reason)| match reason {
                Reason::Null => Mismatch(Reason::NullElement),
                other => Mismatch(other),
            })
        };
        let mut values = Vec::with_capacity(elements.size_hint().0);
        for element in elements {
            values.push(read(element)?);
        }
        Ok(values)
    }
}

/// Why a cell could not be made into a Rust type.
///
/// [`Row::get`](crate::Row::get) adds the names of the column and of the types. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch(Reason);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Null,
    NullElement,
    Type,
    Unreadable,
    Fit,
    Invalid,
    Other(Cow<'static, str>),
}

impl Mismatch {
    /// A mismatch with a reason of your own, such as `the status is unknown`. Leave the value itself out of it.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Reason::Other(reason.into()))
    }

    /// The value is out of the range of the type, or would lose something in it.
    #[must_use]
    pub fn out_of_range() -> Self {
        Self(Reason::Fit)
    }

    /// The value is not in the form that the type is written in.
    #[must_use]
    pub fn invalid() -> Self {
        Self(Reason::Invalid)
    }

    /// The whole sentence, for a column of an SQL type that was asked for as a Rust type.
    pub(crate) fn describe(&self, column: &str, sql: &str, rust: &str) -> String {
        // `Option` has no part in why a value did not fit.
        let inner = rust.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(rust);
        let element = inner.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(inner);
        let of = format!("column {column:?} of type {sql}");
        match &self.0 {
            Reason::Null => {
                format!("column {column:?} is NULL, which Option<{inner}> can hold and {inner} cannot")
            }
            Reason::NullElement => format!(
                "column {column:?} holds an array with a NULL, which Vec<Option<{element}>> can hold and {inner} cannot"
            ),
            Reason::Type => format!("{of} cannot be read as {inner}"),
            Reason::Unreadable => {
                format!("{of} cannot be read in its binary form: cast it to text in the SQL")
            }
            Reason::Fit => format!("{of} does not fit into {inner}"),
            Reason::Invalid => format!("{of} holds no valid {inner}"),
            Reason::Other(reason) => format!("{of} cannot be read as {inner}: {reason}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Reason::Null => "the value is NULL",
            Reason::NullElement => "an element of the array is NULL",
            Reason::Type => "the value is of another type",
            Reason::Unreadable => "the type cannot be read in its binary form",
            Reason::Fit => "the value does not fit",
            Reason::Invalid => "the value is not valid for the type",
            Reason::Other(reason) => reason,
        })
    }
}

impl StdError for Mismatch {}
