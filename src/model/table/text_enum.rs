//! [`TextEnum`]: an enum that is stored as text. Implemented by the derive macro of the same name.

/// An enum whose variants are stored as texts. Made by `#[derive(TextEnum)]`.
///
/// # Examples
/// ```
/// use nestling::{Database, model::TextEnum, params};
///
/// #[derive(Debug, PartialEq, TextEnum)]
/// #[text_enum(rename_all = "lowercase")]
/// enum State {
///     Planned,
///     Released,
/// }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = Database::open("sqlite::memory:")?;
/// let row = db.query_one("select 'planned', $1, 'cut'", params![State::Released]).await?;
/// assert_eq!(row.get::<State>(0)?, State::Planned);
/// assert_eq!(row.get::<State>(1)?, State::Released);
/// assert!(row.get::<State>(2).is_err());
/// # Ok(()) }
/// ```
pub trait TextEnum: Sized + 'static {
    /// All texts, in the order of the variants.
    const TEXTS: &'static [&'static str];

    /// The text of this variant.
    fn text(&self) -> &'static str;

    /// The variant of a text, if it has one.
    fn from_text(text: &str) -> Option<Self>;
}
