//! [`Attributes`]: the keys and values of `#[model(…)]`, `#[from_row(…)]` and `#[text_enum(…)]`. Each key is taken once; a key that is
//! left at the end is an error.

use proc_macro2::Span;
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitBool, LitInt, LitStr, Result, Token,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// The keys that an item has, each with what it was given.
pub(crate) struct Attributes {
    items: Vec<Item>,
}

struct Item {
    key: Ident,
    given: Given,
}

enum Given {
    Nothing,
    Value(Box<Expr>),
    Names(Vec<Ident>),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let given = if input.peek(syn::token::Paren) {
            let names;
            parenthesized!(names in input);
            let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?;
            Given::Names(names.into_iter().collect())
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Given::Value(Box::new(ungrouped(input.parse()?)))
        } else {
            Given::Nothing
        };
        Ok(Self { key, given })
    }
}

/// An expression without what a macro puts around one that it hands on.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        expr => expr,
    }
}

impl Attributes {
    /// Reads all attributes of this name.
    pub(crate) fn read(attributes: &[Attribute], name: &str) -> Result<Self> {
        let mut items = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
            items.extend(attribute.parse_args_with(Punctuated::<Item, Token![,]>::parse_terminated)?);
        }
        Ok(Self { items })
    }

    /// Takes a key that may stand there once.
    fn take(&mut self, key: &str) -> Result<Option<Item>> {
        let Some(at) = self.items.iter().position(|item| item.key == key) else {
            return Ok(None);
        };
        let item = self.items.remove(at);
        match self.items.iter().find(|item| item.key == key) {
            Some(again) => Err(Error::new(again.key.span(), format!("`{key}` is given twice"))),
            None => Ok(Some(item)),
        }
    }

    /// Takes a key with its value, which is any expression.
    pub(crate) fn value(&mut self, key: &str) -> Result<Option<Expr>> {
        match self.take(key)? {
            None => Ok(None),
            Some(Item { given: Given::Value(value), .. }) => Ok(Some(*value)),
            Some(Item { key: at, .. }) => Err(Error::new(at.span(), format!("`{key}` needs a value: `{key} = …`"))),
        }
    }

    /// Takes a key with its value, or without: for what has a value of its own then.
    pub(crate) fn value_or_nothing(&mut self, key: &str) -> Result<Option<(Span, Option<Expr>)>> {
        match self.take(key)? {
            None => Ok(None),
            Some(Item { key, given: Given::Nothing }) => Ok(Some((key.span(), None))),
            Some(Item { key, given: Given::Value(value) }) => Ok(Some((key.span(), Some(*value)))),
            Some(Item { key: at, given: Given::Names(_) }) => {
                Err(Error::new(at.span(), format!("`{key}` takes a value: `{key} = …`")))
            }
        }
    }

    /// Takes a key whose value is a text.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<LitStr>> {
        let text = |literal| if let Lit::Str(text) = literal { Some(text) } else { None };
        self.literal(key, "a text in quotes", text)
    }

    /// Takes a key whose value is a text that is not empty.
    pub(crate) fn name(&mut self, key: &str) -> Result<Option<LitStr>> {
        match self.text(key)? {
            Some(name) if name.value().is_empty() => Err(Error::new(name.span(), format!("`{key}` must not be empty"))),
            name => Ok(name),
        }
    }

    /// Takes a key whose value is a number.
    pub(crate) fn number(&mut self, key: &str) -> Result<Option<LitInt>> {
        let number = |literal| if let Lit::Int(number) = literal { Some(number) } else { None };
        self.literal(key, "a number", number)
    }

    /// Takes a flag: `key`, `key = true` or `key = false`.
    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<LitBool>> {
        match self.take(key)? {
            None => Ok(None),
            Some(Item { key, given: Given::Nothing }) => Ok(Some(LitBool::new(true, key.span()))),
            Some(Item { given: Given::Value(value), .. }) => match *value {
                Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok(Some(value)),
                other => Err(Error::new_spanned(other, format!("`{key}` is `true` or `false`"))),
            },
            Some(Item { key: at, given: Given::Names(_) }) => {
                Err(Error::new(at.span(), format!("`{key}` takes no list here")))
            }
        }
    }

    /// Takes all lists under a key.
    pub(crate) fn lists(&mut self, key: &str) -> Result<Vec<Vec<Ident>>> {
        let (taken, left) = std::mem::take(&mut self.items).into_iter().partition(|item| item.key == key);
        self.items = left;
        let list = |Item { key: at, given }: Item| match given {
            Given::Names(names) if !names.is_empty() => Ok(names),
            _ => Err(Error::new(at.span(), format!("`{key}` needs fields here: `{key}(one, another)`"))),
        };
        Vec::into_iter(taken).map(list).collect()
    }

    fn literal<T>(&mut self, key: &str, what: &str, read: impl FnOnce(Lit) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.value(key)? else {
            return Ok(None);
        };
        let wrong = Error::new_spanned(&value, format!("the value of `{key}` is {what}"));
        let Expr::Lit(ExprLit { lit, .. }) = value else {
            return Err(wrong);
        };
        read(lit).map(Some).ok_or(wrong)
    }

    /// An error for a key that was not taken; `known` lists the keys.
    pub(crate) fn finish(self, known: &str) -> Result<()> {
        match self.items.first() {
            None => Ok(()),
            Some(Item { key, .. }) => {
                Err(Error::new(key.span(), format!("unknown key `{key}`: the keys here are {known}")))
            }
        }
    }
}

/// All errors at once rather than the first alone.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// The value, or its error kept and nothing.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
