//! [`Field`]: a field of a model, with its attributes. Types are known by their names only.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident};
use syn::{
    Attribute, Error, Expr, ExprLit, GenericArgument, Ident, Lit, LitBool, LitInt, LitStr, PathArguments, Result, Type,
    Visibility, ext::IdentExt as _, spanned::Spanned as _,
};

use crate::{attributes::Attributes, case::Case};

const KEYS: &str = "`primary_key`, `auto`, `unique`, `index`, `max_length`, `default`, `default_sql`, `check`, \
                    `on_delete`, `on_update`, `backref`, `rename`, `stored`, `read_only`, `generated`";

/// A field of a model.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) ty: Type,
    /// Its documentation, which its constant gets too.
    pub(crate) docs: Vec<Attribute>,
    /// The name of its column, and where it comes from.
    pub(crate) column: LitStr,
    pub(crate) primary_key: bool,
    pub(crate) auto: Option<LitBool>,
    pub(crate) unique: bool,
    /// `None` leaves it to the type: a foreign key has an index.
    pub(crate) index: Option<bool>,
    pub(crate) max_length: Option<LitInt>,
    pub(crate) default: Option<Default>,
    pub(crate) default_sql: Option<LitStr>,
    pub(crate) check: Option<LitStr>,
    pub(crate) on_delete: Option<Action>,
    pub(crate) on_update: Option<Action>,
    pub(crate) backref: Option<Backref>,
    pub(crate) stored: Option<Stored>,
    pub(crate) read_only: Option<LitBool>,
    pub(crate) generated: Option<Generated>,
}

/// The form in which a column stores its values.
pub(crate) struct Stored {
    /// The name of the variant of `Stored`.
    pub(crate) variant: Ident,
    /// The name of the variant of `ColumnType` that it is a form of.
    pub(crate) of: Ident,
    pub(crate) span: Span,
}

/// A column whose values the database makes.
pub(crate) struct Generated {
    pub(crate) span: Span,
    /// The expression that makes them.
    pub(crate) sql: Option<LitStr>,
}

/// What a new row gets.
pub(crate) enum Default {
    /// The default of the type.
    OfType(Span),
    Expr(Expr),
}

/// What a foreign key does.
pub(crate) struct Action {
    /// The name of the variant of `ReferenceAction`.
    pub(crate) variant: Ident,
    pub(crate) span: Span,
}

/// A method of the model that is referred to.
pub(crate) struct Backref {
    pub(crate) name: Ident,
    pub(crate) target: Type,
}

impl Field {
    /// Reads a field of the struct that is called `model`.
    pub(crate) fn read(field: syn::Field, model: &Ident, case: Option<Case>) -> Result<Self> {
        let syn::Field { attrs, vis, ident, ty, .. } = field;
        let ty: Type = syn::parse2(named(ty.into_token_stream(), model))?;
        let ident = ident.ok_or_else(|| Error::new(ty.span(), "a field of a model needs a name"))?;
        let mut given = Attributes::read(&attrs, "model")?;
        let target = target(&ty);
        let rename = given.name("rename")?;
        let primary_key = given.flag("primary_key")?.is_some_and(|flag| flag.value);
        let backref = backref(&mut given, target)?;
        let column = rename.unwrap_or_else(|| LitStr::new(&column(&ident, case, target.is_some()), ident.span()));
        let read = Self {
            vis,
            docs: attrs.into_iter().filter(|attribute| attribute.path().is_ident("doc")).collect(),
            column,
            primary_key,
            auto: given.flag("auto")?,
            unique: given.flag("unique")?.is_some_and(|flag| flag.value),
            index: given.flag("index")?.map(|flag| flag.value),
            max_length: max_length(&mut given)?,
            default: given
                .value_or_nothing("default")?
                .map(|(at, value)| value.map_or(Default::OfType(at), Default::Expr)),
            default_sql: given.name("default_sql")?,
            check: given.name("check")?,
            on_delete: action(&mut given, "on_delete")?,
            on_update: action(&mut given, "on_update")?,
            backref,
            stored: stored(&mut given)?,
            read_only: given.flag("read_only")?,
            generated: generated(&mut given)?,
            ident,
            ty,
        };
        given.finish(KEYS)?;
        Ok(read)
    }

    /// Whether only the database writes the column.
    pub(crate) fn is_read_only(&self) -> bool {
        self.generated.is_some() || self.read_only.as_ref().is_some_and(|flag| flag.value)
    }

    /// The name of the field, as one says it.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The name of the constant of its column.
    pub(crate) fn constant(&self) -> Ident {
        format_ident!("{}", self.name().to_uppercase(), span = self.ident.span())
    }
}

/// A type without `Self`, which is not known outside of the struct and its implementations.
fn named(ty: TokenStream, model: &Ident) -> TokenStream {
    let name = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => {
            let mut name = model.clone();
            name.set_span(ident.span());
            name.into()
        }
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), named(group.stream(), model));
            inner.set_span(group.span());
            inner.into()
        }
        token => token,
    };
    ty.into_iter().map(name).collect()
}

/// The name of a field's column, if nothing says another.
fn column(ident: &Ident, case: Option<Case>, is_reference: bool) -> String {
    let mut name = ident.unraw().to_string();
    if is_reference && !name.ends_with("_id") {
        name.push_str("_id");
    }
    case.map_or_else(|| name.clone(), |case| case.write(&name))
}

/// What is in an `Option`, if a type is written as one.
pub(crate) fn optional(ty: &Type) -> Option<&Type> {
    let (name, inner) = generic(ty)?;
    (name == "Option").then_some(inner)
}

/// The name of a type, and its one parameter.
fn generic(ty: &Type) -> Option<(&Ident, &Type)> {
    let path = match ty {
        Type::Path(path) => path,
        // So does a macro hand on a type that it was given.
        Type::Group(group) => return generic(&group.elem),
        _ => return None,
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some((&last.ident, inner)),
        _ => None,
    }
}

/// The model that a type refers to, if it is written `ForeignKey<…>`, in an `Option` or not.
fn target(ty: &Type) -> Option<&Type> {
    let (name, inner) = generic(ty)?;
    if name == "ForeignKey" {
        Some(inner)
    } else if name == "Option" {
        target(inner)
    } else {
        None
    }
}

fn backref(given: &mut Attributes, target: Option<&Type>) -> Result<Option<Backref>> {
    let Some(text) = given.name("backref")? else {
        return Ok(None);
    };
    let Some(target) = target else {
        let message = "`backref` is for a field whose type is written `ForeignKey<…>` or `Option<ForeignKey<…>>`";
        return Err(Error::new(text.span(), message));
    };
    let name = text.parse_with(Ident::parse_any);
    let name = name.map_err(|_| Error::new(text.span(), "`backref` is the name of a method"))?;
    Ok(Some(Backref { name, target: target.clone() }))
}

fn max_length(given: &mut Attributes) -> Result<Option<LitInt>> {
    let number = given.number("max_length")?;
    if let Some(number) = &number
        && number.base10_parse::<u32>()? == 0
    {
        return Err(Error::new(number.span(), "`max_length` is at least 1"));
    }
    Ok(number)
}

fn action(given: &mut Attributes, key: &str) -> Result<Option<Action>> {
    let Some(value) = given.value(key)? else {
        return Ok(None);
    };
    let known = "\"cascade\", \"set null\", \"set default\", \"restrict\" or \"no action\"";
    let wrong = Error::new_spanned(&value, format!("`{key}` is {known}"));
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &value else {
        return Err(wrong);
    };
    let variant = match text.value().to_lowercase().replace('_', " ").as_str() {
        "cascade" => "Cascade",
        "set null" => "SetNull",
        "set default" => "SetDefault",
        "restrict" => "Restrict",
        "no action" => "NoAction",
        _ => return Err(wrong),
    };
    Ok(Some(Action { variant: Ident::new(variant, Span::call_site()), span: text.span() }))
}

/// The forms by their names: the variant of `Stored`, and that of the `ColumnType` that has such a form.
const FORMS: [(&str, &str, &str); 5] = [
    ("text", "Text", "Uuid"),
    ("bytes", "Bytes", "Uuid"),
    ("simple", "Simple", "Uuid"),
    ("rfc3339", "Rfc3339", "DateTimeUtc"),
    ("offset", "Offset", "DateTimeUtc"),
];

fn stored(given: &mut Attributes) -> Result<Option<Stored>> {
    let Some(text) = given.text("stored")? else {
        return Ok(None);
    };
    let found = FORMS.iter().find(|(name, ..)| *name == text.value());
    let Some((_, variant, of)) = found else {
        let known: Vec<String> = FORMS.iter().map(|(name, ..)| format!("{name:?}")).collect();
        return Err(Error::new(text.span(), format!("unknown form: `stored` is one of {}", known.join(", "))));
    };
    let ident = |name| Ident::new(name, Span::call_site());
    Ok(Some(Stored { variant: ident(variant), of: ident(of), span: text.span() }))
}

fn generated(given: &mut Attributes) -> Result<Option<Generated>> {
    let Some((span, value)) = given.value_or_nothing("generated")? else {
        return Ok(None);
    };
    match value {
        None => Ok(Some(Generated { span, sql: None })),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(sql), .. })) if !sql.value().is_empty() => {
            Ok(Some(Generated { span, sql: Some(sql) }))
        }
        Some(Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value: false, .. }), .. })) => Ok(None),
        Some(other) => {
            let message = "the value of `generated` is the expression of the column, as SQL in quotes";
            Err(Error::new_spanned(other, message))
        }
    }
}
