//! [`IntEnum`]: an enum that is stored as an integer. Implemented by the derive macro of the same name.

/// An enum whose variants are stored as integers. Made by `#[derive(IntEnum)]`.
///
/// # Examples
/// ```
/// use nestling::{Database, model::IntEnum, params};
///
/// #[derive(Debug, PartialEq, IntEnum)]
/// #[repr(u8)]
/// enum Level {
///     Low = 1,
///     High = 9,
/// }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = Database::open("sqlite::memory:")?;
/// let row = db.query_one("select 1, $1, 5", params![Level::High]).await?;
/// assert_eq!(row.get::<Level>(0)?, Level::Low);
/// assert_eq!(row.get::<Level>(1)?, Level::High);
/// assert!(row.get::<Level>(2).is_err());
/// # Ok(()) }
/// ```
pub trait IntEnum: Sized + 'static {
    /// All integers, in the order of the variants.
    const VALUES: &'static [i64];

    /// The integer of this variant.
    fn int(&self) -> i64;

    /// The variant of an integer, if it has one.
    fn from_int(int: i64) -> Option<Self>;
}
