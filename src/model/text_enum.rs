//! [`TextEnum`]: an enum that is stored as text. Implemented by the derive macro of the same name.

/// An enum whose variants are stored as texts. Made by `#[derive(TextEnum)]`.
pub trait TextEnum: Sized + 'static {
    /// All texts, in the order of the variants.
    const TEXTS: &'static [&'static str];

    /// The text of this variant.
    fn text(&self) -> &'static str;

    /// The variant of a text, if it has one.
    fn from_text(text: &str) -> Option<Self>;
}
